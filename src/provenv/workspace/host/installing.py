"""``python install`` and ``python uninstall``: Pythons that uv manages, in the folder that we share."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from provenv.core.errors import (
    CheckFailedError,
    ForeignError,
    ProvenvError,
    UndecidedError,
    UnsatisfiableError,
    UsageError,
)
from provenv.core.events import ItemFinished, ItemStarted, Noted, PhaseFinished, PhaseStarted
from provenv.core.values import frozen, replace
from provenv.interpreters import builds, parse_request, probe
from provenv.interpreters.builds import Build, Managed
from provenv.interpreters.requests import Request
from provenv.interpreters.search import Search
from provenv.interpreters.survey import survey
from provenv.model.interpreter import Interpreter
from provenv.workspace.host import access, shelves, users
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import Context, Project


@frozen
class PythonInstalled:
    """One request for a Python, answered.

    Attributes:
        request: As it was written.
        key: uv's name for the build. ``path``: The interpreter.
        made: It was installed now; False where one that meets the request was there.
    """

    request: str
    key: str
    version: str
    implementation: str
    path: str
    made: bool
    seconds: float


@frozen
class PythonRemoved:
    """A managed Python that was removed, and the environments that used it."""

    key: str
    version: str
    implementation: str
    path: str
    used_by: tuple[str, ...]


def install_pythons(
    context: Context,
    requests: Sequence[str],
    *,
    project: Project | None = None,
    mirror: str | None = None,
    again: bool = False,
) -> list[PythonInstalled]:
    """Install a Python for each request, where none that uv manages meets it already.

    Args:
        context: The world.
        requests: Versions, ranges, names; no paths.
        project: Whose ``python-mirror`` counts, if any.
        mirror: An address that goes before all others.
        again: Install anew what is there.

    Raises:
        UsageError: A request cannot be understood, or is a path.
        UnsatisfiableError: There is no such build.
        IntegrityError: What came is not what was promised; nothing of it was kept.
        NetworkError: It could not be had.
    """
    wanted = [_request(text) for text in requests]
    with recorded(context, "python-install", at_once=False) as operation:
        done = _install_all(operation.context, wanted, project, mirror, again=again)
        operation.facts["pythons"] = [result.key for result in done if result.made]
        return done


def _install_all(
    context: Context,
    wanted: Sequence[Request],
    project: Project | None,
    mirror: str | None,
    *,
    again: bool,
) -> list[PythonInstalled]:
    into = _folder(context)
    with shelves.shelf(context, project=project, mirror=mirror) as stock:
        chosen = [_choose(stock, request, into, again=again) for request in wanted]
        done: list[PythonInstalled] = []
        for request, one in zip(wanted, chosen, strict=True):
            same = next((result for result in done if result.key == one.key), None)
            try:
                if same is not None:
                    done.append(replace(same, request=request.text, made=False))
                else:
                    done.append(_install(context, stock, request, one, into))
            except ProvenvError as error:
                error.details["installed"] = [result.key for result in done if result.made]
                raise
        return done


def _request(text: str) -> Request:
    request = parse_request(text)
    if request.path is not None:
        raise UsageError(
            f"{text} is a path; what is installed or removed is named by its version",
            hint="For example 3.12, 3.13t, '>=3.11,<3.13' or pypy3.11.",
        )
    return request


def _folder(context: Context) -> str:
    folder = access.search(context).uv_python_dir
    assert folder is not None
    return folder


def _choose(stock: shelves.Shelf, request: Request, into: str, *, again: bool) -> Managed | Build:
    """What is there and meets the request, or else the build that is to be installed."""
    there = [one for one in builds.managed(into) if request.matches(one)]
    whole = [one for one in there if one.executable is not None]
    if whole and not again:
        return min(whole, key=lambda one: (request.rank(one), builds.newest(one.version)))
    keys = {one.key for one in there}
    build = builds.best(request, [b for b in stock.builds if b.key in keys])
    build = build or builds.best(request, stock.builds)
    if build is None:
        raise _nothing(request, stock.builds)
    return build


def _install(
    context: Context, stock: shelves.Shelf, request: Request, chosen: Managed | Build, into: str
) -> PythonInstalled:
    if isinstance(chosen, Managed):
        return _installed(context, request, chosen, None)
    build = chosen
    there = os.path.lexists(os.path.join(into, build.key))
    started = time.monotonic()
    title = f"Python {build.version}" if build.implementation == "cpython" else build.key
    context.emit(Noted(message=f"installing {title} in {into}"))
    context.emit(PhaseStarted(phase="python", total=None))
    context.emit(ItemStarted(phase="python", name=build.key))
    try:
        builds.install(
            stock.uv, build, stock.source,
            into=into, tmp=stock.tmp, again=there, offline=stock.offline,
        )  # fmt: skip
    finally:
        context.emit(ItemFinished(phase="python", name=build.key))
        seconds = time.monotonic() - started
        context.emit(PhaseFinished(phase="python", count=1, seconds=seconds))
    new = next((one for one in builds.managed(into) if one.key == build.key), None)
    if new is None or new.executable is None:
        raise UndecidedError(
            f"{build.key} was installed in {into}, and there is no interpreter in it",
            hint="The archive is not laid out as uv expects it.",
        )
    return _installed(context, request, new, seconds)


def _installed(
    context: Context, request: Request, one: Managed, seconds: float | None
) -> PythonInstalled:
    """The result, once the interpreter has said itself what it is."""
    assert one.executable is not None
    interpreter = probe(one.executable, source="uv", cache=context.home.interpreters)
    if (interpreter.version, interpreter.implementation) != (one.version, one.implementation):
        raise UndecidedError(
            f"{one.key} says that it is {interpreter.implementation} {interpreter.version}",
            hint="The mirror has another build under this name.",
        )
    return PythonInstalled(
        request=request.text,
        key=one.key,
        version=interpreter.version,
        implementation=interpreter.implementation,
        path=interpreter.executable,
        made=seconds is not None,
        seconds=seconds or 0.0,
    )


def _nothing(request: Request, known: Sequence[Build]) -> UnsatisfiableError:
    minors = dict.fromkeys(
        f"{'' if build.implementation == 'cpython' else build.implementation}"
        f"{'.'.join(build.version.split('.')[:2])}"
        for build in known
        if request.implementation in (None, build.implementation)
    )
    return UnsatisfiableError(
        f"no Python that can be installed is {request.text}",
        hint=f"There are {', '.join(minors)}; `provenv python list --installable --all` has them all."
        if minors
        else "The mirror has nothing for this machine.",
        details={"request": request.text, "installable": list(minors)},
    )


def uninstall_pythons(
    context: Context, requests: Sequence[str], *, force: bool = False
) -> list[PythonRemoved]:
    """Remove every Python that uv manages and that a request asks for; never anybody else's.

    Raises:
        UsageError: A request cannot be understood, or is a path.
        ForeignError: What meets it belongs to pyenv, the system or others; the hint says their command.
        UnsatisfiableError: Nothing here meets it.
        CheckFailedError: Environments use it, and ``force`` is not given.
    """
    folder = _folder(context)
    going: dict[str, Managed] = {}
    for request in map(_request, requests):
        found = [one for one in builds.managed(folder) if request.matches(one)]
        if not found:
            raise _not_ours(context, request)
        going |= {one.key: one for one in found}
    used = users.by_executable(context)
    results = [_going(one, used) for one in going.values()]
    if not force:
        _refuse_used(results)
    with recorded(context, "python-uninstall") as operation, shelves.open_uv(context) as (uv, tmp):
        for key in going:
            builds.uninstall(uv, key, source=folder, tmp=tmp)
            operation.facts["pythons"] = [*operation.facts.get("pythons", ()), key]
    return results


def _going(one: Managed, used: dict[str, list[str]]) -> PythonRemoved:
    inside = os.path.join(os.path.realpath(one.folder), "")
    return PythonRemoved(
        key=one.key,
        version=one.version,
        implementation=one.implementation,
        path=one.executable or one.folder,
        used_by=tuple(
            folder
            for executable, folders in used.items()
            if executable.startswith(inside)
            for folder in folders
        ),
    )


def _refuse_used(results: Sequence[PythonRemoved]) -> None:
    busy = [result for result in results if result.used_by]
    if busy:
        lines = [f"  {result.version}: {folder}" for result in busy for folder in result.used_by]
        raise CheckFailedError(
            "\n".join(["environments use what would be removed:", *lines]),
            hint="`provenv python upgrade` moves them to another one; --force removes it all the same.",
            details={result.key: list(result.used_by) for result in busy},
        )


def _not_ours(context: Context, request: Request) -> ProvenvError:
    """Why a Python that is here, or is not, is not removed."""
    found: list[Interpreter] = [
        sighting.interpreter
        for sighting in survey(access.search(context), cache=context.home.interpreters)
        if sighting.interpreter is not None and request.matches(sighting.interpreter)
    ]
    if not found:
        return UnsatisfiableError(
            f"no Python here is {request.text}", hint="`provenv python list` lists those there are."
        )
    lines = [f"  {one.version}  {one.executable}  ({one.source})" for one in found]
    return ForeignError(
        "\n".join([f"{request.text} was not installed by `provenv python install` or uv:", *lines]),
        hint=_their_command(found[0], access.search(context)),
        details={"found": [one.executable for one in found]},
    )


def _their_command(interpreter: Interpreter, search: Search) -> str:
    path = interpreter.executable
    if interpreter.source == "pyenv" and search.pyenv_root:
        versions = os.path.join(os.path.realpath(search.pyenv_root), "versions", "")
        return f"`pyenv uninstall {path.removeprefix(versions).split(os.sep)[0]}` removes it."
    if interpreter.source == "conda":
        return "`conda env remove` removes an environment of conda's."
    if interpreter.source == "managed":
        return "asdf or mise removes it: `asdf uninstall python`, `mise uninstall python`."
    return (
        "It belongs to the system; its package manager could remove it, and much would go with it."
    )

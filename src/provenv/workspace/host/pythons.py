"""``python list`` and ``python find``: what is on this machine, what selects it, who uses it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, date, datetime

from provenv.core.errors import (
    InputError,
    ProvenvError,
    UndecidedError,
    UnsatisfiableError,
    UsageError,
)
from provenv.core.events import silent
from provenv.core.values import frozen, replace
from provenv.interpreters import builds, find, read_request
from provenv.interpreters.builds import Build
from provenv.interpreters.executables import is_executable, python_in
from provenv.interpreters.lifetimes import end_of_life, is_dead
from provenv.interpreters.pyenv import global_versions, pyenv_python, read_shim
from provenv.interpreters.requests import Request
from provenv.interpreters.search import Search
from provenv.interpreters.survey import Sighting, survey
from provenv.interpreters.versions import split_version
from provenv.model.interpreter import Interpreter
from provenv.workspace.host import access, choosing, shelves, users
from provenv.workspace.projects.context import Context, Project


@frozen
class Installed:
    """An interpreter on this machine.

    Attributes:
        interpreter: What it is. ``path``: As it was found, which may be a link to it.
        selected_by: ``project`` (a new environment gets it), ``PYENV_VERSION``, a pin's file, ``pyenv
            global``, ``python3 on PATH``.
        used_by: The folders of environments that use it now.
        end_of_life: CPython's last day of fixes; None where it is not known.
        dead: That day has passed.
    """

    interpreter: Interpreter
    path: str
    selected_by: tuple[str, ...]
    used_by: tuple[str, ...]
    end_of_life: date | None
    dead: bool


@frozen
class PythonList:
    """What there is.

    Attributes:
        installed: In the order in which they are preferred.
        unusable: What looks like an interpreter and cannot be used, with the reason.
        installable: What ``python install`` can bring; None where that is not known.
        unknown: Why it is not known.
    """

    installed: tuple[Installed, ...]
    unusable: tuple[Sighting, ...]
    installable: tuple[Build, ...] | None
    unknown: str | None


def list_pythons(
    context: Context,
    *,
    project: Project | None = None,
    folder: str | None = None,
    request: str | None = None,
    every: bool = False,
    mirror: str | None = None,
) -> PythonList:
    """Every interpreter here, and every one that can be installed.

    Args:
        context: The world.
        project: On whose behalf; its pins count.
        folder: Where pins are looked for outside of projects.
        request: Only what meets it.
        every: All installable builds, not only the newest CPython of each minor version.
        mirror: As for :func:`installing.install_pythons`.

    Raises:
        UsageError: The request cannot be understood.
    """
    search = access.search(context, project.root if project is not None else folder)
    wanted = read_request(request, search) if request is not None else None
    seen = survey(search, cache=context.home.interpreters)
    selected = _selected(context, project, search, seen)
    used = users.by_executable(context)
    today = datetime.now(UTC).date()
    installed = [
        _installed(sighting, sighting.interpreter, selected, used, today)
        for sighting in seen
        if sighting.interpreter is not None and _meets(sighting.interpreter, wanted)
    ]
    unusable = [
        sighting
        for sighting in seen
        if sighting.interpreter is None and (wanted is None or _may_be(sighting, wanted))
    ]
    found, unknown = _installable(context, project, wanted, mirror, every=every)
    return PythonList(
        installed=tuple(installed),
        unusable=tuple(unusable),
        installable=found,
        unknown=unknown,
    )


def _meets(interpreter: Interpreter, wanted: Request | None) -> bool:
    if wanted is None or wanted.path is None:
        return wanted is None or wanted.matches(interpreter)
    path = python_in(wanted.path) if os.path.isdir(wanted.path) else wanted.path
    return path is not None and os.path.realpath(path) == interpreter.executable


def _may_be(sighting: Sighting, wanted: Request) -> bool:
    if wanted.path is not None:
        return wanted.path == sighting.path
    if wanted.implementation not in (None, sighting.hint.implementation or "cpython"):
        return False
    return bool(sighting.hint.release) and wanted.may_match(sighting.hint)


def _installed(
    sighting: Sighting,
    interpreter: Interpreter,
    selected: dict[str, list[str]],
    used: dict[str, list[str]],
    today: date,
) -> Installed:
    ours = interpreter.implementation == "cpython"
    return Installed(
        interpreter=interpreter,
        path=sighting.path,
        selected_by=tuple(selected.get(interpreter.executable, ())),
        used_by=tuple(used.get(interpreter.executable, ())),
        end_of_life=end_of_life(interpreter.minor) if ours else None,
        dead=ours and is_dead(interpreter.minor, today),
    )


def _selected(
    context: Context, project: Project | None, search: Search, seen: Sequence[Sighting]
) -> dict[str, list[str]]:
    """Who selects what, by executable."""
    found: dict[str, list[str]] = {}
    known = [sighting.interpreter for sighting in seen if sighting.interpreter is not None]

    def note(executable: str | None, by: str) -> None:
        if executable is not None:
            labels = found.setdefault(os.path.realpath(executable), [])
            labels += [by] if by not in labels else []

    if project is not None:
        quiet = replace(context, emit=silent)
        spec = project.manifest.environment()
        try:
            chosen = choosing.default_interpreter(project, quiet, spec.python)
            note(chosen.executable, "project")
        except ProvenvError:
            pass  # nothing here is what the project asks for
    for pin in search.pyenv_version:
        note(_pinned(pin, search, known), "PYENV_VERSION")
    for pin in search.pins:
        note(_pinned(pin, search, known), os.path.basename(search.pins_file or ""))
    for name in global_versions(search):
        note(pyenv_python(search, name), "pyenv global")
    note(_on_path(search), "python3 on PATH")
    return found


def _pinned(pin: str, search: Search, known: Sequence[Interpreter]) -> str | None:
    if exact := pyenv_python(search, pin):
        return exact
    try:
        request = read_request(pin, search)
    except UsageError:
        return None
    fitting = [one for one in known if _meets(one, request)]
    return min(fitting, key=request.rank).executable if fitting else None


def _on_path(search: Search) -> str | None:
    for folder in search.path:
        path = os.path.join(folder, "python3")
        if is_executable(path):
            shim = read_shim(path, search, search.folder)
            return shim.starts if shim is not None else path
    return None


def _installable(
    context: Context,
    project: Project | None,
    wanted: Request | None,
    mirror: str | None,
    *,
    every: bool,
) -> tuple[tuple[Build, ...] | None, str | None]:
    try:
        with shelves.shelf(context, project=project, mirror=mirror) as stock:
            known = stock.builds
    except (UndecidedError, InputError) as error:
        return None, error.message
    if wanted is not None:
        known = tuple(b for b in known if wanted.path is None and wanted.matches(b))
    return known if every else tuple(_newest(known, wanted)), None


def _newest(known: Sequence[Build], wanted: Request | None) -> list[Build]:
    """Of each minor version the newest ordinary build; a pre-release only where it is asked for."""
    request = wanted or Request(text="")
    found: dict[tuple[str, str, bool], Build] = {}
    for build in sorted(known, key=lambda one: (request.rank(one), builds.newest(one.version))):
        pre = bool(split_version(build.version)[1])
        if any(request.rank(build)[2:]) or (pre and wanted is None):
            continue
        minor = build.version.rpartition(".")[0]
        found.setdefault((build.implementation, minor, build.free_threaded), build)
    return sorted(found.values(), key=lambda one: (one.implementation, builds.newest(one.version)))


def find_python(
    context: Context,
    request: str | None = None,
    *,
    project: Project | None = None,
    folder: str | None = None,
) -> Interpreter:
    """The interpreter that a request means, or without one that a new environment would get.

    ``folder`` is where pins are looked for outside of projects.

    Raises:
        UsageError: The request cannot be understood.
        UnsatisfiableError: Nothing here meets it; the message lists what was found.
    """
    if request is None and project is not None:
        spec = project.manifest.environment()
        return choosing.default_interpreter(project, context, spec.python)
    requests = [request] if request is not None else []
    search = access.search(context, project.root if project is not None else folder)
    try:
        return find(requests, None, search, cache=context.home.interpreters, emit=context.emit)
    except UnsatisfiableError as error:
        if "found" in error.details and (hint := shelves.advice(None, context, requests)):
            error.hint = hint
        raise

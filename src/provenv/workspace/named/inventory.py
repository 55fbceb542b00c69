"""``env list``: every environment of this machine, or of one project, and how each stands."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from provenv.core import digest
from provenv.core.errors import InputError, IntegrityError, ProvenvError
from provenv.core.events import ItemFinished, PhaseFinished, PhaseStarted
from provenv.core.values import frozen, replace
from provenv.environments import generations, stamp, switch
from provenv.model.generation import Generation
from provenv.model.manifest import EnvironmentSpec
from provenv.workspace.host import claims, registry, sizes
from provenv.workspace.projects.context import (
    MANIFEST_FILE,
    Context,
    Project,
    project_in,
    read_locks,
)
from provenv.workspace.syncing import locking

ABSENT = frozenset({"removed", "gone", "unreachable"})


@frozen
class Listed:
    """One environment. What is not known is None.

    Attributes:
        name: As its project calls it. ``project``: The project's name.
        root: The project's folder. ``folder``: The environment's.
        state: ``current``; ``held`` (a rollback chose it against the lock); ``stale`` (the lock or the
            manifest changed); ``interpreter-gone``; ``unfinished`` (no generation is current);
            ``unreadable`` (its record, or the manifest); ``undeclared`` (the project knows it no longer);
            ``no-project`` (there is no manifest); ``not-made``; ``foreign`` (something else is in its
            place); ``removed``, ``gone`` and ``unreachable`` as in
            :func:`registry.absence`.
        detail: The same in words, where there is more to say.
        packages: How many distributions it holds.
        own, shared: Bytes on disk, as ``du`` counts them; both together are those of the environment
            and of what it holds of the store, each file once.
        used: When it was used last; UTC, ISO 8601.
    """

    name: str | None
    project: str
    root: str
    folder: str
    state: str
    detail: str | None = None
    generation: int | None = None
    python: str | None = None
    executable: str | None = None
    packages: int | None = None
    own: int | None = None
    shared: int | None = None
    used: str | None = None


@frozen
class Inventory:
    """What ``env list`` found; the sums count each file of the disk once, None where not measured."""

    environments: tuple[Listed, ...]
    own: int | None = None
    shared: int | None = None


def list_environments(
    context: Context, *, project: Project | None = None, measure: bool = False
) -> Inventory:
    """Every environment that is registered on this machine; with ``project``, that project's.

    Those of a project are listed as far as it knows them, also where they were not made yet. What
    `test` and `bisect` make for themselves is not among them.
    ``measure`` looks at every file for its size.
    """
    folders = [f for f in registry.registered(context) if not registry.is_trial(context, f)]
    names: dict[str, str] = {}
    if project is not None:
        names = {project.folder(s): s.name for s in project.manifest.all_instances()}
        own = [f for f in folders if registry.project_folder(f) == project.root]
        folders = list(dict.fromkeys([*names, *own]))
    opened = functools.cache(_open)
    found = [_look(context, opened, folder) for folder in folders]
    found = [item for item in found if item.state != "removed" or item.folder not in names]
    seen = {item.folder for item in found}
    if project is not None:
        found += [
            _not_made(project, name, path) for path, name in names.items() if path not in seen
        ]
    found.sort(key=lambda item: (item.root, item.folder != f"{item.root}/.venv", item.name or ""))
    if not measure:
        return Inventory(environments=tuple(found))
    return _measured(context, found)


def _not_made(project: Project, name: str, folder: str) -> Listed:
    return Listed(
        name=name, project=project.title, root=project.root, folder=folder, state="not-made"
    )


def _measured(context: Context, found: list[Listed]) -> Inventory:
    scale = sizes.Scale(context.home)
    rows = []
    started = time.monotonic()
    context.emit(PhaseStarted(phase="measure", total=len(found)))
    for item in found:
        context.emit(ItemFinished(phase="measure", name=item.folder))
        if item.state in ABSENT or item.state in ("not-made", "foreign"):
            rows.append(item)
            continue
        held = {p.sha256 for g in generations.read_all(item.folder) for p in g.packages}
        weight = scale.weigh(item.folder, held)
        rows.append(replace(item, own=weight.own, shared=weight.shared))
    seconds = time.monotonic() - started
    context.emit(PhaseFinished(phase="measure", count=len(found), seconds=seconds))
    return Inventory(
        environments=tuple(rows),
        own=sum(item.own or 0 for item in rows),
        shared=scale.shared,
    )


def _open(root: str) -> Project | str | None:
    """The project in ``root``, or why it cannot be read; None where there is none."""
    if not os.path.isfile(os.path.join(root, MANIFEST_FILE)):
        return None
    try:
        return project_in(root)
    except ProvenvError as error:
        return error.message


def _look(context: Context, opened: Callable[[str], Project | str | None], folder: str) -> Listed:
    root = registry.project_folder(folder)
    project = opened(root)
    title = project.title if isinstance(project, Project) else os.path.basename(root)
    spec = _spec(project, folder) if isinstance(project, Project) else None
    name = spec.name if spec is not None else None
    bare = Listed(name=name, project=title, root=root, folder=folder, state="")
    if not generations.is_ours(folder):
        return replace(bare, state="foreign", detail="something else is in its place now")
    away = registry.absence(folder)
    if away is not None:
        return _absent(context, bare, away)
    claims.found_again(claims.of(context, folder))
    bare = replace(bare, used=last_used(folder))
    number = switch.current(folder)
    if number is None:
        return replace(bare, state="unfinished", detail="no generation is current")
    try:
        record = generations.read_generation(folder, number)
    except IntegrityError as error:
        return replace(bare, state="unreadable", generation=number, detail=error.message)
    state, detail = _state(context, project, spec, folder, record)
    return replace(
        bare,
        name=bare.name or record.environment,
        state=state,
        detail=detail,
        generation=number,
        python=record.python,
        executable=record.executable,
        packages=len(record.packages),
    )


def _spec(project: Project, folder: str) -> EnvironmentSpec | None:
    specs = project.manifest.all_instances()
    return next((spec for spec in specs if project.folder(spec) == folder), None)


def _absent(context: Context, bare: Listed, away: registry.Absence) -> Listed:
    """What is still known of an environment that is not there: what was written down of it."""
    known: dict[str, Any] = {}
    data = claims.last_contents(claims.of(context, bare.folder))
    with contextlib.suppress(KeyError, TypeError):
        known = {
            "name": str(data["environment"]),
            "python": str(data["python"]),
            "executable": str(data["executable"]),
            "packages": len(data["packages"]),
        }
    return replace(bare, state=away, detail=registry.ABSENCES[away], **known)


def _state(
    context: Context,
    project: Project | str | None,
    spec: EnvironmentSpec | None,
    folder: str,
    record: Generation,
) -> tuple[str, str | None]:
    """How an environment stands to its interpreter and to its project, in the order of weight."""
    lost = generations.lost_interpreter(folder, record.number)
    if lost is not None:
        return "interpreter-gone", f"its interpreter is gone: {lost}"
    if record.source is not None:
        return _source_state(context, folder, record.source)
    if project is None:
        return "no-project", f"there is no {MANIFEST_FILE} any more"
    if isinstance(project, str):
        return "unreadable", project
    if spec is None:
        return "undeclared", "its project does not declare it any more"
    stamped = _stamped(context, folder)
    if stamped is not None:
        return stamped
    if record.environment != spec.name:
        return "stale", f"it was made as {record.environment}"
    reason = _outdated(project, spec, record)
    return ("stale", reason) if reason else ("current", None)


def _source_state(context: Context, folder: str, source: str) -> tuple[str, str | None]:
    """How an environment that was made with ``sync --from`` stands; it needs no manifest."""
    path = os.path.normpath(os.path.join(registry.project_folder(folder), source))
    if not os.path.isfile(path):
        return "no-project", f"there is no {source} any more, which it was made from"
    return _stamped(context, folder) or (
        "stale", f"{source}, or what decides beside it, has changed since",
    )  # fmt: skip


def _stamped(context: Context, folder: str) -> tuple[str, str | None] | None:
    """How an environment stands of which the stamp says that nothing has changed; else None."""
    known = stamp.read(folder, any_start=True)
    if known is None or known.home != context.home.root or not stamp.holds(folder, known):
        return None
    return ("held", "a rollback chose it against the lock") if known.held else ("current", None)


def _outdated(project: Project, spec: EnvironmentSpec, record: Generation) -> str | None:
    """Why the lock or the manifest is no longer what the environment was made from."""
    path = project.lock_path(project.lock_key(spec))
    name = os.path.basename(path)
    try:
        if digest.of_file(path) != record.lock_digest:
            return f"{name} has changed since"
    except OSError:
        return f"{name} is missing"
    if digest.of_bytes(project.manifest_text.encode()) == record.manifest_digest:
        return None
    try:
        return locking.why_stale(project, read_locks(project))
    except InputError as error:
        return error.message


def last_used(folder: str) -> str | None:
    """When an environment was used last, as far as that leaves a trace; UTC, ISO 8601.

    ``sync`` and ``run`` write it down (``.used``). A Python that was started in any other way has read
    ``pyvenv.cfg``, of which Linux notes a time once a day (``relatime``).
    """
    times = [*_times(f"{folder}/.used", "st_mtime"), *_times(f"{folder}/pyvenv.cfg", "st_atime")]
    times = times or [*_times(f"{folder}/.log", "st_mtime")]
    if not times:
        return None
    return datetime.fromtimestamp(int(max(times)), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _times(path: str, which: str) -> Iterator[float]:
    try:
        yield getattr(os.stat(path), which)
    except OSError:
        return

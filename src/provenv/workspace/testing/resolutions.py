"""The locks of a matrix: cells that share a resolution share its lock, and it is made once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from provenv.core import digest
from provenv.core.errors import ProvenvError
from provenv.core.events import Emit, Event
from provenv.core.files import ensure_folder, write_atomic
from provenv.core.values import frozen, replace
from provenv.model.lock import parse_lock
from provenv.model.manifest import Manifest
from provenv.trials.cells import Cell
from provenv.workspace.host.parallel import run_all
from provenv.workspace.projects.context import Context, LockFile, Project, read_locks, read_text
from provenv.workspace.syncing import locking
from provenv.workspace.syncing.sync import ensure_lock
from provenv.workspace.testing.cells import spec_of, trials_folder, varied

if TYPE_CHECKING:
    from packaging.pylock import Pylock

_LOWER = frozenset({">", ">=", "==", "===", "~="})
NEWEST_FOR = 86400.0
"""Seconds for which the newest versions of an index count as the newest."""


@frozen
class Resolution:
    """What cells have in common that share a lock.

    ``packages`` are those of the variant, ``lock_key`` is that of the project's locks.
    """

    resolution: str
    packages: tuple[str, ...]
    lock_key: str | None


@frozen
class Resolved:
    """A project as cells of one resolution see it, and the lock that decides for them."""

    project: Project
    lock: LockFile


def resolution_of(cell: Cell, project: Project) -> Resolution:
    """The resolution that a cell shares with others.

    Raises:
        UsageError: As :func:`varied`.
    """
    own = varied(cell, project)
    return Resolution(
        resolution=cell.resolution,
        packages=cell.packages,
        lock_key=own.lock_key(spec_of(cell, own)),
    )


def resolve_all(
    cells: Iterable[Cell],
    project: Project,
    context: Context,
    *,
    locked_only: bool = False,
    fresh: bool = False,
    jobs: int | None = None,
) -> dict[Resolution, Resolved | ProvenvError]:
    """The lock of every resolution among ``cells``: the project's own, a known one, or one made now.

    The project's lock is made anew where it is stale, as `run` does it, unless ``locked_only``. Locks of
    other resolutions are kept for the next time, the highest versions for a day; ``fresh`` asks again.

    Raises:
        CheckFailedError: The project's lock was edited; or it is stale, and ``locked_only``.
        ProvenvError: What makes the project's own lock impossible. For the others see the result.
    """
    wanted: dict[Resolution, Cell] = {}
    for cell in cells:
        wanted.setdefault(resolution_of(cell, project), cell)
    locks: Mapping[str | None, LockFile] = {}
    based = next((cell for one, cell in wanted.items() if one.resolution != "highest"), None)
    if based is not None:
        project, locks = _own(project, context, based, locked_only=locked_only)
    found: dict[Resolution, Resolved | ProvenvError] = {}
    missing: dict[Resolution, _Wanted] = {}
    for one, cell in wanted.items():
        own = varied(cell, project)
        if one.resolution == "locked" and not one.packages:
            found[one] = Resolved(project=own, lock=locks[one.lock_key])
            continue
        asked = _wanted(one, own, locks, context)
        known = None if fresh else _known(asked, context)
        if known is not None:
            found[one] = Resolved(project=own, lock=known)
        else:
            missing[one] = asked
    if missing:
        found |= _make(missing, context, jobs)
    return found


def _own(
    project: Project, context: Context, cell: Cell, *, locked_only: bool
) -> tuple[Project, Mapping[str | None, LockFile]]:
    """The project's own locks, made anew where they are stale; and the project as it is then."""
    spec = project.manifest.environment(cell.environment)
    locks = read_locks(project)
    if locking.why_stale(project, locks) is None:
        _, lock, _ = ensure_lock(project, context, spec, locked_only=True)
        return project, {**locks, project.lock_key(spec): lock}

    def job(emit: Emit) -> None:  # in a process of its own: resolving starts threads
        ensure_lock(project, replace(context, emit=emit), spec, locked_only=locked_only)

    (result,) = _do([job], context, 1)
    if isinstance(result, ProvenvError):
        raise result
    project = locking.as_it_is(project)
    return project, read_locks(project)


@frozen
class _Wanted:
    """One resolution that is not the project's own lock; ``path`` is where its lock is kept."""

    one: Resolution
    project: Project
    previous: Mapping[str | None, LockFile]
    constraints: tuple[str, ...]
    path: str


def _wanted(
    one: Resolution, project: Project, locks: Mapping[str | None, LockFile], context: Context
) -> _Wanted:
    locker = project.locker
    constraints: tuple[str, ...] = ()
    if one.resolution == "lowest-direct":
        constraints = floors(locker.manifest, [locks[None].lock, locks[one.lock_key].lock])
    if one.resolution != "locked":
        locks = {}
        uv = {**locker.manifest.uv, "resolution": one.resolution}
        manifest = replace(locker.manifest, uv=uv)
        if project.shared is not None:
            project = replace(project, shared=replace(project.shared, manifest=manifest))
        else:
            project = replace(project, manifest=manifest)
    name = digest.of_json(
        [
            project.locker.manifest.lock_digest(),
            one.resolution,
            list(one.packages),
            list(constraints),
            one.lock_key,
            context.index_url,
            {str(key): lock.digest for key, lock in locks.items()},
        ]
    )
    path = os.path.join(trials_folder(project, context), "locks", f"{name}.toml")
    return _Wanted(one=one, project=project, previous=locks, constraints=constraints, path=path)


def floors(manifest: Manifest, locks: Sequence[Pylock]) -> tuple[str, ...]:
    """For what is asked for without a lower bound, the version of the lock as one.

    The lowest version that a manifest allows of `pytest` is one of 2010. Nobody has declared that it works;
    so it is not what `lowest-direct` is to find out.
    """
    asked: dict[str, list[Requirement]] = {}
    groups = (*manifest.optional_dependencies.values(), *manifest.groups.values())
    for text in (*manifest.dependencies, *(item for items in groups for item in items)):
        requirement = Requirement(text)
        asked.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    found = []
    for name, requirements in sorted(asked.items()):
        if any(one.url or any(s.operator in _LOWER for s in one.specifier) for one in requirements):
            continue
        versions = {
            package.version
            for lock in locks
            for package in lock.packages
            if package.name == name and package.version is not None
        }
        fitting = [
            version
            for version in versions
            if all(one.specifier.contains(version, prereleases=True) for one in requirements)
        ]
        if fitting:
            found.append(f"{name}>={min(fitting)}")
    return tuple(found)


def _known(asked: _Wanted, context: Context) -> LockFile | None:
    """A lock that was made before from the same; None where there is none, or it has grown old."""
    try:
        age = time.time() - os.stat(asked.path).st_mtime
    except OSError:
        return None
    if asked.one.resolution == "highest" and age > NEWEST_FOR and not context.offline:
        return None
    return _read(asked)


def _read(asked: _Wanted) -> LockFile:
    text = read_text(asked.path)
    path = asked.project.lock_path(asked.one.lock_key)  # what is local is named from there
    return LockFile(path=path, text=text, lock=parse_lock(text, asked.path))


def _make(
    missing: Mapping[Resolution, _Wanted], context: Context, jobs: int | None
) -> dict[Resolution, Resolved | ProvenvError]:
    def job(asked: _Wanted) -> Callable[[Emit], None]:
        return lambda emit: _lock(asked, replace(context, emit=emit))

    results = _do([job(asked) for asked in missing.values()], context, jobs)
    found: dict[Resolution, Resolved | ProvenvError] = {}
    for (one, asked), result in zip(missing.items(), results, strict=True):
        if isinstance(result, ProvenvError):
            found[one] = _plain(result)
        else:
            found[one] = Resolved(project=asked.project, lock=_read(asked))
    return found


def _plain(error: ProvenvError) -> ProvenvError:
    """The error without what uv warns of before it: that is about the manifest, and no reason."""
    lines = error.message.splitlines()
    while len(lines) > 1 and lines[0].startswith("warning: "):
        del lines[0]
    error.message = "\n".join(lines)
    return error


def _lock(asked: _Wanted, context: Context) -> None:
    """Resolve, and keep the lock."""
    made = locking.resolve_manifest(
        asked.project,
        context,
        asked.previous,
        upgrade=asked.one.resolution != "locked",
        proven=True,
        constraints=asked.constraints,
    )
    text = locking.render_locks(asked.project, made)[asked.one.lock_key].text
    ensure_folder(os.path.dirname(asked.path))
    write_atomic(asked.path, text.encode())


def _do(
    tasks: list[Callable[[Emit], None]], context: Context, jobs: int | None
) -> list[ProvenvError | None]:
    def hear(number: int, event: Event) -> None:
        del number
        context.emit(event)

    return run_all(tasks, hear=hear, begun=lambda _: None, done=lambda _, __: None, workers=jobs)

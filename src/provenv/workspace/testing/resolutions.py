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
from provenv.model.lock import parse_lock, tool_table
from provenv.model.manifest import Manifest
from provenv.trials.cells import Cell
from provenv.workspace.host.parallel import run_all
from provenv.workspace.projects.context import (
    Context,
    LockFile,
    Project,
    as_it_is,
    read_locks,
    read_text,
)
from provenv.workspace.projects.governed import may_be_governed
from provenv.workspace.syncing import locking
from provenv.workspace.syncing.origins import refuse_strays
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
        project, locks = own_locks(project, context, based, locked_only=locked_only)
    found: dict[Resolution, Resolved | ProvenvError] = {}
    others: dict[Resolution, Wanted] = {}
    lowest: dict[Resolution, Project] = {}
    for one, cell in wanted.items():
        own = varied(cell, project)
        if one.resolution == "locked" and not one.packages:
            found[one] = Resolved(project=own, lock=locks[one.lock_key])
        elif one.resolution == "highest":
            highest = with_uv(own, resolution="highest")
            others[one] = Wanted(project=highest, lock_key=one.lock_key, previous={}, newest=True)
        else:
            base = replace(one, resolution="locked")
            if one.packages:
                others[base] = Wanted(project=own, lock_key=one.lock_key, previous=locks)
            if one.resolution == "lowest-direct":
                lowest[one] = own
    made = resolve_each(tuple(others.values()), context, fresh=fresh, jobs=jobs)
    found |= dict(zip(others, made, strict=True))
    lows = [_lowest(one, own, locks, found) for one, own in lowest.items()]
    return found | dict(zip(lowest, resolve_each(lows, context, jobs=jobs), strict=True))


def _lowest(
    one: Resolution,
    project: Project,
    locks: Mapping[str | None, LockFile],
    found: Mapping[Resolution, Resolved | ProvenvError],
) -> Wanted:
    """The lowest versions that are declared; where nothing is, those that would be locked."""
    known = [locks[None].lock, locks[one.lock_key].lock]
    base = found.get(replace(one, resolution="locked"))
    if isinstance(base, Resolved):  # with the packages of the variant
        known = [base.lock.lock]
    return Wanted(
        project=with_uv(project, resolution="lowest-direct"),
        lock_key=one.lock_key,
        previous={},
        constraints=floors(project.locker.manifest, known),
    )


def own_locks(
    project: Project, context: Context, cell: Cell, *, locked_only: bool
) -> tuple[Project, Mapping[str | None, LockFile]]:
    """The project's own locks, made anew where they are stale; and the project as it is then.

    Raises:
        CheckFailedError: They were edited; or are stale, and ``locked_only``.
        ProvenvError: They cannot be made.
    """
    spec = project.manifest.environment(cell.environment)
    locks = read_locks(project)
    if locking.why_stale(project, locks) is None:
        lock = locks[project.lock_key(spec)]
        refuse_strays(project, context, {lock.path: lock.lock})
        return project, locks

    from provenv.workspace.syncing.ensuring import ensure_lock  # much, and rarely needed

    def job(emit: Emit) -> None:  # in a process of its own: resolving starts threads
        ensure_lock(project, replace(context, emit=emit), spec, locked_only=locked_only)

    (result,) = _do([job], context, 1)
    if isinstance(result, ProvenvError):
        raise result
    project = as_it_is(project)
    return project, read_locks(project)


@frozen
class Wanted:
    """One lock that is not the project's own.

    Attributes:
        project: As its cells see it.
        lock_key: Of the lock that decides for them.
        previous: Locks whose versions stay where they fit; none for what is resolved from nothing.
        constraints: PEP 508, besides what the manifest says.
        newest: It is about the newest versions, so that it grows old.
    """

    project: Project
    lock_key: str | None
    previous: Mapping[str | None, LockFile]
    constraints: tuple[str, ...] = ()
    newest: bool = False

    def path(self, context: Context) -> str:
        """Where the lock is kept."""
        name = digest.of_json(
            [
                self.project.locker.manifest.lock_digest(),
                self.lock_key,
                list(self.constraints),
                context.index_url,
                {str(key): lock.digest for key, lock in self.previous.items()},
            ]
        )
        return os.path.join(trials_folder(self.project, context), "locks", f"{name}.toml")


def with_uv(project: Project, **settings: str) -> Project:
    """The project with other settings for the resolver."""

    def changed(manifest: Manifest) -> Manifest:
        return replace(manifest, uv={**manifest.uv, **settings})

    return with_manifests(project, changed)


def with_manifests(project: Project, change: Callable[[Manifest], Manifest]) -> Project:
    """The project with its manifest changed, and that of the workspace that is locked for it."""
    shared = project.shared
    if shared is not None:
        shared = replace(shared, manifest=change(shared.manifest))
    return replace(project, manifest=change(project.manifest), shared=shared)


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


def resolve_each(
    wanted: Sequence[Wanted], context: Context, *, fresh: bool = False, jobs: int | None = None
) -> list[Resolved | ProvenvError]:
    """The lock of each: one that is known, or one that is made now, several at once.

    Those about the newest versions are asked for again after a day, or where ``fresh``.
    """
    known = [None if fresh and asked.newest else _known(asked, context) for asked in wanted]
    missing = [asked for asked, lock in zip(wanted, known, strict=True) if lock is None]

    def job(asked: Wanted) -> Callable[[Emit], None]:
        return lambda emit: _lock(asked, replace(context, emit=emit))

    made = iter(_do([job(asked) for asked in missing], context, jobs) if missing else ())
    found: list[Resolved | ProvenvError] = []
    for asked, lock in zip(wanted, known, strict=True):
        result = next(made) if lock is None else None
        if isinstance(result, ProvenvError):
            found.append(_plain(result))
        else:
            found.append(Resolved(project=asked.project, lock=lock or _read(asked, context)))
    return found


def _known(asked: Wanted, context: Context) -> LockFile | None:
    """A lock that was made before from the same; None where there is none, or it has grown old."""
    try:
        age = time.time() - os.stat(asked.path(context)).st_mtime
    except OSError:
        return None
    if asked.newest and age > NEWEST_FOR and not context.offline:
        return None
    lock = _read(asked, context)
    return None if _is_judged_otherwise(asked, context, lock) else lock


def _is_judged_otherwise(asked: Wanted, context: Context, lock: LockFile) -> bool:
    """Whether policies do not let in what a lock holds, or others than today's left something out of it."""
    if locking.why_refused(asked.project, context, {asked.lock_key: lock}, partial=True):
        return True
    if context.offline or not locking.excluded_rows(lock.lock):
        return False
    digest_now = None
    if may_be_governed(asked.project, context):
        from provenv.workspace.governing.policies import policies_of

        digest_now = policies_of(asked.project, context).digest
    return tool_table(lock.lock).get("policy-digest") != digest_now


def _read(asked: Wanted, context: Context) -> LockFile:
    kept = asked.path(context)
    text = read_text(kept)
    path = asked.project.lock_path(asked.lock_key)  # what is local is named from there
    return LockFile(path=path, text=text, lock=parse_lock(text, kept))


def _plain(error: ProvenvError) -> ProvenvError:
    """The error without what uv warns of before it: that is about the manifest, and no reason."""
    lines = error.message.splitlines()
    while len(lines) > 1 and lines[0].startswith("warning: "):
        del lines[0]
    error.message = "\n".join(lines)
    return error


def _lock(asked: Wanted, context: Context) -> None:
    """Resolve, and keep the lock."""
    made = locking.resolve_manifest(
        asked.project,
        context,
        asked.previous,
        upgrade=not asked.previous,
        proven=True,
        constraints=asked.constraints,
    )
    text = locking.render_locks(asked.project, made)[asked.lock_key].text
    path = asked.path(context)
    ensure_folder(os.path.dirname(path))
    write_atomic(path, text.encode())


def _do(
    tasks: list[Callable[[Emit], None]], context: Context, jobs: int | None
) -> list[ProvenvError | None]:
    def hear(number: int, event: Event) -> None:
        del number
        context.emit(event)

    return run_all(tasks, hear=hear, begun=lambda _: None, done=lambda _, __: None, workers=jobs)

"""``lock``: manifest → ``pylock.toml``, and the question whether the two agree."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from provenv.core.errors import CheckFailedError, InputError, UnsatisfiableError, UsageError
from provenv.core.events import Noted, Warned
from provenv.core.values import frozen, replace
from provenv.model.generation import Change
from provenv.model.interpreter import Interpreter
from provenv.store import leftovers
from provenv.workspace import fast
from provenv.workspace.host import access, choosing, waits
from provenv.workspace.operations.recording import Operation, recorded
from provenv.workspace.projects import files
from provenv.workspace.projects.context import (
    Context,
    LockFile,
    Project,
    as_it_is,
    read_locks,
    require_manifest,
)
from provenv.workspace.projects.governed import may_be_governed
from provenv.workspace.syncing.evidencing import record_locks

if TYPE_CHECKING:
    from packaging.pylock import Pylock

# For older ones frozen requirements are installed (docs/decisions/0016-other-pythons.md).
_OLDEST_RESOLVED = (3, 8)


@frozen
class LockResult:
    """What ``lock`` did, or would do.

    Attributes:
        changed: A file differs from what was there.
        written: Files were written.
        files: The lock files, relative to the project.
        packages: How many entries the common lock has.
        changes: What moved: name → versions before and after, joined where there are several.
        compared: With ``check``: the files were held against what the indexes say; else None.
        excluded: Versions that a policy's rules did not let in, as the lock tells them.
    """

    changed: bool
    written: bool
    files: tuple[str, ...]
    packages: int
    changes: tuple[Change, ...]
    seconds: float
    compared: bool | None = None
    excluded: tuple[Mapping[str, str], ...] = ()


def why_stale(project: Project, locks: Mapping[str | None, LockFile]) -> str | None:
    """Why the locks do not answer the manifest, in a few words; None where they do."""
    project = project.locker
    manifest = project.manifest
    keys = [project.lock_key(spec) for spec in manifest.environments.values()]
    for key in dict.fromkeys([None, *keys]):
        name = os.path.basename(project.lock_path(key))
        if key not in locks:
            return f"{name} is missing"
        from provenv.model.lock import is_edited, tool_table

        lock = locks[key].lock
        if is_edited(lock, locks[key].text):
            return f"the packages in {name} were edited by hand"
        recorded = tool_table(lock).get("manifest-digest")
        if recorded is None:
            missing = _unanswered(project, lock)
            if missing:
                return f"{name} has nothing for {missing}"
        elif recorded != manifest.lock_digest():
            whose = "pyproject.toml, or that of a member of the workspace,"
            whose = whose if manifest.members or project.shared else "pyproject.toml"
            return f"{whose} has changed since {name} was made"
    return None


def edited(locks: Mapping[str | None, LockFile]) -> LockFile | None:
    """The first lock whose packages are not those that provenv wrote; None where there is none."""
    from provenv.model.lock import is_edited

    return next((file for file in locks.values() if is_edited(file.lock, file.text)), None)


def refuse_edited(locks: Mapping[str | None, LockFile], *, own: bool = True) -> None:
    """Refuse to install from a lock that somebody else has changed.

    ``own`` is False for one that is not the project's (``--from``).

    Raises:
        CheckFailedError: One of ``locks`` is such; names it.
    """
    file = edited(locks)
    if file is not None:
        raise CheckFailedError(
            f"{os.path.basename(file.path)}: its packages are not those that provenv wrote; the file was "
            "edited by hand, by a merge, or by somebody who must not",
            hint="`provenv lock --check` says what differs, `provenv lock` makes it anew."
            if own
            else "Restore it, or have it exported again.",
            details={"file": file.path},
        )


def _unanswered(project: Project, lock: Pylock) -> str | None:
    """The first direct requirement that a lock made by another tool does not answer."""
    versions = {package.name: package.version for package in lock.packages}
    groups = project.manifest.groups.values()
    for text in (*project.manifest.dependencies, *(item for items in groups for item in items)):
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name not in versions:
            if requirement.marker is None:
                return text
            continue
        version = versions[name]
        if version is not None and not requirement.specifier.contains(version, prereleases=True):
            return text
    return None


def lock(
    project: Project,
    context: Context,
    *,
    upgrade: bool | frozenset[str] = False,
    check: bool = False,
    dry_run: bool = False,
    python: str | None = None,
) -> LockResult:
    """Bring the lock in line with the manifest, moving nothing that need not move.

    ``upgrade`` forgets the locked versions: of everything (True) or of the named distributions.
    ``check`` writes nothing and raises where the lock is stale, or is not what the manifest and the
    indexes lead to; ``dry_run`` writes nothing.

    Raises:
        CheckFailedError: ``check``, and the lock does not answer the manifest or was rewritten; or an
            index gives files that lie where the manifest does not lead.
        UnsatisfiableError: Nothing satisfies the manifest. No file has changed.
        NetworkError, BuildError, InputError, UsageError: As they say. No file has changed.
    """
    started = time.monotonic()
    if check or dry_run:
        return _lock(project, context, upgrade, python, started, check=check, dry_run=dry_run)
    with waits.changing(context, project):
        project = as_it_is(project)
        return _lock(project, context, upgrade, python, started, check=False, dry_run=False)


def _lock(
    project: Project,
    context: Context,
    upgrade: bool | frozenset[str],
    python: str | None,
    started: float,
    *,
    check: bool,
    dry_run: bool,
) -> LockResult:
    project = project.locker
    require_manifest(project)
    if not check:
        files.sweep(project.root)
        leftovers.sweep(context.home)
    locks = _readable_locks(project) if not check else read_locks(project)
    stale = why_stale(project, locks)
    if check:
        from provenv.workspace.syncing.deriving import check_locks

        if stale is not None and edited(locks) is None:
            raise CheckFailedError(stale, hint="Run `provenv lock`.")
        compared = check_locks(project, context, locks, stale=stale, python=python)
        remember_fresh(project, context, locks)
        return replace(_unchanged(project, locks, started), compared=compared)
    if stale is None and not upgrade:
        refused = why_refused(project, context, locks)
        if refused is None:
            remember_fresh(project, context, locks)
            return _unchanged(project, locks, started)
        context.emit(Noted(message=f"locking: {refused}"))
    _check_names(upgrade, locks)
    with _recorded(project, context, dry_run=dry_run) as operation:
        context = operation.context
        new = resolve_manifest(project, context, locks, upgrade=upgrade, python=python)
        made = render_locks(project, new)
        changed = any(k not in locks or locks[k].text != file.text for k, file in made.items())
        if changed and not dry_run:
            files.write(project, {file.path: file.text for file in made.values()})
            remember_fresh(project, context, made)
        before = locks[None].lock if None in locks else None
        moved = lock_changes(before, new[None])
        if changed and not dry_run:
            record_locks(project, context, made.values(), moved)
    return LockResult(
        changed=changed,
        written=changed and not dry_run,
        files=tuple(os.path.basename(file.path) for file in made.values()),
        packages=len(new[None].packages),
        changes=moved,
        seconds=time.monotonic() - started,
        excluded=excluded_rows(new[None]),
    )


def excluded_rows(lock: Pylock) -> tuple[Mapping[str, str], ...]:
    """What the rules of a policy excluded when the lock was made, a row for each version."""
    from provenv.model.lock import tool_table

    rows = tool_table(lock).get("excluded")
    return tuple(
        {key: value for key, value in row.items() if isinstance(value, str)}
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, Mapping)
    )


def why_refused(
    project: Project,
    context: Context,
    locks: Mapping[str | None, LockFile],
    *,
    partial: bool = False,
) -> str | None:
    """What of the locks the rules exclude today, in a few words; None where nothing is, or none govern.

    ``partial``: These are not all that the project has.
    """
    if not may_be_governed(project, context):
        return None
    from provenv.workspace.governing.judging import why_not
    from provenv.workspace.governing.policies import policies_of

    policies = policies_of(project, context)
    if not policies.rules:
        return None
    found = {key: file.lock for key, file in locks.items()}
    return why_not(project, context, policies, found, partial=partial)


def _recorded(
    project: Project, context: Context, *, dry_run: bool
) -> contextlib.AbstractContextManager[Operation]:
    """Record in the operations log what changes the lock, and nothing that only asks."""
    if dry_run:
        return contextlib.nullcontext(Operation(context=context))
    return recorded(context, "lock", root=project.root, paths=deciding(project))


def deciding(project: Project) -> tuple[str, ...]:
    """The manifest, and every lock that the project has for its environments."""
    keys = [None, *(project.lock_key(spec) for spec in project.manifest.environments.values())]
    locks = [project.lock_path(key) for key in dict.fromkeys(keys)]
    return (project.manifest_path, *locks)


def remember_fresh(
    project: Project, context: Context, locks: Mapping[str | None, LockFile]
) -> None:
    """Let the next ``lock`` see from the files' bytes alone that there is nothing to do.

    Not where a policy may hold: advisories, and the clock, have a say there.
    """
    if may_be_governed(project, context):
        return
    names = [os.path.basename(file.path) for file in locks.values()]
    said = f"{', '.join(names)}\n{len(locks[None].lock.packages)}\n"
    with contextlib.suppress(OSError):  # it costs time later on, and nothing else
        project = project.locker
        fast.remember_lock(project.root, context.home.root, said, project.around)


def _readable_locks(project: Project) -> dict[str | None, LockFile]:
    """The locks as far as they can be read: one of another version is made anew from nothing."""
    try:
        return read_locks(project)
    except InputError as error:
        if error.details.get("key") == "lock-version":
            raise
        raise InputError(
            error.message, hint=error.hint or "Delete the file, and run `provenv lock`."
        ) from error


def _unchanged(
    project: Project, locks: Mapping[str | None, LockFile], started: float
) -> LockResult:
    return LockResult(
        changed=False,
        written=False,
        files=tuple(os.path.basename(project.lock_path(key)) for key in locks),
        packages=len(locks[None].lock.packages),
        changes=(),
        seconds=time.monotonic() - started,
        excluded=excluded_rows(locks[None].lock),
    )


def _check_names(upgrade: bool | frozenset[str], locks: Mapping[str | None, LockFile]) -> None:
    if isinstance(upgrade, bool) or None not in locks:
        return
    known = {package.name for file in locks.values() for package in file.lock.packages}
    unknown = sorted(upgrade - known)
    if unknown:
        raise UsageError(
            f"not in the lock: {', '.join(unknown)}",
            hint="`provenv tree` lists what is; `provenv add` adds something new.",
        )


def resolve_manifest(
    project: Project,
    context: Context,
    locks: Mapping[str | None, LockFile],
    *,
    upgrade: bool | frozenset[str] = False,
    python: str | None = None,
    meanwhile: Callable[[], None] | None = None,
    proven: bool = False,
    constraints: Sequence[str] = (),
    judged: bool = True,
) -> Mapping[str | None, Pylock]:
    """Resolve, with the existing locks as preference, until the rules that govern are kept. Writes nothing.

    ``meanwhile`` is called while the resolver works. With ``proven`` the locks are taken as they are;
    otherwise of one that somebody has edited only its versions count. ``constraints`` (PEP 508) hold
    besides the manifest's. ``judged`` False leaves the rules aside.

    Raises:
        CheckFailedError: An index gives files that lie where the manifest does not lead.
        UnsatisfiableError: Nothing satisfies the manifest, or nothing that the rules let in does.
        ProvenvError: As resolving says.
    """
    asked, project = project, project.locker
    with ThreadPoolExecutor(1) as pool:  # where an interpreter must be asked, that takes 40 ms
        finding = pool.submit(resolving_interpreter, project, context, python)
        from provenv.resolve import resolve
    interpreter = finding.result()
    if is_old(interpreter):
        return _unresolved(project, interpreter)
    settings = access.resolve_settings(project, context, interpreter)
    previous = {
        key: value.lock if proven else _preferred(value, context) for key, value in locks.items()
    }

    def made_under(more: Sequence[str]) -> Mapping[str | None, Pylock]:
        return resolve(
            project.manifest,
            project=project.root,
            previous=previous,
            upgrade=upgrade,
            settings=settings,
            emit=context.emit,
            meanwhile=meanwhile,
            constraints=(*constraints, *more),
        )

    if judged and may_be_governed(project, context):
        from provenv.workspace.governing.complying import comply

        made = comply(asked, context, previous, made_under, upgrade=upgrade)
    else:
        made = made_under(())
    from provenv.workspace.syncing.origins import refuse_strays

    refuse_strays(
        project, context, {project.lock_path(key): lock for key, lock in made.items()}, made=True
    )
    return made


def _preferred(file: LockFile, context: Context) -> Pylock:
    """A lock as a preference. Of one that was edited nothing counts but versions that an index has."""
    from provenv.model.lock import is_edited, unproven

    if not is_edited(file.lock, file.text):
        return file.lock
    context.emit(
        Warned(
            message=f"{os.path.basename(file.path)} was edited by hand: its files are asked of the "
            "indexes anew; its versions stay where they fit",
            hint="Look at what changes in it before it is committed.",
        )
    )
    return unproven(file.lock)


def is_old(interpreter: Interpreter) -> bool:
    """Whether nothing is resolved for it: frozen requirements alone are installed."""
    return tuple(map(int, interpreter.minor.split("."))) < _OLDEST_RESOLVED


def _unresolved(project: Project, interpreter: Interpreter) -> Mapping[str | None, Pylock]:
    """For a Python that only frozen requirements are installed for: the lock of a project without any.

    Raises:
        UnsatisfiableError: It has some.
    """
    manifest = project.manifest
    asked = (
        manifest.dependencies,
        *manifest.optional_dependencies.values(),
        *manifest.groups.values(),
    )
    if not any(asked) and not any("dependencies" in field for field in manifest.dynamic):
        from provenv.model.lock import empty_lock

        lock = empty_lock(
            requires_python=manifest.requires_python,
            extras=manifest.optional_dependencies,
            groups=manifest.groups,
        )
        keys = [project.lock_key(spec) for spec in manifest.environments.values()]
        return answering(project, dict.fromkeys([None, *keys], lock))
    reason = (
        "uv, which resolves, does not run with it"
        if interpreter.version.startswith("2.")
        else "it has reached its end of life, and what would be chosen today was never tried with it"
    )
    hint = (
        "Freeze what works there with its hashes (pip-compile --generate-hashes does it), and read it in "
        "with `provenv import requirements.txt`. `provenv sync` installs what is frozen."
    )
    newer = Requirement(f"python{manifest.requires_python or ''}").specifier
    if any(newer.contains(f"3.{minor}") for minor in range(_OLDEST_RESOLVED[1], 30)):
        hint += (
            " Or resolve with a newer one, which this project allows: `provenv lock --python 3`."
        )
    raise UnsatisfiableError(
        f"nothing is resolved for Python {interpreter.version} ({interpreter.executable}): {reason}",
        hint=hint,
        details={"python": interpreter.version, "oldest": "{}.{}".format(*_OLDEST_RESOLVED)},
    )


def resolving_interpreter(project: Project, context: Context, python: str | None) -> Interpreter:
    """The interpreter that the resolver asks about metadata; the lock holds for all of them."""
    requests = (python,) if python else project.manifest.environment().python[:1]
    return choosing.default_interpreter(project, context, requests)


def render_locks(
    project: Project, locks: Mapping[str | None, Pylock]
) -> dict[str | None, LockFile]:
    """Locks as they will lie in the project."""
    from provenv.model.lock import render_lock

    return {
        key: LockFile(path=project.lock_path(key), text=render_lock(value), lock=value)
        for key, value in locks.items()
    }


def answering(project: Project, locks: Mapping[str | None, Pylock]) -> dict[str | None, Pylock]:
    """The same locks, said to answer the manifest of ``project``, which must be true already."""
    from provenv.model.lock import tool_table

    digest = project.locker.manifest.lock_digest()
    return {
        key: replace(
            lock,
            tool={**(lock.tool or {}), "provenv": {**tool_table(lock), "manifest-digest": digest}},
        )
        for key, lock in locks.items()
    }


def lock_changes(before: Pylock | None, after: Pylock) -> tuple[Change, ...]:
    """What moved between two locks, by name; several versions of a name are joined."""
    old, new = _versions(before), _versions(after)
    return tuple(
        Change(name=name, before=old.get(name), after=new.get(name))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    )


def _versions(lock: Pylock | None) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for package in lock.packages if lock is not None else ():
        found.setdefault(package.name, []).append(_version(package.version, package.vcs))
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}


def _version(version: object, vcs: object) -> str:
    commit = getattr(vcs, "commit_id", None)
    if commit:
        return f"{version or ''}@{commit[:12]}"
    return str(version) if version is not None else "(local)"

"""``lock --check``: the lock held against what the manifest and the indexes lead to today.

Whoever rewrites a hash or an address in a lock can make the lock's digest anew, too. Only the indexes
can say that it is wrong: the manifest is resolved once more, with the locked versions as preference,
and what comes of it is compared. Nothing is written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urldefrag

from packaging.pylock import Package

from provenv.core.errors import CheckFailedError, NetworkError
from provenv.core.events import Warned
from provenv.core.http import hidden, redacted
from provenv.core.values import frozen, replace
from provenv.model.lock import tool_table, unproven
from provenv.workspace.projects.context import Context, LockFile, Project
from provenv.workspace.syncing import locking
from provenv.workspace.syncing.origins import refuse_strays

if TYPE_CHECKING:
    from packaging.pylock import Pylock

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHOWN = 8


@frozen
class Difference:
    """One thing that the lock says and its indexes do not.

    Attributes:
        package: Name and version as locked; the lock's own name where it is about the whole.
        what: Which value, of which file.
        locked: What the lock says. ``derived``: What would stand there; empty where nothing would.
    """

    package: str
    what: str
    locked: str
    derived: str

    def __str__(self) -> str:
        derived = self.derived or "nothing"
        return (
            f"{self.package}: {self.what}: {self.locked or 'nothing'} is locked, {derived} is given"
        )


def check_locks(
    project: Project,
    context: Context,
    locks: Mapping[str | None, LockFile],
    *,
    stale: str | None,
    python: str | None = None,
) -> bool:
    """Whether the indexes were asked: offline, or for a Python that nothing is resolved for, they are not.

    ``stale`` says why the lock is known to be none of provenv's making, where it is.

    Raises:
        CheckFailedError: The lock has files from elsewhere than the manifest says, or differs from what
            its indexes give.
        ProvenvError: As resolving says: what cannot be compared is no yes.
    """
    refuse_strays(project, context, {file.path: file.lock for file in locks.values()})
    try:
        derived = _derived(project, context, locks, python)
    except NetworkError:
        if stale is None:
            raise
        derived = None  # the answer is no already; only what differs cannot be said
    found = [
        difference
        for key, file in locks.items()
        if derived is not None and key in derived
        for difference in differences(file.lock, derived[key], os.path.basename(file.path))
    ]
    if stale is None and not found:
        return derived is not None
    lines = [f"  {difference}" for difference in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(f"  and {len(found) - _SHOWN} more")
    names = ", ".join(os.path.basename(file.path) for file in locks.values())
    head = stale or f"{names}: not what the manifest and the indexes lead to"
    raise CheckFailedError(
        "\n".join([f"{head}:" if lines else head, *lines]),
        hint="`provenv lock` makes it anew. Look for who has changed it, or what its index serves now.",
        details={
            "differences": [
                {"package": d.package, "what": d.what, "locked": d.locked, "derived": d.derived}
                for d in found
            ]
        },
    )


def _derived(
    project: Project,
    context: Context,
    locks: Mapping[str | None, LockFile],
    python: str | None,
) -> Mapping[str | None, Pylock] | None:
    """What the manifest leads to now; None where that cannot be asked, which is said."""
    interpreter = locking.resolving_interpreter(project, context, python)
    if locking.is_old(interpreter):
        _tell_uncompared(context, f"nothing is resolved for Python {interpreter.version}")
        return None
    believed = {
        key: replace(file, lock=unproven(file.lock, keep=lambda package: not _fixed(package)))
        for key, file in locks.items()
    }
    try:
        return locking.resolve_manifest(
            project,
            context,
            believed,
            python=python,
            proven=True,
            constraints=_excluded(locks),
            judged=False,
        )
    except NetworkError:
        if not context.offline:
            raise
        _tell_uncompared(context, "offline, and not everything is in the cache")
        return None


def _excluded(locks: Mapping[str | None, LockFile]) -> tuple[str, ...]:
    """What the rules left when the lock was made: whether they do today is asked of the policy."""
    if None not in locks or "excluded" not in tool_table(locks[None].lock):
        return ()
    from provenv.audit.excluding import from_rows

    return tuple(one.constraint for one in from_rows(tool_table(locks[None].lock)))


def _tell_uncompared(context: Context, why: str) -> None:
    context.emit(
        Warned(
            message=f"the files in the lock were not held against their indexes: {why}",
            hint="Its own digest and its addresses were looked at.",
        )
    )


def _fixed(package: Package) -> bool:
    """Whether the manifest's own words lead to the commit: then it is not taken from the lock."""
    revision = package.vcs.requested_revision if package.vcs is not None else None
    return revision is not None and _COMMIT.fullmatch(revision) is not None


def differences(lock: Pylock, derived: Pylock, name: str) -> Iterator[Difference]:
    """Where ``lock`` says something else than ``derived``.

    Files that only ``derived`` has are no difference: they came after the lock was made. Of a lock of
    another tool, files are compared and nothing else: tools write markers in ways of their own.
    """
    ours = "manifest-digest" in tool_table(lock)
    there: dict[str, list[Package]] = {}
    for package in derived.packages:
        there.setdefault(package.name, []).append(package)
    for package in lock.packages:
        label = f"{package.name} {package.version or ''}".strip()
        match = _match(package, there.get(package.name, ()))
        if match is not None:
            yield from _of_package(label, package, match, ours=ours)
        elif ours or package.name in there:
            versions = ", ".join(str(p.version) for p in there.get(package.name, ()))
            yield Difference(
                package=package.name, what="version", locked=str(package.version), derived=versions
            )
    if not ours:
        return
    for missing in sorted(there.keys() - {package.name for package in lock.packages}):
        version = str(there[missing][0].version)
        yield Difference(package=missing, what="version", locked="", derived=version)
    for key in ("requires_python", "environments", "extras", "dependency_groups", "default_groups"):
        yield from _value(name, key, getattr(lock, key), getattr(derived, key))


def _match(package: Package, candidates: Sequence[Package]) -> Package | None:
    """The entry that stands for the same: of that version, with that marker if there is one."""
    same = [other for other in candidates if other.version == package.version]
    exact = (other for other in same if str(other.marker) == str(package.marker))
    return next(exact, same[0] if same else None)


def _of_package(
    label: str, locked: Package, derived: Package, *, ours: bool
) -> Iterator[Difference]:
    if ours:
        for key in ("marker", "requires_python", "index", "dependencies"):
            yield from _value(label, key, getattr(locked, key), getattr(derived, key))
        for key in ("vcs", "directory"):
            yield from _value(label, key, getattr(locked, key), getattr(derived, key))
    given = {_name(file): file for file in _files(derived)}
    for file in _files(locked):
        name = _name(file)
        if name not in given:
            address = redacted(file.url or file.path or "")
            yield Difference(package=label, what=name, locked=address, derived="")
            continue
        other = given[name]
        yield from _value(
            label, f"sha256 of {name}", *(f.hashes.get("sha256") for f in (file, other))
        )
        yield from _value(label, f"address of {name}", _address(file), _address(other))
        if file.size is not None and other.size is not None:
            yield from _value(label, f"size of {name}", file.size, other.size)


def _files(package: Package) -> Iterator[Any]:
    for file in (*(package.wheels or ()), package.sdist, package.archive):
        if file is not None:
            yield file


def _name(file: Any) -> str:
    return str(getattr(file, "filename", "") or _address(file).rpartition("/")[2])


def _address(file: Any) -> str:
    return redacted(urldefrag(file.url)[0]) if file.url else str(file.path)


def _value(label: str, what: str, locked: object, derived: object) -> Iterator[Difference]:
    if _plain(locked) != _plain(derived):
        what = what.replace("_", "-")
        yield Difference(package=label, what=what, locked=_plain(locked), derived=_plain(derived))


def _plain(value: object) -> str:
    from provenv.model.lock import toml_value

    if value is None or value == () or value == []:
        return ""
    return hidden(value if isinstance(value, str) else toml_value(value))

"""``import``: what a project has from other tools → ``pyproject.toml`` and ``pylock.toml``, pins kept.

Whole or nothing: where anything fails, every file is as it was. What cannot be carried over is listed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from provenv.core.errors import (
    CheckFailedError,
    IntegrityError,
    ProvenvError,
)
from provenv.core.files import locked_folder
from provenv.core.values import frozen, replace
from provenv.formats.foreign import Foreign, Left, Pin
from provenv.model.generation import Change
from provenv.model.layout import LOCK_FILE
from provenv.resolve.indexes import collect_indexes
from provenv.workspace.exchange.carrying import Carried, carry
from provenv.workspace.exchange.gathering import Gathered, Taken, gather
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects import files
from provenv.workspace.projects.context import (
    MANIFEST_FILE,
    Context,
    LockFile,
    Project,
    project_in,
    project_name,
    read_locks,
)
from provenv.workspace.syncing import edit, evidencing, locking
from provenv.workspace.syncing.addresses import own_index

if TYPE_CHECKING:
    from packaging.pylock import Package, Pylock


@frozen
class ImportResult:
    """What ``import`` did, or would do.

    Attributes:
        taken: The files that were read. ``beside``: Others that were there, and were not.
        added: (place, requirement) that the manifest got.
        moved: Pins that could not stay: the version in the file, and the one in the lock.
        reason: Why they could not, as the resolver says it; empty where none moved.
        unneeded: Pinned, and needed by nothing. ``fresh``: Needed, and pinned nowhere.
        left: What was not carried over, and why.
        changed: A file differs from what was there. ``written``: Files were written.
        packages: How many entries the lock has.
    """

    root: str
    taken: tuple[Taken, ...]
    beside: tuple[str, ...]
    added: tuple[tuple[str, str], ...]
    moved: tuple[Change, ...]
    reason: str
    unneeded: tuple[str, ...]
    fresh: tuple[str, ...]
    left: tuple[Left, ...]
    changed: bool
    written: bool
    packages: int
    pinned: int


def import_files(
    root: str,
    context: Context,
    paths: Sequence[str] = (),
    *,
    exact: bool = False,
    dry_run: bool = False,
) -> ImportResult:
    """Take over what other tools wrote; ``paths`` are absolute, empty means what is found in ``root``.

    Args:
        root: The project's folder; it may have no manifest yet.
        context: The world.
        paths: What to read.
        exact: Fail where a pinned version cannot stay.
        dry_run: Resolve, tell, and write nothing.

    Raises:
        UsageError: Nothing is there to be taken.
        InputError: A file is not what its name says.
        CheckFailedError: ``exact``, and a version had to move.
        IntegrityError: The index gives other bytes than a file's hashes say.
        ProvenvError: As the resolver says. No file has changed.
    """
    os.makedirs(root, exist_ok=True)
    with locked_folder(root):
        if dry_run:
            return _import(root, context, paths, exact=exact, dry_run=True)
        ours = [os.path.join(root, name) for name in (MANIFEST_FILE, LOCK_FILE)]
        with recorded(context, "import", root=root, paths=ours) as operation:
            return _import(root, operation.context, paths, exact=exact, dry_run=False)


def _import(
    root: str, context: Context, paths: Sequence[str], *, exact: bool, dry_run: bool
) -> ImportResult:
    project = project_in(root)
    found = gather(project, context, paths)
    wanted = found.wanted
    carried = carry(
        project.manifest_text,
        project.manifest_path,
        wanted,
        name=project_name(root),
        requires_python=project.manifest.requires_python
        or wanted.requires_python
        or f">={edit.best_minor(root, context)}",
    )
    final = edit.with_text(project, carried.text)
    locked = _lock(final, context, found.pinning, exact=exact)
    _check_hashes(found.pinning, locked.locks[None])
    return _write(project, final, context, carried, locked, found, dry_run=dry_run)


@frozen
class _Locked:
    """What the resolver made of the pins."""

    locks: Mapping[str | None, Pylock]
    moved: tuple[Change, ...]
    reason: str
    unneeded: tuple[str, ...]
    fresh: tuple[str, ...]
    pinned: int


def _lock(final: Project, context: Context, pinning: Sequence[Foreign], *, exact: bool) -> _Locked:
    """Resolve with the pins as preferences; where some did not stay, once more with them as bounds."""
    pins = [pin for foreign in pinning for pin in foreign.pins if pin.version and not pin.virtual]
    old = read_locks(final) if os.path.exists(final.lock_path(None)) else {}
    before = old[None].lock if None in old else None
    preferred = _preferred(final, context, pins, before)
    files_of = {**old, None: LockFile(path=final.lock_path(None), text="", lock=preferred)}
    locks = locking.resolve_manifest(final, context, files_of)
    moved = _moved(pins, locks[None])
    reason = ""
    if moved:
        locks, reason = _insist(final, context, files_of, moved, locks)
        moved = _moved(pins, locks[None])
    if moved and exact:
        listed = ", ".join(f"{c.name} {c.before} → {c.after}" for c in moved)
        raise CheckFailedError(
            f"not every pinned version can stay: {listed}\n{reason}".rstrip(),
            hint="Without --exact they move; every file is as it was.",
            details={"moved": [[c.name, c.before, c.after] for c in moved]},
        )
    names = {package.name for package in locks[None].packages}
    pinned = {pin.name for pin in pins}
    return _Locked(
        locks=locks,
        moved=moved,
        reason=reason if moved else "",
        unneeded=tuple(sorted(pinned - names)) if pinned else (),
        fresh=tuple(sorted(names - pinned)) if pinned else (),
        pinned=len(pinned & names),
    )


def _preferred(
    project: Project, context: Context, pins: Sequence[Pin], before: Pylock | None
) -> Pylock:
    """The pins as a lock, with those of the present lock for all other names."""
    from packaging.pylock import Package, PackageVcs, Pylock
    from packaging.utils import canonicalize_name
    from packaging.version import Version

    default = collect_indexes(project.manifest, project.root, context.index_url).default
    entries: dict[tuple[str, str], Package] = {}
    for pin in pins:
        index, vcs = None, None
        if pin.direct is None:
            index = own_index(project, pin) or default
        elif pin.direct.kind == "vcs" and pin.direct.commit:
            vcs = PackageVcs(
                type=pin.direct.vcs,
                url=pin.direct.url,
                requested_revision=pin.direct.revision or None,
                commit_id=pin.direct.commit,
                subdirectory=pin.direct.subdirectory or None,
            )
        else:
            continue
        name = canonicalize_name(pin.name)
        entry = Package(name=name, version=Version(pin.version), index=index, vcs=vcs)
        entries.setdefault((pin.name, pin.version), entry)
    names = {pin.name for pin in pins}
    others = [p for p in before.packages if p.name not in names] if before else []
    version = Version("1.0")
    packages = [*entries.values(), *others]
    return Pylock(lock_version=version, created_by="import", packages=packages)


def _moved(pins: Sequence[Pin], lock: Pylock) -> tuple[Change, ...]:
    """Pinned versions that the lock does not have, though it has the name."""
    there: dict[str, set[str]] = {}
    for package in lock.packages:
        if package.version is not None:
            there.setdefault(package.name, set()).add(str(package.version))
    wanted: dict[str, set[str]] = {}
    for pin in pins:
        if pin.direct is None:
            wanted.setdefault(pin.name, set()).add(pin.version)
    return tuple(
        Change(name=name, before=", ".join(sorted(versions)), after=", ".join(sorted(there[name])))
        for name, versions in sorted(wanted.items())
        if name in there and not there[name] <= versions
    )


def _insist(
    project: Project,
    context: Context,
    previous: Mapping[str | None, LockFile],
    moved: Sequence[Change],
    locks: Mapping[str | None, Pylock],
) -> tuple[Mapping[str | None, Pylock], str]:
    """The lock with the moved pins as bounds, where that works; else why it does not."""
    bounds = [f"{c.name}=={c.before}" for c in moved if c.before and ", " not in c.before]
    uv = dict(project.manifest.uv)
    uv["constraint-dependencies"] = [*uv.get("constraint-dependencies", ()), *bounds]
    bound = replace(project, manifest=replace(project.manifest, uv=uv))
    try:
        made = locking.resolve_manifest(bound, context, previous)
    except ProvenvError as error:
        return locks, error.message
    return locking.answering(project, made), ""


def _check_hashes(pinning: Sequence[Foreign], lock: Pylock) -> None:
    """Hold the hashes of the imported files against those of the lock.

    Raises:
        IntegrityError: They differ for a version that stayed.
    """
    packages = {(str(p.name), str(p.version)): p for p in lock.packages if p.index is not None}
    for foreign in pinning:
        for pin in foreign.pins:
            package = packages.get((pin.name, pin.version))
            if package is not None and pin.files:
                _check_pin(foreign.file, pin, package)


def _check_pin(file: str, pin: Pin, package: Package) -> None:
    locked = {
        (entry.name or (entry.url or entry.path or "").rpartition("/")[2]): entry.hashes["sha256"]
        for entry in (*(package.wheels or ()), package.sdist)
        if entry is not None and "sha256" in entry.hashes
    }
    known = [f for f in pin.files if "sha256" in f.hashes]
    named = {f.filename: f.hashes["sha256"].lower() for f in known if f.filename}
    differing = [name for name in named if name in locked and locked[name] != named[name]]
    bare = {f.hashes["sha256"].lower() for f in known if not f.filename}
    if bare and locked and not bare & set(locked.values()):
        differing += sorted(locked)[:1]
    if differing:
        name = differing[0]
        raise IntegrityError(
            f"{file}: the hashes of {pin.name} {pin.version} are not those that its index gives: "
            f"{name} is sha256:{locked[name]}",
            hint="Find out which of them is right; every file is as it was.",
            details={
                "wanted": named.get(name, sorted(bare)),
                "found": locked[name],
                "source": file,
            },
        )


def _write(
    project: Project,
    final: Project,
    context: Context,
    carried: Carried,
    locked: _Locked,
    found: Gathered,
    *,
    dry_run: bool,
) -> ImportResult:
    fresh = locking.render_locks(final, locked.locks)
    texts = {file.path: file.text for file in fresh.values()}
    texts[final.manifest_path] = final.manifest_text
    before = {path: files.read_bytes(path) for path in texts}
    changed = any(before[path] != text.encode() for path, text in texts.items())
    if changed and not dry_run:
        files.sweep(project.root)
        files.write(final, texts)
        locking.remember_fresh(final, context, fresh)
        evidencing.record_locks(final, context, fresh.values(), ())
    return ImportResult(
        root=project.root,
        taken=found.taken,
        beside=found.beside,
        added=carried.added,
        moved=locked.moved,
        reason=locked.reason,
        unneeded=locked.unneeded,
        fresh=locked.fresh,
        left=tuple(dict.fromkeys((*found.left, *carried.left))),
        changed=changed,
        written=changed and not dry_run,
        packages=len(locked.locks[None].packages),
        pinned=locked.pinned,
    )

"""``import``: what a project has from other tools → ``pyproject.toml`` and ``pylock.toml``, pins kept.

Whole or nothing: where anything fails, every file is as it was. What cannot be carried over is listed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

from provenv.core.errors import (
    CheckFailedError,
    InputError,
    IntegrityError,
    ProvenvError,
    UsageError,
)
from provenv.core.files import locked_folder
from provenv.formats import requirements as requirements_format
from provenv.formats.foreign import BASE, UNPINNED, Foreign, Left, Pin, Place, Source
from provenv.formats.kinds import Format, format_of, group_of
from provenv.model.generation import Change
from provenv.model.plan import canonical
from provenv.resolve.indexes import collect_indexes
from provenv.workspace import edit, files, locking
from provenv.workspace.addresses import own_index
from provenv.workspace.carrying import Carried, Wanted, carry, joined
from provenv.workspace.context import (
    MANIFEST_FILE,
    Context,
    LockFile,
    Project,
    project_in,
    read_locks,
)
from provenv.workspace.sourcing import read_source

if TYPE_CHECKING:
    from packaging.pylock import Package, Pylock

# A lock, and the manifest that is taken together with it.
_PAIRS = {
    "poetry.lock": MANIFEST_FILE, "pdm.lock": MANIFEST_FILE, "uv.lock": MANIFEST_FILE,
    "Pipfile.lock": "Pipfile",
}  # fmt: skip
# Without FILE the first of these that is there is taken, with what belongs to it.
_ORDER = ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "Pipfile")
_SETUP = ("setup.cfg", "setup.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A file that was read: its format, and whether it asks, pins, or does both."""

    file: str
    kind: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
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
        return _import(root, context, paths, exact=exact, dry_run=dry_run)


def _import(
    root: str, context: Context, paths: Sequence[str], *, exact: bool, dry_run: bool
) -> ImportResult:
    project = project_in(root)
    chosen, beside = _choose(project, paths)
    read: list[tuple[Format, Foreign]] = []
    for path in chosen:
        known = format_of(path)
        foreign = known.read(read_source(project, context, path))
        if foreign is not None:
            read.append((known, foreign))
    if not read:
        raise UsageError(f"{', '.join(map(os.path.basename, chosen))}: nothing in it to take over")
    places, pinning, left = _sorted(project, context, read, chosen)
    wanted = joined([foreign for _, foreign in read], places)
    wanted = _with_origins(wanted, project, pinning)
    wanted = replace(wanted, constraints=_limits(project, context, read, chosen))
    carried = carry(
        project.manifest_text,
        project.manifest_path,
        wanted,
        name=edit.project_name(root),
        requires_python=project.manifest.requires_python
        or wanted.requires_python
        or f">={edit.best_minor(root, context)}",
    )
    final = edit.with_text(project, carried.text)
    locked = _lock(final, context, pinning, exact=exact)
    _check_hashes(pinning, locked.locks[None])
    return _write(project, final, context, carried, locked, _Told(
        taken=tuple(Taken(file=f.file, kind=f.kind, role=k.role) for k, f in read),
        beside=beside,
        left=(*left, *(item for _, f in read for item in f.left), *carried.left),
        dry_run=dry_run,
    ))  # fmt: skip


def _choose(project: Project, paths: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """The files to read, locks with their manifests; and what else is there."""
    if paths:
        found = [os.path.normpath(path) for path in paths]
        for path in tuple(found):
            found += [other for other in _partners(path) if other not in found]
        return found, ()
    there = {name for name in sorted(os.listdir(project.root)) if _is_known(project.root, name)}
    first = next((name for name in _ORDER if name in there and _is_meant(project, name)), None)
    taken: list[str] = []
    if first is not None:
        taken = [first]
    elif any(tool in _tools(project) for tool in ("poetry", "pdm")):
        taken = [MANIFEST_FILE]
    elif names := [name for name in there if format_of(name).name == "requirements"]:
        taken = _requirement_files(project, sorted(names))
    elif names := [name for name in sorted(there) if format_of(name).name == "pylock"]:
        taken = [name for name in names if name != "pylock.toml"]
    elif names := [name for name in there if format_of(name).name == "environment.yml"]:
        taken = names[:1]
    taken += [name for name in _SETUP if name in there]
    if not taken:
        raise UsageError(
            f"nothing to import in {project.root}",
            hint="`provenv import FILE` takes a requirements file, a lock or a manifest of another tool.",
        )
    found = [os.path.join(project.root, name) for name in taken]
    for path in tuple(found):
        found += [other for other in _partners(path) if other not in found]
    names_taken = {os.path.basename(path) for path in found}
    own = {MANIFEST_FILE, "pylock.toml"}
    return found, tuple(sorted(there - names_taken - own))


def _is_known(root: str, name: str) -> bool:
    if name.endswith((".txt", ".in", ".pip")):
        stem = os.path.splitext(name)[0]
        if "requirement" not in stem.lower() or name.startswith("constraints"):
            return False
    try:
        format_of(name)
    except InputError:
        return False
    return os.path.isfile(os.path.join(root, name))


def _is_meant(project: Project, name: str) -> bool:
    """Whether a lock belongs to the manifest that is there."""
    tools = _tools(project)
    return {
        "poetry.lock": "poetry" in tools or not project.manifest_text,
        "pdm.lock": "pdm" in tools or bool(project.manifest.name),
        "uv.lock": bool(project.manifest.name or project.manifest.groups),
    }.get(name, True)


def _tools(project: Project) -> Mapping[str, Any]:
    from provenv.model import toml

    tools = toml.parse(project.manifest_text, project.manifest_path).get("tool", {})
    return tools if isinstance(tools, dict) else {}


def _requirement_files(project: Project, names: list[str]) -> list[str]:
    """Requirements files of the folder and of ``requirements/``; `.in` files with what they lock."""
    folder = os.path.join(project.root, "requirements")
    more = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return names + [f"requirements/{name}" for name in more if name.endswith((".txt", ".in"))]


def _partners(path: str) -> list[str]:
    """What is read together with a file: its manifest, or its lock."""
    folder, name = os.path.split(path)
    stem, suffix = os.path.splitext(name)
    pairs = {**_PAIRS, "Pipfile": "Pipfile.lock"}
    names = [pairs[name]] if name in pairs else []
    if suffix in (".in", ".txt") and format_of(path).name == "requirements":
        names = [f"{stem}{'.txt' if suffix == '.in' else '.in'}"]
    if name == MANIFEST_FILE:
        names = ["poetry.lock", "pdm.lock", "uv.lock"]
    there = [os.path.join(folder, name) for name in names]
    return [path for path in there if os.path.isfile(path)][:1]


def _sorted(
    project: Project,
    context: Context,
    read: Sequence[tuple[Format, Foreign]],
    chosen: Sequence[str],
) -> tuple[dict[Place, list[str]], list[Foreign], list[Left]]:
    """Requirements by place; the files that pin; what is left."""
    places: dict[Place, list[str]] = {}
    pinning = [foreign for known, foreign in read if known.role != "manifest" and foreign.pins]
    left: list[Left] = []
    compiled = {path for path in chosen if path.endswith(".txt")
                and f"{os.path.splitext(path)[0]}.in" in chosen}  # fmt: skip
    for known, foreign in read:
        if known.name == "requirements":
            if foreign.files[0] not in compiled:
                source = read_source(project, context, foreign.files[0])
                _place_lines(source, places, {*chosen})
            continue
        if known.role == "lock":
            continue
        places.setdefault(BASE, []).extend(foreign.dependencies)
        for kind, tables in (("extra", foreign.extras), ("group", foreign.groups)):
            for name, texts in tables.items():
                place: Place = ("extra", name) if kind == "extra" else ("group", name)
                places.setdefault(place, []).extend(texts)
    left += _drop_itself(read, places)
    asked = any(places.values()) or project.manifest.dependencies or project.manifest.groups
    dynamic = "dependencies" in project.manifest.dynamic
    if not asked and not dynamic and not project.manifest.name:
        for foreign in pinning:  # a lock alone: what it is entered by is all that is known
            _place_roots(foreign, places)
            why = "the file does not say: everything in it became a requirement"
            left.append(Left(what="what was asked for", why=why, file=foreign.file))
    return places, pinning, left


def _limits(
    project: Project,
    context: Context,
    read: Sequence[tuple[Format, Foreign]],
    chosen: Sequence[str],
) -> tuple[str, ...]:
    """Constraints (``-c``) of files that are not read for themselves: those limit by what they pin."""
    found: dict[str, None] = {}
    for known, foreign in read:
        if known.name == "requirements" and foreign.constraints:
            source = read_source(project, context, foreign.files[0])
            for line in requirements_format.parse(source).lines:
                if line.constraint and line.place is None and line.file not in chosen:
                    found[requirements_format.requirement_text(line)] = None
    return tuple(found)


def _place_lines(source: Source, places: dict[Place, list[str]], chosen: set[str]) -> None:
    """Each line into the group that its file's name stands for."""
    top = group_of(source.path) or ""
    for line in requirements_format.parse(source).lines:
        if line.constraint or not line.name:
            continue
        if line.file != source.path and line.file in chosen:
            continue  # it is read by itself
        named = group_of(line.file) if line.file != source.path else top
        group = top if named is None else named
        place: Place = ("group", group) if group else BASE
        places.setdefault(place, []).append(requirements_format.requirement_text(line))


def _with_origins(wanted: Wanted, project: Project, pinning: Sequence[Foreign]) -> Wanted:
    """Indexes that a lock took something from, pinned to it: no other may give it from now on."""
    known = {index.url.rstrip("/"): index for index in wanted.indexes if not index.default}
    for foreign in pinning:
        for pin in foreign.pins:
            index = known.get(own_index(project, pin).rstrip("/"))
            if index is not None and pin.name not in index.packages:
                names = tuple(sorted({*index.packages, pin.name}))
                known[index.url.rstrip("/")] = replace(index, packages=names)
    indexes = tuple(known.get(index.url.rstrip("/"), index) for index in wanted.indexes)
    return replace(wanted, indexes=indexes)


def _drop_itself(
    read: Sequence[tuple[Format, Foreign]], places: dict[Place, list[str]]
) -> list[Left]:
    """``-e .`` and its like: a project does not ask for itself."""
    own = {
        name: foreign.file
        for _, foreign in read
        for name, table in foreign.sources.items()
        if table.get("path") == "."
    }
    for place, texts in places.items():
        places[place] = [text for text in texts if canonical(Requirement(text).name) not in own]
    why = "the project itself is installed where pyproject.toml has a [build-system]"
    return [Left(what=name, why=why, file=file) for name, file in own.items()]


def _place_roots(foreign: Foreign, places: dict[Place, list[str]]) -> None:
    for place, edges in foreign.roots.items():
        for edge in edges:
            extras = f"[{','.join(edge.extras)}]" if edge.extras else ""
            pinned = edge.version not in ("", UNPINNED)
            version = f"=={edge.version}" if pinned else edge.specifier
            if edge.name in foreign.sources:
                version = ""  # the place decides
            marker = f" ; {edge.marker}" if edge.marker and "extra ==" not in edge.marker else ""
            places.setdefault(place, []).append(f"{edge.name}{extras}{version}{marker}")


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    taken: tuple[Taken, ...]
    beside: tuple[str, ...]
    left: tuple[Left, ...]
    dry_run: bool


def _write(
    project: Project,
    final: Project,
    context: Context,
    carried: Carried,
    locked: _Locked,
    told: _Told,
) -> ImportResult:
    fresh = locking.render_locks(final, locked.locks)
    texts = {file.path: file.text for file in fresh.values()}
    texts[final.manifest_path] = final.manifest_text
    before = {path: edit.read_bytes(path) for path in texts}
    changed = any(before[path] != text.encode() for path, text in texts.items())
    if changed and not told.dry_run:
        try:
            files.sweep(project.root)
            files.write(final, texts)
        except BaseException:
            edit.put_back(before)
            raise
        locking.remember_fresh(final, context, fresh)
    return ImportResult(
        root=project.root,
        taken=told.taken,
        beside=told.beside,
        added=carried.added,
        moved=locked.moved,
        reason=locked.reason,
        unneeded=locked.unneeded,
        fresh=locked.fresh,
        left=tuple(dict.fromkeys(told.left)),
        changed=changed,
        written=changed and not told.dry_run,
        packages=len(locked.locks[None].packages),
        pinned=locked.pinned,
    )

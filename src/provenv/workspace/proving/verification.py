"""``verify``: every file against its hash, and who is hit where one differs."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import cast

from provenv.core.errors import IntegrityError
from provenv.core.events import PhaseFinished
from provenv.core.values import field, frozen, mutable, replace
from provenv.environments import generations, switch
from provenv.environments.drift import Drift, find_altered, find_drift
from provenv.environments.tree import Steps
from provenv.store.bytecode import Compiled, Known
from provenv.store.damage import Damage, Kind
from provenv.store.links import LINKS, misled_links
from provenv.store.objects import DESCRIPTION, has_object
from provenv.store.previous import sharing
from provenv.store.verify import CACHE
from provenv.workspace.host.registry import registered
from provenv.workspace.projects.context import Context, Project
from provenv.workspace.proving import bytecode, suspects
from provenv.workspace.proving.copies import PrivateCopy, private_copies
from provenv.workspace.proving.objects import Compared, compare_objects

_LOOKS = 3
"""So often is looked again at what is damaged, as long as it does not stay the same."""


@frozen
class Hit:
    """One damaged file in the store, and the generations (``folder:number``) that hold it."""

    damage: Damage
    generations: tuple[str, ...]


@frozen
class VerifyResult:
    """What was found. ``ok`` is true where nothing differs and nothing could not be read.

    Attributes:
        objects, files, size: How much was compared (bytes).
        hits: Damaged files in the store.
        drift: By environment folder, what differs in its current generation.
        former: The same for all others. It fails nobody: a ``sync`` leaves them as they are.
        unreadable: Generations that cannot be read, with the reason.
        edited: By environment folder, the private copies of its current generation; no damage.
        lost: By environment folder, the interpreter of its current generation that is gone.
        open: Folders of environments that also see what is installed for their interpreter
            (``system-site-packages``): nobody can say whether that is as it was.
        compiled: How many files of byte code were compared with their sources.
        unjudged: Those that no interpreter here reads, and what other tools keep beside them.
    """

    ok: bool
    objects: int
    files: int
    size: int
    hits: tuple[Hit, ...]
    drift: tuple[tuple[str, Drift], ...]
    unreadable: tuple[str, ...]
    edited: tuple[tuple[str, PrivateCopy], ...]
    lost: tuple[tuple[str, str], ...]
    open: tuple[str, ...]
    seconds: float
    compiled: int = 0
    unjudged: tuple[str, ...] = ()
    former: tuple[tuple[str, Drift], ...] = ()


def verify(
    context: Context, *, project: Project | None = None, environment: str | None = None
) -> VerifyResult:
    """Compare every file of an environment, of all of a project's, or of the whole store.

    With ``project``, its environments (or the one named), the objects that all their generations
    hold, and those that share a damaged file with them; without, every object in the store and every
    environment that it knows. Who holds a damaged object is told of the whole machine in any case.
    """
    started = time.monotonic()
    folders = folders_of(context, project, environment)
    held = _Held(folders)
    wanted = sorted(held.by if project is not None else {*all_objects(context), *held.by})
    known = bytecode.known(context)
    compared = compare_objects(context, wanted, known)
    while more := _sharing(context, compared):
        compared |= compare_objects(context, more, known)
    drifted = list(_drift(context, folders))
    beside = [
        (folder, number, item)
        for (folder, number), recipe in held.recipes.items()
        for item in bytecode.in_generation(recipe, f"{folder}/generations/{number}", known)
    ]
    everything = [item for one in compared.values() for item in one.compiled]
    others = cache(lambda: _Held([f for f in registered(context) if f not in folders]))
    judged, unjudged = bytecode.judge(
        context,
        [*everything, *(item for _, _, item in beside)],
        (lambda: held.executables, lambda: others().executables),
        everything=project is None,
    )
    wrong = {item.path for item in judged}
    hits = list(_hits(context, compared, held, others, wrong))
    for _ in range(_LOOKS):
        held, compared = _looked_again(context, held, compared, hits, known)
        before, hits = hits, list(_hits(context, compared, held, others, wrong))
        if hits == before:
            break
    for folder, number, item in beside:
        if item.path in wrong:
            inside = os.path.relpath(item.path, f"{folder}/generations/{number}")
            drifted.append((folder, Drift(path=inside, kind="changed", generation=number)))
    current = {folder: switch.current(folder) for folder in folders}
    drift = [row for row in drifted if row[1].generation == current[row[0]]]
    lost = tuple(_lost(folders))
    _note(context, hits, {folder for folder, _ in drift}, held, current)
    seconds = time.monotonic() - started
    context.emit(PhaseFinished(phase="verify", count=len(compared), seconds=seconds))
    return VerifyResult(
        ok=not hits and not drift and not held.unreadable and not lost,
        objects=len(compared),
        files=sum(one.files for one in compared.values()),
        size=sum(one.size for one in compared.values()),
        hits=tuple(hits),
        drift=tuple(drift),
        unreadable=tuple(message for _, _, message in held.unreadable),
        edited=tuple(_edited(context, folders)),
        lost=lost,
        open=tuple(_open(folders)),
        seconds=seconds,
        compiled=len(everything) + len(beside),
        unjudged=tuple(sorted({item.path for item in unjudged})),
        former=tuple(row for row in drifted if row not in drift),
    )


def _looked_again(
    context: Context,
    held: _Held,
    compared: dict[str, Compared],
    hits: Sequence[Hit],
    known: Known,
) -> tuple[_Held, dict[str, Compared]]:
    """The same, what is damaged looked at anew: `gc` may have taken it away between two looks.

    Damage is damage the second time, too; what is not there, and nothing holds any more, is none.
    """
    damaged = {hit.damage.sha256 for hit in hits}
    if not damaged:
        return held, compared
    now = _Held(held.folders)
    left = [one for one in sorted(damaged) if one in now.by or has_object(context.home, one)]
    kept = {sha256: one for sha256, one in compared.items() if sha256 not in damaged}
    return now, dict(sorted((kept | compare_objects(context, left, known)).items()))


def _sharing(context: Context, compared: Mapping[str, Compared]) -> list[str]:
    """Objects that were not compared, and share a damaged file with one that was."""
    found: set[str] = set()
    for one in compared.values():
        found |= sharing(context.home, one.damage)
    return sorted(found.difference(compared))


@mutable
class _Held:
    """What the generations of some environments hold.

    Attributes:
        by: Object (sha256) → ``folder:number`` of each generation that holds it.
        names: Object → name and version of the distribution.
        unreadable: Folder, number, and what is wrong.
    """

    folders: Sequence[str]
    by: dict[str, list[str]] = field(default_factory=dict)
    names: dict[str, tuple[str, str]] = field(default_factory=dict)
    executables: set[str] = field(default_factory=set)
    recipes: dict[tuple[str, int], Steps] = field(default_factory=dict)
    unreadable: list[tuple[str, int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for folder in self.folders:
            for number in switch.numbers(folder):
                try:
                    self._read(folder, number)
                except IntegrityError as error:
                    self.unreadable.append((folder, number, error.message))

    def _read(self, folder: str, number: int) -> None:
        generation = generations.read_generation(folder, number)
        self.executables.add(generation.executable)
        for package in generation.packages:
            self.by.setdefault(package.sha256, []).append(f"{folder}:{number}")
            self.names[package.sha256] = (package.name, package.version)
        with contextlib.suppress(IntegrityError):  # its name is told as drift
            self.recipes[folder, number] = generations.read_recipe(folder, number)


def _hits(
    context: Context,
    compared: Mapping[str, Compared],
    held: _Held,
    others: Callable[[], _Held],
    wrong: Collection[str],
) -> Iterator[Hit]:
    """Every damaged file in the store, with who holds it: ``others`` are asked where there is one."""
    for sha256, one in compared.items():
        damage = list(one.damage)
        if not one.name:
            damage.append(_unreadable(context, sha256, held))
        damage += [_compiled(one, item) for item in one.compiled if item.path in wrong]
        damage += _misled(context, one)
        if damage:
            places = (*held.by.get(sha256, ()), *others().by.get(sha256, ()))
            yield from (Hit(damage=found, generations=places) for found in damage)


def _unreadable(context: Context, sha256: str, held: _Held) -> Damage:
    """An object that is not there, or whose description is not as it was written."""
    name, version = held.names.get(sha256, ("?", "?"))
    folder = context.home.object(sha256)
    path, kind, detail = "", "missing", "the object is not in the store"
    if os.path.islink(folder):
        kind, detail = "changed", "a symlink stands in its place"
    elif os.path.isdir(folder):
        path, kind, detail = DESCRIPTION, "changed", "it is not as it was written"
        if not os.path.lexists(f"{folder}/{DESCRIPTION}"):
            kind, detail = "missing", ""
    return Damage(
        sha256=sha256, name=name, version=version, path=path, kind=cast("Kind", kind), detail=detail
    )


def _compiled(one: Compared, item: Compiled) -> Damage:
    if item.print is None:
        detail = "it is no regular file"
    elif item.state == "changed":
        detail = "it was changed since it was compared"
    else:
        detail = f"it is not what Python makes of {os.path.basename(item.source)}"
    path = os.path.relpath(item.path, one.folder)
    return Damage(
        sha256=one.sha256,
        name=one.name,
        version=one.version,
        path=path,
        kind="changed",
        detail=detail,
    )


def _misled(context: Context, one: Compared) -> Iterator[Damage]:
    """Prepared symlinks of an object that lead elsewhere."""
    if not one.name:
        return
    for name in misled_links(context.home, one.sha256):
        yield Damage(
            sha256=one.sha256,
            name=one.name,
            version=one.version,
            path=name,
            kind="changed",
            detail="a prepared link leads elsewhere",
        )


def _note(
    context: Context,
    hits: Sequence[Hit],
    drifted: set[str],
    held: _Held,
    current: Mapping[str, int | None],
) -> None:
    """Leave notes for the next ``sync``."""
    removable: list[str] = []
    objects: set[str] = set()
    folders = set(drifted)
    folders |= {f for f, number, _ in held.unreadable if number == current[f]}
    for hit in hits:
        path = removable_path(context, hit.damage)
        if path is None:
            objects.add(hit.damage.sha256)
        else:
            removable.append(path)
        folders |= {place.rpartition(":")[0] for place in hit.generations}
    suspects.note(context, objects, folders)
    suspects.note_removable(context, removable)


def removable_path(context: Context, damage: Damage) -> str | None:
    """Where damage lies that is mended by removing it: byte code, a prepared link. None for the rest."""
    sha256, path = damage.sha256, damage.path
    if f"/{CACHE}/" in path:
        return f"{context.home.object(sha256)}/{path}"
    if path.startswith(LINKS):
        return f"{context.home.object_links(sha256)}/{path.removeprefix(LINKS)}"
    return None


def environments_holding(context: Context, objects: Iterable[str]) -> list[str]:
    """The folders of all environments that have one of ``objects`` (sha256) in a generation."""
    by = _Held(registered(context)).by
    places = {place.rpartition(":")[0] for sha256 in objects for place in by.get(sha256, ())}
    return sorted(places)


def folders_of(context: Context, project: Project | None, environment: str | None) -> list[str]:
    """The environments that are meant: of a project, or one of its, or all that the store knows."""
    if project is None:
        return registered(context)
    manifest = project.manifest
    specs = manifest.all_instances() if environment is None else manifest.instances(environment)
    folders = [project.folder(spec) for spec in specs]
    return [folder for folder in folders if os.path.isdir(f"{folder}/generations")]


def all_objects(context: Context) -> list[str]:
    """The names of all objects in the store."""
    found: list[str] = []
    try:
        parents = sorted(os.listdir(context.home.wheels))
    except FileNotFoundError:
        return []
    for parent in parents:
        found += sorted(os.listdir(f"{context.home.wheels}/{parent}"))
    return found


def _edited(context: Context, folders: Iterable[str]) -> Iterable[tuple[str, PrivateCopy]]:
    for folder in folders:
        number = switch.current(folder)
        if number is not None:
            with contextlib.suppress(IntegrityError):  # said already
                yield from ((folder, copy) for copy in private_copies(context, folder, number))


def _lost(folders: Iterable[str]) -> Iterable[tuple[str, str]]:
    for folder in folders:
        number = switch.current(folder)
        executable = generations.lost_interpreter(folder, number) if number is not None else None
        if executable is not None:
            yield folder, executable


def _open(folders: Iterable[str]) -> Iterable[str]:
    for folder in folders:
        number = switch.current(folder)
        if number is not None and generations.sees_system(folder, number):
            yield folder


def _drift(context: Context, folders: Iterable[str]) -> Iterator[tuple[str, Drift]]:
    for folder in folders:
        for number in switch.numbers(folder):
            with contextlib.suppress(IntegrityError):  # said already
                for item in drift_of(context, folder, number):
                    yield folder, replace(item, generation=number)


def drift_of(context: Context, folder: str, number: int) -> list[Drift]:
    """What is not as it was made in one generation, provenv's own files among it.

    Raises:
        IntegrityError: Its record cannot be read.
    """
    own = generations.damaged_own(folder, number)
    found = [Drift(path=f"{generations.OWN_FOLDER}/{name}", kind="changed") for name in own]
    if "recipe" in own:
        return found
    recipe = generations.read_recipe(folder, number)
    hashes = generations.own_hashes(folder, number)
    root, home = f"{folder}/generations/{number}", context.home.root
    found += find_drift(recipe, root, home)
    seen = {item.path for item in found}
    found += [i for i in find_altered(recipe, root, home, hashes) if i.path not in seen]
    return found

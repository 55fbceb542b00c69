"""``verify``: every file against its hash, and who is hit where one differs."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from provenv.core.errors import IntegrityError
from provenv.core.events import ItemFinished, ItemStarted, PhaseFinished, PhaseStarted
from provenv.environments import generations, switch
from provenv.environments.drift import Drift, find_altered, find_drift
from provenv.store.objects import read_object
from provenv.store.previous import sharing
from provenv.store.verify import Damage, verify_object
from provenv.workspace.host.registry import registered
from provenv.workspace.projects.context import Context, Project
from provenv.workspace.proving import suspects
from provenv.workspace.proving.copies import PrivateCopy, private_copies


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One damaged file in the store, and the generations (``folder:number``) that hold it."""

    damage: Damage
    generations: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """What was found. ``ok`` is true where nothing differs and nothing could not be read.

    Attributes:
        objects, files, size: How much was compared (bytes).
        hits: Damaged files in the store.
        drift: By environment folder, what differs in its current generation.
        unreadable: Generations that cannot be read, with the reason.
        edited: By environment folder, the private copies of its current generation; no damage.
        lost: By environment folder, the interpreter of its current generation that is gone.
        open: Folders of environments that also see what is installed for their interpreter
            (``system-site-packages``): nobody can say whether that is as it was.
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


def verify(
    context: Context, *, project: Project | None = None, environment: str | None = None
) -> VerifyResult:
    """Compare every file of an environment, of all of a project's, or of the whole store.

    With ``project``, its environments (or the one named), the objects that all their generations
    hold, and those that share a damaged file with them; without, every object in the store and every
    environment that it knows.
    """
    started = time.monotonic()
    folders = folders_of(context, project, environment)
    holders, unreadable = _holders(folders)
    wanted = sorted(holders if project is not None else {*all_objects(context), *holders})
    context.emit(PhaseStarted(phase="verify", total=len(wanted)))
    hits: list[Hit] = []
    files = size = 0
    for sha256 in wanted:
        stored = read_object(context.home, sha256)
        if stored is None:
            missing = Damage(
                sha256=sha256, name="?", version="?", path="", kind="missing",
                detail="the object is not in the store",
            )  # fmt: skip
            hits.append(Hit(damage=missing, generations=tuple(holders.get(sha256, ()))))
            continue
        context.emit(ItemStarted(phase="verify", name=stored.name))
        held = tuple(holders.get(sha256, ()))
        damaged = verify_object(stored)
        hits += [Hit(damage=damage, generations=held) for damage in damaged]
        wanted += sorted(sharing(context.home, damaged).difference(wanted))
        files += count_files(stored.tree)
        size += stored.unpacked
        context.emit(ItemFinished(phase="verify", name=stored.name))
    drift = list(_drift(context, folders))
    lost = tuple(_lost(folders))
    hit = {generation.rpartition(":")[0] for item in hits for generation in item.generations}
    suspects.note(context, {item.damage.sha256 for item in hits}, {*hit, *(f for f, _ in drift)})
    seconds = time.monotonic() - started
    context.emit(PhaseFinished(phase="verify", count=len(wanted), seconds=seconds))
    return VerifyResult(
        ok=not hits and not drift and not unreadable and not lost,
        objects=len(wanted),
        files=files,
        size=size,
        hits=tuple(hits),
        drift=tuple(drift),
        unreadable=tuple(unreadable),
        edited=tuple(_edited(context, folders)),
        lost=lost,
        open=tuple(_open(folders)),
        seconds=seconds,
    )


def environments_holding(context: Context, objects: Iterable[str]) -> list[str]:
    """The folders of all environments that have one of ``objects`` (sha256) in a generation."""
    holders, _ = _holders(registered(context))
    places = {place.rpartition(":")[0] for sha256 in objects for place in holders.get(sha256, ())}
    return sorted(places)


def count_files(tree: Mapping[str, Any]) -> int:
    """How many files a tree, or a directory in it, holds."""
    tables = tree.values()
    return sum(len(table.get("f", {})) + count_files(table.get("d", {})) for table in tables)


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


def _holders(folders: Iterable[str]) -> tuple[dict[str, list[str]], list[str]]:
    holders: dict[str, list[str]] = {}
    unreadable: list[str] = []
    for folder in folders:
        for number in switch.numbers(folder):
            try:
                generation = generations.read_generation(folder, number)
            except IntegrityError as error:
                unreadable.append(error.message)
                continue
            for package in generation.packages:
                holders.setdefault(package.sha256, []).append(f"{folder}:{number}")
    return holders, unreadable


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


def _drift(context: Context, folders: Iterable[str]) -> Iterable[tuple[str, Drift]]:
    for folder in folders:
        number = switch.current(folder)
        if number is None:
            continue
        try:
            recipe = generations.read_recipe(folder, number)
        except IntegrityError:
            continue
        root, home = f"{folder}/generations/{number}", context.home.root
        found = find_drift(recipe, root, home)
        yield from ((folder, item) for item in found)
        seen = {item.path for item in found}
        hashes = generations.own_hashes(folder, number)
        for item in find_altered(recipe, root, home, hashes):
            if item.path not in seen:
                yield folder, item

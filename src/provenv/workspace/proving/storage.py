"""``store path/list/gc``: what lies there, who holds it, and what may go."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection
from dataclasses import dataclass

from provenv.core.errors import InputError, IntegrityError
from provenv.core.events import Warned
from provenv.core.files import disk_error, locked, remove_tree
from provenv.environments import generations, switch
from provenv.model.layout import EnvironmentLayout
from provenv.model.manifest import parse_manifest
from provenv.store import leftovers
from provenv.store.collect import collect
from provenv.store.objects import read_object
from provenv.workspace import roots
from provenv.workspace.host import processes, registry
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import Context
from provenv.workspace.proving import copies
from provenv.workspace.proving.verification import all_objects

_KEEP = 5
_PLAN_KEYS = ("keys", "locks")
_PLAN_AGE = 30 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredItem:
    """One object: ``size`` unpacked in bytes, ``holders`` the environments' folders."""

    sha256: str
    name: str
    version: str
    size: int
    holders: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GcResult:
    """What ``gc`` removed, or would remove.

    Attributes:
        generations: ``(environment folder, number)`` removed.
        objects: How many objects were removed. ``freed``: Their bytes.
        kept: How many objects stay.
        in_use: Generations kept because a process runs in them.
        edited: Generations kept because a private copy in them has edits that are nowhere else.
        missing: Environments that are registered and not there; what they held stays while the
            folder above them is missing, too (an unmounted disk), and goes where only they are gone.
    """

    generations: tuple[tuple[str, int], ...]
    objects: int
    freed: int
    kept: int
    in_use: tuple[tuple[str, int], ...]
    edited: tuple[tuple[str, int], ...]
    missing: tuple[str, ...]
    dry_run: bool
    seconds: float


def list_store(context: Context) -> list[StoredItem]:
    """Every object with its size and who holds it, by name."""
    holders = _holders(registry.registered(context))
    found = []
    for sha256 in all_objects(context):
        stored = read_object(context.home, sha256)
        if stored is not None:
            found.append(
                StoredItem(
                    sha256=sha256,
                    name=stored.name,
                    version=stored.version,
                    size=stored.unpacked,
                    holders=tuple(sorted(holders.get(sha256, ()))),
                )
            )
    return sorted(found, key=lambda item: (item.name, item.version, item.sha256))


def _holders(folders: Collection[str]) -> dict[str, set[str]]:
    holders: dict[str, set[str]] = {}
    for folder in folders:
        for generation in generations.read_all(folder):
            for package in generation.packages:
                holders.setdefault(package.sha256, set()).add(folder)
    return holders


def gc(context: Context, *, keep: int | None = None, dry_run: bool = False) -> GcResult:
    """Remove what nothing needs.

    Kept are, for every environment: the current generation, the last ``keep`` others (5), those that a
    running process uses, and those with edits that are nowhere else; and every object that a kept
    generation holds.

    Raises:
        IntegrityError: A generation that must be kept cannot be read, so that nobody knows what it
            holds: nothing is removed.
        DiskError: The file system refused.
    """
    if dry_run:
        return _gc(context, keep=keep, dry_run=True)
    with recorded(context, "store-gc") as operation:
        done = _gc(operation.context, keep=keep, dry_run=False)
        operation.facts.update(
            generations=len(done.generations), objects=done.objects, freed=done.freed
        )
        return done


def _gc(context: Context, *, keep: int | None, dry_run: bool) -> GcResult:
    started = time.monotonic()
    used = processes.generations_in_use()
    removed: list[tuple[str, int]] = []
    in_use: list[tuple[str, int]] = []
    edited: list[tuple[str, int]] = []
    alive: set[str] = set()
    missing: list[str] = []
    try:
        with locked(context.home.lock, shared=dry_run):
            for folder in registry.registered(context):
                if registry.absence(folder) is not None:
                    missing.append(folder)
                    alive |= _missing(context, folder, dry_run=dry_run)
                    continue
                if not dry_run:
                    registry.found_again(context, folder)
                try:
                    outcome = _thin(context, folder, keep, used, dry_run=dry_run)
                except FileNotFoundError:
                    switch.unprepare(folder)  # what taking its lock made of it again
                    if registry.absence(folder) is None:
                        raise
                    missing.append(folder)  # somebody took it away at this moment
                    alive |= _missing(context, folder, dry_run=dry_run)
                    continue
                removed += [(folder, number) for number in outcome.removed]
                in_use += [(folder, number) for number in outcome.in_use]
                edited += [(folder, number) for number in outcome.edited]
                alive |= outcome.alive
            collected = collect(
                context.home, alive, dry_run=dry_run, grace=0.0, empty_quarantine=True
            )
            if not dry_run:
                leftovers.remove(context.home)
                _thin_plans(context)
    except OSError as error:
        raise disk_error(error, "collect", error.filename or context.home.root) from error
    return GcResult(
        generations=tuple(removed),
        objects=len(collected.objects),
        freed=collected.freed,
        kept=len(alive),
        in_use=tuple(in_use),
        edited=tuple(edited),
        missing=tuple(missing),
        dry_run=dry_run,
        seconds=time.monotonic() - started,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Thinned:
    removed: tuple[int, ...]
    in_use: tuple[int, ...]
    edited: tuple[int, ...]
    alive: set[str]


def _thin(
    context: Context, folder: str, keep: int | None, used: processes.InUse, *, dry_run: bool
) -> _Thinned:
    """Remove the generations of one environment that need not stay."""
    with locked(EnvironmentLayout(folder).lock):
        there = switch.numbers(folder)
        now = switch.current(folder)
        others = [number for number in there if number != now]
        count = _kept(folder, now) if keep is None else keep
        wanted = {*others[max(0, len(others) - count) :], *([now] if now is not None else [])}
        busy = [n for n in there if n not in wanted and used.holds(folder, n)]
        rest = [n for n in there if n not in wanted and n not in busy]
        edited = [n for n in rest if copies.unreleased(context, folder, n)]
        alive: set[str] = set()
        for number in sorted({*wanted, *busy, *edited}):
            alive |= _held(folder, number)
        gone = [number for number in rest if number not in edited]
        if not dry_run:
            switch.sweep(folder)
            for number in gone:
                switch.discard(folder, number)
    return _Thinned(removed=tuple(gone), in_use=tuple(busy), edited=tuple(edited), alive=alive)


def _held(folder: str, number: int) -> set[str]:
    """The objects of a generation; none where somebody is removing it at this moment.

    Raises:
        IntegrityError: It stays where it is and cannot be read.
    """
    for wait in (0.1, 0.3, 1.0, None):
        try:
            return {p.sha256 for p in generations.read_generation(folder, number).packages}
        except IntegrityError:
            if wait is None:
                raise
            time.sleep(wait)
            if number not in switch.numbers(folder):
                return set()
    raise AssertionError("unreachable")


def _kept(folder: str, current: int | None) -> int:
    """How many former generations the project wants to keep (``[tool.provenv] keep``)."""
    try:
        path = generations.own_file(folder, current or 0, "pyproject.toml")
        with open(path, encoding="utf-8") as stream:
            return parse_manifest(stream.read(), path).keep
    except (OSError, ValueError, InputError):
        return _KEEP


def _missing(context: Context, folder: str, *, dry_run: bool) -> set[str]:
    """What a registered environment held that is not there.

    Where only the environment is gone, somebody removed it, and so is its claim. Where its project is
    gone as well, that may have been moved, or its disk is not mounted: the claim stands for two weeks
    from the first time that it was missed.
    """
    if registry.absence(folder) != "removed":
        try:
            missed = registry.missed_since(context, folder, note=not dry_run)
            if time.time() - missed < registry.GRACE:
                held = f"{roots.root_path(context.home.roots, folder)}.held"
                with open(held, "rb") as stream:
                    return {row[2] for row in json.load(stream)["packages"]}
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            context.emit(Warned(message=f"nobody knows what {folder} held: {error}"))
    if not dry_run:
        registry.forget(context, folder)
    return set()


def _thin_plans(context: Context) -> None:
    """Remove plans and keys that no command has used for a month: they are a cache."""
    limit = time.time() - _PLAN_AGE
    for folder in (context.home.plans, *(f"{context.home.plans}/{n}" for n in _PLAN_KEYS)):
        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            continue
        for name in names:
            path = f"{folder}/{name}"
            if name not in _PLAN_KEYS and os.lstat(path).st_mtime < limit:
                remove_tree(path)

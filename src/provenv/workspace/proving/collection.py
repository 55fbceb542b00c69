"""``gc``: what nobody needs goes; what nobody can tell whether it is needed stays, and is listed."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from provenv.core.disk import doing
from provenv.core.errors import DiskError, IntegrityError
from provenv.core.files import locked, remove_tree
from provenv.core.usage import Ledger
from provenv.core.values import field, frozen, mutable
from provenv.environments import generations, switch
from provenv.model.layout import EnvironmentLayout
from provenv.store import leftovers, released
from provenv.store.collect import Collected, Limits, collect, weigh
from provenv.workspace.host import claims, processes, registry, waits
from provenv.workspace.host.claims import Root
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import Context
from provenv.workspace.proving import thinning
from provenv.workspace.proving.spent import remove_spent

GRACE = 3600.0
"""For how many seconds an object stays that was stored, and that nothing has used yet."""

_PLAN_KEYS = ("audits", "cells", "keys", "locks")
_PLAN_AGE = 30 * 86400.0


@frozen
class Waiting:
    """An environment that cannot be looked at: what it held stays for the time being.

    Attributes:
        folder: Where it is registered, or its entry in ``roots/`` where that cannot be read.
        reason: In words.
        until: When it is forgotten, UTC, ISO 8601; None while it is there.
        objects: How many objects stay for it; None where nobody knows what it held, so that all do.
    """

    folder: str
    reason: str
    until: str | None
    objects: int | None


@frozen
class StoreSize:
    """What the store takes on disk, as ``du -s`` counts it: the sum of the other four.

    Attributes:
        shared: Objects that two or more environments hold. ``own``: That one holds.
        unheld: That none holds. ``other``: What is not objects.
    """

    total: int
    shared: int
    own: int
    unheld: int
    other: int


@frozen
class GcResult:
    """What ``gc`` removed, or would remove.

    Attributes:
        generations: ``(environment folder, number)`` removed.
        objects: How many objects were removed.
        freed: Bytes that are free on the disk now, as ``du`` counts them, generations included.
        kept: How many objects stay because an environment holds them. ``spared``: How many stay although
            none does: for the limits that were given, because they are new, because a process has a
            file of them mapped, or because nobody knows what an environment held.
        in_use: Generations kept because a process runs in them.
        edited: Generations kept because a private copy in them has edits that are nowhere else.
        recent: Generations kept because they were used a short time ago.
        missing: Environments that are registered and not there.
        waiting: Those, and others that cannot be read, for which something stays.
        forgotten: Those that were missing for too long.
        trials: Environments that `test` or `bisect` made, and that nobody has used for two weeks.
        before, size: What the store took, and takes now.
        over: Bytes by which it is still larger than was asked for: all of it is held.
    """

    generations: tuple[tuple[str, int], ...]
    objects: int
    freed: int
    kept: int
    spared: int
    in_use: tuple[tuple[str, int], ...]
    edited: tuple[tuple[str, int], ...]
    recent: tuple[tuple[str, int], ...]
    missing: tuple[str, ...]
    waiting: tuple[Waiting, ...]
    forgotten: tuple[str, ...]
    trials: tuple[str, ...]
    before: int
    size: StoreSize
    over: int
    dry_run: bool
    seconds: float


def gc(
    context: Context,
    *,
    keep: int | None = None,
    dry_run: bool = False,
    unused: float = 0.0,
    max_size: int | None = None,
    grace: float = GRACE,
    forget_missing: float | None = None,
) -> GcResult:
    """Remove what nothing needs.

    Kept are, for every environment: the current generation, the last ``keep`` others (5), those that a
    running process uses, and those with edits that are nowhere else; and every object that a kept
    generation holds. What an environment held that is missing, or that cannot be read, stays, too.

    Args:
        context: The world.
        keep: How many former generations; what each project says, or five, where None.
        dry_run: Only say what would go.
        unused: Seconds: generations and objects that were used since then stay.
        max_size: Remove objects that nothing holds only until the store takes no more bytes than this,
            those first that were used longest ago: the last generation that used one counts.
        grace: Seconds for which an object stays that was stored and that nothing has used yet.
        forget_missing: Seconds for which an environment that is missing keeps its claim; where None,
            ``PROVENV_FORGET_MISSING``, else two weeks.

    Raises:
        UsageError: ``PROVENV_FORGET_MISSING`` is no age.
        DiskError: The file system refused.
    """
    patience = claims.patience(context) if forget_missing is None else forget_missing
    limits = Limits(grace=grace, unused=unused, size=max_size)
    if dry_run:
        return _gc(context, keep, limits, patience, dry_run=True)
    with recorded(context, "store-gc") as operation:
        done = _gc(operation.context, keep, limits, patience, dry_run=False)
        operation.facts.update(
            generations=len(done.generations), objects=done.objects, freed=done.freed
        )
        return done


def _gc(
    context: Context, keep: int | None, limits: Limits, patience: float, *, dry_run: bool
) -> GcResult:
    started = time.monotonic()
    waiting = waits.told(context, "works with the store")
    with (
        doing("collecting", context.home.root, safe=_standing),
        locked(context.home.lock, shared=dry_run, waiting=waiting),
    ):
        used = processes.generations_in_use()
        spent = remove_spent(context, used, dry_run=dry_run)
        sweep = _Sweep(context, keep, limits.unused, patience, used, weigh(context.home), dry_run)
        before = sweep.ledger.total
        for root in claims.entries(context):
            sweep.visit(root)
        collected = sweep.collect(limits)
        size = split(sweep.ledger, sweep.holders)
        there = {key for key in sweep.ledger.keys if _is_object(key)}
        if not dry_run:
            leftovers.remove(context.home)
            _thin_plans(context)
            _tidy(context)
    return GcResult(
        generations=tuple(sweep.gone),
        objects=len(collected.objects),
        freed=collected.freed,
        kept=len(there & sweep.holders.keys()),
        spared=len(there - sweep.holders.keys()),
        in_use=tuple(sweep.in_use),
        edited=tuple(sweep.edited),
        recent=tuple(sweep.recent),
        missing=tuple(sweep.missing),
        waiting=tuple(sweep.waiting),
        forgotten=tuple(sweep.forgotten),
        trials=tuple(spent),
        before=before,
        size=size,
        over=0 if limits.size is None else max(0, size.total - limits.size),
        dry_run=dry_run,
        seconds=time.monotonic() - started,
    )


def _standing() -> str:
    return "every environment keeps its current generation, and what was removed is gone"


@mutable
class _Sweep:
    """One collection under way: who holds what, and what has gone already."""

    context: Context
    keep: int | None
    unused: float
    patience: float
    used: processes.InUse
    ledger: Ledger
    dry_run: bool
    holders: dict[str, set[str]] = field(default_factory=dict)  # sha256 → environments
    let_go: dict[str, float] = field(default_factory=dict)  # sha256 → when it was used last
    gone: list[tuple[str, int]] = field(default_factory=list)
    in_use: list[tuple[str, int]] = field(default_factory=list)
    edited: list[tuple[str, int]] = field(default_factory=list)
    recent: list[tuple[str, int]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    unknown: bool = False  # something was held, and nobody knows what

    def visit(self, root: Root) -> None:
        """Look at one environment: thin it, or keep for it what it held."""
        if root.folder is None:
            self._miss(root, "the store's link to it cannot be read")
            return
        away = registry.absence(root.folder)
        if away is None:
            try:
                self._thin(root, root.folder)
            except (OSError, DiskError) as error:
                away = registry.absence(root.folder)
                if away is None:
                    self._miss(root, f"it cannot be read: {_words(error)}")
        if away is not None:
            self.missing.append(root.folder)
            self._miss(root, registry.ABSENCES[away])

    def _thin(self, root: Root, folder: str) -> None:
        choice = thinning.choose(
            self.context, folder, keep=self.keep, unused=self.unused, used=self.used
        )
        contents = [self._hold(root, folder, number) for number in choice.kept]
        self._let_go(folder, choice.gone)
        if not self.dry_run and not self._remove(root, folder, choice.gone):
            return
        for number in choice.gone:
            self.ledger.remove(_tree(folder, number))
        if not self.dry_run:
            claims.found_again(root)
            if None not in contents:
                # on a full disk more stays remembered than is there
                with contextlib.suppress(OSError):
                    claims.remember(root, [text for text in contents if text is not None])
        self.gone += [(folder, number) for number in choice.gone]
        self.in_use += [(folder, number) for number in choice.in_use]
        self.edited += [(folder, number) for number in choice.edited]
        self.recent += [(folder, number) for number in choice.recent]

    def _let_go(self, folder: str, numbers: Iterable[int]) -> None:
        """Weigh generations that go, and note when what they hold was used last."""
        times = thinning.last_uses(folder) if numbers else {}
        for number in numbers:
            self.ledger.add(_tree(folder, number), _tree(folder, number))
            for sha256 in _objects(folder, number) or ():
                self.let_go[sha256] = max(self.let_go.get(sha256, 0.0), times.get(number, 0.0))

    def _remove(self, root: Root, folder: str, numbers: Iterable[int]) -> bool:
        """Remove generations; where that cannot be done, all that are left stay, and False is answered."""
        try:
            with locked(EnvironmentLayout(folder).lock):
                if not os.path.isdir(f"{folder}/generations"):
                    switch.unprepare(folder)  # what taking its lock made of it again
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), folder)
                switch.sweep(folder)
                for number in numbers:
                    switch.discard(folder, number)
        except (OSError, DiskError) as error:
            for number in numbers:
                self.ledger.remove(_tree(folder, number), stays=True)
            if registry.absence(folder) is not None:
                raise
            for number in numbers:
                self._hold(root, folder, number)
            if numbers:
                self._wait_for(root, f"nothing can be removed there: {_words(error)}", None)
            return not numbers
        return True

    def _hold(self, root: Root, folder: str, number: int) -> bytes | None:
        """Keep what a generation holds; returns its ``contents.json`` where that can be read."""
        objects = _objects(folder, number)
        if objects is not None:
            self._add(folder, objects)
            path = generations.own_file(folder, number, "contents.json")
            with contextlib.suppress(OSError), open(path, "rb") as stream:
                return stream.read()
        elif number in switch.numbers(folder):  # else somebody removes it at this moment
            self._wait_for(root, f"its generation {number} cannot be read", None)
        return None

    def _add(self, label: str, objects: Iterable[str]) -> None:
        for sha256 in objects:
            self.holders.setdefault(sha256, set()).add(label)

    def _miss(self, root: Root, reason: str) -> None:
        """Keep what an environment held that is not there, unless it was missing for too long."""
        now = time.time()
        since = min(claims.missed_since(root, note=not self.dry_run), now)
        if now - since < self.patience:
            self._wait_for(root, reason, since + self.patience)
            return
        objects = claims.held(root) or ()
        for sha256 in objects:
            self.let_go[sha256] = max(self.let_go.get(sha256, 0.0), since)
        if not self.dry_run:
            claims.forget(self.context, root)
        self.forgotten.append(root.label)

    def _wait_for(self, root: Root, reason: str, until: float | None) -> None:
        objects = claims.held(root)
        if objects is None:
            self.unknown = True
        else:
            self._add(root.label, objects)
        self.waiting.append(
            Waiting(
                folder=root.label,
                reason=reason,
                until=None if until is None else _utc(until),
                objects=None if objects is None else len(objects),
            )
        )

    def collect(self, limits: Limits) -> Collected:
        """Remove what none of them holds, and write down when the rest was used."""
        home = self.context.home
        known = released.read(home)
        times = {**known, **{k: max(v, known.get(k, 0.0)) for k, v in self.let_go.items()}}
        keep = {*self.holders, *self.used.objects}
        collected = collect(
            home,
            None if self.unknown else keep,
            dry_run=self.dry_run,
            limits=limits,
            used=times,
            empty_quarantine=True,
            ledger=self.ledger,
        )
        if not self.dry_run:
            stays = set(collected.spared)
            released.keep(home, {k: v for k, v in times.items() if k in stays or self.unknown})
        return collected


def _tree(folder: str, number: int) -> str:
    return f"{folder}/generations/{number}"


def _objects(folder: str, number: int) -> set[str] | None:
    """The objects of a generation; None where it cannot be read."""
    try:
        return {p.sha256 for p in generations.read_generation(folder, number).packages}
    except IntegrityError:
        return None


def _words(error: OSError | DiskError) -> str:
    return error.message if isinstance(error, DiskError) else error.strerror or str(error)


def _utc(moment: float) -> str:
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def split(ledger: Ledger, holders: Mapping[str, set[str]]) -> StoreSize:
    """What the objects take that several environments hold, one, or none (sha256 → environments)."""
    there = ledger.keys
    objects = [key for key in there if _is_object(key)]
    shared = [key for key in objects if len(holders.get(key, ())) > 1]
    own = [key for key in objects if len(holders.get(key, ())) == 1]
    unheld = [key for key in objects if not holders.get(key)]
    other = [key for key in there if not _is_object(key)]
    sizes = ledger.split(shared, own, unheld, other)
    return StoreSize(
        total=sum(sizes), shared=sizes[0], own=sizes[1], unheld=sizes[2], other=sizes[3]
    )


def _is_object(key: str) -> bool:
    return bool(key) and "/" not in key


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


def _tidy(context: Context) -> None:
    """Remove what a kill left in ``roots/``: notes about an environment that has no link."""
    with contextlib.suppress(FileNotFoundError):
        names = os.listdir(context.home.roots)
        links = {name for name in names if "." not in name}
        for name in names:
            if "." in name and name.partition(".")[0] not in links:
                remove_tree(f"{context.home.roots}/{name}")

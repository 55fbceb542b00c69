"""Collect: the only deleter. What to keep is handed to it; it looks for no roots itself."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from functools import partial

from provenv.core.errors import DiskError
from provenv.core.files import disk_error, remove_tree, temporary_name
from provenv.core.usage import Ledger
from provenv.core.values import frozen
from provenv.model.layout import HomeLayout
from provenv.store import previous
from provenv.store.objects import DESCRIPTION, OPEN_MODE


@frozen
class Limits:
    """What of the objects that nobody keeps may stay all the same.

    Attributes:
        grace: Seconds; an object that was stored since then, and that nothing is known to have used,
            stays: somebody may be about to use it.
        unused: Seconds; what was used since then stays.
        size: Bytes that the store may take; no more is removed than that needs, and what was used
            last goes last.
    """

    grace: float = 0.0
    unused: float = 0.0
    size: int | None = None


NO_LIMITS = Limits()


@frozen
class Collected:
    """What was removed, or would be.

    Attributes:
        objects: ``sha256`` of each object, sorted.
        freed: Bytes that are free on the disk then, as ``du`` counts them. A file that something
            outside of the store shares (a hard link) takes up its room until that goes, too.
        spared: ``sha256`` of each object that nobody keeps and that stays, for ``limits``; sorted.
        size: Bytes that the store takes afterwards, as ``du`` counts them.
        leftovers: Temporary files and folders of processes that died.
        quarantined: Objects in quarantine.
    """

    objects: tuple[str, ...]
    freed: int
    spared: tuple[str, ...] = ()
    size: int = 0
    leftovers: int = 0
    quarantined: int = 0


def collect(
    layout: HomeLayout,
    keep: Collection[str] | None,
    *,
    dry_run: bool,
    limits: Limits = NO_LIMITS,
    used: Mapping[str, float] | None = None,
    empty_quarantine: bool = False,
    ledger: Ledger | None = None,
) -> Collected:
    """Remove every object whose ``sha256`` is not in ``keep``, as far as ``limits`` demand it.

    The caller holds ``layout.lock`` alone, from before it found out what to keep: then no process
    is fetching or linking. Each object is first moved out of its place and then deleted, so that a
    kill leaves no half object under its name.

    Args:
        layout: Of the home folder.
        keep: The names of the objects to keep; None keeps all.
        dry_run: Only say what would be removed.
        limits: What may stay although nobody keeps it.
        used: When objects were used last, as far as that is known; else when they were stored.
        empty_quarantine: Also remove what lies in quarantine.
        ledger: What :func:`weigh` gave, and what besides went or will go; else it is made here.

    Raises:
        DiskError: Something could not be removed; all the rest was, and it is tried again the next time.
    """
    now = time.time()
    ledger = ledger or weigh(layout)
    leftovers = _entries(layout.tmp)
    quarantined = _entries(layout.quarantine) if empty_quarantine else []
    for path in (*leftovers, *quarantined):
        ledger.remove(path)
    gone: list[str] = []
    spared: list[str] = []
    for last, known, sha256 in [] if keep is None else _by_age(layout, frozenset(keep), used or {}):
        young = not known and abs(now - last) < limits.grace  # a clock may have been set back
        young = young or (limits.unused > 0 and now - last < limits.unused)
        if young or (limits.size is not None and ledger.total <= limits.size):
            spared.append(sha256)
            continue
        gone.append(sha256)
        ledger.remove(sha256)
    for path in _follows(layout, frozenset(gone)):
        ledger.remove(path)
    if not dry_run:
        _delete(layout, [*leftovers, *quarantined], [layout.object(sha256) for sha256 in gone])
        previous.forget(layout)
    return Collected(
        objects=tuple(sorted(gone)),
        freed=ledger.freed,
        spared=tuple(sorted(spared)),
        size=ledger.total,
        leftovers=len(leftovers),
        quarantined=len(quarantined),
    )


def weigh(layout: HomeLayout) -> Ledger:
    """What everything in the store takes: objects (with the links into them) by ``sha256``.

    What lies in ``tmp``, in quarantine and in ``names``, and the folders between, go by their paths; the
    rest has no name (``""``).
    """
    ledger = Ledger()
    store = os.path.dirname(layout.lock)
    ledger.add_one("", store)
    for name in _listed(store):
        path = os.path.join(store, name)
        if path in (layout.tmp, layout.quarantine, layout.names):
            ledger.add_one("", path)
            for inner in _listed(path):
                ledger.add(os.path.join(path, inner), os.path.join(path, inner))
        elif path in (layout.wheels, layout.links):
            ledger.add_one("", path)
            for prefix in _listed(path):
                ledger.add_one(os.path.join(path, prefix), os.path.join(path, prefix))
            for sha256, inner in _two_levels(path):
                ledger.add(sha256, inner)
        else:
            ledger.add("", path)
    return ledger


def _by_age(
    layout: HomeLayout, kept: Collection[str], used: Mapping[str, float]
) -> list[tuple[float, bool, str]]:
    """The objects that nobody keeps: when each was used last, and whether that is known, oldest first."""
    found = []
    for sha256, path in _two_levels(layout.wheels):
        if sha256 not in kept:
            with suppress(FileNotFoundError):
                last = used.get(sha256)
                stored = os.lstat(path).st_mtime
                found.append((stored if last is None else last, last is not None, sha256))
    return sorted(found)


def _follows(layout: HomeLayout, gone: Collection[str]) -> list[str]:
    """What goes with objects: links into what is not there, the folders between, notes of last objects."""
    dead = {sha256 for sha256, _ in _two_levels(layout.links)} - set(gone)
    dead = {sha256 for sha256 in dead if not os.path.isdir(layout.object(sha256))}
    found = sorted(dead)
    for note in _entries(layout.names):
        with suppress(OSError):
            last = os.readlink(note)
            if last in gone or not os.path.isdir(layout.object(last)):
                found.append(note)
    for above in (layout.wheels, layout.links):
        for prefix in _listed(above):
            names = set(_listed(os.path.join(above, prefix)))
            if names and not names - set(gone) - dead:
                found.append(os.path.join(above, prefix))
    return found


def _two_levels(folder: str) -> list[tuple[str, str]]:
    """Name and path of each entry of ``ab/abcd…`` form."""
    return [
        (name, os.path.join(above, name))
        for prefix in _listed(folder)
        for above in [os.path.join(folder, prefix)]
        for name in _listed(above)
    ]


def _entries(folder: str) -> list[str]:
    return [os.path.join(folder, name) for name in _listed(folder)]


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _delete(layout: HomeLayout, loose: Iterable[str], objects: Iterable[str]) -> None:
    """Remove all that can be removed.

    Raises:
        DiskError: The first thing that could not be.
    """
    errors: list[DiskError] = []

    def attempt(remove: Callable[[], None]) -> None:
        try:
            remove()
        except DiskError as error:
            errors.append(error)

    for path in loose:
        attempt(partial(remove_tree, path))
    for path in objects:
        attempt(partial(_remove, layout, path))
    for sha256, path in _two_levels(layout.links):
        if not os.path.isdir(layout.object(sha256)):
            attempt(partial(_remove, layout, path))
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise DiskError(
            errors[0].message + more,
            hint=errors[0].hint or "Everything else is done; `gc` tries it again the next time.",
            details=errors[0].details,
        )


def _remove(layout: HomeLayout, path: str) -> None:
    aside = temporary_name(os.path.join(layout.tmp, "removed"))
    try:
        os.makedirs(layout.tmp, 0o755, exist_ok=True)
        os.chmod(path, OPEN_MODE)  # a directory that is moved must be writable
        os.rename(path, aside)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EXDEV):
            raise disk_error(error, "remove", path) from error
        aside = path  # a disk so full that not even a name can be written, or an image's layer
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(path, DESCRIPTION))  # what has none is no object
    remove_tree(aside)
    with suppress(OSError):  # not empty
        os.rmdir(os.path.dirname(path))

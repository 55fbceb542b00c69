"""Collect: the only deleter. What to keep is handed to it; it looks for no roots itself."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass

from provenv.core.files import disk_error, remove_tree, temporary_name
from provenv.model.layout import HomeLayout
from provenv.store import previous
from provenv.store.objects import DESCRIPTION, OPEN_MODE, read_object

_SKEW = 3600.0  # seconds that the clock of a file server may be ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What was removed, or would be.

    Attributes:
        objects: ``sha256`` of each object, sorted.
        freed: Bytes of those objects, of temporary files and of what was in quarantine. Files that
            a generation still shares (hard links) take up their room until it goes too.
        leftovers: Temporary files and folders of processes that died.
        quarantined: Objects in quarantine.
    """

    objects: tuple[str, ...]
    freed: int
    leftovers: int = 0
    quarantined: int = 0


def collect(
    layout: HomeLayout,
    keep: Collection[str],
    *,
    dry_run: bool,
    grace: float,
    empty_quarantine: bool = False,
) -> Collected:
    """Remove every object whose ``sha256`` is not in ``keep``.

    The caller holds ``layout.lock`` alone, from before it found out what to keep: then no process
    is fetching or linking. Each object is first moved out of its place and then deleted, so that a
    kill leaves no half object under its name.

    Args:
        layout: Of the home folder.
        keep: The names of the objects to keep.
        dry_run: Only say what would be removed.
        grace: Seconds; what was made or left behind since then is kept: another process may be
            about to use it.
        empty_quarantine: Also remove what lies in quarantine for longer than ``grace``.

    Raises:
        DiskError: Something could not be removed; the rest stays for the next time.
    """
    kept = frozenset(keep)
    horizon = time.time() - grace
    objects = [
        (sha256, path)
        for sha256, path in _two_levels(layout.wheels)
        if sha256 not in kept and _is_older(path, horizon)
    ]
    gone = {sha256 for sha256, _ in objects}
    leftovers = _old_entries(layout.tmp, horizon)
    quarantined = _old_entries(layout.quarantine, horizon) if empty_quarantine else []
    freed = sum(_object_size(layout, sha256, path) for sha256, path in objects)
    freed += sum(_tree_size(path) for path in (*leftovers, *quarantined))
    if not dry_run:
        for path in (*leftovers, *quarantined):
            remove_tree(path)
        for _, path in objects:
            _remove(layout, path)
        for sha256, path in _two_levels(layout.links):
            if sha256 in gone or not os.path.isdir(layout.object(sha256)):
                _remove(layout, path)
        previous.forget(layout)
    return Collected(
        objects=tuple(sorted(gone)),
        freed=freed,
        leftovers=len(leftovers),
        quarantined=len(quarantined),
    )


def _two_levels(folder: str) -> list[tuple[str, str]]:
    """Name and path of each entry of ``ab/abcd…`` form."""
    return [
        (name, os.path.join(above, name))
        for prefix in _listed(folder)
        for above in [os.path.join(folder, prefix)]
        for name in _listed(above)
    ]


def _old_entries(folder: str, horizon: float) -> list[str]:
    paths = (os.path.join(folder, name) for name in _listed(folder))
    return [path for path in paths if _is_older(path, horizon)]


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_older(path: str, horizon: float) -> bool:
    try:
        changed = os.lstat(path).st_mtime
    except FileNotFoundError:
        return False
    return changed <= horizon or changed > time.time() + _SKEW  # or the clock was set back


def _remove(layout: HomeLayout, path: str) -> None:
    aside = temporary_name(os.path.join(layout.tmp, "removed"))
    try:
        os.makedirs(layout.tmp, exist_ok=True)
        os.chmod(path, OPEN_MODE)  # a directory that is moved must be writable
        os.rename(path, aside)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise disk_error(error, "remove", path) from error
        aside = path  # a disk so full that not even a name can be written
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(path, DESCRIPTION))  # what has none is no object
    remove_tree(aside)
    with suppress(OSError):  # not empty
        os.rmdir(os.path.dirname(path))


def _object_size(layout: HomeLayout, sha256: str, path: str) -> int:
    obj = read_object(layout, sha256)
    return obj.unpacked if obj is not None else _tree_size(path)


def _tree_size(path: str) -> int:
    return sum(_sizes(path))


def _sizes(path: str) -> Iterator[int]:
    yield from _size_of(path)
    for folder, _, names in os.walk(path):
        for name in names:
            yield from _size_of(os.path.join(folder, name))


def _size_of(path: str) -> Iterator[int]:
    with suppress(OSError):
        if not os.path.isdir(path) or os.path.islink(path):
            yield os.lstat(path).st_size

"""Leftovers: what killed processes did not take away in the home, found without asking anybody.

Who writes into ``store/``, ``plans/`` and ``roots/`` holds the store's lock, shared. So whoever has it
alone knows that what stands there under a temporary name belongs to nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import os

from provenv.core.errors import DiskError, UndecidedError
from provenv.core.files import is_left_over, locked, remove_tree
from provenv.model.layout import HomeLayout
from provenv.store.objects import close_object

_SUFFIX = ".tmp"


def sweep(layout: HomeLayout) -> None:
    """Remove what killed processes left in the home; where others are at work, a part of it stays."""
    _remove_named(layout)
    if _unnamed(layout):
        with contextlib.suppress(UndecidedError, DiskError), locked(layout.lock, wait=False):
            remove(layout)


def remove(layout: HomeLayout) -> None:
    """Remove what is temporary where writers hold the store's lock, and close objects that are open.

    The caller holds that lock alone. What cannot be removed now is left for the next time.
    """
    for path in _unnamed(layout):
        _try_to_remove(path)
    for prefix in _listed(layout.wheels):
        for sha256 in _listed(os.path.join(layout.wheels, prefix)):
            close_object(layout, sha256)


def _unnamed(layout: HomeLayout) -> list[str]:
    """What is temporary where writers hold the store's lock; whose it is does not matter."""
    paths = [os.path.join(layout.tmp, name) for name in _listed(layout.tmp)]
    held = [os.path.join(layout.roots, n) for n in _listed(layout.roots) if n.endswith(".held")]
    for folder in (layout.plans, os.path.join(layout.plans, "keys"), layout.roots, *held):
        paths += [os.path.join(folder, n) for n in _listed(folder) if n.endswith(_SUFFIX)]
    return paths


def _remove_named(layout: HomeLayout) -> None:
    """Remove what dead processes left where no lock is held: its name says whose it was."""
    keys = (os.path.join(layout.plans, name) for name in ("audits", "locks"))
    for folder in (layout.root, *keys, layout.builds):
        for name in _listed(folder):
            if name.endswith(_SUFFIX) and is_left_over(name):
                _try_to_remove(os.path.join(folder, name))
    work = os.path.join(layout.cache, "work")
    for name in _listed(work):
        if is_left_over(name) and not _is_held(os.path.join(work, name)):
            _try_to_remove(os.path.join(work, name))


def _try_to_remove(path: str) -> None:
    with contextlib.suppress(DiskError):
        remove_tree(path)


def _is_held(folder: str) -> bool:
    """Whether a process holds the lock of a temporary folder, wherever it runs."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []

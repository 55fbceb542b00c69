"""What root makes in somebody else's folder is theirs, as far as nobody else shares it.

For everybody else there is nothing to do: what they make is theirs. Whoever owns a folder can put something
else into its place at any moment; so nothing changes hands but through folders that are open, one from the
other, without following a symlink. Imports nothing but ``os``.
"""

from __future__ import annotations

import os
import stat

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_Owner = tuple[int, int]


def give_file(descriptor: int, path: str) -> None:
    """Let a file that root has just made, to be ``path``, be whose that is, or else the folder's above."""
    if os.geteuid() != 0:
        return
    try:
        place = path if os.path.exists(path) else os.path.dirname(path)
        status = os.stat(place)
        if status.st_uid != 0:
            os.fchown(descriptor, status.st_uid, status.st_gid)
    except OSError:
        return


def give_folder(root: str, path: str, *, deep: bool = False) -> None:
    """Let the folder ``path`` below ``root``, where root made it, be theirs whose ``root`` is.

    With it go those above it, up to ``root``, and what lies in it; ``deep``: everything below it, and
    the folder last, so that nobody reaches in meanwhile. A file with several names is left alone: the
    others, as in the store, may be elsewhere; and so is what is not root's. What cannot be given stays.
    """
    if os.geteuid() != 0:
        return
    folder = -1
    try:
        folder = os.open(root, _FOLDER)
        status = os.fstat(folder)
        if status.st_uid == 0:
            return
        owner = (status.st_uid, status.st_gid)
        *above, last = path.split("/")
        for name in above:
            _give(name, folder, owner)
            inner, folder = folder, -1  # closed there, whatever comes of it
            folder = _entered(name, inner)
        inner = _entered(last, os.dup(folder))
        try:
            _give_content(inner, owner, deep=deep)
        finally:
            os.close(inner)
        _give(last, folder, owner)
    except OSError:
        return
    finally:
        if folder >= 0:
            os.close(folder)


def _entered(name: str, folder: int) -> int:
    """Open a folder in an open one, which is closed."""
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    finally:
        os.close(folder)


def _give_content(folder: int, owner: _Owner, *, deep: bool) -> None:
    if not deep:
        for name in os.listdir(folder):
            _give(name, folder, owner)
        return
    for _, folders, files, inner in os.fwalk(os.curdir, topdown=False, dir_fd=folder):
        for name in (*files, *folders):
            _give(name, inner, owner)


def _give(name: str, folder: int, owner: _Owner) -> None:
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        single = stat.S_ISDIR(status.st_mode) or status.st_nlink == 1
        if single and status.st_uid == 0:
            os.chown(name, *owner, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return

"""What root makes in somebody else's folder is theirs, as far as nobody else shares it.

For everybody else there is nothing to do: what they make is theirs. Imports nothing but ``os``.
"""

from __future__ import annotations

import os
import stat

Owner = tuple[int, int]


def owner_of(path: str) -> Owner | None:
    """User and group of whoever owns ``path``, where that is somebody else than root, who asks.

    For a path that is not there, of the nearest folder above it.
    """
    if os.geteuid() != 0:
        return None
    while True:
        try:
            status = os.stat(path)
        except OSError:
            above = os.path.dirname(path)
            if above in ("", path):
                return None
            path = above
        else:
            return (status.st_uid, status.st_gid) if status.st_uid != 0 else None


def give(path: str | int, owner: Owner | None, folder: int | None = None) -> None:
    """Let a file, folder or symlink (``path``, in an open ``folder``, or an open file) be its owner's.

    A file with several names is left alone: the others, as in the store, may not be in the project; and
    so is what is not root's. What cannot be given stays root's.
    """
    if owner is None:
        return
    try:
        if isinstance(path, int):
            os.fchown(path, *owner)
            return
        status = os.stat(path, dir_fd=folder, follow_symlinks=False)
        single = stat.S_ISDIR(status.st_mode) or status.st_nlink == 1
        if single and status.st_uid == 0:
            os.chown(path, *owner, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return


def give_tree(root: str, owner: Owner | None) -> None:
    """Let a tree that root has made be ``owner``'s; folders last, so that nobody reaches in meanwhile."""
    if owner is None:
        return
    for _, folders, files, descriptor in os.fwalk(root, topdown=False):
        for name in (*files, *folders):
            give(name, owner, descriptor)
    give(root, owner)


def give_entries(folder: str, owner: Owner | None) -> None:
    """Let what lies in ``folder`` itself be ``owner``'s."""
    if owner is None:
        return
    for name in os.listdir(folder):
        give(f"{folder}/{name}", owner)

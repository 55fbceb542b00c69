"""How the store knows the environments: a link for each in ``roots/``, and what it holds beside it.

Imports nothing but ``os``.
"""

from __future__ import annotations

import os


def root_path(roots: str, folder: str) -> str:
    """Where the store keeps its link to the environment in ``folder``."""
    from provenv.environments import plans

    return f"{roots}/{plans.key_of([os.fsencode(folder)])[:32]}"


def register(roots: str, folder: str, plan: str) -> None:
    """Tell the store that the environment in ``folder`` holds the objects of ``plan`` alive.

    Done before anything is switched, so that no kill leaves an environment that the store does not
    know. Beside the link lies a copy of what it holds, for the day on which its disk is not mounted.
    """
    path = root_path(roots, folder)
    try:
        os.symlink(folder, path)
    except FileExistsError:
        pass
    except FileNotFoundError:
        os.makedirs(roots, 0o755, exist_ok=True)
        os.symlink(folder, path)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        try:
            os.link(f"{plan}/contents.json", temporary)
        except OSError:  # no more links to this file are allowed
            from provenv.core.links import duplicate

            duplicate(f"{plan}/contents.json", temporary)
        os.replace(temporary, f"{path}.held")
    finally:
        if os.path.lexists(temporary):  # also where rename(2) did nothing: two links of one file
            os.unlink(temporary)
    _place(folder)


def _place(folder: str) -> None:
    """Write into the environment where it is registered, and which folder it was: its inode.

    An environment that was moved is told from a copy by that (:mod:`registry`).
    """
    text = os.fsencode(f"{os.stat(folder).st_ino}\n{folder}")
    descriptor = os.open(f"{folder}/.used", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if os.read(descriptor, len(text) + 1) == text:
            os.utime(descriptor)
        else:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text, 0)
    finally:
        os.close(descriptor)

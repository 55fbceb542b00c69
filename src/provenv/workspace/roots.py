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
        os.makedirs(roots, exist_ok=True)
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
    text = f"{os.stat(folder).st_ino}\n{folder}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(f"{folder}/.used", flags, 0o644)
    try:
        os.write(descriptor, os.fsencode(text))
    finally:
        os.close(descriptor)

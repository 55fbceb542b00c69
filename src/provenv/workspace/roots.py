"""How the store knows the environments: a link for each in ``roots/``, and what it holds beside it.

Imports nothing but ``os``.
"""

from __future__ import annotations

import os

from provenv.environments import stamp


def root_path(roots: str, folder: str) -> str:
    """Where the store keeps its link to the environment in ``folder``."""
    from provenv.environments import plans

    return f"{roots}/{plans.key_of([os.fsencode(folder)])[:32]}"


def held_path(roots: str, folder: str) -> str:
    """The folder of what is remembered of an environment: one ``contents.json`` for each plan of it."""
    return f"{root_path(roots, folder)}.held"


def register(roots: str, folder: str, *plans: str) -> None:
    """Tell the store that the environment in ``folder`` holds the objects of ``plans`` alive.

    Done before anything is switched, so that no kill leaves an environment that the store does not
    know. Beside the link lies a copy of what it holds, for the day on which its disk is not mounted;
    the plans of its earlier generations stay remembered until ``gc`` finds the generations gone.
    """
    path = root_path(roots, folder)
    held = held_path(roots, folder)
    for plan in plans:
        with open(f"{plan}/contents.json", "rb") as stream:
            remember(held, stream.read())
    if not os.path.islink(path):
        _link(folder, path)
    _place(folder)


def _link(folder: str, path: str) -> None:
    try:
        os.symlink(folder, path)
    except FileExistsError:  # another process was first
        return


def entry_name(contents: bytes) -> str:
    """The name under which a ``contents.json`` is remembered."""
    from provenv.environments import plans

    return plans.key_of([contents])[:32]


def remember(held: str, contents: bytes) -> None:
    """Keep a copy of a ``contents.json`` in the folder ``held``, and let it be the newest.

    A copy, no link: what is written into the file of a generation must not reach it.

    Raises:
        OSError: What the file system says.
    """
    path = f"{held}/{entry_name(contents)}"
    try:
        if os.stat(path).st_size == len(contents):  # a power cut may have left it empty
            os.utime(path)
            return
    except (FileNotFoundError, NotADirectoryError):
        pass
    if not os.path.isdir(held):
        _make(held)
    temporary = f"{held}/.{os.getpid()}-{os.urandom(4).hex()}.tmp"
    try:
        with open(temporary, "xb") as stream:
            stream.write(contents)
        os.replace(temporary, path)
    except BaseException:
        stamp.remove(temporary)
        raise


def _make(held: str) -> None:
    if os.path.isfile(held):  # as the first versions wrote it
        os.unlink(held)
    os.makedirs(held, 0o755, exist_ok=True)


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

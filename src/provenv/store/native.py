"""Whether a native library finds its neighbours only where other wheels lie beside its own.

A directory that holds such a library must not be linked as a whole: the kernel resolves the ``..``
of ``$ORIGIN/..`` after the symlink, and so inside the store, where no other wheel is.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection
from typing import BinaryIO

ELF = b"\x7fELF"


def may_be_native(path: str, content: bytes | memoryview) -> bool:
    """Whether a file is a native library or program, by its name or by how its content begins."""
    if content[:4] == ELF or path.endswith((".so", ".dylib")):
        return True
    return ".so." in path and ".so." in path.rpartition("/")[2]


def leaves(stream: BinaryIO, folder: str, folders: Collection[str]) -> bool:
    """Whether the search path of a native library in ``folder`` leaves its own wheel.

    Args:
        stream: The library, at its beginning.
        folder: Where it lies, relative to its scheme (``site``), ``/`` separated.
        folders: Every folder of the wheel in that scheme.

    Returns:
        True where an ``$ORIGIN`` entry names anything but a folder of this wheel, and for what
        cannot be read. Absolute entries do not matter.
    """
    from provenv.core.elf import NotElfError, search_paths

    try:
        entries = search_paths(stream)
    except NotElfError:
        return True
    return any(_leaves(entry, folder, folders) for entry in entries)


def _leaves(entry: str, folder: str, folders: Collection[str]) -> bool:
    entry = entry.replace("${ORIGIN}", "$ORIGIN")
    if not entry.startswith("$ORIGIN"):
        return "$ORIGIN" in entry
    rest = entry.removeprefix("$ORIGIN").strip("/")
    if "$" in rest:
        return True
    target = posixpath.normpath(posixpath.join(folder, rest))
    if target == folder:
        return False
    return target not in folders

r"""Looking before linking: are the objects that a tree reaches as they were when they were stored?

Directory mtimes show files that came or went; size and mtime show a hard-linked file that was
rewritten. Content is compared by ``verify``. File modes keep ordinary users from changing an object
through an environment, but not root, and one look costs a few milliseconds.

The *checks* of a plan are lines, in blocks of one object each, so that little must be parsed:

    provenv-checks 2
    O <directories> <files> <object folder, relative to the home>
    <path>                        \ a directory, relative to the object
    <mtime_ns>                    /
    <path>                        \ a file
    <mtime_ns> <size>             /

Format 1 had a number behind the first line, and is read, too. Imports nothing but ``os``.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` costs 4 ms to import
if TYPE_CHECKING:
    from collections.abc import Sequence

_HEADER = "provenv-checks 2"
_EARLIER = "provenv-checks 1 "


class Block:
    """What one object must look like: ``directories`` and ``files`` as (path, signature)."""

    __slots__ = ("directories", "files", "folder")

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.directories: list[tuple[str, str]] = []
        self.files: list[tuple[str, str]] = []


def render(blocks: Sequence[Block]) -> bytes:
    """The checks as they are written to a file.

    Raises:
        ValueError: A path holds a line break.
    """
    lines = [_HEADER]
    for block in blocks:
        lines.append(f"O {len(block.directories)} {len(block.files)} {block.folder}")
        for path, signature in [*block.directories, *block.files]:
            if "\n" in path:
                raise ValueError(f"a path with a line break: {path!r}")
            lines += [path, signature]
    return os.fsencode("\n".join(lines) + "\n")


def damaged(path: str, home: str) -> list[str]:
    """The objects (folders relative to the home) that are not as they were stored.

    Raises:
        OSError: The checks cannot be read, or the disk fails.
        ValueError: They are not whole.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(descriptor, os.fstat(descriptor).st_size + 1)
    finally:
        os.close(descriptor)
    header, *lines = os.fsdecode(data).split("\n")
    if header != _HEADER and not header.startswith(_EARLIER):
        raise ValueError(f"{path} is not in a known format")
    if not lines or lines.pop() != "":
        raise ValueError(f"{path} is not whole")
    return _look(lines, home)


def _look(lines: list[str], home: str) -> list[str]:
    stat = os.stat
    found: list[str] = []
    at = 0
    while at < len(lines):
        mark, directories, files, folder = lines[at].split(" ", 3)
        middle = at + 1 + 2 * int(directories)
        last = middle + 2 * int(files)
        if mark != "O" or not at < middle <= last <= len(lines):
            raise ValueError(f"no block of checks: {lines[at]!r}")
        try:
            here = os.open(f"{home}/{folder}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            _refuse_sick(error)
            found.append(folder)
            at = last
            continue
        try:
            rows = iter(lines[at + 1 : middle])
            for path, wanted in zip(rows, rows, strict=True):
                if str(stat(path, dir_fd=here).st_mtime_ns) != wanted:
                    raise _ChangedError
            rows = iter(lines[middle:last])
            for path, wanted in zip(rows, rows, strict=True):
                status = stat(path, dir_fd=here)
                if f"{status.st_mtime_ns} {status.st_size}" != wanted:
                    raise _ChangedError
        except _ChangedError:
            found.append(folder)
        except OSError as error:
            _refuse_sick(error)
            found.append(folder)
        finally:
            os.close(here)
        at = last
    return found


def _refuse_sick(error: OSError) -> None:
    """A disk that fails says nothing of what an object holds.

    Raises:
        OSError: It does.
    """
    from errno import EIO, EMFILE, ENFILE, ENOMEM, ESTALE

    if error.errno in (EIO, EMFILE, ENFILE, ENOMEM, ESTALE):
        raise error


class _ChangedError(Exception):
    pass

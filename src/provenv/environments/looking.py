r"""Looking before linking: are the objects that a tree reaches as they were when they were stored?

Directory mtimes show files that came or went; size and mtime show a hard-linked file that was
rewritten. Content is compared by ``verify``. File modes keep ordinary users from changing an object
through an environment, but not root, and one look costs a few milliseconds.

The *checks* of a plan are lines, in blocks of one object each, so that little must be parsed:

    provenv-checks 1 <offset in bytes of the block from which this process looks by itself>
    O <directories> <files> <object folder, relative to the home>
    <path>                        \ a directory, relative to the object
    <mtime_ns>                    /
    <path>                        \ a file
    <mtime_ns> <size>             /

Imports nothing but ``os``.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` costs 4 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HEADER = b"provenv-checks 1 "
_HEADER_SIZE = len(_HEADER) + 11
_SHARE = 0.75  # of the rows, looked at in the other process while this one makes the tree


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
    texts: list[bytes] = []
    rows = [len(block.directories) + len(block.files) for block in blocks]
    offset, size, done = 0, _HEADER_SIZE, 0
    for block, count in zip(blocks, rows, strict=True):
        lines = [f"O {len(block.directories)} {len(block.files)} {block.folder}"]
        for path, signature in [*block.directories, *block.files]:
            if "\n" in path:
                raise ValueError(f"a path with a line break: {path!r}")
            lines += [path, signature]
        if not offset and done >= _SHARE * sum(rows):
            offset = size
        texts.append(os.fsencode("\n".join(lines) + "\n"))
        size += len(texts[-1])
        done += count
    return _HEADER + b"%010d\n" % (offset or size) + b"".join(texts)


def damaged(path: str, home: str) -> list[str]:
    """The objects (folders relative to the home) that are not as they were stored.

    Raises:
        OSError: The checks cannot be read.
        ValueError: They are not whole.
    """
    return _look(_read(path, _HEADER_SIZE, None), home)


def damaged_blocks(blocks: Sequence[Block], home: str) -> list[str]:
    """The same for checks that were not written to a file."""
    lines = os.fsdecode(render(blocks)[_HEADER_SIZE:]).split("\n")
    return _look(lines[:-1], home)


def _read(path: str, start: int, end: int | None) -> list[str]:
    """The lines of a file between two offsets."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if end is None:
            end = os.fstat(descriptor).st_size
        data = os.pread(descriptor, end - start, start)
    finally:
        os.close(descriptor)
    if len(data) != end - start or (data and not data.endswith(b"\n")):
        raise ValueError(f"{path} is not whole")
    lines = os.fsdecode(data).split("\n")
    lines.pop()
    return lines


def _offset(path: str) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        header = os.read(descriptor, _HEADER_SIZE)
    finally:
        os.close(descriptor)
    if not header.startswith(_HEADER) or not header.endswith(b"\n"):
        raise ValueError(f"{path} is not in a known format")
    return int(header[len(_HEADER) :])


def _look(lines: list[str], home: str) -> list[str]:
    stat = os.stat
    found: list[str] = []
    at = 0
    while at < len(lines):
        _, directories, files, folder = lines[at].split(" ", 3)
        middle = at + 1 + 2 * int(directories)
        last = middle + 2 * int(files)
        try:
            here = os.open(f"{home}/{folder}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
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
        except (OSError, _ChangedError):
            found.append(folder)
        finally:
            os.close(here)
        at = last
    return found


class _ChangedError(Exception):
    pass


def begin(path: str, home: str) -> Callable[[], list[str]]:
    """Start to look in a child process, and return a function that looks at the rest and answers.

    In a process with threads (a server, a test) all of it is done when asked: a fork would copy
    locks that are held. The function raises what :func:`damaged` does.

    Raises:
        OSError: The checks cannot be read.
        ValueError: They are not whole.
    """
    import sys

    offset = _offset(path)
    threading = sys.modules.get("threading")
    if not hasattr(os, "fork") or (threading is not None and threading.active_count() > 1):
        return lambda: damaged(path, home)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            found = _look(_read(path, _HEADER_SIZE, offset), home)
            answer = os.fsencode("\n".join([*found, "."]))
            while answer:
                answer = answer[os.write(writer, answer) :]
            status = 0
        finally:
            os._exit(status)
    os.close(writer)

    def answer_of_both() -> list[str]:
        try:
            own = _look(_read(path, offset, None), home)
        finally:
            with os.fdopen(reader, "rb") as stream:
                lines = os.fsdecode(stream.read()).split("\n")
            _, status = os.waitpid(child, 0)
        if status != 0 or lines[-1] != ".":  # it was killed: look here
            return [*_look(_read(path, _HEADER_SIZE, offset), home), *own]
        return [*lines[:-1], *own]

    return answer_of_both

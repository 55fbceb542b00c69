r"""Looking before linking: are the objects that a tree reaches as they were when they were stored?

Directory mtimes show files that came or went; size and mtime show a hard-linked file that was
rewritten. Content is compared by ``verify``. File modes keep ordinary users from changing an object
through an environment, but not root, and one look costs a few milliseconds.

The *checks* of a plan are lines, in blocks of one object each, so that nothing must be parsed:

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

HEADER = "provenv-checks 1"
_SHARE = 0.75  # of the objects, looked at in the other process while this one makes the tree


class Block:
    """What one object must look like: ``directories`` and ``files`` as (path, signature)."""

    __slots__ = ("directories", "files", "folder")

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.directories: list[tuple[str, str]] = []
        self.files: list[tuple[str, str]] = []


def render(blocks: Sequence[Block]) -> str:
    """The checks as text.

    Raises:
        ValueError: A path holds a line break.
    """
    lines = [HEADER]
    for block in blocks:
        lines.append(f"O {len(block.directories)} {len(block.files)} {block.folder}")
        for path, signature in [*block.directories, *block.files]:
            if "\n" in path:
                raise ValueError(f"a path with a line break: {path!r}")
            lines += [path, signature]
    return "\n".join(lines) + "\n"


def damaged(text: str, home: str) -> list[str]:
    """The objects (folders relative to the home) that are not as they were stored.

    Raises:
        ValueError: The text is not whole.
    """
    lines = _lines(text)
    return _look(lines, home, 0, len(lines) - 1)[0]


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    if lines[0] != HEADER or lines[-1] != "":
        raise ValueError("not whole checks of this format")
    del lines[0]
    return lines


def _look(lines: list[str], home: str, start: int, end: int) -> tuple[list[str], int]:
    """Look at the objects whose blocks begin in ``lines[start:end]``; also says where the next is."""
    stat = os.stat
    found: list[str] = []
    at = start
    while at < end:
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
    return found, at


class _ChangedError(Exception):
    pass


def begin(text: str, home: str) -> Callable[[], list[str]]:
    """Start to look in a child process, and return a function that looks at the rest and answers.

    In a process with threads (a server, a test) all of it is done when asked: a fork would copy
    locks that are held.

    Raises:
        ValueError: The text is not whole.
    """
    import sys

    lines = _lines(text)
    threading = sys.modules.get("threading")
    if not hasattr(os, "fork") or (threading is not None and threading.active_count() > 1):
        return lambda: _look(lines, home, 0, len(lines) - 1)[0]
    share = int((len(lines) - 1) * _SHARE)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            found, at = _look(lines, home, 0, share)
            answer = os.fsencode("\n".join([str(at), *found]))
            while answer:
                answer = answer[os.write(writer, answer) :]
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    return lambda: _answer(reader, child, lines, home, share)


def _answer(reader: int, child: int, lines: list[str], home: str, share: int) -> list[str]:
    """What this process finds in its share, and what the child found in the other."""
    own: list[str] = []
    at = 0
    while at < share:  # the first block of this process: where the child stops
        _, directories, files, _ = lines[at].split(" ", 3)
        at += 1 + 2 * (int(directories) + int(files))
    own = _look(lines, home, at, len(lines) - 1)[0]
    with os.fdopen(reader, "rb") as stream:
        answer = os.fsdecode(stream.read()).split("\n")
    _, status = os.waitpid(child, 0)
    if status != 0 or answer[0] != str(at):  # it was killed: look here
        return [*_look(lines, home, 0, at)[0], *own]
    return [*answer[1:], *own]

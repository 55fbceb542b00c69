"""A journal: an append-only file of JSON lines, each of which names the SHA-256 of the line before it.

    {"time": …, "previous": "<64 hexadecimal digits>"}

A line is one ``write(2)`` at the end of the file, so that processes never write into each other's
lines. To know the line before it, a writer holds the file's lock for some microseconds. Where that
cannot be had, ``previous`` is null: a line that is not chained is better than none.

A line that a power cut left without its end stays where it is; the next one begins below it, and
names its hash as that of any other. A file that has grown large is renamed (``NAME-000001.jsonl``),
never cut, and the chain goes on in the new one.

Imports nothing but ``os``: the short way writes here.
"""

from __future__ import annotations

import os

from provenv.core import sha256

TYPE_CHECKING = False  # `typing` costs 5 ms to import
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LIMIT = 4 << 20
"""From this size on a file is set aside, in bytes."""
START = "0" * 64
"""What the very first line names as the one before it."""

_ENDING = ".jsonl"
_PATIENCE = 0.5  # seconds: whoever holds the lock for so long was stopped, or the lock is none


def append(path: str, lines: Sequence[str], *, limit: int = LIMIT) -> None:
    """Write JSON objects, one a line, each with ``previous`` added.

    Raises:
        OSError: What the file system says; no half of a line stays, as far as it allows that.
    """
    descriptor, chained = _open(path, limit)
    try:
        size = os.fstat(descriptor).st_size
        whole, last = last_line(descriptor, size)
        previous = _link(path, last) if chained else None
        data = b"" if whole else b"\n"
        for line in lines:
            named = f'"{previous}"' if previous is not None else "null"
            text = f'{line[:-1]}, "previous": {named}}}'.encode()
            previous = hash_of(text) if chained else None
            data += text + b"\n"
        write_whole(descriptor, data, size, alone=chained)
    finally:
        os.close(descriptor)


def files(path: str) -> list[str]:
    """The files of a journal that are there, the oldest first; ``path`` is the one being written."""
    return [*_former(path), *([path] if os.path.lexists(path) else [])]


def hash_of(line: bytes) -> str:
    """What the line after this one names as ``previous``."""
    return sha256.hexadecimal(line)


def lines_of(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """The lines of a file, without their ends, and whether each has one."""
    rows = data.split(b"\n")
    for row in rows[:-1]:
        yield row, True
    if rows[-1]:
        yield rows[-1], False


def _open(path: str, limit: int) -> tuple[int, bool]:
    """The file, locked and not too large; and whether it is locked."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    while True:
        try:
            descriptor = os.open(path, flags, 0o644)
        except FileNotFoundError:
            _make(os.path.dirname(path))
            descriptor = os.open(path, flags, 0o644)
        try:
            if not _lock(descriptor):
                return descriptor, False
            status = os.fstat(descriptor)
            if _is_at(path, status):
                if status.st_size < limit:
                    return descriptor, True
                _set_aside(path)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # it was set aside: by this process, or while this one waited


def _make(folder: str) -> None:
    """A folder and those above it, which not everybody can write, whatever the umask is."""
    if not os.path.isdir(folder):
        _make(os.path.dirname(folder))
        try:
            os.mkdir(folder, 0o775)
        except FileExistsError:
            if not os.path.isdir(folder):
                raise


def _lock(descriptor: int) -> bool:
    """Hold the lock of the file alone; False where that cannot be, or not within the time."""
    import fcntl
    import time

    until = 0.0
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            now = time.monotonic()
            until = until or now + _PATIENCE
            if now > until:
                return False
            time.sleep(0.001)
        except OSError:  # a file system without such locks
            return False
        else:
            return True


def _is_at(path: str, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), status)
    except OSError:
        return False


def _former(path: str) -> list[str]:
    """The files that were set aside, the oldest first."""
    folder, name = os.path.split(path)
    start = name.removesuffix(_ENDING) + "-"
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = [n for n in names if n.startswith(start) and n.endswith(_ENDING)]
    numbered = {n: n[len(start) : -len(_ENDING)] for n in found}
    known = sorted((n for n in found if numbered[n].isdigit()), key=lambda n: int(numbered[n]))
    return [f"{folder}/{n}" for n in known]


def _set_aside(path: str) -> None:
    start = path.removesuffix(_ENDING) + "-"
    former = _former(path)
    last = int(former[-1][len(start) : -len(_ENDING)]) if former else 0
    os.rename(path, f"{start}{last + 1:06d}{_ENDING}")


def _link(path: str, last: bytes | None) -> str:
    """The hash of the line that is the last one, here or in the file before this one."""
    if last is None:
        former = _former(path)
        if not former:
            return START
        descriptor = os.open(former[-1], os.O_RDONLY | os.O_CLOEXEC)
        try:
            _, last = last_line(descriptor, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)
    return hash_of(last) if last is not None else START


def last_line(descriptor: int, size: int) -> tuple[bool, bytes | None]:
    """Whether the last line has its end, and the line; None where the file is empty."""
    if size == 0:
        return True, None
    room = 4096
    while True:
        start = max(0, size - room)
        data = os.pread(descriptor, size - start, start)
        whole = data.endswith(b"\n")
        body = data[:-1] if whole else data
        if start == 0 or b"\n" in body:
            return whole, body[body.rfind(b"\n") + 1 :]
        room *= 4


def write_whole(descriptor: int, data: bytes, size: int, *, alone: bool) -> None:
    """Write all of it, or nothing as far as that can be: a full disk takes a part."""
    written = os.write(descriptor, data)
    if written == len(data):
        return
    import errno

    refused = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if not alone:
        raise refused
    try:
        os.ftruncate(descriptor, size)
    except OSError:  # a file that can only grow; the part counts as a torn line
        raise refused from None
    raise refused

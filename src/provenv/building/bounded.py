"""A stream that is read forwards, and no further than its reader allows."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO

_LONGEST = 1 << 20  # at once: what Python's tarfile reads of a file's content is less
_STEP = 1 << 16


class Bounded(io.RawIOBase):
    """What ``tarfile`` needs of a stream (read, seek forwards, tell), with every byte counted.

    ``check`` is called with the number of bytes read so far, and raises where they are too many: a
    reader that skips a member decompresses it as well. No header may be longer than a megabyte.
    """

    def __init__(self, stream: IO[bytes], check: Callable[[int], None]) -> None:
        """Begin at the start of ``stream``."""
        self._stream = stream
        self._check = check
        self._count = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes, fewer only at the end.

        Raises:
            ValueError: More than a megabyte is asked for, or everything that there is.
        """
        if not 0 <= size <= _LONGEST:
            raise ValueError(f"a header of {size} bytes")
        data = self._stream.read(size)
        self._count += len(data)
        self._check(self._count)
        return data

    def tell(self) -> int:
        """How many bytes have been read."""
        return self._count

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        """Go on to ``position``; at the end it stays.

        Raises:
            ValueError: That is behind.
        """
        if whence != io.SEEK_SET or position < self._count:
            raise ValueError("a header that leads backwards")
        while self._count < position and self.read(min(position - self._count, _STEP)):
            pass
        return self._count

"""Reading the library search path (RPATH, RUNPATH) of an ELF file, without any tool installed.

Layout: System V ABI, "Object Files" and "Dynamic Linking"; tag values from ``elf.h``.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 0, 5, 15, 29
_MAX_ENTRIES = 4096
_MAX_PATHS = 4  # linkers write one of each kind
_MAX_OFFSET = 1 << 40  # file systems refuse to seek further, each in its own way


class NotElfError(ValueError):
    """The file is not an ELF file that can be read."""


def search_paths(stream: BinaryIO) -> tuple[str, ...]:
    """The entries of RPATH and RUNPATH of an ELF file, in order; empty where it has none.

    Raises:
        NotElfError: Not ELF, or its tables point outside of it.
        OSError: The file cannot be read.
    """
    ident = stream.read(16)
    if (
        len(ident) < 16
        or ident[:4] != b"\x7fELF"
        or ident[4] not in (1, 2)
        or ident[5] not in (1, 2)
    ):
        raise NotElfError("no ELF header")
    try:
        return _Reader(
            stream, wide=ident[4] == 2, order="<" if ident[5] == 1 else ">"
        ).search_paths()
    except (struct.error, UnicodeDecodeError, OverflowError) as error:
        raise NotElfError(f"broken ELF tables: {error}") from error


class _Reader:
    def __init__(self, stream: BinaryIO, *, wide: bool, order: str) -> None:
        self._stream = stream
        self._wide = wide
        self._order = order

    def _read(self, offset: int, layout: str) -> tuple[int, ...]:
        layout = self._order + layout
        self._seek(offset)
        return struct.unpack(layout, self._stream.read(struct.calcsize(layout)))

    def _seek(self, offset: int) -> None:
        if offset > _MAX_OFFSET:
            raise NotElfError(f"an offset that no library has: {offset}")
        self._stream.seek(offset)

    def search_paths(self) -> tuple[str, ...]:
        loads, dynamic = self._segments()
        if dynamic is None:
            return ()
        strings: int | None = None
        wanted: list[int] = []
        for tag, value in self._dynamic(*dynamic):
            if tag == _DT_STRTAB:
                strings = value
            elif tag in (_DT_RPATH, _DT_RUNPATH):
                wanted.append(value)
        if not wanted:
            return ()
        if strings is None:
            raise NotElfError("a search path, but no string table")
        if len(wanted) > _MAX_PATHS:
            raise NotElfError(f"{len(wanted)} search paths")
        base = self._file_offset(loads, strings)
        return tuple(
            entry for item in wanted for entry in self._string(base + item).split(":") if entry
        )

    def _segments(self) -> tuple[list[tuple[int, int, int]], tuple[int, int] | None]:
        if self._wide:
            (table,) = self._read(32, "Q")
            size, count = self._read(54, "HH")
        else:
            (table,) = self._read(28, "I")
            size, count = self._read(42, "HH")
        loads: list[tuple[int, int, int]] = []
        dynamic: tuple[int, int] | None = None
        for index in range(min(count, _MAX_ENTRIES)):
            at = table + index * size
            if self._wide:
                kind, _, offset, address, _, length = self._read(at, "IIQQQQ")
            else:
                kind, offset, address, _, length = self._read(at, "IIIII")
            if kind == _PT_LOAD:
                loads.append((address, offset, length))
            elif kind == _PT_DYNAMIC:
                dynamic = (offset, length)
        return loads, dynamic

    def _dynamic(self, offset: int, length: int) -> list[tuple[int, int]]:
        entry = struct.Struct(self._order + ("qQ" if self._wide else "iI"))
        whole = min(length // entry.size, _MAX_ENTRIES) * entry.size
        self._seek(offset)
        data = self._stream.read(whole)
        found: list[tuple[int, int]] = []
        for tag, value in entry.iter_unpack(data[: len(data) // entry.size * entry.size]):
            if tag == _DT_NULL:
                return found
            found.append((tag, value))
        if len(data) < whole:
            raise NotElfError("a dynamic section that is cut off")
        return found

    @staticmethod
    def _file_offset(loads: list[tuple[int, int, int]], address: int) -> int:
        for start, offset, length in loads:
            if start <= address < start + length:
                return offset + address - start
        raise NotElfError("an address outside of the file")

    def _string(self, offset: int) -> str:
        self._seek(offset)
        raw = self._stream.read(8192)
        end = raw.find(b"\0")
        if end < 0:
            raise NotElfError("a search path without an end")
        return raw[:end].decode()

from __future__ import annotations

import io
import random
import struct
from pathlib import Path

import pytest

from provenv.core.elf import NotElfError, search_paths
from support import build_library, elf_bytes, needs_gcc


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_runpath_and_rpath_are_read_in_every_class_and_byte_order(wide: bool, order: str) -> None:
    data = elf_bytes(runpath="$ORIGIN/../b/lib:/usr/lib", rpath="$ORIGIN", wide=wide, order=order)
    assert search_paths(io.BytesIO(data)) == ("$ORIGIN", "$ORIGIN/../b/lib", "/usr/lib")


def test_a_library_without_a_search_path_has_none() -> None:
    assert search_paths(io.BytesIO(elf_bytes())) == ()


@needs_gcc
def test_a_real_library_is_read(tmp_path: Path) -> None:
    path = build_library(tmp_path / "lib.so", "int f;", runpath="$ORIGIN/x:$ORIGIN/y")
    with path.open("rb") as stream:
        assert search_paths(stream) == ("$ORIGIN/x", "$ORIGIN/y")


@pytest.mark.parametrize(
    "data", [b"", b"\x7fELF", b"#!/bin/sh\n" * 9, b"MZ" + bytes(200), b"\x7fELF\3\1" + bytes(99)]
)
def test_what_is_not_elf_is_said_to_be_not_elf(data: bytes) -> None:
    with pytest.raises(NotElfError):
        search_paths(io.BytesIO(data))


def test_damage_is_an_error_of_its_own_kind_and_never_another(tmp_path: Path) -> None:
    whole = elf_bytes(runpath="$ORIGIN/../b")
    seed = random.Random(751)
    for turn in range(400):
        damaged = bytearray(whole[: seed.randrange(16, len(whole) + 1)])
        for _ in range(seed.randrange(1, 9)):
            damaged[seed.randrange(len(damaged))] = seed.choice((0, 1, 0x7F, 0x80, 0xFF))
        # a real file: its limits on offsets are not those of bytes in memory
        path = tmp_path / "x.so"
        path.write_bytes(damaged)
        with path.open("rb") as stream:
            try:
                found = search_paths(stream)
            except NotElfError:
                continue
        assert all(isinstance(entry, str) for entry in found), turn


def test_search_paths_without_number_are_not_read() -> None:
    """4,000 times the same 8 kB would become 16 million entries, for each library of a hostile wheel."""
    entries = [(5, 120), *[(15, 0)] * 4000, (0, 0)]
    dynamic = b"".join(struct.pack("<qQ", *entry) for entry in entries)
    text = b"a:" * 4000 + b"\0"
    header = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQ", 3, 62, 1, 0, 64, 0)
    header += struct.pack("<IHHHHHH", 0, 64, 56, 2, 0, 0, 0)
    at = 64 + 2 * 56
    load = struct.pack("<IIQQQQQQ", 1, 5, at, 120, 120, len(text), len(text), 1)
    table = struct.pack("<IIQQQQQQ", 2, 6, at + len(text), 0, 0, len(dynamic), len(dynamic), 8)
    with pytest.raises(NotElfError, match="4000 search paths"):
        search_paths(io.BytesIO(header + load + table + text + dynamic))

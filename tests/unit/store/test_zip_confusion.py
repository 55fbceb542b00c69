"""Wheels in which two readers of ZIP files could see two different things; bombs; and what is no attack."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from provenv.core.errors import IntegrityError
from provenv.model.layout import HomeLayout
from unit.store.conftest import Put
from unit.store.test_refusals import refuse
from unit.store.wheelmaker import Made, Wheel, save
from unit.store.zips import described, field, local_file, shifted, starts, wide, with_extra

WHEEL = Wheel()
FIRST = "demo/__init__.py"


def second_name(name: bytes) -> bytes:
    return field(0x7075, b"\1" + struct.pack("<I", zlib.crc32(FIRST.encode())) + name)


def in_the_comment(data: bytes, *, moved: bool) -> bytes:
    """``data``, and another wheel in the comment at its end, whose offsets are right or its own."""
    other = Wheel(files={FIRST: b"x = 'evil'\n"}).data()
    if moved:
        end = other.rindex(b"PK\5\6")
        prefix = b"\0" * len(data)
        other = shifted(other, 0, prefix)[len(prefix) :]
        assert other[end : end + 4] == b"PK\5\6"
    return data[:-2] + struct.pack("<H", len(other)) + other


ATTACKS: Mapping[str, tuple[Callable[[bytes], bytes], str]] = {
    "local crc": (lambda d: d[:14] + b"evil" + d[18:], "disagree"),
    "local packed size": (lambda d: d[:18] + b"\1" + d[19:], "disagree"),
    "local size": (lambda d: d[:22] + b"\1" + d[23:], "disagree"),
    "local descriptor flag": (lambda d: d[:6] + b"\10" + d[7:], "disagree"),
    "before the first": (lambda d: shifted(d, 0, b"#!/bin/sh\n"), "10 bytes at 0 belong to no"),
    "a member before the first": (
        lambda d: shifted(d, 0, local_file(b"evil.py", b"evil")), "belong to no member"),
    "a hidden member": (
        lambda d: shifted(d, starts(d)[1], local_file(b"evil.py", b"evil")), "belong to no member"),
    "a member twice, told once": (
        lambda d: shifted(d, starts(d)[1], local_file(FIRST.encode(), b"evil")), "belong to no member"),
    "before the directory": (
        lambda d: shifted(d, starts(d)[-1], b"PK"), "2 bytes at"),
    "an archive in the comment": (
        lambda d: in_the_comment(d, moved=False), "not where its end record says"),
    "an archive in the comment, by right offsets": (
        lambda d: in_the_comment(d, moved=True), "belong to no member"),
    "a second name": (lambda d: with_extra(d, second_name(b"evil.py"), local=False), "second name"),
    "a second name, locally": (
        lambda d: with_extra(d, second_name(b"evil.py"), local=True), "second name"),
    "extra fields that do not end": (
        lambda d: with_extra(d, b"\1\2\3\0", local=False), "extra fields are broken"),
    "other sizes in ZIP64": (
        lambda d: with_extra(d, field(1, struct.pack("<QQ", 6, 6)), local=False), "others than those"),
    "other sizes in ZIP64, locally": (
        lambda d: with_extra(d, field(1, struct.pack("<Q", 7)), local=True), "others than those"),
    "ZIP64 twice": (
        lambda d: with_extra(d, 2 * field(1, struct.pack("<Q", 6)), local=True), "extra fields are"),
    "a wrong descriptor": (lambda d: described(d, change=1), "what follows a member"),
    "a missing descriptor": (
        lambda d: d[:6] + b"\10" + d[7 : d.index(b"PK\1\2") + 8] + b"\10"
        + d[d.index(b"PK\1\2") + 9 :], "what should follow a member"),
    "deflate64": (lambda d: method(d, 9), "compression method 9"),
    "bzip2": (lambda d: method(d, 12), "compression method 12"),
    "lzma": (lambda d: method(d, 14), "compression method 14"),
    "zstd": (lambda d: method(d, 93), "compression method 93"),
    "encrypted": (lambda d: flag(d, 0x1), "encrypted"),
    "encrypted strongly": (lambda d: flag(d, 0x41), "encrypted"),
    "a masked directory": (lambda d: flag(d, 0x2000), "encrypted"),
    "a patch": (lambda d: flag(d, 0x20), "readers of ZIP 6.3"),
    "a ZIP of tomorrow": (
        lambda d: d.replace(b"PK\1\2\x14\3\x14", b"PK\1\2\x14\3\x40"), "readers of ZIP 6.3"),
    "a name that is not UTF-8": (
        lambda d: flag(d.replace(FIRST.encode(), b"demo/__init__\xff.p"), 0x800), "utf-8"),
}  # fmt: skip


def method(data: bytes, number: int) -> bytes:
    return both(data, 8, number)


def flag(data: bytes, bits: int) -> bytes:
    return both(data, 6, bits)


def both(data: bytes, offset: int, value: int) -> bytes:
    """A 16-bit field of the first member, in its local header and in the directory."""
    for at in (offset, data.index(b"PK\1\2") + offset + 2):
        data = data[:at] + struct.pack("<H", value) + data[at + 2 :]
    return data


@pytest.mark.parametrize("attack", ATTACKS)
def test_two_wheels_in_one_file(put: Put, layout: HomeLayout, tmp_path: Path, attack: str) -> None:
    change, reason = ATTACKS[attack]
    refuse(put, layout, save(tmp_path, WHEEL.filename, change(WHEEL.data())), reason)


def test_members_that_lie_in_one_another(put: Put, layout: HomeLayout, tmp_path: Path) -> None:
    """The quine of a bomb: the bytes of one member are the header and bytes of the next."""
    inner = local_file(b"demo/inner.py", b"x" * 50)
    wheel = Wheel(files={"demo/outer.bin": inner, "demo/inner.py": b"x" * 50}, stored=True)
    data = bytearray(wheel.data())
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)
    assert data[second + 46 :].startswith(b"demo/inner.py")
    struct.pack_into("<I", data, second + 42, data.index(inner))
    refuse(put, layout, save(tmp_path, wheel.filename, bytes(data)), "members overlap")


def test_stored_bytes_without_an_end(put: Put, layout: HomeLayout, tmp_path: Path) -> None:
    wheel = Wheel(stored=True)
    refuse(put, layout, save(tmp_path, wheel.filename, described(wheel.data())), "where they end")


@pytest.mark.parametrize("disks", [(1, 1), (0, 2)])
def test_a_locator_on_another_disk(
    put: Put, layout: HomeLayout, tmp_path: Path, disks: tuple[int, int]
) -> None:
    data = wide(WHEEL.data(), count=None)
    at = data.rindex(b"PK\6\7")
    data = (
        data[: at + 4]
        + struct.pack("<I", disks[0])
        + data[at + 8 : at + 16]
        + struct.pack("<I", disks[1])
        + data[at + 20 :]
    )
    refuse(put, layout, save(tmp_path, WHEEL.filename, data), "ZIP64 locator is broken")


def test_a_million_members(put: Put, layout: HomeLayout, tmp_path: Path) -> None:
    data = wide(WHEEL.data(), count=1_000_000)
    refuse(put, layout, save(tmp_path, WHEEL.filename, data), "1000000 members, more than")


def test_a_small_file_that_promises_much(put: Put, layout: HomeLayout, tmp_path: Path) -> None:
    data = WHEEL.data()
    for at in (22, data.index(b"PK\1\2") + 24):
        data = data[:at] + struct.pack("<I", 200 << 20) + data[at + 4 :]
    refuse(put, layout, save(tmp_path, WHEEL.filename, data), "unpack to 2097", "bomb")


@pytest.mark.parametrize("form", ["<III", "<4xIII", "<IQQ", "<4xIQQ"])
def test_sizes_may_be_told_behind_a_member(put: Put, tmp_path: Path, form: str) -> None:
    obj = put(save(tmp_path, WHEEL.filename, described(WHEEL.data(), form)))
    assert Path(obj.folder, "site", FIRST).read_bytes() == b"x = 1\n"


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param(field(0x5455, b"\1\0\0\0\0"), id="times"),
        pytest.param(second_name(FIRST.encode()), id="the same name"),
        pytest.param(field(1, struct.pack("<QQ", 6, 8)), id="the same sizes"),
        pytest.param(field(0xCAFE, b"") + b"\0\0", id="java and padding"),
    ],
)
@pytest.mark.parametrize("local", [True, False])
def test_extra_fields_that_change_nothing(
    put: Put, tmp_path: Path, extra: bytes, local: bool
) -> None:
    data = with_extra(WHEEL.data(), extra, local=local)
    with zipfile.ZipFile(save(tmp_path, "seen-by-zipfile.zip", data).path) as archive:
        assert archive.read(FIRST) == b"x = 1\n"
    assert put(save(tmp_path, WHEEL.filename, data)).name == "demo"


def test_a_comment_that_is_one(put: Put, tmp_path: Path) -> None:
    data = WHEEL.data()[:-2] + b"\5\0hello"
    assert put(save(tmp_path, WHEEL.filename, data)).name == "demo"


def test_a_folder_that_holds_bytes(put: Put, layout: HomeLayout, tmp_path: Path) -> None:
    data = Wheel(files={"demo/x/": b"evil", FIRST: b""}).data()
    refuse(put, layout, save(tmp_path, WHEEL.filename, data), "folder's name and a file's content")


def test_a_great_member_cut_short(put: Put, layout: HomeLayout, tmp_path: Path) -> None:
    """Its directory entry promises two megabytes, and its deflated bytes end at once."""
    data = bytearray(Wheel(files={"demo/x.bin": b""}).data())
    for at in (22, data.index(b"PK\1\2") + 24):
        struct.pack_into("<I", data, at, 2 << 20)
    made: Made = save(tmp_path, WHEEL.filename, bytes(data))
    with pytest.raises(IntegrityError, match=r"demo/x\.bin"):
        put(made)

"""Source archives: what they may hold, and that nothing else gets out of them."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provenv.building.unpack import unpack
from provenv.core.errors import DiskError, InputError
from provenv.store import archive

pytestmark = [
    pytest.mark.filterwarnings("ignore:Python 3.14 will:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Duplicate name"),
]

Member = tuple[str, bytes | tuple[bytes, str]]


@pytest.fixture(params=["with data filter", "without"], autouse=True)
def filters(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.11.0 to 3.11.3 have no extraction filters: our own checks must do."""
    if request.param == "without":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
        monkeypatch.setattr(tarfile.TarFile, "extraction_filter", None, raising=False)


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Path]:
    """Where archives are unpacked; nothing may appear beside it."""
    folder = tmp_path / "around" / "inside"
    folder.mkdir(parents=True)
    yield folder
    assert os.listdir(folder.parent) == ["inside"]


def tar(path: Path, members: list[Member], mode: str = "w:gz") -> str:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                archive.addfile(info)
    return str(path)


@pytest.mark.parametrize(("suffix", "mode"), [("gz", "w:gz"), ("bz2", "w:bz2"), ("xz", "w:xz")])
def test_a_tar_is_unpacked(tmp_path: Path, inside: Path, suffix: str, mode: str) -> None:
    members: list[Member] = [
        ("./demo-1", (tarfile.DIRTYPE, "")),
        ("./demo-1/a.txt", b"a"),
        ("./demo-1/deep/b.txt", b"b"),
        ("demo-1/link", (tarfile.SYMTYPE, "deep/b.txt")),
        ("demo-1/hard", (tarfile.LNKTYPE, "demo-1/a.txt")),
    ]
    path = tar(tmp_path / f"demo-1.tar.{suffix}", members, mode)
    root = unpack(path, f"demo-1.tar.{suffix}", str(inside))
    assert root == str(inside / "demo-1")
    assert Path(root, "link").read_text() == "b"
    assert Path(root, "hard").read_text() == "a"
    assert not os.stat(f"{root}/a.txt").st_mode & stat.S_IWOTH


TOP: Member = ("demo-1/pyproject.toml", b"")


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([TOP, ("/demo-1/x", b"")], "absolute"),
        ([TOP, ("demo-1/../../x", b"")], "leads outside"),
        ([TOP, ("demo-1\\..\\x", b"")], "leads outside"),
        ([TOP, ("c:/x", b"")], "absolute"),
        ([TOP, ("demo-1/null", (tarfile.CHRTYPE, ""))], "device"),
        ([TOP, ("demo-1/pipe", (tarfile.FIFOTYPE, ""))], "device"),
        ([TOP, ("demo-1/passwd", (tarfile.SYMTYPE, "/etc/passwd"))], "absolute path"),
        ([TOP, ("demo-1/up", (tarfile.SYMTYPE, "../../x"))], "leads outside"),
        ([TOP, ("demo-1/hard", (tarfile.LNKTYPE, "/etc/passwd"))], "absolute"),
        ([TOP, ("demo-1/hard", (tarfile.LNKTYPE, "demo-1/absent"))], "hard link"),
        (
            [TOP, ("demo-1/d", (tarfile.SYMTYPE, "..")), ("demo-1/d/x", b"")],
            "below the link",
        ),
        (
            [
                TOP,
                ("demo-1/a/b/here", (tarfile.SYMTYPE, "../..")),
                ("demo-1/a/b/out", (tarfile.SYMTYPE, "here/../../../inside")),
            ],
            "leads outside",
        ),
        ([TOP, ("demo-1/x", b"1"), ("demo-1/x", b"2")], "twice"),
        ([TOP, ("demo-1/a/", (tarfile.SYMTYPE, "..")), ("demo-1/A/x", b"")], "below the link"),
        ([TOP, ("demo-1/a", (tarfile.SYMTYPE, "b")), ("demo-1/A", b"")], "only in case or form"),
        ([TOP, ("demo-1/A", b""), ("demo-1/a", (tarfile.SYMTYPE, "b"))], "only in case or form"),
        (
            [TOP, ("demo-1/\u00e9", (tarfile.SYMTYPE, "..")), ("demo-1/e\u0301/x", b"")],
            "below the link",
        ),
        ([TOP, ("demo-1/x", b"1"), ("demo-1/x/y", b"2")], "'demo-1/x', which is a file"),
        ([TOP, ("demo-1/x/y", b"1"), ("demo-1/x", b"2")], "twice"),
        ([TOP, ("", b"found by the fuzzer")], "'': a file without a name"),
        ([TOP, ("./", (tarfile.SYMTYPE, "demo-1"))], "a file without a name"),
        ([TOP, ("demo-1/x", (tarfile.SYMTYPE, ""))], "no file system takes"),
        ([TOP, ("demo-1/x", (tarfile.SYMTYPE, "a/" * 2500))], "no file system takes"),
        ([TOP, ("demo-1/x/y", b"1"), ("demo-1/x", (tarfile.SYMTYPE, "z"))], "twice"),
        ([TOP, ("demo-1/x\x1b[2J", b"")], r"'demo-1/x\\x1b\[2J': its name holds a control"),
        ([TOP, ("demo-1/\u202egpj.py", b"")], "writing direction"),
        ([TOP, ("demo-1/" + "x" * 256, b"")], "255 bytes"),
        ([TOP, ("demo-1/" + "x/" * 600, b"")], "more than the 1024"),
        ([TOP, ("other/x", b"")], "exactly one top folder"),
        ([TOP, ("o\udcff/x", b"")], r"holds 'demo-1', 'o\\udcff'"),
        ([("pyproject.toml", b"")], "exactly one top folder"),
        ([], "exactly one top folder"),
    ],
)
def test_what_a_tar_must_not_hold(
    tmp_path: Path, inside: Path, members: list[Member], said: str
) -> None:
    path = tar(tmp_path / "demo-1.tar.gz", members)
    with pytest.raises(InputError, match=said) as caught:
        unpack(path, "demo-1.tar.gz", str(inside))
    assert caught.value.message.startswith("demo-1.tar.gz: ")
    assert caught.value.hint


def test_a_link_that_cannot_be_made_is_not_taken_for_another_member(
    tmp_path: Path, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tarfile` would look for the member that it leads to, and unpack that unseen, a device among them."""
    members: list[Member] = [
        TOP,
        ("demo-1/link", (tarfile.SYMTYPE, "late")),
        ("demo-1/late", (tarfile.FIFOTYPE, "")),
    ]
    monkeypatch.setattr(os, "symlink", refuse)
    with pytest.raises(DiskError):
        unpack(tar(tmp_path / "demo-1.tar.gz", members), "demo-1.tar.gz", str(inside))
    assert os.listdir(inside / "demo-1") == ["pyproject.toml"]


def test_where_there_are_no_hard_links_the_file_is_copied(
    tmp_path: Path, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members: list[Member] = [("demo-1/a", b"a"), ("demo-1/b/hard", (tarfile.LNKTYPE, "demo-1/a"))]
    monkeypatch.setattr(os, "link", refuse)
    unpack(tar(tmp_path / "demo-1.tar.gz", members), "demo-1.tar.gz", str(inside))
    assert (inside / "demo-1/b/hard").read_text() == "a"
    assert (inside / "demo-1/b/hard").stat().st_mode == (inside / "demo-1/a").stat().st_mode


def refuse(*_: object, **__: object) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted")


def test_a_zip_is_unpacked(tmp_path: Path, inside: Path) -> None:
    path = tmp_path / "demo-1.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("demo-1/", "")
        archive.writestr("demo-1/a.txt", "a")
        info = zipfile.ZipInfo("demo-1/configure")
        info.external_attr = 0o100755 << 16
        archive.writestr(info, "#!/bin/sh\n")
    root = unpack(str(path), path.name, str(inside))
    assert Path(root, "a.txt").read_text() == "a"
    assert os.access(f"{root}/configure", os.X_OK)


@pytest.mark.parametrize(
    ("name", "mode", "said"),
    [
        ("../x", 0, "leads outside"),
        ("/x", 0, "absolute"),
        ("demo-1\\x", 0, "leads outside"),
        ("demo-1/a.txt", 0, "twice"),
        ("demo-1/./a.txt", 0, "twice"),
        ("demo-1/a.txt/b", 0, "as a file and as a folder"),
        ("demo-1/pipe", stat.S_IFIFO | 0o666, "a pipe"),
        ("demo-1/\x1b[2J", 0, "control character"),
        ("demo-1/link", stat.S_IFLNK | 0o777, "link"),
        ("other/x", 0, "exactly one top folder"),
    ],
)
def test_what_a_zip_must_not_hold(
    tmp_path: Path, inside: Path, name: str, mode: int, said: str
) -> None:
    path = tmp_path / "demo-1.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("demo-1/a.txt", "a")
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(InputError, match=said):
        unpack(str(path), path.name, str(inside))


def test_modes_owners_and_times_are_not_taken_over(tmp_path: Path, inside: Path) -> None:
    """PEP 706: no setuid, no writing for others; and a time that no file can have is none."""
    path = tmp_path / "demo-1.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, mode in (("demo-1/run", 0o6777), ("demo-1/secret", 0o000)):
            info = tarfile.TarInfo(name)
            info.mode, info.uid, info.gid, info.uname = mode, 4711, 4711, "nobody"
            info.pax_headers = {"mtime": "1e300"} if mode else {"mtime": "nan"}
            archive.addfile(info)
    root = unpack(str(path), path.name, str(inside))
    found = os.stat(f"{root}/run")
    assert stat.S_IMODE(found.st_mode) == 0o755
    assert (found.st_uid, found.st_gid) == (os.getuid(), os.getgid())
    assert os.stat(f"{root}/secret").st_mode & 0o700 == 0o600


def header(name: bytes, kind: bytes = b"0", size: bytes = b"0" * 11) -> bytes:
    """A header of a tar file, its checksum right and the rest as it is asked for."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:156] = (
        b"0000644\0" + b"0000000\0" * 2 + size.ljust(12, b"\0") + b"0" * 11 + b"\0" + b" " * 8
    )
    block[156:157], block[257:265] = kind, b"ustar\x0000"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def pax(records: bytes) -> bytes:
    size = b"%011o" % len(records)
    return header(b"x", b"x", size) + records.ljust(-(-len(records) // 512) * 512, b"\0")


def negative(number: int) -> bytes:
    return (number & ((1 << 96) - 1)).to_bytes(12, "big")


HEADERS = {
    "a size below zero": (header(b"demo-1/x", size=negative(-1024)), "size"),
    "a long name of a size below zero": (
        header(b"demo-1/x") + header(b"l", b"L", negative(-1024)), "archive"),
    "a header of gigabytes": (header(b"l", b"L", b"77777777777"), "a header of"),
    "a pax header of gigabytes": (header(b"x", b"x", b"77777777777"), "a header of"),
    "a file of terabytes": (header(b"demo-1/x", size=negative((1 << 42) | (128 << 88))), "allowed"),
    "a sparse file": (pax(b"22 GNU.sparse.major=0\n22 GNU.sparse.minor=1\n26 GNU.sparse.map=0,1,9,1\n"
                          b"22 GNU.sparse.size=99\n") + header(b"demo-1/x"), "sparse"),
    "a map that has no end": (
        pax(b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n") + header(b"demo-1/x", size=b"1000"),
        "archive"),
    "headers upon headers": (pax(b"10 a=bcde\n") * 3000 + header(b"demo-1/x"), "archive|top folder"),
    "a number that is none": (header(b"demo-1/x", size=b"evil"), "archive"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HEADERS)
def test_headers_that_lie(tmp_path: Path, inside: Path, kind: str) -> None:
    data, said = HEADERS[kind]
    path = tmp_path / "demo-1.tar.gz"
    path.write_bytes(gzip.compress(data + bytes(1024)))
    with pytest.raises(InputError, match=said) as caught:
        unpack(str(path), path.name, str(inside))
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("opener", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("where", ["member", "headers"])
def test_a_bomb_does_not_go_off(
    tmp_path: Path,
    inside: Path,
    monkeypatch: pytest.MonkeyPatch,
    opener: Callable[[bytes], bytes],
    where: str,
) -> None:
    monkeypatch.setattr(archive, "_RATIO_FREE", 1 << 20)
    size = 3 << 20
    data = header(b"demo-1/x", size=b"%011o" % size) + bytes(size)
    if where == "headers":  # no member is seen before the last of them was decompressed
        data = 4 * pax(b"900000 a=" + b"x" * 899_990 + b"\n") + header(b"demo-1/x")
    path = tmp_path / "demo-1.tar.gz"
    path.write_bytes(opener(data + bytes(1024)))
    with pytest.raises(InputError, match="a bomb") as caught:
        unpack(str(path), path.name, str(inside))
    assert caught.value.hint
    assert not list(inside.rglob("x"))


def test_more_members_than_are_allowed(
    tmp_path: Path, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 5)
    path = tar(tmp_path / "demo-1.tar.gz", [(f"demo-1/{n}", b"") for n in range(9)])
    with pytest.raises(InputError, match="6 members, more than the 5"):
        unpack(path, "demo-1.tar.gz", str(inside))


@pytest.mark.parametrize("filename", ["demo-1.tar.gz", "demo-1.zip"])
@pytest.mark.parametrize("cut", [0, 3, 40])
def test_a_broken_archive(tmp_path: Path, inside: Path, filename: str, cut: int) -> None:
    whole = Path(tar(tmp_path / "whole.tar.gz", [TOP])).read_bytes()
    path = tmp_path / filename
    path.write_bytes(whole[:cut])
    with pytest.raises(InputError, match=r"not a whole archive|exactly one|not a ZIP file"):
        unpack(str(path), filename, str(inside))

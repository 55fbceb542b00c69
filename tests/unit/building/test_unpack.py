"""Source archives: what they may hold, and that nothing else gets out of them."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from provenv.building.unpack import unpack
from provenv.core.errors import InputError

Member = tuple[str, bytes | tuple[bytes, str]]


@pytest.fixture(params=["with data filter", "without"], autouse=True)
def filters(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.11.0 to 3.11.3 have no extraction filters: our own checks must do."""
    if request.param == "without":
        monkeypatch.delattr(tarfile, "data_filter")
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


@pytest.mark.filterwarnings("ignore:Python 3.14 will:DeprecationWarning")
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


@pytest.mark.filterwarnings("ignore:Python 3.14 will:DeprecationWarning")
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
        ([TOP, ("other/x", b"")], "exactly one top folder"),
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


@pytest.mark.parametrize("filename", ["demo-1.tar.gz", "demo-1.zip"])
@pytest.mark.parametrize("cut", [0, 3, 40])
def test_a_broken_archive(tmp_path: Path, inside: Path, filename: str, cut: int) -> None:
    whole = Path(tar(tmp_path / "whole.tar.gz", [TOP])).read_bytes()
    path = tmp_path / filename
    path.write_bytes(whole[:cut])
    with pytest.raises(InputError, match=r"not a whole archive|exactly one"):
        unpack(str(path), filename, str(inside))

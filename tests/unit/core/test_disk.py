"""What is said where a file system refuses: doing what, to which path, where, and what is safe."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from provenv.core import disk
from provenv.core.errors import DiskError


def refused(code: int, *paths: str) -> OSError:
    error = OSError(code, os.strerror(code), *paths[:1])
    if len(paths) > 1:
        error.filename2 = paths[1]
    return error


def where(path: Path) -> disk.FileSystem:
    found = disk.file_system(str(path))
    assert found is not None
    return found


def test_the_file_system_of_a_path_that_is_not_there_yet(tmp_path: Path) -> None:
    found = where(tmp_path / "a" / "b")
    assert os.path.ismount(found.point)
    assert str(tmp_path).startswith(found.point)
    assert found.free > 0
    assert not found.read_only
    assert found.title.startswith(f"{found.point} (")


def test_the_longest_mount_point_counts_and_of_two_in_one_place_the_later() -> None:
    mounts = [
        disk.Mount(point=point, kind=kind, options=frozenset())
        for point, kind in (("/", "ext4"), ("/home", "xfs"), ("/home", "tmpfs"), ("/homes", "nfs"))
    ]
    for path, kind in (("/home/a", "tmpfs"), ("/home", "tmpfs"), ("/homesick", "ext4")):
        mount = disk.mount_of(path, mounts)
        assert mount is not None
        assert mount.kind == kind
    assert disk.mount_of("/a", []) is None


def test_the_innermost_says_what_was_being_done_and_the_outermost_what_is_safe(
    tmp_path: Path,
) -> None:
    with (
        pytest.raises(DiskError) as caught,
        disk.doing("syncing dev", safe=lambda: "generation 3 stays current"),
        disk.doing("storing alpha 1.0", str(tmp_path)),
    ):
        raise refused(errno.ENOSPC)
    error, found = caught.value, where(tmp_path)
    assert error.message.startswith(
        f"storing alpha 1.0: {tmp_path}: No space left on device (ENOSPC); {found.title} has "
    )
    assert error.message.endswith(" free")
    assert str(error) == error.message
    assert f"Free some space on {found.point}" in (error.hint or "")
    details = error.details
    assert (details["phase"], details["safe"]) == (
        "storing alpha 1.0",
        "generation 3 stays current",
    )
    place = details["filesystem"]
    assert isinstance(place, dict)
    assert (place["mount"], place["type"]) == (found.point, found.kind)


def test_of_two_paths_the_one_that_was_to_be_made_is_named() -> None:
    assert disk.blamed(refused(errno.ENOSPC, "/store/a", "/project/a")) == "/project/a"
    assert disk.blamed(refused(errno.ENOSPC, "/store/a")) == "/store/a"
    assert disk.blamed(refused(errno.ENOSPC), "/elsewhere") == "/elsewhere"
    assert disk.blamed(refused(errno.ENOENT, "/store/a", "/project/a")) == "/store/a"
    assert disk.blamed(refused(errno.ENOENT, "/", "/project/a")) == "/project/a"


def test_whoever_does_not_read_is_no_file_system() -> None:
    with pytest.raises(BrokenPipeError), disk.doing("collecting"):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


@pytest.mark.parametrize(
    ("code", "changed", "said", "hint"),
    [
        (errno.ENOSPC, {"free": 0}, "/d (tmpfs) has 0 B free", "Free some space on /d"),
        (
            errno.ENOSPC,
            {"inodes": 0},
            "has no inodes left for new files, and 5.0 MB free",
            "Remove",
        ),
        (errno.EDQUOT, {}, "your quota on /d (tmpfs) is used up", "provenv gc"),
        (errno.EROFS, {"read_only": True}, "/d (tmpfs) is mounted read-only", "Remount"),
        (errno.EIO, {}, "it is on /d (tmpfs)", "dmesg"),
        (errno.EIO, {"read_only": True}, "/d (tmpfs) is mounted read-only", "dmesg"),
        (errno.ESTALE, {"kind": "nfs4"}, "it is on /d (nfs4)", "network"),
        (errno.EMFILE, {}, "Too many open files (EMFILE)", "ulimit -n"),
        (errno.EACCES, {}, "Permission denied (EACCES)", "owns"),
    ],
)
def test_each_refusal_says_what_is_the_matter(
    code: int,
    changed: dict[str, object],
    said: str,
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = {"point": "/d", "kind": "tmpfs", "free": 5_000_000, "inodes": 9, "read_only": False}
    place = disk.FileSystem(**{**usual, **changed})  # type: ignore[arg-type]
    monkeypatch.setattr(disk, "file_system", lambda _: place)
    error = disk.refusal(refused(code), "write", "/d/file")
    assert error.message.startswith("cannot write /d/file: ")
    assert error.message.endswith(said)
    assert hint in (error.hint or "")


@pytest.mark.parametrize(
    ("path", "hint"),
    [("/a/" + "x" * 300, "has 300 bytes, and most file systems take 255"),
     ("/a" * 2500, "It has 5,000 bytes, and the system takes 4,095")],
    ids=["name", "path"],
)  # fmt: skip
def test_what_is_too_long(path: str, hint: str) -> None:
    assert hint in (disk.refusal(refused(errno.ENAMETOOLONG), "write", path).hint or "")


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [
        (
            'error: no\n  cause: No space left on device (os error 28) at path\n  "/c/uv/simple/.tmpX"',
            "ENOSPC",
            "/c/uv/simple/.tmpX",
        ),
        ("failed to write to file `/c/uv/a`: Read-only file system (os error 30)", "EROFS", "/c/uv/a"),
        ("Disk quota exceeded (os error 122)", "EDQUOT", None),
    ],
)  # fmt: skip
def test_what_another_program_says_of_a_file_system(text: str, name: str, path: str | None) -> None:
    found = disk.refused_in(text)
    assert found is not None
    assert (found.details["errno"], found.details["path"]) == (name, path)


def test_a_path_of_any_bytes_stands_in_one_line() -> None:
    path = os.fsdecode(b"/a\nb/\xff/\xc3\xbc")
    error = disk.refusal(refused(errno.EACCES), "write", path)
    assert error.message == "cannot write /a\\nb/\\xff/ü: Permission denied (EACCES)"
    assert error.details["path"] == path


def test_what_another_program_says_of_something_else() -> None:
    assert disk.refused_in("Connection refused (os error 111)") is None
    assert disk.refused_in("No solution found") is None

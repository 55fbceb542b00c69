from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from provenv.core import links


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"content" * 1000)
    path.chmod(0o555)
    os.utime(path, ns=(1_700_000_000_000_000_000, 1_700_000_000_123_456_789))
    return path


def test_a_hard_link_shares_the_inode(tmp_path: Path, source: Path) -> None:
    assert links.hard_link(str(source), str(tmp_path / "target"))
    assert os.path.samefile(source, tmp_path / "target")


def test_a_symlink_is_linked_itself(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/nowhere")
    assert links.hard_link(str(tmp_path / "link"), str(tmp_path / "target"))
    assert os.readlink(tmp_path / "target") == "/nowhere"
    assert os.lstat(tmp_path / "link").st_ino == os.lstat(tmp_path / "target").st_ino


@pytest.mark.parametrize("code", [errno.EMLINK, errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP])
def test_where_no_more_links_are_allowed_a_new_inode_is_made(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "target"
    assert not links.hard_link(str(source), str(target))
    assert target.read_bytes() == source.read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o555
    assert target.stat().st_mtime_ns == source.stat().st_mtime_ns

    (tmp_path / "link").symlink_to("source")
    assert not links.hard_link(str(tmp_path / "link"), str(tmp_path / "other"))
    assert os.readlink(tmp_path / "other") == "source"


def test_an_existing_target_is_not_overwritten(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        links.hard_link(str(source), str(target))
    with pytest.raises(FileExistsError):
        links.clone(str(source), str(target))
    assert target.read_bytes() == b"mine"


def test_a_clone_has_content_mode_and_time_of_its_own_inode(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "target"
    links.clone(str(source), str(target))
    assert target.read_bytes() == source.read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o555
    assert target.stat().st_mtime_ns == source.stat().st_mtime_ns
    assert not os.path.samefile(source, target)


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY])
def test_a_clone_is_a_copy_where_blocks_cannot_be_shared(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*args: Any) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    assert not links.clone(str(source), str(tmp_path / "target"))
    assert (tmp_path / "target").read_bytes() == source.read_bytes()


def test_a_clone_passes_other_errors_on(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(fcntl, "ioctl", full)
    with pytest.raises(OSError, match="No space left"):
        links.clone(str(source), str(tmp_path / "target"))

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from provenv.core import files, locks
from provenv.core.errors import DiskError, UndecidedError

SOURCE = str(Path(files.__file__).parents[2])


def start(code: str) -> subprocess.Popen[str]:
    """A Python process that can import provenv; it says a line when it is ready."""
    return subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {SOURCE!r})\n{code}"],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_write_replaces_the_whole_content_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"a longer content")
    files.write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_write_keeps_the_mode_of_what_it_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a"
    files.write_atomic(path, b"1", mode=0o640)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    files.write_atomic(path, b"2", mode=0o640)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_write_follows_a_symlink_and_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real/a")
    files.write_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real/a").read_bytes() == b"new"


def test_a_failed_write_leaves_the_old_content_and_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match="No space left on device") as caught:
        files.write_atomic(path, b"new")
    assert "provenv gc" in (caught.value.hint or "")
    details = caught.value.details
    assert (details["path"], details["errno"]) == (str(path), "ENOSPC")
    assert details["phase"] == "writing a"
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_write_into_a_missing_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"cannot write .*/no/a: .*ENOENT"):
        files.write_atomic(tmp_path / "no/a", b"")


def test_readers_never_see_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    contents = [bytes([65 + n]) * 200_000 for n in range(2)]
    path.write_bytes(contents[0])
    stop = threading.Event()
    seen: set[bytes] = set()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(30):
        files.write_atomic(path, contents[turn % 2])
    stop.set()
    reader.join()
    assert seen <= set(contents)


def test_temporary_names_differ_between_threads() -> None:
    names: list[str] = []

    def take() -> None:
        names.extend(files.temporary_name("/x/a") for _ in range(2000))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 8000


def test_a_symlink_is_switched_in_one_step(tmp_path: Path) -> None:
    path = str(tmp_path / "current")
    files.replace_symlink(path, "one")
    files.replace_symlink(path, "two")
    assert os.readlink(path) == "two"
    assert os.listdir(tmp_path) == ["current"]


def test_a_folder_is_never_replaced_by_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "current").mkdir()
    with pytest.raises(DiskError, match="cannot switch"):
        files.replace_symlink(str(tmp_path / "current"), "one")
    assert os.listdir(tmp_path) == ["current"]


def test_remove_takes_read_only_folders_and_leaves_what_links_name(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    tree = tmp_path / "tree"
    (tree / "a/b").mkdir(parents=True)
    (tree / "a/b/file").touch(0o444)
    (tree / "link").symlink_to(outside)
    for folder in (tree / "a/b", tree / "a", tree):
        folder.chmod(0o555)
    files.remove_tree(tree)
    assert not tree.exists()
    assert (outside / "precious").exists()


def test_remove_takes_a_link_not_its_target_and_minds_nothing_missing(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    files.remove_tree(tmp_path / "link")
    files.remove_tree(tmp_path / "link")
    assert os.listdir(tmp_path) == ["real"]


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that another user can reach (pytest's own are private)."""
    folder = Path(tempfile.mkdtemp(prefix="provenv-test-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_remove_works_for_a_user_whom_modes_bind(public_folder: Path, mode: int) -> None:
    tree = public_folder / "tree"
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            (tree / "a/b").mkdir(parents=True)
            (tree / "a/b/file").touch()
            for folder in (tree / "a/b", tree / "a", tree):
                folder.chmod(mode)
            files.remove_tree(tree)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not tree.exists()


HOLD = """
from provenv.core.files import locked
import time
with locked({path!r}, shared={shared}):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = str(tmp_path / "folder/lock")
    with start(HOLD.format(path=path, shared=False)) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(UndecidedError, match="another provenv process is at work"),
            files.locked(path, wait=False),
        ):
            pass
        holder.send_signal(signal.SIGKILL)
    with files.locked(path, wait=False):
        pass


def test_readers_share_a_lock_and_a_writer_does_not(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with (
        files.locked(path, shared=True),
        files.locked(path, shared=True, wait=False),
        pytest.raises(UndecidedError),
        files.locked(path, wait=False),
    ):
        pass
    with files.locked(path, wait=False):
        pass


def test_a_lock_where_no_file_can_be_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="cannot create"), files.locked(str(tmp_path / "file/lock")):
        pass


HOLD_FOLDER = """
import errno, fcntl, os, stat, time
from provenv.core.files import locked_folder
real = fcntl.flock
def flock(descriptor, operation):
    if {nfs} and stat.S_ISDIR(os.fstat(descriptor).st_mode):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    real(descriptor, operation)
fcntl.flock = flock
with locked_folder({path!r}):
    print("held", flush=True)
    time.sleep(60)
"""


def without_folder_locks(monkeypatch: pytest.MonkeyPatch, error: int, *, files_too: bool) -> None:
    """flock(2) as on NFS, where nothing is locked exclusively that is not open for writing."""
    real = fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        if files_too or stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(error, os.strerror(error))
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.parametrize("nfs", [False, True])
def test_a_folder_is_held_by_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nfs: bool
) -> None:
    if nfs:
        without_folder_locks(monkeypatch, errno.EBADF, files_too=False)
    said: list[str] = []
    monkeypatch.setattr(files, "_LONG", 0.05)
    with start(HOLD_FOLDER.format(path=str(tmp_path), nfs=nfs)) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert os.listdir(tmp_path) == ([files.FOLDER_LOCK] if nfs else [])

        def told(who: str) -> None:
            said.append(who)
            holder.send_signal(signal.SIGKILL)

        with files.locked_folder(str(tmp_path), waiting=told), files.locked_folder(str(tmp_path)):
            holder.wait()
        assert said[0].startswith(f"process {holder.pid} (python")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    without_folder_locks(monkeypatch, error, files_too=True)
    name = errno.errorcode[error]
    for lock in (files.locked(str(tmp_path / "lock")), files.locked_folder(str(tmp_path))):
        with pytest.raises(DiskError, match=f"cannot lock .*{name}") as caught, lock:
            pytest.fail("not held")
        assert "keeps no locks" in (caught.value.hint or "")
    assert os.listdir(tmp_path) == ["lock"]


def test_who_holds_a_lock_is_said(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    table = tmp_path / "locks"
    inode = path.stat().st_ino
    table.write_text(
        f"1: FLOCK  ADVISORY  READ {os.getppid()} 08:01:{inode} 0 EOF\n"
        f"2: FLOCK  ADVISORY  READ 4194305 08:01:{inode} 0 EOF\n"
        f"2: -> FLOCK  ADVISORY  WRITE 17 08:01:{inode} 0 EOF\n"
        f"3: FLOCK  ADVISORY  WRITE 18 08:01:{inode + 1} 0 EOF\n"
        "4: POSIX  ADVISORY  WRITE 19 08:01:7 0 EOF\n"
    )
    said = locks.holders(str(path), str(table))
    assert said.startswith(f"process {os.getppid()} (")
    assert said.endswith(" and 1 more")
    assert locks.holders(str(path), str(tmp_path / "no")) == ""
    assert locks.holders(str(tmp_path / "no"), str(table)) == ""


def dead_pid() -> int:
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


def test_a_temporary_name_tells_whether_its_process_is_no_more() -> None:
    dead, here = dead_pid(), os.getpid()
    assert files.is_left_over(f".pylock.toml.{dead}.1.tmp")
    assert files.is_left_over(f"0123abcd.{dead}.tmp")
    assert not files.is_left_over(os.path.basename(files.temporary_name("x")))
    assert not files.is_left_over(f"0123abcd.{here}.tmp")
    assert not files.is_left_over(f".x.{os.getppid()}.1.tmp")
    assert not files.is_left_over(f".x.{10**30}.1.tmp")
    for name in (f".x.{dead}.1", f"x.{dead}", "x.tmp", ".tmp", "a.b.tmp", f"{dead}.tmp"):
        assert not files.is_left_over(name)


def test_in_containers_a_former_process_may_have_had_our_number(tmp_path: Path) -> None:
    number = int(files.temporary_name("x").split(".")[-2])
    left = tmp_path / f".x.{os.getpid()}.{number + 10}.tmp"
    left.touch()
    assert files.is_left_over(left.name)
    for _ in range(20):
        files.write_atomic(tmp_path / "x", b"new")  # comes to that number, and takes the next
    assert left.read_bytes() == b""


def test_a_temporary_folder_is_locked_as_long_as_it_is_there(tmp_path: Path) -> None:
    with files.temporary_folder(str(tmp_path / "work"), "resolve") as folder:
        assert os.stat(folder).st_mode & 0o777 == 0o700
        descriptor = os.open(folder, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
        (Path(folder) / "x").touch()
    assert list((tmp_path / "work").iterdir()) == []

"""A new version of a distribution: what did not change is linked from the version before."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from provenv.core.errors import IntegrityError
from provenv.core.values import replace
from provenv.model.layout import HomeLayout
from provenv.store.collect import collect
from provenv.store.look import look
from provenv.store.objects import StoredObject, read_object
from provenv.store.verify import quarantine, verify_object
from unit.store.conftest import Put
from unit.store.wheelmaker import Wheel, elf, save

OLD = Wheel(
    version="1.0",
    files={
        "demo/__init__.py": b"VERSION = 1\n",
        "demo/same.py": b"x = 1\n" * 100,
        "demo/data/great.bin": bytes(range(256)) * 6000,
        "demo/tool": b"#!/bin/sh\n",
        "demo/empty.py": b"",
    },
)
NEW = replace(OLD, version="2.0", files={**OLD.files, "demo/__init__.py": b"VERSION = 2\n"})
SAME = ("site/demo/same.py", "site/demo/data/great.bin", "site/demo/tool", "site/demo/empty.py")


def inode(obj: StoredObject, path: str) -> int:
    return os.lstat(os.path.join(obj.folder, path)).st_ino


def shared(one: StoredObject, other: StoredObject, *paths: str) -> list[str]:
    return [path for path in paths or SAME if inode(one, path) == inode(other, path)]


def write(obj: StoredObject, path: str, content: bytes) -> None:
    """Change a file in place, as root does, and keep its time."""
    absolute = os.path.join(obj.folder, path)
    status = os.stat(absolute)
    os.chmod(absolute, 0o644)
    Path(absolute).write_bytes(content)
    os.chmod(absolute, status.st_mode)
    os.utime(absolute, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_what_did_not_change_is_one_file(put: Put, layout: HomeLayout) -> None:
    old, new = put(OLD), put(NEW)
    assert shared(old, new) == list(SAME)
    assert inode(old, "site/demo/__init__.py") != inode(new, "site/demo/__init__.py")
    for obj in (old, new):
        assert verify_object(obj) == []
        assert look([obj], every_file=True) == []
        assert read_object(layout, obj.sha256) == obj


def test_the_object_is_the_same_whether_or_not_there_was_another(
    put: Put, layout: HomeLayout, tmp_path: Path
) -> None:
    put(OLD)
    beside = put(NEW)
    description = Path(beside.folder, "object.json").read_bytes()
    quarantine(layout, beside.sha256)
    shutil.rmtree(layout.names)
    alone = put(NEW)
    assert Path(alone.folder, "object.json").read_bytes() == description
    assert look([alone], every_file=True) == []


@pytest.mark.parametrize("path", ["site/demo/same.py", "site/demo/data/great.bin"])
def test_a_damaged_file_is_not_taken(put: Put, path: str) -> None:
    old = put(OLD)
    content = bytearray(Path(old.folder, path).read_bytes())
    content[50] ^= 1
    write(old, path, bytes(content))
    new = put(NEW)
    assert shared(old, new) == [other for other in SAME if other != path]
    assert verify_object(new) == []


@pytest.mark.parametrize(
    "change", ["time", "mode", "symlink", "pipe", "gone", "record", "no record", "pipe for record"]
)
def test_what_is_not_as_it_was_stored_is_not_taken(put: Put, change: str) -> None:
    old = put(OLD)
    path = os.path.join(old.folder, "site/demo/same.py")
    record = os.path.join(old.folder, "site/demo-1.0.dist-info/RECORD")
    for folder in (os.path.dirname(path), os.path.dirname(record)):
        os.chmod(folder, 0o755)
    if change == "time":
        os.utime(path, ns=(0, 0))
    elif change == "mode":
        os.chmod(path, 0o644)
    elif change == "symlink":
        os.rename(path, path + ".aside")
        os.symlink(path + ".aside", path)
    elif change == "pipe":
        os.unlink(path)
        os.mkfifo(path, 0o444)
    elif change == "gone":
        os.unlink(path)
    elif change == "record":
        write(old, "site/demo-1.0.dist-info/RECORD", b"\xff,\n\n")
    else:
        os.unlink(record)
        if change == "pipe for record":
            os.mkfifo(record)
    new = put(NEW)
    assert os.stat(os.path.join(new.folder, "site/demo/same.py")).st_nlink == 1
    assert verify_object(new) == []


def test_another_mode_is_another_file(put: Put) -> None:
    old = put(OLD)
    new = put(replace(NEW, modes={"demo/tool": 0o100755}))
    assert shared(old, new) == [path for path in SAME if path != "site/demo/tool"]
    assert os.stat(os.path.join(new.folder, "site/demo/tool")).st_mode & 0o777 == 0o555


def test_a_wrong_crc_is_refused_with_another_version_as_without(put: Put, tmp_path: Path) -> None:
    put(OLD)
    data = bytearray(NEW.data())
    central = data.rindex(b"demo/same.py") - 46  # its entry in the ZIP directory
    assert data[central : central + 4] == b"PK\1\2"
    local = data.index(b"demo/same.py") - 30
    assert data[local : local + 4] == b"PK\3\4"
    data[central + 16] ^= 1
    data[local + 14] ^= 1
    with pytest.raises(IntegrityError, match="CRC"):
        put(save(tmp_path / "broken", NEW.filename, bytes(data)))


def test_a_file_that_may_have_no_more_names_is_unpacked(
    put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = put(OLD)

    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EMLINK, "Too many links")

    monkeypatch.setattr(os, "link", link)
    new = put(NEW)
    assert shared(old, new) == []
    assert verify_object(new) == []


def test_a_native_library_that_is_taken_is_looked_into(put: Put) -> None:
    files = {"demo/lib.so": elf("$ORIGIN/../other/lib"), "demo/__init__.py": b""}
    old = put(replace(OLD, files=files))
    new = put(replace(NEW, files={**files, "demo/more.py": b""}))
    assert shared(old, new, "site/demo/lib.so") == ["site/demo/lib.so"]
    assert new.tree["site"]["d"]["demo"]["o"] == old.tree["site"]["d"]["demo"]["o"] == 1


def test_either_version_may_go(put: Put, layout: HomeLayout) -> None:
    old, new = put(OLD), put(NEW)
    collect(layout, {new.sha256}, dry_run=False)
    assert verify_object(new) == []
    assert {os.lstat(os.path.join(new.folder, path)).st_nlink for path in SAME} == {1}
    collect(layout, set(), dry_run=False)
    assert os.listdir(layout.names) == []
    again = put(OLD)
    assert again.sha256 == old.sha256
    assert verify_object(again) == []


@pytest.mark.parametrize("note", ["../../etc", "0" * 64, "nothing", None])
def test_a_note_that_leads_nowhere_does_no_harm(
    put: Put, layout: HomeLayout, note: str | None
) -> None:
    put(OLD)
    name = Path(layout.names, "demo")
    name.unlink()
    if note:
        name.symlink_to(note)
    else:
        name.mkdir()
    new = put(NEW)
    assert os.stat(os.path.join(new.folder, "site/demo/same.py")).st_nlink == 1
    assert verify_object(new) == []

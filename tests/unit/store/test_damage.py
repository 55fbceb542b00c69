"""Looking, verifying, quarantine: what somebody did to an object is seen and named."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from provenv.core.files import remove_tree
from provenv.model.layout import HomeLayout
from provenv.store.look import look
from provenv.store.objects import StoredObject, read_object
from provenv.store.record import installed_files
from provenv.store.verify import quarantine, verify_object
from unit.store.conftest import Put
from unit.store.wheelmaker import Wheel, elf

INIT = "site/demo/__init__.py"
INFO = "site/demo-1.0.dist-info"


@pytest.fixture
def obj(put: Put) -> StoredObject:
    return put(
        Wheel(
            files={
                "demo/__init__.py": b"x = 1\n",
                "demo/deep/er/table.csv": b"1,2\n",
                "top.py": b"y = 1\n",
                "openlib/x.so": elf("$ORIGIN/../other"),
                "demo-1.0.data/scripts/tool": b"#!python\nprint(1)\n",
                "demo-1.0.data/data/share/a": b"a",
            },
            entry_points="[console_scripts]\ndemo = demo:main\n",
        )
    )


def overwrite(path: str, content: bytes, *, keep_time: bool = False) -> None:
    status = os.stat(path)
    os.chmod(path, 0o644)
    Path(path).write_bytes(content)
    os.chmod(path, status.st_mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns if keep_time else 1))


def add(path: str) -> None:
    folder = os.path.dirname(path)
    os.chmod(folder, 0o755)
    Path(path).write_bytes(b"evil")
    os.chmod(path, 0o444)
    os.chmod(folder, 0o555)


def delete(path: str) -> None:
    folder = os.path.dirname(path)
    os.chmod(folder, 0o755)
    os.unlink(path)
    os.chmod(folder, 0o555)


def inside(action: Callable[[str], None], path: str) -> None:
    """Do something to ``path`` in a folder that is closed, as an ordinary user must."""
    folder = os.path.dirname(path)
    os.chmod(folder, 0o755)
    action(path)
    os.chmod(folder, 0o555)


def replace_with_link(path: str) -> None:
    delete(path)
    folder = os.path.dirname(path)
    os.chmod(folder, 0o755)
    os.symlink("/etc/passwd", path)
    os.chmod(folder, 0o555)


def test_an_object_as_ingested_is_whole(obj: StoredObject) -> None:
    Path(obj.folder, "site/demo/__pycache__/x.pyc").write_bytes(b"code")
    assert look([obj]) == []
    assert look([obj], every_file=True) == []
    assert verify_object(obj) == []


@pytest.mark.parametrize(
    ("action", "path", "kind"),
    [
        (lambda p: overwrite(p, b"x = 2\n", keep_time=True), INIT, "changed"),
        (lambda p: overwrite(p, b"#!/bin/sh\n"), "bin/demo", "changed"),
        (lambda p: overwrite(p, b"#!/bin/sh\n"), "bin/tool", "changed"),
        (lambda p: overwrite(p, b"pip\n"), f"{INFO}/INSTALLER", "changed"),
        (lambda p: overwrite(p, b"gone"), f"{INFO}/RECORD", "changed"),
        (lambda p: overwrite(p, b"b", keep_time=True), "data/share/a", "changed"),
        (delete, "site/demo/deep/er/table.csv", "missing"),
        (delete, f"{INFO}/RECORD", "missing"),
        (add, "site/demo/evil.py", "added"),
        (add, "site/evil.pth", "added"),
        (add, "bin/evil", "added"),
        (add, "evil", "added"),
        (lambda p: inside(os.mkdir, p), "site/demo/deep/__pycache__", "added"),
        (replace_with_link, INIT, "changed"),
        (lambda p: os.chmod(p, 0o644), INIT, "mode"),
        (lambda p: os.chmod(p, 0o4555), "bin/tool", "mode"),
        (lambda p: os.chmod(p, 0o755), "site/demo/deep", "mode"),
        (lambda p: inside(remove_tree, p), "site/demo/deep", "missing"),
    ],
)
def test_verify_names_every_difference(
    obj: StoredObject, action: Callable[[str], None], path: str, kind: str
) -> None:
    before = os.stat(os.path.dirname(os.path.join(obj.folder, path))).st_mode & 0o7777
    action(os.path.join(obj.folder, path))
    os.chmod(os.path.dirname(os.path.join(obj.folder, path)), before)
    found = [(damage.path, damage.kind) for damage in verify_object(obj)]
    assert (path, kind) in found
    assert {where for where, _ in found} == {path}
    assert verify_object(obj)[0].name == "demo"


def test_verify_of_an_object_that_is_gone(obj: StoredObject) -> None:
    remove_tree(obj.folder)
    assert {(d.path, d.kind) for d in verify_object(obj)} >= {
        ("site", "missing"),
        ("bin", "missing"),
    }


@pytest.mark.parametrize("files", [10, 500])
def test_verify_finds_one_file_among_many(put: Put, files: int) -> None:
    obj = put(Wheel(files={f"demo/f{n}.py": b"%d" % n for n in range(files)}))
    assert verify_object(obj) == []
    overwrite(os.path.join(obj.folder, "site/demo/f7.py"), b"8", keep_time=True)
    (damage,) = verify_object(obj)
    assert (damage.path, damage.kind) == ("site/demo/f7.py", "changed")
    assert "sha256" in damage.detail


@pytest.mark.parametrize(
    ("action", "path", "seen_at"),
    [
        (add, "site/demo/evil.py", "site/demo"),
        (delete, "site/demo/deep/er/table.csv", "site/demo/deep/er"),
        (lambda p: inside(remove_tree, p), "site/demo/deep/er", "site/demo/deep"),
        (lambda p: overwrite(p, b"longer than before"), "site/top.py", "site/top.py"),
        (lambda p: overwrite(p, b"y = 2\n"), "site/top.py", "site/top.py"),
        (lambda p: overwrite(p, b"x"), f"{INFO}/METADATA", f"{INFO}/METADATA"),
        (lambda p: overwrite(p, b"x"), "bin/demo", "bin/demo"),
        (lambda p: overwrite(p, b"x"), "site/openlib/x.so", "site/openlib/x.so"),
        (delete, "bin/demo", "bin"),
    ],
)
def test_a_look_sees_what_an_installer_would_do(
    obj: StoredObject, action: Callable[[str], None], path: str, seen_at: str
) -> None:
    action(os.path.join(obj.folder, path))
    found = look([obj])
    assert seen_at in {damage.path for damage in found}
    assert {damage.sha256 for damage in found} == {obj.sha256}


def test_a_look_at_every_file_sees_more(obj: StoredObject) -> None:
    overwrite(os.path.join(obj.folder, INIT), b"x = 2\n")
    assert look([obj]) == []
    (damage,) = look([obj], every_file=True)
    assert (damage.path, damage.kind) == (INIT, "changed")


def test_quarantine_moves_the_object_aside_for_a_fresh_one(
    obj: StoredObject, layout: HomeLayout, put: Put
) -> None:
    overwrite(os.path.join(obj.folder, INIT), b"x = 2\n")
    where = quarantine(layout, obj.sha256)
    assert Path(where, INIT).read_bytes() == b"x = 2\n"
    assert read_object(layout, obj.sha256) is None
    assert quarantine(layout, obj.sha256) == ""
    assert verify_object(put(_same(obj))) == []
    assert quarantine(layout, obj.sha256) != where


def _same(obj: StoredObject) -> Wheel:
    return Wheel(
        files={
            "demo/__init__.py": b"x = 1\n",
            "demo/deep/er/table.csv": b"1,2\n",
            "top.py": b"y = 1\n",
            "openlib/x.so": elf("$ORIGIN/../other"),
            "demo-1.0.data/scripts/tool": b"#!python\nprint(1)\n",
            "demo-1.0.data/data/share/a": b"a",
        },
        entry_points="[console_scripts]\ndemo = demo:main\n",
    )


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_installed_files_are_those_on_disk_with_their_hashes(put: Put, algorithm: str) -> None:
    import hashlib

    obj = put(
        Wheel(
            algorithm=algorithm,
            files={
                "demo/__init__.py": b"x = 1\n",
                "demo/__pycache__/__init__.cpython-313.pyc": b"old",
                "demo-1.0.data/scripts/demo": b"#!python\nreplaced by the entry point",
                "demo-1.0.data/headers/demo.h": b"",
                "a,b.txt": b"",
            },
            entry_points="[console_scripts]\ndemo = demo:main\n",
        )
    )
    found = {f"{item.scheme}/{item.path}": item for item in installed_files(obj)}
    on_disk = {
        os.path.relpath(os.path.join(folder, name), obj.folder)
        for folder, _, names in os.walk(obj.folder)
        for name in names
    }
    assert set(found) == on_disk - {"object.json", f"{INFO}/RECORD"}
    for path, item in found.items():
        content = Path(obj.folder, path).read_bytes()
        assert (item.size, item.sha256) == (len(content), hashlib.sha256(content).hexdigest())

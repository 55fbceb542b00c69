"""What becomes of a good wheel."""

import errno
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from provenv.core.errors import DiskError, InputError, IntegrityError
from provenv.model.layout import HomeLayout
from provenv.store import unpacking
from provenv.store.ingest import ingest
from provenv.store.objects import StoredObject, read_object, require_object
from provenv.store.verify import verify_object
from unit.store.conftest import Put
from unit.store.wheelmaker import Made, Wheel, elf


def names(folder: str) -> set[str]:
    return {
        os.path.relpath(os.path.join(root, name), folder)
        for root, _, files in os.walk(folder)
        for name in files
    }


def test_every_file_lies_where_its_scheme_says(put: Put) -> None:
    obj = put(
        Wheel(
            files={
                "demo/__init__.py": b"",
                "demo-1.0.data/purelib/pure.py": b"",
                "demo-1.0.data/platlib/demo/fast.py": b"",
                "demo-1.0.data/scripts/tool": b"#!/bin/sh\necho hi\n",
                "demo-1.0.data/data/share/man/demo.1": b"man",
                "demo-1.0.data/headers/demo.h": b"int x;",
            },
            entry_points="[console_scripts]\ndemo = demo:main\n\n[other]\nthing = demo\n",
        )
    )
    assert names(obj.folder) == {
        "object.json",
        "site/demo/__init__.py",
        "site/pure.py",
        "site/demo/fast.py",
        "bin/tool",
        "bin/demo",
        "data/share/man/demo.1",
        "include/demo/demo.h",
        *(
            f"site/demo-1.0.dist-info/{name}"
            for name in (
                "METADATA",
                "WHEEL",
                "RECORD",
                "INSTALLER",
                "SOURCES.txt",
                "entry_points.txt",
            )
        ),
    }
    assert obj.scripts == ("demo", "tool")
    info = Path(obj.folder, "site", "demo-1.0.dist-info")
    assert (info / "INSTALLER").read_text() == "provenv\n"
    assert (info / "SOURCES.txt").read_text().splitlines() == [
        "demo-1.0.dist-info/INSTALLER",
        "demo-1.0.dist-info/METADATA",
        "demo-1.0.dist-info/SOURCES.txt",
        "demo-1.0.dist-info/WHEEL",
        "demo-1.0.dist-info/entry_points.txt",
        "demo/__init__.py",
        "demo/fast.py",
        "pure.py",
    ]


def test_the_description_says_what_the_object_is(put: Put, layout: HomeLayout) -> None:
    wheel = Wheel(name="Demo_Kit", version="1.0", files={"kit.py": b"x = 1\n"})
    obj = put(wheel)
    assert (obj.name, obj.version, obj.dist_info) == ("demo-kit", "1.0", "Demo_Kit-1.0.dist-info")
    assert obj.tags == ("py3-none-any",)
    assert obj.folder == layout.object(obj.sha256)
    assert read_object(layout, obj.sha256) == obj
    data = json.loads(Path(obj.folder, "object.json").read_text())
    record = Path(obj.folder, "site/Demo_Kit-1.0.dist-info/RECORD").read_bytes()
    assert data["record"] == hashlib.sha256(record).hexdigest()
    assert data["files"] == 6
    assert data["unpacked"] == sum(
        os.path.getsize(os.path.join(obj.folder, name))
        for name in names(obj.folder) - {"object.json"}
    )


def test_the_tree_records_each_directory_as_it_stands(put: Put) -> None:
    obj = put(Wheel(files={"demo/__init__.py": b"x", "demo/data/table.csv": b"1,2\n"}))

    def check(folder: str, node: dict[str, Any]) -> None:
        assert os.stat(folder).st_mtime_ns == node["m"]
        entries = set(os.listdir(folder)) - {"__pycache__"}
        assert entries == {*node.get("f", {}), *node.get("d", {})}
        assert "o" not in node
        for name, (size, mtime) in node.get("f", {}).items():
            status = os.stat(os.path.join(folder, name))
            assert (status.st_size, status.st_mtime_ns) == (size, mtime)
        for name, inner in node.get("d", {}).items():
            check(os.path.join(folder, name), inner)

    assert set(obj.tree) == {"site"}
    check(os.path.join(obj.folder, "site"), obj.tree["site"])
    assert "f" not in obj.tree["site"]
    assert "d" not in obj.tree["site"]["d"]["demo"]["d"]["data"]


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_modes_are_fixed_whatever_the_umask(put: Put, umask: int) -> None:
    before = os.umask(umask)
    try:
        obj = put(
            Wheel(
                files={"demo/__init__.py": b"", "demo/helper": b"", "demo-1.0.data/scripts/t": b""},
                modes={"demo/helper": 0o106755, "demo/__init__.py": 0o100666},
            )
        )
    finally:
        os.umask(before)

    def mode(path: str) -> int:
        return stat.S_IMODE(os.stat(os.path.join(obj.folder, path)).st_mode)

    assert mode("site/demo/__init__.py") == 0o444
    assert mode("site/demo/helper") == 0o555
    assert mode("bin/t") == 0o555
    assert mode("site/demo") == mode("site") == mode("bin") == mode("") == 0o555
    assert mode("site/demo/__pycache__") == 0o755
    assert mode("object.json") == 0o444
    assert not os.path.exists(os.path.join(obj.folder, "site/demo-1.0.dist-info/__pycache__"))


def test_byte_code_lands_beside_the_source_without_a_trace_in_the_tree(put: Put) -> None:
    obj = put(Wheel())
    environment = {"PYTHONPATH": os.path.join(obj.folder, "site")}
    subprocess.run([sys.executable, "-c", "import demo"], env=environment, check=True)
    assert os.listdir(os.path.join(obj.folder, "site/demo/__pycache__"))
    node = obj.tree["site"]["d"]["demo"]
    assert os.stat(os.path.join(obj.folder, "site/demo")).st_mtime_ns == node["m"]


def test_shipped_byte_code_is_not_kept(put: Put) -> None:
    obj = put(Wheel(files={"demo/__init__.py": b"", "demo/__pycache__/a.cpython-313.pyc": b"?"}))
    assert os.listdir(os.path.join(obj.folder, "site/demo/__pycache__")) == []


def test_a_file_where_byte_code_goes_is_not_kept(put: Put) -> None:
    obj = put(Wheel(files={"demo/__init__.py": b"", "demo/__pycache__": b"?", "__pycache__": b"?"}))
    assert os.path.isdir(f"{obj.folder}/site/demo/__pycache__")
    assert verify_object(obj) == []


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
@pytest.mark.parametrize("stored", [True, False])
def test_stored_members_and_stronger_hashes(put: Put, stored: bool, algorithm: str) -> None:
    obj = put(Wheel(files={"demo.py": b"x = 1\n" * 99}, stored=stored, algorithm=algorithm))
    assert Path(obj.folder, "site/demo.py").read_bytes() == b"x = 1\n" * 99


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize(
    "block", [b"x", b"some text\n", os.urandom(1 << 20)], ids=["one", "text", "noise"]
)
def test_a_large_member_passes_in_pieces(put: Put, block: bytes, stored: bool) -> None:
    content = block * ((5 << 20) // len(block)) + b"the end"
    obj = put(Wheel(files={"demo/model.bin": content}, stored=stored))
    assert Path(obj.folder, "site/demo/model.bin").read_bytes() == content


def test_hashes_in_hexadecimal(put: Put) -> None:
    """As gmsh 4.15.2 has them on PyPI; they are held as firmly as others."""
    digest = hashlib.sha256(b"x = 1\n").hexdigest()
    row = f"demo/__init__.py,sha256={digest},6"
    assert verify_object(put(Wheel(replace_rows={"demo/__init__.py": row}))) == []
    with pytest.raises(IntegrityError, match="not what RECORD says"):
        put(Wheel(replace_rows={"demo/__init__.py": row.replace(digest[:4], "0000")}))


def test_metadata_of_what_is_vendored_stays(put: Put) -> None:
    path = "demo/_vendor/tomli-1.2.3.dist-info/LICENSE"
    obj = put(Wheel(files={path: b"MIT", "demo-1.0.data/purelib/demo-1.0.dist-info/x": b""}))
    assert Path(obj.folder, "site", path).read_bytes() == b"MIT"


def test_names_beyond_ascii_and_commas(put: Put) -> None:
    odd = "demo/a\u2028b.txt"
    obj = put(Wheel(files={"demo/größe, ß.txt": b"1", "demo/__init__.py": b"", odd: b""}))
    assert os.path.exists(os.path.join(obj.folder, "site", odd))
    assert Path(obj.folder, "site/demo/größe, ß.txt").read_bytes() == b"1"


@pytest.mark.parametrize(
    ("folder", "runpath", "is_open"),
    [
        ("demo", "$ORIGIN/../demo.libs", False),
        ("demo", "$ORIGIN", False),
        ("demo", None, False),
        ("demo", "/opt/cuda/lib64", False),
        ("demo", "${ORIGIN}/../other/lib", True),
        ("demo/sub", "$ORIGIN/../../demo/lib", True),
        ("demo", "$ORIGIN/..", True),
        ("demo", "$ORIGIN/../../../lib", True),
        ("demo", "/x:$ORIGIN/../nvidia/cublas/lib", True),
        ("demo", "$ORIGIN/../$LIB", True),
    ],
)
def test_open_marks_libraries_that_leave_their_wheel(
    put: Put, folder: str, runpath: str | None, is_open: bool
) -> None:
    obj = put(
        Wheel(
            files={
                f"{folder}/native.cpython-313.so": elf(runpath),
                "demo.libs/libhelp.so.1": elf(None),
                "pure/__init__.py": b"",
            }
        )
    )
    site = obj.tree["site"]
    assert site.get("o", 0) == int(is_open)
    assert site["d"]["demo"].get("o", 0) == int(is_open)
    assert "o" not in site["d"]["pure"]


def test_a_native_library_that_cannot_be_read_counts_as_leaving(put: Put) -> None:
    obj = put(Wheel(files={"demo/mac.so": b"\xcf\xfa\xed\xfe not ELF", "demo/tool": elf(None)}))
    assert obj.tree["site"]["d"]["demo"]["o"] == 1


def test_an_elf_program_without_a_telling_name_is_read_too(put: Put) -> None:
    obj = put(Wheel(files={"demo/tool": elf("$ORIGIN/../../lib")}))
    assert obj.tree["site"]["d"]["demo"]["o"] == 1


def test_the_same_wheel_twice_is_one_object(put: Put, layout: HomeLayout) -> None:
    first, again = put(Wheel()), put(Wheel())
    assert first == again
    assert os.listdir(layout.tmp) == []


def test_an_object_without_a_description_is_replaced(put: Put, layout: HomeLayout) -> None:
    obj = put(Wheel())
    os.chmod(obj.folder, 0o755)
    os.unlink(os.path.join(obj.folder, "object.json"))
    assert read_object(layout, obj.sha256) is None
    again = put(Wheel())
    assert require_object(layout, obj.sha256) == again


def test_require_says_what_is_missing(layout: HomeLayout) -> None:
    with pytest.raises(IntegrityError, match="ab" * 32):
        require_object(layout, "ab" * 32)


def test_wrong_bytes_name_what_was_wanted_and_what_came(layout: HomeLayout, tmp_path: Path) -> None:
    made = Wheel().save(tmp_path)
    wanted = "0" * 64
    with pytest.raises(IntegrityError) as caught:
        ingest(layout, str(made.path), filename=made.filename, sha256=wanted, size=made.size)
    for part in (made.filename, wanted, made.sha256, str(made.path)):
        assert part in caught.value.message
    assert caught.value.details["wanted"] == wanted
    with pytest.raises(IntegrityError, match=f"wants 5 bytes, and {made.size} bytes came"):
        ingest(layout, str(made.path), filename=made.filename, sha256=made.sha256, size=5)
    assert not os.path.exists(layout.wheels)


def test_a_file_that_is_not_there_is_a_disk_error(layout: HomeLayout, tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"gone\.whl"):
        ingest(
            layout, str(tmp_path / "gone.whl"), filename="d-1-py3-none-any.whl", sha256="a", size=1
        )


def run_script(obj: StoredObject, folder: Path, name: str, *arguments: str) -> str:
    """Run a script from a bin folder of an environment that is laid out like a real one."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "python").exists():
        (folder / "python").symlink_to(sys.executable)
    shutil.copy(os.path.join(obj.folder, "bin", name), folder / name)
    return run_path(obj, folder / name, *arguments)


def run_path(obj: StoredObject, script: Path, *arguments: str) -> str:
    environment = {
        "PATH": f"{script.parent}:/usr/bin:/bin",
        "PYTHONPATH": os.path.join(obj.folder, "site"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [script, *arguments], env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_scripts_run_from_anywhere(put: Put, tmp_path: Path) -> None:
    obj = put(
        Wheel(
            files={
                "demo/__init__.py": (
                    b"import sys\nclass App:\n    @staticmethod\n    def main():\n"
                    b"        print(sys.argv[1:], sys.executable)\n"
                )
            },
            entry_points="[console_scripts]\ndemo = demo:App.main [extra]\n",
        )
    )
    folder = tmp_path / "an env" / "b i n"
    out = run_script(obj, folder, "demo", "a b", "", "$HOME")
    assert out == f"['a b', '', '$HOME'] {folder / 'python'}\n"
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "demo link"
    link.symlink_to(folder / "demo")
    assert str(folder / "python") in run_path(obj, link)
    done = subprocess.run(
        ["sh", "demo", "x"],
        cwd=folder,
        env={"PYTHONPATH": os.path.join(obj.folder, "site"), "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("['x']")


@pytest.mark.parametrize("first", ["#!python", "#!pythonw", "#!python3 -E"])
def test_a_shipped_python_script_finds_its_interpreter(
    put: Put, tmp_path: Path, first: str
) -> None:
    code = f"{first}\n# -*- coding: latin-1 -*-\nprint(ascii('\xe9'))\n".encode("latin-1")
    obj = put(Wheel(files={"demo-1.0.data/scripts/tool.py": code}))
    assert run_script(obj, tmp_path / "bin", "tool.py") == "'\\xe9'\n"


def test_scripts_of_many_megabytes(put: Put) -> None:
    """A program passes in pieces, whatever it is; a Python script is rewritten as a whole."""
    program, script = b"\x7fELF" + os.urandom(3 << 20), b"#!python\n#" + b"x" * (2 << 20)
    obj = put(
        Wheel(files={"demo-1.0.data/scripts/prog": program, "demo-1.0.data/scripts/tool": script})
    )
    assert Path(obj.folder, "bin/prog").read_bytes() == program
    assert os.stat(f"{obj.folder}/bin/prog").st_mode & 0o777 == 0o555
    assert Path(obj.folder, "bin/tool").read_bytes().endswith(script[9:])
    assert Path(obj.folder, "bin/tool").read_bytes().startswith(b"#!/bin/sh\n")


def test_a_python_script_that_is_a_bomb(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "_MOST_SCRIPT", 1 << 20)
    with pytest.raises(InputError, match=r"scripts/tool.* more than the 1048576"):
        put(Wheel(files={"demo-1.0.data/scripts/tool": b"#!python\n" + bytes(2 << 20)}))


def test_signatures_of_record_are_not_kept(put: Put) -> None:
    """RECORD cannot vouch for them: a changed one would never be noticed."""
    signatures = [(f"demo-1.0.dist-info/RECORD.{kind}", b"{}") for kind in ("jws", "p7s")]
    obj = put(Wheel(unlisted=signatures))
    assert not [name for name in names(obj.folder) if "RECORD." in name]
    assert verify_object(obj) == []


def test_a_description_that_is_not_utf8_is_no_reason_to_refuse(put: Put) -> None:
    metadata = b"Metadata-Version: 1.0\nName: DEMO\nVersion: 1\n\nName: other\ncaf\xe9\n"
    obj = put(Wheel(metadata=metadata))
    assert Path(obj.folder, "site/demo-1.0.dist-info/METADATA").read_bytes() == metadata


def test_other_scripts_stay_byte_for_byte(put: Put) -> None:
    code = b"#!/usr/bin/env perl\nprint 1;\n"
    obj = put(Wheel(files={"demo-1.0.data/scripts/tool": code}))
    assert Path(obj.folder, "bin/tool").read_bytes() == code


def test_an_entry_point_wins_over_a_shipped_script_of_its_name(put: Put) -> None:
    obj = put(
        Wheel(
            files={"demo.py": b"", "demo-1.0.data/scripts/demo": b"#!/bin/sh\n"},
            entry_points="[gui_scripts]\ndemo = demo:main\n",
        )
    )
    assert "from demo import main" in Path(obj.folder, "bin/demo").read_text()


def test_versions_and_names_in_other_spellings(put: Put, tmp_path: Path) -> None:
    wheel = Wheel(name="My.Demo", version="1.0.post1", files={"demo.py": b""})
    made = wheel.save(tmp_path)
    renamed = tmp_path / "my_demo-1.0.post01-py3-none-any.whl"
    made.path.rename(renamed)
    obj = put(Made(path=renamed, filename=renamed.name, sha256=made.sha256, size=made.size))
    assert (obj.name, obj.version) == ("my-demo", "1.0.post1")


def test_a_full_disk_is_an_error_that_leaves_nothing(
    put: Put, layout: HomeLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) > 1000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DiskError, match="ENOSPC") as caught:
        put(Wheel(files={"demo/__init__.py": b"", "demo/big": bytes(2000)}))
    assert "storing demo 1.0: " in caught.value.message
    assert "gc" in (caught.value.hint or "")
    assert os.listdir(layout.tmp) == []
    assert not os.path.exists(layout.wheels)


def test_a_write_that_takes_a_part_goes_on(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:7])))
    obj = put(Wheel(files={"demo/__init__.py": b"x = 'longer than seven'\n"}))
    assert Path(obj.folder, "site/demo/__init__.py").read_bytes() == b"x = 'longer than seven'\n"

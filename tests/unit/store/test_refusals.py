"""What ingest refuses: each with the wheel's name, the member and the reason, nothing left behind."""

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fuzz.targets import zipped
from provenv.core.boot import boot_id
from provenv.core.errors import InputError, IntegrityError, ProvenvError
from provenv.model.layout import HomeLayout
from provenv.store import archive
from unit.store.conftest import Put
from unit.store.wheelmaker import Made, Wheel, row, save

GOOD = {"demo/__init__.py": b"x = 1\n"}


def _metadata(name: str = "demo", version: str = "1.0") -> bytes:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()


def refuse(
    put: Put,
    layout: HomeLayout,
    wheel: Wheel | Made,
    *parts: str,
    kind: type[ProvenvError] = InputError,
) -> None:
    with pytest.raises(kind) as caught:
        put(wheel)
    for part in (wheel.filename, *parts):
        assert part in caught.value.message
    assert caught.value.message.isprintable()  # no command to a terminal
    assert caught.value.hint or wheel.filename != "demo-1.0-py3-none-any.whl"
    left = {name for _, _, names in os.walk(layout.root) for name in names}
    assert left - {boot_id()} == {"lock"}  # and what power cuts are noticed by
    assert os.listdir(layout.tmp) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/etc/passwd", "absolute path"),
        ("../evil.py", "'..'"),
        ("demo/../../evil.py", "'..'"),
        ("demo/..", "'..'"),
        ("demo\\evil.py", "backslash"),
        ("C:/evil.py", "drive letter"),
        ("c:evil.py", "drive letter"),
        ("demo//evil.py", "empty or '.' part"),
        ("./evil.py", "empty or '.' part"),
        ("demo/new\nline.py", "control character"),
        ("demo/\x1b[31m.py", "control character"),
        ("demo/../", "'..'"),
        ("demo/\x9b2J.py", "control character"),
        ("demo/\u202egpj.py", "writing direction"),
        ("demo/\u2066a\u2069.py", "writing direction"),
        ("demo/" + "x" * 256, "a part of more than 255 bytes"),
        ("demo/" + "\u00e9" * 128, "a part of more than 255 bytes"),
        ("a/" * 600 + "x", "has 1201 bytes"),
        ("a/" * 65 + "x", "lies 65 folders deep"),
    ],
)
def test_a_name_that_is_no_plain_relative_path(
    put: Put, layout: HomeLayout, name: str, reason: str
) -> None:
    content = b"" if name.endswith("/") else b"evil"
    wheel = Wheel(unlisted=[(name, content)], extra_rows=[row(name, content)])
    refuse(put, layout, wheel, repr(name.rstrip("/")[:200])[1:-1], reason)


def test_names_that_only_another_system_minds(put: Put) -> None:
    """Reserved in Windows, or cut there: plain names here, and files of their own."""
    names = [
        "aux.py",
        "demo/NUL",
        "demo/con.txt",
        "demo/a:b",
        "demo/trailing.",
        "demo/trailing ",
        "demo/trailing",
    ]
    obj = put(Wheel(files={name: name.encode() for name in names}))
    for name in names:
        assert Path(obj.folder, "site", name).read_bytes() == name.encode()


def test_a_nul_in_a_name(put: Put, layout: HomeLayout, tmp_path: Path) -> None:
    wheel = Wheel(files={**GOOD, "demo/aXb.py": b""})
    made = save(tmp_path, wheel.filename, wheel.data().replace(b"aXb.py", b"a\0b.py"))
    refuse(put, layout, made, "NUL")


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (0o120777, "a symlink"),
        (0o060644, "a block device"),
        (0o020644, "a character device"),
        (0o010644, "a pipe"),
        (0o140644, "a socket"),
        (0o040755, "is a folder"),
    ],
)
def test_what_is_not_a_file(put: Put, layout: HomeLayout, mode: int, reason: str) -> None:
    wheel = Wheel(files={**GOOD, "demo/link": b"/etc/passwd"}, modes={"demo/link": mode})
    refuse(put, layout, wheel, "demo/link", reason)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("content", [b"x = 1\n", b"x = 2\n"])
def test_one_name_twice(put: Put, layout: HomeLayout, content: bytes) -> None:
    refuse(
        put, layout, Wheel(unlisted=[("demo/__init__.py", content)]), "demo/__init__.py", "twice"
    )


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ("demo/Readme.txt", "demo/README.txt", "case"),
        ("demo/caf\u00e9.txt", "demo/cafe\u0301.txt", "form"),
        ("demo/STRASSE", "demo/stra\u00dfe", "case"),
        ("demo/thing", "demo/thing/x.py", "as a file and as a folder"),
        ("demo/a.py", "demo-1.0.data/purelib/demo/a.py", "twice"),
        ("demo-1.0.data/platlib/a.py", "demo-1.0.data/purelib/a.py", "twice"),
    ],
)
def test_two_members_for_one_place(
    put: Put, layout: HomeLayout, one: str, other: str, reason: str
) -> None:
    refuse(put, layout, Wheel(files={**GOOD, one: b"1", other: b"2"}), reason)


def test_a_member_that_record_does_not_list(put: Put, layout: HomeLayout) -> None:
    wheel = Wheel(files={**GOOD, "demo/evil.py": b""}, drop_rows=["demo/evil.py"])
    refuse(put, layout, wheel, "demo/evil.py", "not listed in RECORD")


def test_a_row_without_a_member(put: Put, layout: HomeLayout) -> None:
    wheel = Wheel(extra_rows=[row("demo/gone.py", b"")])
    refuse(put, layout, wheel, "demo/gone.py", "the wheel lacks it")


@pytest.mark.parametrize(
    ("wrong", "reason", "kind"),
    [
        (row("demo/__init__.py", b"x = 2\n"), "is not what RECORD says", IntegrityError),
        (row("demo/__init__.py", b"x = 1\n")[:-1] + "9", "9 bytes wanted", IntegrityError),
        (row("demo/__init__.py", b"x = 1\n", "md5"), "'md5' is not accepted", InputError),
        (row("demo/__init__.py", b"x = 1\n", "sha1"), "'sha1' is not accepted", InputError),
        ("demo/__init__.py,,6", "it has no hash", InputError),
        ("demo/__init__.py", "it has no hash", InputError),
        ("demo/__init__.py,sha256=abcd,6", "not a sha256 hash", InputError),
        ("demo/__init__.py,sha256=!,6", "not a sha256 hash", InputError),
        ("demo/__init__.py,sha256=\u00e9,6", "not a sha256 hash", InputError),
        (row("demo/__init__.py", b"x = 1\n") + ",more", "more than three fields", InputError),
        (row("demo/__init__.py", b"x = 1\n") + "_0", "'6_0' is not a size", InputError),
        (row("demo/__init__.py", b"x = 1\n") + "9" * 5000, "is not a size", InputError),
        (row("demo/__init__.py", b"x = 1\n")[:-1] + "-6", "'-6' is not a size", InputError),
    ],
)
def test_a_wrong_row(
    put: Put, layout: HomeLayout, wrong: str, reason: str, kind: type[ProvenvError]
) -> None:
    wheel = Wheel(replace_rows={"demo/__init__.py": wrong})
    refuse(put, layout, wheel, "demo/__init__.py", reason, kind=kind)


def test_rows_that_disagree(put: Put, layout: HomeLayout) -> None:
    wheel = Wheel(extra_rows=[row("demo/__init__.py", b"x = 2\n")])
    refuse(put, layout, wheel, "two rows disagree")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("/etc/passwd", "'/etc/passwd': RECORD lists it, and the wheel lacks it"),
        ("../../evil.py", "'../../evil.py': RECORD lists it"),
        ("demo\\__init__.py", "RECORD lists it"),
        ("C:\\demo\\x.py", "RECORD lists it"),
        ("demo/\x1b[2J.py", "'demo/\\x1b[2J.py': RECORD lists it"),
    ],
)
def test_rows_for_files_outside_of_the_wheel(
    put: Put, layout: HomeLayout, wrong: str, reason: str
) -> None:
    refuse(put, layout, Wheel(extra_rows=[row(wrong, b"")]), reason)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ('demo/a\rb,"x"', "cannot be read"),
        ('"' + "x" * 200_000, "cannot be read"),
        ("\ufeffdemo/__init__.py,sha256=x,", "not a sha256 hash"),
        ("x" * 100_000 + ",sha256=x,", "x'…: not a sha256 hash"),
        ("x,md" + "5" * 100_000 + "=x,", "5'… is not accepted"),
    ],
)
def test_a_record_that_is_no_table(put: Put, layout: HomeLayout, broken: str, reason: str) -> None:
    refuse(put, layout, Wheel(extra_rows=[broken]), "RECORD, row", reason)


@pytest.mark.parametrize("name", ["RECORD", "WHEEL", "entry_points.txt"])
def test_a_file_of_the_dist_info_that_is_not_utf8(
    put: Put, layout: HomeLayout, tmp_path: Path, name: str
) -> None:
    wheel = Wheel(entry_points="[console_scripts]\ndemo = demo:main\n", stored=True)
    members = wheel.members() | {f"demo-1.0.dist-info/{name}": b"\xff\xfe"}
    if name != "RECORD":
        rows = [row(path, content) for path, content in members.items() if "RECORD" not in path]
        members["demo-1.0.dist-info/RECORD"] = "\n".join(rows).encode()
    data = zipped([(path.encode(), content, 0o100644) for path, content in members.items()])
    made = save(tmp_path, wheel.filename, data)
    refuse(put, layout, made, f"demo-1.0.dist-info/{name}", "not UTF-8")


def test_a_large_member_with_a_wrong_hash(put: Put, layout: HomeLayout) -> None:
    content = os.urandom(1 << 20) * 3
    wheel = Wheel(
        files={"demo/model.bin": content},
        replace_rows={"demo/model.bin": row("demo/model.bin", bytes(3 << 20))},
    )
    refuse(put, layout, wheel, "demo/model.bin", "RECORD", kind=IntegrityError)


@pytest.mark.parametrize(
    ("wheel", "reason"),
    [
        (Wheel(dist_info="other-1.0.dist-info"), "does not belong to demo 1.0"),
        (Wheel(dist_info="demo-2.0.dist-info"), "does not belong to demo 1.0"),
        (Wheel(files={**GOOD, "demo-2.0.dist-info/x": b""}), "2 .dist-info folders"),
        (Wheel(wheel_version="2.0"), "Wheel-Version is '2.0'"),
        (Wheel(wheel_version="one"), "Wheel-Version is 'one'"),
        (Wheel(metadata=_metadata(name="other")), "is about 'other 1.0'"),
        (Wheel(metadata=_metadata(version="1.1")), "is about 'demo 1.1'"),
        (Wheel(metadata=_metadata(version="x\x1b[2J")), "is about 'demo x\\x1b[2J'"),
        (Wheel(metadata=b""), "is about 'nothing'"),
        (Wheel(metadata=_metadata() + b"Name: other\n"), "Name stands in it twice"),
        (Wheel(metadata=b"\n" + _metadata()), "is about 'nothing'"),
        (Wheel(metadata=_metadata().replace(b"2.1", b"3.0")), "Metadata-Version is '3.0'"),
        (Wheel(metadata=_metadata() + b"\n" + b"x" * (16 << 20)), "more than the 16777216"),
        (Wheel(entry_points="#" * (2 << 20)), "more than the 262144"),
        (Wheel(drop=["demo-1.0.dist-info/METADATA"]), "METADATA"),
        (Wheel(drop=["demo-1.0.dist-info/RECORD"]), "RECORD"),
        (
            Wheel(drop=["demo-1.0.dist-info/WHEEL"], drop_rows=["demo-1.0.dist-info/WHEEL"]),
            "WHEEL",
        ),
        (Wheel(files={**GOOD, "other-1.DIST-INFO/METADATA": b""}), "2 .dist-info folders"),
        *(
            (Wheel(files={**GOOD, f"demo-1.0.data/{path}/METADATA": b""}), "another distribution's")
            for path in (
                "purelib/other-9.dist-info",
                "platlib/Other-9.Dist-Info",
                "data/lib/python3.13/site-packages/other-9.dist-info",
                "data/lib/python3.13/site-packages/demo-1.0.dist-info.dist-info",
            )
        ),
        (Wheel(files={**GOOD, "demo-1.0.data/site/x": b""}), "not an installation scheme"),
        (Wheel(files={**GOOD, "demo-1.0.data/x": b""}), "not an installation scheme"),
    ],
)
def test_a_dist_info_that_is_not_as_it_must(
    put: Put, layout: HomeLayout, wheel: Wheel, reason: str
) -> None:
    refuse(put, layout, wheel, reason)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("../evil = demo:main", "path"),
        ("a/b = demo:main", "path"),
        ("a\\b = demo:main", "path"),
        (".. = demo:main", "path"),
        ("= demo:main", "empty"),
        ("python = demo:main", "interpreter"),
        ("python3.13 = demo:main", "interpreter"),
        ("PythonW.exe = demo:main", "interpreter"),
        ("demo = demo", "module:function"),
        ("demo = demo:main();import os", "module:function"),
        ("demo = os;x:main", "module:function"),
        ("just words", "name = target"),
        ("a = demo:x\na = demo:y", "two targets"),
        ("run = demo:x\nRUN = demo:y", "case"),
        ("run = demo:x\n[gui_scripts]\nrun = demo:y", "two targets"),
        ("a\u202eb = demo:x", "writing direction"),
        ("a\x1bb = demo:x", "control character"),
        ("a\x9bb = demo:x", "control character"),
        ("x" * 256 + " = demo:x", "255 bytes"),
        ("x" * 9999, "x'… is not 'name = target'"),
        ("demo = " + "x" * 9999, "x'… is not 'module:function'"),
    ],
)
def test_entry_points_that_must_not_become_scripts(
    put: Put, layout: HomeLayout, line: str, reason: str
) -> None:
    refuse(put, layout, Wheel(entry_points=f"[console_scripts]\n{line}\n"), reason)


def test_a_shipped_script_with_the_interpreters_name(put: Put, layout: HomeLayout) -> None:
    wheel = Wheel(files={"demo-1.0.data/scripts/python3": b"#!/bin/sh\n"})
    refuse(put, layout, wheel, "demo-1.0.data/scripts/python3", "interpreter")


def test_a_shipped_script_in_a_folder(put: Put, layout: HomeLayout) -> None:
    wheel = Wheel(files={"demo-1.0.data/scripts/sub/tool": b"#!/bin/sh\n"})
    refuse(put, layout, wheel, "demo-1.0.data/scripts/sub/tool", "path")


def test_a_script_whose_name_only_begins_like_the_interpreter(put: Put) -> None:
    obj = put(Wheel(entry_points="[console_scripts]\npython-argcomplete = demo:main\n"))
    assert obj.scripts == ("python-argcomplete",)


@pytest.mark.parametrize(
    "filename", ["demo-1.0.whl", "demo-1.0-py3-none-any.zip", "demo-x-py3-none-any.whl"]
)
def test_a_filename_that_is_no_wheels(
    put: Put, layout: HomeLayout, tmp_path: Path, filename: str
) -> None:
    refuse(put, layout, save(tmp_path, filename, Wheel().data()))


def _truncate(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _append(data: bytes) -> bytes:
    return data + b"more"


def _prepend(data: bytes) -> bytes:
    return b"#!/bin/sh\n" + data


def _rename_local(data: bytes) -> bytes:
    at = data.index(b"demo/__init__.py")
    return data[:at] + b"evil" + data[at + 4 :]


def _change_local_method(data: bytes) -> bytes:
    return data[:8] + struct.pack("<H", 0) + data[10:]


def _encrypt(data: bytes) -> bytes:
    at = data.index(b"PK\1\2")
    return data[: at + 8] + struct.pack("<H", 1) + data[at + 10 :]


def _other_method(data: bytes) -> bytes:
    at = data.index(b"PK\1\2")
    return data[: at + 10] + struct.pack("<H", 12) + data[at + 12 :]


def _point_twice_at_one_member(data: bytes) -> bytes:
    first = data.index(b"PK\1\2")
    second = data.index(b"PK\1\2", first + 4)
    return data[: second + 42] + data[first + 42 : first + 46] + data[second + 46 :]


def _point_beyond(data: bytes) -> bytes:
    first = data.index(b"PK\1\2")
    return data[: first + 42] + struct.pack("<I", len(data) - 30) + data[first + 46 :]


def _count_wrong(data: bytes) -> bytes:
    at = data.rindex(b"PK\5\6")
    return data[: at + 8] + struct.pack("<HH", 1, 1) + data[at + 12 :]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_truncate, "no end-of-directory record"),
        (_append, "bytes follow the end"),
        (_prepend, "not where its end record says"),
        (_rename_local, "local header and the ZIP directory disagree"),
        (_change_local_method, "local header and the ZIP directory disagree"),
        (_encrypt, "encrypted"),
        (_other_method, "compression method 12"),
        (_point_twice_at_one_member, "disagree"),
        (_point_beyond, ""),
        (_count_wrong, "does not end where it must"),
        (lambda data: b"", "no end-of-directory record"),
    ],
)
def test_a_zip_file_that_two_readers_could_read_differently(
    put: Put,
    layout: HomeLayout,
    tmp_path: Path,
    damage: Callable[[bytes], bytes],
    reason: str,
) -> None:
    wheel = Wheel()
    refuse(put, layout, save(tmp_path, wheel.filename, damage(wheel.data())), reason)


def _patch(data: bytes, offset: int, value: int) -> bytes:
    """Change a field of the first member, in the directory and in its local header."""
    for at in (data.index(b"PK\1\2") + offset, offset - 2):
        data = data[:at] + struct.pack("<I", value) + data[at + 4 :]
    return data


LARGE = 3 << 20


@pytest.mark.parametrize(
    ("size", "damage", "reason"),
    [
        (500, lambda data: _patch(data, 16, 1), "CRC"),
        (500, lambda data: _patch(data, 24, 5), "does not end after the 5 bytes"),
        (500, lambda data: _patch(data, 24, 600), "declares 600"),
        (500, lambda data: data[:48] + b"\xff\xff" + data[50:], "demo/__init__.py"),
        (LARGE, lambda data: _patch(data, 16, 1), "CRC"),
        (LARGE, lambda data: _patch(data, 24, LARGE - 1), "does not have"),
        (LARGE, lambda data: _patch(data, 24, LARGE + 1), "does not have"),
        (LARGE, lambda data: data[:48] + b"\xff\xff" + data[50:], "cannot be inflated"),
    ],
)
def test_content_that_is_not_what_the_directory_says(
    put: Put,
    layout: HomeLayout,
    tmp_path: Path,
    size: int,
    damage: Callable[[bytes], bytes],
    reason: str,
) -> None:
    content = b"x" * size
    sized = row("demo/__init__.py", content).rpartition(",")[0] + ","
    wheel = Wheel(files={"demo/__init__.py": content}, replace_rows={"demo/__init__.py": sized})
    made = save(tmp_path, wheel.filename, damage(wheel.data()))
    refuse(put, layout, made, "demo/__init__.py", reason, kind=IntegrityError)


def test_a_bomb_is_refused_by_what_it_declares(
    put: Put, layout: HomeLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = Wheel(files={"demo/zeros": bytes(300_000)})
    monkeypatch.setattr(archive, "_RATIO_FREE", 1000)
    monkeypatch.setattr(archive, "MAX_RATIO", 100)
    refuse(put, layout, wheel, "bomb")
    monkeypatch.setattr(archive, "MAX_RATIO", 2000)
    monkeypatch.setattr(archive, "MAX_UNPACKED", 1000)
    refuse(put, layout, wheel, "more than the 1000 allowed")
    monkeypatch.setattr(archive, "MAX_UNPACKED", 1 << 30)
    monkeypatch.setattr(archive, "MAX_MEMBERS", 2)
    refuse(put, layout, wheel, "more than the 2 that are allowed")


def test_a_bomb_that_lies_about_its_size_ends_early(
    put: Put, layout: HomeLayout, tmp_path: Path
) -> None:
    wheel = Wheel(files={"demo/zeros": bytes(3 << 20)})
    made = save(tmp_path, wheel.filename, _patch(wheel.data(), 24, 10))
    refuse(put, layout, made, "demo/zeros", "10 bytes", kind=IntegrityError)


def zip64(wheel: Wheel, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The wheel with 64-bit sizes, offsets and end records throughout."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in wheel.members().items():
            with target.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
                member.write(content)
    return stream.getvalue()


def test_zip64_is_read(put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = Wheel(files={"demo/__init__.py": b"x = 64\n", "demo/more.py": b"y = 64\n"})
    data = zip64(wheel, monkeypatch)
    at = data.index(b"PK\1\2")
    assert data[at + 20 : at + 28] == b"\xff" * 8
    assert b"PK\6\6" in data
    obj = put(save(tmp_path, wheel.filename, data))
    assert Path(obj.folder, "site/demo/__init__.py").read_bytes() == b"x = 64\n"
    assert Path(obj.folder, "site/demo/more.py").read_bytes() == b"y = 64\n"


def _clear(data: bytes, at: int, length: int) -> bytes:
    return data[:at] + bytes(length) + data[at + length :]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: _clear(data, data.rindex(b"PK\6\7"), 4), "not where its end record says"),
        (lambda data: _clear(data, data.rindex(b"PK\6\7") + 8, 8), "ZIP64 locator is broken"),
        (lambda data: _clear(data, data.rindex(b"PK\5\6") + 8, 4), "two ZIP end records"),
        (lambda data: _clear(data, data.rindex(b"PK\6\6"), 4), "ZIP64 end record"),
        (lambda data: _clear(data, data.rindex(b"PK\6\6") + 24, 8), "ZIP64 end record"),
        (lambda data: _clear(data, data.index(b"PK\1\2") + 46 + 16, 2), "ZIP64 sizes are missing"),
    ],
)
def test_broken_zip64_records(
    put: Put,
    layout: HomeLayout,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[bytes], bytes],
    reason: str,
) -> None:
    wheel = Wheel()
    data = zip64(wheel, monkeypatch)
    refuse(put, layout, save(tmp_path, wheel.filename, damage(data)), reason)


def test_folders_in_the_archive_are_no_members(put: Put) -> None:
    obj = put(Wheel(unlisted=[("demo/empty/", b"")], modes={"demo/empty/": 0o040755}))
    assert not os.path.exists(os.path.join(obj.folder, "site/demo/empty"))

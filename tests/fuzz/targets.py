"""One function a reader: bytes in, nothing out. An exception is a defect; so is a broken promise.

A target calls the reader as provenv does. An error of provenv's own is an answer. Where the reader
accepts, the target asks what must then be true: of a wheel, that other ZIP readers see the same files
and that the object is what RECORD says; of a lock, that it is the same once it was written and read
again; of a marker, that what is left of it says what the whole one said.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

from provenv.building.unpack import unpack
from provenv.core.elf import NotElfError, search_paths
from provenv.core.errors import InputError, ProvenvError
from provenv.core.seal import sealed
from provenv.formats.markers import filled
from provenv.model.layout import HomeLayout
from provenv.model.lock import is_edited, packages_digest, parse_lock, render_lock
from provenv.model.requirements import is_plain
from provenv.store import archive, unpacking
from provenv.store.ingest import ingest
from provenv.store.native import leaves
from provenv.store.objects import StoredObject, read_object
from provenv.store.record import installed_files, parse_record, read_rows
from provenv.store.spread import place
from provenv.store.verify import verify_object

Target = Callable[[bytes], None]
_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
EARLIER = (
    b"demo/__init__.py\xfex = 1\n\xffdemo/data.bin\xfe" + bytes(99) + b"\xffdemo/run\xfe#!/bin/sh\n"
)
_PIECES = (
    (archive, "WHOLE"), (archive, "_PIECE"), (archive, "_FEED"), (unpacking, "WHOLE"),
)  # fmt: skip
WHEEL = "demo-1.0-py3-none-any.whl"
_INFO = "demo-1.0.dist-info"


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder of its own for one call, in memory where the machine allows it."""
    folder = Path(tempfile.mkdtemp(prefix="provenv-fuzz-", dir=_MEMORY))
    try:
        yield folder
    finally:
        for inner, folders, _ in os.walk(folder):
            for name in folders:
                if not os.path.islink(os.path.join(inner, name)):
                    os.chmod(os.path.join(inner, name), 0o700)
        shutil.rmtree(folder)


def wheel(data: bytes) -> None:
    """Ingest of a wheel: the bytes are its file, or its members by :func:`written`.

    The lowest bit of the first byte says so; the next one, that members pass in pieces of a few bytes;
    the third, that an earlier version is there, whose unchanged files are linked.
    """
    how, data = data[0] if data else 0, data[1:]
    data = written(data) if how & 1 else data
    with scratch() as folder, ExitStack() as stack:
        for module, name in _PIECES if how & 2 else ():
            stack.enter_context(mock.patch.object(module, name, 16))
        path = folder / "inside" / "file"
        path.parent.mkdir()
        layout = HomeLayout(str(folder / "inside/home"))
        sha256 = hashlib.sha256(data).hexdigest()
        before = _earlier(layout, path) if how & 4 else None
        path.write_bytes(data)
        try:
            obj = ingest(layout, str(path), filename=WHEEL, sha256=sha256, size=len(data))
        except ProvenvError as error:
            _check_message(error)
            assert error.message.startswith(WHEEL), error.message  # noqa: PT017
            assert not os.path.exists(layout.object(sha256))
        else:
            _check_object(layout, obj)
            _check_other_readers(data, obj, before)
        assert before is None or verify_object(before) == []
        assert os.listdir(layout.tmp) == [], "a temporary was left"
        assert os.listdir(folder) == ["inside"]
        assert sorted(os.listdir(folder / "inside")) == ["file", "home"]


def _earlier(layout: HomeLayout, path: Path) -> StoredObject:
    data = written(EARLIER)
    path.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    return ingest(layout, str(path), filename=WHEEL, sha256=sha256, size=len(data))


def _check_message(error: ProvenvError) -> None:
    """Nothing in it is a command to a terminal, and it says what to do next."""
    assert error.message.isprintable(), repr(error.message)
    assert error.hint
    assert len(error.message) < 3000


def _check_object(layout: HomeLayout, obj: StoredObject) -> None:
    """Every path inside, every file plain and as RECORD says, and ``verify`` has no word to say."""
    assert read_object(layout, obj.sha256) == obj
    found = verify_object(obj)
    assert found == [], found
    rows = {
        installed: row
        for path, row in read_rows(obj).items()
        if (installed := place(path, obj.dist_info, obj.name)) is not None
    }
    listed = {f"{file.scheme}/{file.path}": file for file in installed_files(obj)}
    for inner, folders, names in os.walk(obj.folder):
        for name in (*folders, *names):
            path = os.path.join(inner, name)
            assert not os.path.islink(path), path
            assert stat.S_IMODE(os.lstat(path).st_mode) in (0o444, 0o555, 0o755), path
        for name in names:
            installed = os.path.relpath(os.path.join(inner, name), obj.folder)
            content = Path(inner, name).read_bytes()
            if installed in obj.generated:
                assert obj.generated[installed] == hashlib.sha256(content).hexdigest()
            elif installed not in ("object.json", f"site/{obj.dist_info}/RECORD"):
                row = rows.pop(installed)
                assert hashlib.new(row.algorithm, content).digest() == row.digest, installed
            if installed not in ("object.json", f"site/{obj.dist_info}/RECORD"):
                assert listed[installed].size == len(content), installed
    assert set(rows) <= set(obj.generated), rows.keys()


def _check_other_readers(data: bytes, obj: StoredObject, before: StoredObject | None) -> None:
    """Python's zipfile, and a reader that goes from one local header to the next, see the same files.

    But for files that were linked from the version ``before``, whose packed bytes nobody has looked at
    (decision 24): there the others may find them broken, and RECORD's hash has proven the content.
    """
    kept = {}
    for path in read_rows(obj):
        installed = place(path, obj.dist_info, obj.name)
        if installed is not None and installed not in obj.generated:
            kept[path] = Path(obj.folder, installed)
    broken = False
    with zipfile.ZipFile(io.BytesIO(data)) as other:
        names = [info.filename for info in other.infolist() if not info.is_dir()]
        assert len(names) == len(set(names))
        for path, file in kept.items():
            try:
                assert other.read(path) == file.read_bytes(), path
            except (zipfile.BadZipFile, zlib.error):
                if before is None:
                    raise
                former = Path(before.folder, file.relative_to(obj.folder))
                assert former.read_bytes() == file.read_bytes(), path
                broken = True
    if broken:
        return  # who goes forwards gets no further
    streamed = {name: content for name, content in forwards(data) if not name.endswith("/")}
    assert set(streamed) == set(names), set(streamed) ^ set(names)
    for path, file in kept.items():
        assert streamed[path] == file.read_bytes(), path


def forwards(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The members of a ZIP file as a reader finds them that goes forwards and knows no directory."""
    at = 0
    while data[at : at + 4] == b"PK\3\4":
        flags, method = struct.unpack_from("<HH", data, at + 6)
        crc, packed, size, length, extra = struct.unpack_from("<IIIHH", data, at + 14)
        raw = data[at + 30 : at + 30 + length]
        if 0xFFFFFFFF in (packed, size):
            size, packed = struct.unpack_from("<QQ", data, at + 30 + length + 4)
        at += 30 + length + extra
        if method == 8:
            inflater = zlib.decompressobj(-15)
            content = inflater.decompress(data[at:])
            end = len(data) - len(inflater.unused_data)
        else:
            assert not flags & 8, "nobody knows where it ends"
            end = at + packed
            content = data[at:end]
        if flags & 8:
            found = [n for n in (12, 16, 20, 24) if data[end + n : end + n + 2] == b"PK"]
            assert found, "no descriptor"
            crc = struct.unpack_from("<I", data, end + (4 if found[0] in (16, 24) else 0))[0]
            at = end + found[0]
        else:
            assert (end - at, len(content)) == (packed, size), raw
            at = end
        assert zlib.crc32(content) == crc, raw
        yield raw.decode() if flags & 0x800 else raw.decode("cp437"), content
    assert data[at : at + 4] == b"PK\1\2", "the directory does not follow"


def written(recipe: bytes) -> bytes:
    """A wheel that gets past CRCs and hashes, of ``NAME 0xFE CONTENT`` between 0xFF bytes.

    A name may begin with 0xFD, and six octal digits of mode. What is given as RECORD stands before the true
    rows; a METADATA and a WHEEL are added where there is none.
    """
    members: list[tuple[bytes, bytes, int]] = []
    rows = b""
    for part in recipe.split(b"\xff"):
        name, _, content = part.partition(b"\xfe")
        mode = 0o100644
        if name[:1] == b"\xfd" and name[1:7].isdigit():
            mode, name = int(name[1:7].translate(_OCTAL), 8) & 0xFFFF, name[7:]
        if name == f"{_INFO}/RECORD".encode():
            rows += content
        elif name:
            members.append((name, content, mode))
    there = {name for name, _, _ in members}
    for usual, text in (("METADATA", _METADATA), ("WHEEL", b"Wheel-Version: 1.0\n")):
        if (name := f"{_INFO}/{usual}".encode()) not in there:
            members.append((name, text, 0o100644))
    for name, content, _ in members:
        line = io.StringIO()
        encoded = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        told = name.decode("utf-8", "replace")
        csv.writer(line, lineterminator="\n").writerow([told, f"sha256={encoded}", len(content)])
        if not name.endswith(b"/"):
            rows += line.getvalue().encode()
    return zipped([*members, (f"{_INFO}/RECORD".encode(), rows, 0o100644)])


_OCTAL = bytes.maketrans(b"89", b"01")
_METADATA = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"


def zipped(members: list[tuple[bytes, bytes, int]]) -> bytes:
    """A stored ZIP file of (name, content, mode), whatever the names are (APPNOTE 4.3)."""
    out, directory = b"", b""
    for name, content, mode in members:
        flags = 0 if name.isascii() else 0x800
        common = struct.pack(
            "<HHHHHIIIHH", 20, flags, 0, 0, 0x21, zlib.crc32(content), len(content), len(content),
            len(name) & 0xFFFF, 0,
        )  # fmt: skip
        directory += b"PK\1\2\x14\3" + common + bytes(6)
        directory += struct.pack("<II", mode << 16, len(out)) + name
        out += b"PK\3\4" + common + name + content
    end = struct.pack("<HHIIH", len(members), len(members), len(directory), len(out), 0)
    return out + directory + b"PK\5\6" + bytes(4) + end


def sdist(data: bytes) -> None:
    """Unpacking a source archive: a ZIP file (first byte 1), or a tar whose checksums are set right."""
    suffix, data = (".zip", data[1:]) if data[:1] == b"\x01" else (".tar.gz", summed(data[1:]))
    with scratch() as folder:
        path = folder / "file"
        path.write_bytes(data)
        inside = folder / "inside"
        inside.mkdir()
        try:
            top = unpack(str(path), f"demo-1{suffix}", str(inside))
        except ProvenvError as error:
            _check_message(error)
        else:
            assert os.listdir(inside) == [os.path.basename(top)]
            root = os.path.realpath(inside) + os.sep
            for inner, folders, names in os.walk(inside):
                for name in (*folders, *names):
                    assert os.path.realpath(os.path.join(inner, name)).startswith(root)
        for inner, folders, names in os.walk(inside):
            for name in (*folders, *names):
                found = os.path.join(inner, name)
                assert os.path.islink(found) or not os.lstat(found).st_mode & 0o7022, found
        assert sorted(os.listdir(folder)) == ["file", "inside"]


def summed(data: bytes) -> bytes:
    """The same bytes, with a right checksum in each block that could be a header of a tar file."""
    blocks = []
    for at in range(0, len(data), 512):
        block = data[at : at + 512]
        if len(block) == 512 and block[257:262] == b"ustar":
            total = sum(block[:148]) + sum(block[156:]) + 8 * 32
            block = block[:148] + b"%06o\0 " % total + block[156:]
        blocks.append(block)
    return b"".join(blocks)


def record(data: bytes) -> None:
    """RECORD: what is read has a digest of the right length, and says the same when it is written."""
    text = data.decode("utf-8", "replace")
    try:
        rows = parse_record(text, WHEEL, _INFO)
    except InputError as error:
        _check_message(error)
        return
    out = io.StringIO()
    for path, row in rows.items():
        assert len(row.digest) == hashlib.new(row.algorithm).digest_size
        assert row.size is None or row.size >= 0, row
        encoded = base64.urlsafe_b64encode(row.digest).rstrip(b"=").decode()
        size = "" if row.size is None else row.size
        csv.writer(out, lineterminator="\n").writerow([path, f"{row.algorithm}={encoded}", size])
    assert parse_record(out.getvalue(), WHEEL, _INFO) == rows


def pylock(data: bytes) -> None:
    """A lock: what can be read can be written, and is the same lock when it is read again."""
    try:
        lock = parse_lock(data.decode("utf-8", "replace"))
    except InputError:
        return
    text = render_lock(lock)
    again = parse_lock(text)
    assert packages_digest(again.packages) == packages_digest(lock.packages)
    assert is_edited(again) == is_edited(lock)
    assert render_lock(again) == text


def object_json(data: bytes) -> None:
    """A description in the store: it is refused as a whole, or every reader of it can go on."""
    with scratch() as folder:
        layout = HomeLayout(str(folder))
        sha256 = "ab" * 32
        path = Path(layout.object(sha256))
        path.mkdir(parents=True)
        (path / "object.json").write_bytes(sealed(data))  # else every change ends at the seal
        obj = read_object(layout, sha256)
        if obj is None:
            return
        assert json.loads(sealed(data))["sha256"] == sha256
        verify_object(obj)
        with suppress(ProvenvError, OSError):
            installed_files(obj)


def elf(data: bytes) -> None:
    """The search path of a native library: it is read, or it is no library."""
    try:
        found = search_paths(io.BytesIO(data))
    except NotElfError:
        return
    assert all(found)
    leaves(io.BytesIO(data), "demo", {"demo", "demo.libs"})


def marker(data: bytes) -> None:
    """A marker of a lock with groups and extras filled in: it says what the whole one said."""
    text = data.decode("utf-8", "replace")
    try:
        whole = Marker(text)
    except (InvalidMarker, RecursionError):
        return
    if not is_plain(whole):
        return  # no lock holds it
    for groups, extras in (((), ()), (("dev",), ("x",)), (("dev", "test"), ("x", "y-z"))):
        variables: dict[str, Any] = {
            **_ENVIRONMENT, "extras": frozenset(extras), "dependency_groups": frozenset(groups),
        }  # fmt: skip
        try:
            wanted = whole.evaluate(variables, context="lock_file")
        except (UndefinedComparison, UndefinedEnvironmentName, InvalidMarker):
            continue
        left = filled(whole, groups, extras)
        found = Marker(left).evaluate(_ENVIRONMENT) if left else left is not None
        assert found == wanted, (text, groups, extras, left, wanted)


_ENVIRONMENT = {
    "implementation_name": "cpython", "implementation_version": "3.13.0", "os_name": "posix",
    "platform_machine": "x86_64", "platform_release": "6.1.0", "platform_system": "Linux",
    "platform_version": "#1 SMP", "python_full_version": "3.13.0",
    "platform_python_implementation": "CPython", "python_version": "3.13", "sys_platform": "linux",
}  # fmt: skip

TARGETS: dict[str, Target] = {
    "wheel": wheel, "sdist": sdist, "record": record, "pylock": pylock, "object": object_json,
    "marker": marker, "elf": elf,
}  # fmt: skip

"""One wheel on its way into the store: checked as a whole first, then written member by member."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any, BinaryIO

from isal import isal_zlib

from provenv.core import digest
from provenv.core.errors import IntegrityError
from provenv.store import identity, native, record, scripts
from provenv.store.archive import HINT, WHOLE, Archive, Member, refused
from provenv.store.names import find_collision, quoted, unsafe
from provenv.store.objects import FORMAT
from provenv.store.previous import Previous
from provenv.store.spread import place
from provenv.store.tree import TreeWriter

INSTALLER = b"provenv\n"
# bytes; the greatest on PyPI have 2 MB, 0.3 MB, and 3 kB. A line of entry_points.txt becomes a file.
_MOST = {"RECORD": 64 << 20, "METADATA": 16 << 20, "entry_points.txt": 256 << 10}
_MOST_ELSE = 1 << 20
_MOST_SCRIPT = 64 << 20
_HASHERS = {name: getattr(hashlib, name) for name in record.ALGORITHMS}


class Unpacking:
    """One wheel on its way: what is known of it before, and what was made of it."""

    def __init__(self, archive: Archive, filename: str, sha256: str, root: str) -> None:
        """Check names, ``.dist-info`` and RECORD; ``root`` is the empty folder to write into.

        Raises:
            InputError, IntegrityError: The wheel is refused; nothing was written.
        """
        self.archive = archive
        self.filename = filename
        self.sha256 = sha256
        self.wheel = identity.parse_filename(filename)
        self.members = {member.name: member for member in archive.members}
        self._check_names()
        self.dist_info = identity.find_dist_info(self.members, self.wheel, filename)
        self.record = bytes(self._read_info("RECORD"))
        self.rows = record.parse_record(self._text("RECORD", self.record), filename, self.dist_info)
        self._check_rows()
        self.writer = TreeWriter(root, sha256)
        self.generated: dict[str, str] = {}
        self._folders: dict[str, set[str]] = {}
        self._previous: Previous | None = None
        self._unchanged: frozenset[str] = frozenset()

    def run(self, previous: Previous | None = None) -> dict[str, Any]:
        """Write everything, each file held against RECORD; the content of ``object.json``.

        What did not change since ``previous``, an object of the same name, is linked from there.

        Raises:
            InputError, IntegrityError: The wheel is refused; what was written is not to be used.
            OSError: What the file system says.
        """
        metadata = str(
            self._read_info("METADATA"), "utf-8", "replace"
        )  # the description may be anything
        identity.check_metadata(metadata, self.wheel, self.filename, f"{self.dist_info}/METADATA")
        tags = identity.read_tags(self._text("WHEEL", self._read_info("WHEEL")), self.filename)
        made = self._entry_points()
        made[f"site/{self.dist_info}/INSTALLER"] = INSTALLER
        places = self._places(made)
        made[f"site/{self.dist_info}/SOURCES.txt"] = self._sources(places, made)
        self._folders = self._all_folders(places.values())
        if previous is not None:
            self._previous, self._unchanged = previous, previous.unchanged(self.record)
        for member in self.archive.members:
            self._write_member(member, places.get(member.name))
        for path, content in made.items():
            self._write_made(path, content)
        tree = self.writer.finish()
        return {
            "format": FORMAT,
            "name": self.wheel.name,
            "version": self.wheel.version,
            "filename": self.filename,
            "sha256": self.sha256,
            "size": len(self.archive.data),
            "unpacked": self.writer.unpacked,
            "files": self.writer.count,
            "dist-info": self.dist_info,
            "tags": list(tags or self.wheel.tags),
            "record": digest.of_bytes(self.record),
            "generated": self.generated,
            "scripts": sorted(tree.get("bin", {}).get("f", {})),
            "tree": tree,
        }

    def _check_names(self) -> None:
        for name in (*self.members, *(folder[:-1] for folder in self.archive.folders)):
            if reason := unsafe(name):
                raise refused(self.filename, name, reason)
        if len(self.members) != len(self.archive.members):
            seen: set[str] = set()
            for member in self.archive.members:
                if member.name in seen:
                    raise refused(self.filename, member.name, "the wheel holds it twice")
                seen.add(member.name)

    def _check_rows(self) -> None:
        unlisted = {f"{self.dist_info}/{name}" for name in record.UNLISTED}
        for name in self.members:
            if name not in self.rows and name not in unlisted:
                raise refused(self.filename, name, "it is not listed in RECORD")
        for name in self.rows:
            if name not in self.members:
                raise refused(self.filename, name, "RECORD lists it, and the wheel lacks it")

    def _read_info(self, name: str) -> bytes | memoryview:
        member = self.members.get(f"{self.dist_info}/{name}")
        if member is None:
            raise refused(self.filename, f"{self.dist_info}/{name}", "it is missing")
        self._check_size(member, _MOST.get(name, _MOST_ELSE))
        return self.archive.read(member)

    def _check_size(self, member: Member, most: int) -> None:
        if member.size > most:
            reason = f"it has {member.size} bytes, more than the {most} that are allowed"
            raise refused(self.filename, member.name, reason)

    def _text(self, name: str, content: bytes | memoryview) -> str:
        try:
            return str(content, "utf-8")
        except UnicodeDecodeError as error:
            raise refused(
                self.filename, f"{self.dist_info}/{name}", "it is not UTF-8 text"
            ) from error

    def _entry_points(self) -> dict[str, bytes]:
        path = f"{self.dist_info}/entry_points.txt"
        if path not in self.members:
            return {}
        made = {}
        try:
            text = self._text("entry_points.txt", self._read_info("entry_points.txt"))
            for name, target in scripts.parse_entry_points(text).items():
                if reason := scripts.bad_name(name):
                    raise refused(self.filename, path, f"script {quoted(name)}: {reason}")
                made[f"bin/{name}"] = scripts.entry_point_script(target)
        except ValueError as error:
            raise refused(self.filename, path, str(error)) from error
        return made

    def _places(self, made: Iterable[str]) -> dict[str, str]:
        """Member → path in the object, for those that are kept and not replaced by ours."""
        places = {}
        sources = f"site/{self.dist_info}/SOURCES.txt"
        # nothing vouches for the signatures of RECORD, and no environment has the RECORD that they sign
        signatures = {f"{self.dist_info}/{name}" for name in record.UNLISTED[1:]}
        for name in self.members:
            try:
                path = place(name, self.dist_info, self.wheel.name)
            except ValueError as error:
                raise refused(self.filename, name, str(error)) from error
            if path is not None and identity.is_other_dist_info(path, self.dist_info):
                raise refused(self.filename, name, "it would be another distribution's metadata")
            if path is None or path in made or path == sources or name in signatures:
                continue
            if path.startswith("bin/"):
                reason = scripts.bad_name(path[4:])
                if reason:
                    raise refused(self.filename, name, reason)
            places[name] = path
        if collision := find_collision((*places.values(), *made, sources)):
            path, other, how = collision
            raise refused(self.filename, path, f"it and {other!r} would be installed {how}")
        return places

    def _sources(self, places: dict[str, str], made: Iterable[str]) -> bytes:
        own = f"site/{self.dist_info}/"
        hidden = {own + name for name in record.UNLISTED}
        paths = {*places.values(), *made, own + "SOURCES.txt"} - hidden
        return "".join(f"{p[5:]}\n" for p in sorted(paths) if p.startswith("site/")).encode()

    @staticmethod
    def _all_folders(paths: Iterable[str]) -> dict[str, set[str]]:
        """By scheme: every folder below it, relative to it."""
        folders: dict[str, set[str]] = {}
        for folder in {path.rpartition("/")[0] for path in paths}:
            scheme, _, inner = folder.partition("/")
            known = folders.setdefault(scheme, set())
            while inner and inner not in known:
                known.add(inner)
                inner = inner.rpartition("/")[0]
        return folders

    def _write_member(self, member: Member, path: str | None) -> None:
        """Check one member against RECORD, and write it where it is kept."""
        row = self.rows.get(member.name)
        if row is not None and row.size is not None and row.size != member.size:
            raise self._not_as_recorded(member, f"{row.size} bytes", f"{member.size} bytes")
        if row is not None and path is not None and self._take(member, row, path):
            return
        if member.size > WHOLE:
            self._write_great(member, row, path)
            return
        content = self.archive.read(member)
        if row is not None:  # but RECORD and its signatures
            self._hold(member, row, _HASHERS[row.algorithm](content))
        if path is None:
            return
        if path.startswith("bin/"):
            self._write_script(path, bytes(content))
            return
        if row is None and member.name != f"{self.dist_info}/RECORD":
            self.generated[path] = digest.of_bytes(bytes(content))  # a signature: nothing lists it
        self.writer.write(path, content, executable=member.executable, digest=row and row.digest)
        if native.may_be_native(path, content):
            self._look_for_neighbours(path, BytesIO(content))

    def _write_great(self, member: Member, row: record.Row | None, path: str | None) -> None:
        """The same, piece by piece."""
        pieces = self.archive.pieces(member) if row is None else self._checked(member, row)
        if path is None:
            for _ in pieces:
                pass
            return
        head = next(pieces)
        executable, digest = member.executable, row and row.digest
        if not path.startswith("bin/"):
            self.writer.write(path, head, pieces, executable=executable, digest=digest)
            self._look_into(path, head)
        elif scripts.is_python(head):
            self._check_size(member, _MOST_SCRIPT)  # it is rewritten as a whole
            self._write_script(path, b"".join((head, *pieces)))
        else:
            self.writer.write(path, head, pieces, executable=True, digest=digest)

    def _take(self, member: Member, row: record.Row, path: str) -> bool:
        """Link a file that did not change since the previous object; whether that was done.

        It must have the hash that RECORD says, and the CRC that the archive says: a wheel that is refused
        without a previous object is refused with one, unless only its packed bytes are broken.
        """
        if self._previous is None or member.name not in self._unchanged:
            return False
        if path != f"site/{member.name}":
            return False

        def prove(target: str, size: int) -> bytes | None:
            return _proven(target, member, row) if size == member.size else None

        source = f"{self._previous.folder}/{path}"
        head = self.writer.take(
            path, source, prove, executable=member.executable, digest=row.digest
        )
        if head is None:
            return False
        self._look_into(path, head)
        return True

    def _look_into(self, path: str, head: bytes | memoryview) -> None:
        if native.may_be_native(path, head):
            with open(f"{self.writer.root}/{path}", "rb") as stream:
                self._look_for_neighbours(path, stream)

    def _checked(self, member: Member, row: record.Row) -> Iterator[bytes | memoryview]:
        hasher = _HASHERS[row.algorithm]()
        for piece in self.archive.pieces(member):
            hasher.update(piece)
            yield piece
        self._hold(member, row, hasher)

    def _hold(self, member: Member, row: record.Row, hasher: hashlib._Hash) -> None:
        if hasher.digest() != row.digest:
            raise self._not_as_recorded(member, row.digest.hex(), hasher.hexdigest())

    def _look_for_neighbours(self, path: str, stream: BinaryIO) -> None:
        scheme, _, inner = path.rpartition("/")[0].partition("/")
        if native.leaves(stream, inner, self._folders[scheme]):
            self.writer.mark_open(path)

    def _not_as_recorded(self, member: Member, wanted: str, found: str) -> IntegrityError:
        return IntegrityError(
            f"{self.filename}: {member.name!r} is not what RECORD says: {wanted} wanted, {found} found",
            hint=HINT,
            details={"member": member.name, "wanted": wanted, "found": found},
        )

    def _write_script(self, path: str, content: bytes) -> None:
        ours = scripts.rewritten(content)
        if ours is None:
            self.writer.write(path, content, executable=True)
        else:
            self._write_made(path, ours)

    def _write_made(self, path: str, content: bytes) -> None:
        self.writer.write(path, content, executable=path.startswith("bin/"))
        self.generated[path] = digest.of_bytes(content)


def _proven(path: str, member: Member, row: record.Row) -> bytes | None:
    """How a file begins that has the hash of ``row`` and the CRC of ``member``; None for another."""
    hasher, crc = _HASHERS[row.algorithm](), 0
    head: bytes | None = None
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_BINARY", 0))
    try:
        while piece := os.read(descriptor, WHOLE):
            head = head or piece[:4]
            hasher.update(piece)
            crc = isal_zlib.crc32(piece, crc)
    finally:
        os.close(descriptor)
    if hasher.digest() != row.digest or crc != member.crc:
        return None
    return head or b""

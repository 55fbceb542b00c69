"""Ingest: a wheel file becomes an object of the store, checked from the first byte to the last.

The only writer of objects. What it refuses leaves nothing behind.
"""

from __future__ import annotations

import errno
import hashlib
import json
import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from provenv.core import digest
from provenv.core.errors import DiskError, IntegrityError
from provenv.core.files import disk_error, ensure_folder, locked, remove_tree, temporary_name
from provenv.model.layout import HomeLayout
from provenv.store import identity, native, record, scripts
from provenv.store.archive import HINT, WHOLE, Archive, Member, refused
from provenv.store.names import find_collision, unsafe
from provenv.store.objects import (
    CLOSED_MODE,
    DESCRIPTION,
    FILE_MODE,
    FORMAT,
    OPEN_MODE,
    StoredObject,
    from_description,
    read_object,
)
from provenv.store.spread import place
from provenv.store.tree import TreeWriter

INSTALLER = b"provenv\n"


def ingest(
    layout: HomeLayout, wheel: str, *, filename: str, sha256: str, size: int | None
) -> StoredObject:
    """Put the wheel file at ``wheel`` into the store, or find it there.

    Args:
        layout: Of the home folder.
        wheel: Where the file lies now; its name there does not matter.
        filename: The wheel's own name.
        sha256: Of the file, 64 hexadecimal digits, as the lock demands.
        size: Of the file in bytes, where the lock says.

    Raises:
        IntegrityError: Bytes are not what the lock, the ZIP directory or RECORD promise.
        InputError: The wheel holds what a wheel must not hold.
        DiskError: The file system refused.
    """
    with locked(layout.lock, shared=True):
        found = read_object(layout, sha256)
        if found is not None:
            return found
        check_file(wheel, filename=filename, sha256=sha256, size=size)
        return unpack(layout, wheel, filename=filename, sha256=sha256, workspace=layout.tmp)


def check_file(wheel: str, *, filename: str, sha256: str, size: int | None) -> None:
    """Hold a file against the size and sha256 that the lock demands.

    Raises:
        IntegrityError: It differs; says what was wanted, what is there, and where.
        DiskError: It cannot be read.
    """
    try:
        found_size = os.stat(wheel).st_size
        found = digest.of_file(wheel) if size in (None, found_size) else None
    except OSError as error:
        raise disk_error(error, "read", wheel) from error
    if found is None:
        raise mismatch(filename, "size", f"{size} bytes", f"{found_size} bytes", wheel)
    if found != sha256:
        raise mismatch(filename, "sha256", sha256, found, wheel)


def mismatch(filename: str, what: str, wanted: str, found: str, source: str) -> IntegrityError:
    """The error for a file that is not the one that the lock demands."""
    return IntegrityError(
        f"{filename}: {what} mismatch: the lock wants {wanted}, and {found} came from {source}",
        hint="The file was changed, or the lock is wrong: find out which before you lock again.",
        details={"file": filename, "wanted": wanted, "found": found, "source": source},
    )


def unpack(
    layout: HomeLayout, wheel: str, *, filename: str, sha256: str, workspace: str
) -> StoredObject:
    """Make the object of a wheel whose bytes are already known to be right.

    Built in ``workspace`` (on the store's file system) and renamed into place; where another
    process was first, its object stays. The caller holds the store's lock, shared.

    Raises:
        IntegrityError, InputError, DiskError: As :func:`ingest`.
    """
    ensure_folder(workspace)
    root = temporary_name(os.path.join(workspace, sha256))
    try:
        try:
            os.mkdir(root, OPEN_MODE)
            with open(wheel, "rb") as stream:
                data = _content(stream.fileno())
            description = _Unpacking(Archive(data, filename), filename, sha256, root).run()
            _write_description(root, description)
            _publish(layout, root, sha256)
        except OSError as error:
            raise disk_error(error, "unpack", f"{filename} into {root}") from error
    except BaseException:
        with suppress(DiskError):
            remove_tree(root)
        raise
    return from_description(description, os.path.abspath(layout.object(sha256)), sha256)


def _content(descriptor: int) -> memoryview:
    size = os.fstat(descriptor).st_size
    if size == 0:
        return memoryview(b"")
    return memoryview(mmap.mmap(descriptor, size, prot=mmap.PROT_READ))


def _write_description(root: str, description: dict[str, Any]) -> None:
    data = json.dumps(description, separators=(",", ":"), ensure_ascii=False).encode()
    path = os.path.join(root, DESCRIPTION)
    with open(path, "xb") as stream:
        stream.write(data)
        os.fchmod(stream.fileno(), FILE_MODE)


def _publish(layout: HomeLayout, root: str, sha256: str) -> None:
    final = layout.object(sha256)
    os.makedirs(os.path.dirname(final), exist_ok=True)
    for _ in range(3):
        try:
            os.rename(root, final)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            if read_object(layout, sha256) is not None:
                remove_tree(root)
                return
            # a folder without a readable description: whoever left it there, it is no object
            with suppress(FileNotFoundError):
                os.chmod(final, OPEN_MODE)
                os.rename(final, temporary_name(os.path.join(layout.tmp, "broken")))
        else:
            os.chmod(final, CLOSED_MODE)
            return
    raise DiskError(f"cannot publish {final}: something else keeps writing there")


class _Unpacking:
    """One wheel on its way: what is known of it before, and what was made of it."""

    def __init__(self, archive: Archive, filename: str, sha256: str, root: str) -> None:
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
        self.writer = TreeWriter(root)
        self.generated: dict[str, str] = {}

    def run(self) -> dict[str, Any]:
        """Write everything; the content of ``object.json``."""
        self._read_info("METADATA")
        tags = identity.read_tags(self._text("WHEEL", self._read_info("WHEEL")), self.filename)
        made = self._entry_points()
        made[f"site/{self.dist_info}/INSTALLER"] = INSTALLER
        places = self._places(made)
        made[f"site/{self.dist_info}/SOURCES.txt"] = self._sources(places, made)
        self._folders = self._all_folders(places.values())
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
        if member.size > 64 << 20:
            raise refused(self.filename, member.name, f"it has {member.size} bytes")
        return self.archive.read(member)

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
                    raise refused(self.filename, path, f"script {name!r}: {reason}")
                made[f"bin/{name}"] = scripts.entry_point_script(target)
        except ValueError as error:
            raise refused(self.filename, path, str(error)) from error
        return made

    def _places(self, made: Iterable[str]) -> dict[str, str]:
        """Member → path in the object, for those that are kept and not replaced by ours."""
        places = {}
        for name in self.members:
            try:
                path = place(name, self.dist_info, self.wheel.name)
            except ValueError as error:
                raise refused(self.filename, name, str(error)) from error
            if path is None or path in made:
                continue
            if path.startswith("bin/"):
                reason = scripts.bad_name(path[4:])
                if reason:
                    raise refused(self.filename, name, reason)
            places[name] = path
        sources = f"site/{self.dist_info}/SOURCES.txt"
        places = {name: path for name, path in places.items() if path != sources}
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
        for path in paths:
            scheme, _, inner = path.partition("/")
            known = folders.setdefault(scheme, set())
            inner = inner.rpartition("/")[0]
            while inner and inner not in known:
                known.add(inner)
                inner = inner.rpartition("/")[0]
        return folders

    def _write_member(self, member: Member, path: str | None) -> None:
        row = self.rows.get(member.name)
        if row is not None and row.size is not None and row.size != member.size:
            raise self._not_as_recorded(member, f"{row.size} bytes", f"{member.size} bytes")
        pieces: Iterable[bytes | memoryview]
        if member.size > WHOLE:
            pieces = self._checked(member, row)
        else:
            pieces = tuple(self._checked(member, row))
        if path is None:
            for _ in pieces:
                pass
        elif path.startswith("bin/"):
            self._write_script(path, b"".join(pieces))
        else:
            self.writer.write(path, pieces, executable=member.executable)
            self._look_for_neighbours(path)

    def _checked(self, member: Member, row: record.Row | None) -> Iterator[bytes | memoryview]:
        if row is None:  # RECORD and its signatures
            yield from self.archive.pieces(member)
            return
        hasher = hashlib.new(row.algorithm)
        for piece in self.archive.pieces(member):
            hasher.update(piece)
            yield piece
        if hasher.digest() != row.digest:
            raise self._not_as_recorded(member, row.digest.hex(), hasher.hexdigest())

    def _look_for_neighbours(self, path: str) -> None:
        name = path.rpartition("/")[2]
        if not native.may_be_native(name, self.writer.head):
            return
        scheme, _, inner = path.rpartition("/")[0].partition("/")
        folders = self._folders[scheme]
        with open(os.path.join(self.writer.root, path), "rb") as stream:
            if native.leaves(stream, inner, folders):
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
            self.writer.write(path, (content,), executable=True)
        else:
            self._write_made(path, ours)

    def _write_made(self, path: str, content: bytes) -> None:
        self.writer.write(path, (content,), executable=path.startswith("bin/"))
        self.generated[path] = digest.of_bytes(content)

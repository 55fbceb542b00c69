"""Verify: every file of an object against its hash, and nothing beside them."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from provenv.core.errors import InputError
from provenv.core.files import disk_error, ensure_folder, move
from provenv.model.layout import HomeLayout
from provenv.store import record
from provenv.store.damage import Damage, Kind
from provenv.store.objects import (
    CLOSED_MODE,
    DESCRIPTION,
    FILE_MODE,
    OPEN_MODE,
    StoredObject,
    read_regular,
)
from provenv.store.spread import place

__all__ = ["Damage", "has_digest", "hashes_of", "quarantine", "verify_object"]

CACHE = "__pycache__"
_PIECE = 1 << 20


class _Expected(NamedTuple):
    algorithm: str
    digest: bytes


class _Found(NamedTuple):
    path: str
    kind: Kind
    detail: str


def verify_object(obj: StoredObject) -> list[Damage]:
    """Every difference between ``obj`` on disk and what was ingested, sorted by path.

    Each file is hashed and held against the wheel's RECORD (itself held against ``obj.record``) and
    against ``obj.generated``; what is not recorded counts as added; files and directories that can be
    written, or belong to somebody else than the object does, are named. What lies in ``__pycache__``
    is not looked at: :mod:`bytecode` does that.
    """
    found: list[_Found] = []
    expected = _expected(obj, found)
    walk = _Walk(obj.folder)
    found += walk.top(obj.tree)
    for path, size, late in walk.files:
        wanted = expected.get(path)
        wrong = _check(obj.folder, path, wanted, size) if wanted is not None else None
        if wrong is not None:
            found.append(wrong)
        elif late:
            found.append(_Found(path, "time", _LATE))
    return [
        Damage(
            sha256=obj.sha256,
            name=obj.name,
            version=obj.version,
            path=item.path,
            kind=item.kind,
            detail=item.detail,
        )
        for item in sorted(set(found))
    ]


def hashes_of(obj: StoredObject) -> Mapping[str, tuple[str, bytes]]:
    """Path in the object → algorithm and digest, as far as a sound RECORD and ingest say."""
    return dict(_expected(obj, []))


def has_digest(path: str, algorithm: str, digest: bytes) -> bool:
    """Whether a regular file has that digest; False where it cannot be read."""
    if os.path.islink(path) or not os.path.isfile(path):
        return False
    folder, name = os.path.split(path)
    return _check(folder, name, _Expected(algorithm, digest), os.stat(path).st_size) is None


def quarantine(layout: HomeLayout, sha256: str) -> str:
    """Move a damaged object out of the store, so that it is fetched again.

    Returns:
        Where it lies now; empty where the store had it no longer.

    Raises:
        DiskError: The file system refused; the object is where it was.
    """
    ensure_folder(layout.quarantine)
    source = layout.object(sha256)
    number = 1
    while os.path.lexists(target := os.path.join(layout.quarantine, f"{sha256}.{number}")):
        number += 1
    try:
        if not os.path.islink(source):
            os.chmod(source, OPEN_MODE)  # a directory that is moved must be writable
        move(source, target)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise disk_error(error, "quarantine", source) from error
    return target


def _expected(obj: StoredObject, found: list[_Found]) -> dict[str, _Expected]:
    """Path in the object → hash. Without a sound RECORD, only what ingest made has one."""
    expected = {
        path: _Expected("sha256", bytes.fromhex(value)) for path, value in obj.generated.items()
    }
    info = f"site/{obj.dist_info}"
    expected[f"{info}/RECORD"] = _Expected("sha256", bytes.fromhex(obj.record))
    try:
        content = read_regular(record.record_path(obj))
        if hashlib.sha256(content).hexdigest() == obj.record:
            rows = record.parse_record(content.decode(), obj.filename, obj.dist_info)
            for path, row in rows.items():
                installed = place(path, obj.dist_info, obj.name)
                if installed is not None:
                    expected.setdefault(installed, _Expected(row.algorithm, row.digest))
            return expected
    except (OSError, ValueError, InputError):
        pass
    found.append(
        _Found(
            f"{info}/RECORD", "changed", "so the hashes of the other files are not known any more"
        )
    )
    return expected


_LATE = "its time is not the recorded one"


class _Walk:
    """Compares what lies in an object with its tree; ``files`` are to be hashed.

    Attributes:
        files: Path, size on disk, and whether its time is not the recorded one.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.owner = -1
        self.files: list[tuple[str, int, bool]] = []

    def top(self, tree: Mapping[str, Any]) -> Iterator[_Found]:
        """The object's own folder, and every scheme in it."""
        try:
            status = os.lstat(self.root)
            there = os.listdir(self.root)
        except OSError as error:
            yield from (_Found(scheme, "missing", error.strerror or "") for scheme in tree)
            return
        self.owner = status.st_uid
        yield from self.mode("", status, CLOSED_MODE)
        for name in there:
            if name == DESCRIPTION:
                yield from self.mode(name, os.lstat(f"{self.root}/{name}"), FILE_MODE)
            elif name not in tree:
                yield _Found(name, "added", "")
        for scheme, node in tree.items():
            try:
                status = os.lstat(f"{self.root}/{scheme}")
            except OSError as error:
                yield _Found(scheme, "missing", error.strerror or "")
                continue
            if stat.S_ISDIR(status.st_mode):
                yield from self.folder(scheme, status, node)
            else:
                yield _Found(scheme, "changed", _OTHER)

    def mode(self, path: str, status: os.stat_result, *allowed: int) -> Iterator[_Found]:
        mode = stat.S_IMODE(status.st_mode)
        if mode not in allowed:
            yield _Found(path, "mode", f"mode {mode:04o}, and {allowed[0]:04o} is expected")
        elif status.st_uid not in (self.owner, 0):
            yield _Found(path, "mode", f"it belongs to user {status.st_uid}")

    def folder(
        self, path: str, status: os.stat_result, node: Mapping[str, Any]
    ) -> Iterator[_Found]:
        """One directory and those below it."""
        yield from self.mode(path, status, CLOSED_MODE)
        try:
            with os.scandir(f"{self.root}/{path}") as entries:
                there = {entry.name: entry for entry in entries}
        except OSError as error:
            yield _Found(path, "missing", error.strerror or "")
            return
        names = list(self.names(path, node, there))
        yield from names
        if not names and status.st_mtime_ns != node["m"]:
            yield _Found(path, "time", _LATE)
        for name, inner in node.get("d", {}).items():
            entry = there.get(name)
            if entry is not None and entry.is_dir(follow_symlinks=False):
                yield from self.folder(f"{path}/{name}", entry.stat(follow_symlinks=False), inner)
        for name, (size, mtime) in node.get("f", {}).items():
            entry = there.get(name)
            if entry is not None and entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                yield from self.mode(f"{path}/{name}", status, FILE_MODE, CLOSED_MODE)
                late = (status.st_size, status.st_mtime_ns) != (size, mtime)
                self.files.append((f"{path}/{name}", status.st_size, late))

    def names(
        self, path: str, node: Mapping[str, Any], there: Mapping[str, os.DirEntry[str]]
    ) -> Iterator[_Found]:
        """What came, went, or became something else in one directory."""
        files, folders = node.get("f", {}), node.get("d", {})
        for name in sorted(there.keys() - files.keys() - folders.keys()):
            entry = there[name]
            compiled = name == CACHE and any(file.endswith(".py") for file in files)
            if not compiled or not entry.is_dir(follow_symlinks=False):
                yield _Found(f"{path}/{name}", "added", "")
            elif stat.S_IMODE(mode := entry.stat(follow_symlinks=False).st_mode) & 0o7022:
                said = f"mode {stat.S_IMODE(mode):04o}, and {OPEN_MODE:04o} is expected"
                yield _Found(f"{path}/{name}", "mode", said)
        for name in files:
            if name not in there:
                yield _Found(f"{path}/{name}", "missing", "")
            elif not there[name].is_file(follow_symlinks=False):
                yield _Found(f"{path}/{name}", "changed", _OTHER)
        for name in folders:
            if name not in there:
                yield _Found(f"{path}/{name}", "missing", "")
            elif not there[name].is_dir(follow_symlinks=False):
                yield _Found(f"{path}/{name}", "changed", _OTHER)


_OTHER = "it is of another type"


def _check(root: str, path: str, wanted: _Expected, size: int) -> _Found | None:
    """Hash one file. One that is read in one piece costs one system call less."""
    try:
        descriptor = os.open(f"{root}/{path}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            piece = os.read(descriptor, min(size + 1, _PIECE))
            hasher = _HASHERS[wanted.algorithm](piece)
            if len(piece) != size:
                while piece := os.read(descriptor, _PIECE):
                    hasher.update(piece)
        finally:
            os.close(descriptor)
    except OSError as error:
        return _Found(path, "missing", error.strerror or "it cannot be read")
    if hasher.digest() == wanted.digest:
        return None
    return _Found(
        path,
        "changed",
        f"{wanted.algorithm} {wanted.digest.hex()} wanted, {hasher.hexdigest()} found",
    )


_HASHERS = {name: getattr(hashlib, name) for name in record.ALGORITHMS}

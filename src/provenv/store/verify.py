"""Verify: every file of an object against its hash, and nothing beside them."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from provenv.core.errors import InputError
from provenv.core.files import disk_error, ensure_folder
from provenv.model.layout import HomeLayout
from provenv.store import record
from provenv.store.damage import Damage, Kind
from provenv.store.objects import (
    CLOSED_MODE,
    DESCRIPTION,
    FILE_MODE,
    OPEN_MODE,
    StoredObject,
)
from provenv.store.spread import place

__all__ = ["Damage", "has_digest", "hashes_of", "quarantine", "verify_object"]

_CACHE = "__pycache__"
_PIECE = 1 << 20
_PARALLEL = 200  # files from which on a second thread pays


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
    against ``obj.generated``; what is not recorded counts as added, byte code in ``__pycache__``
    excepted; files and directories that can be written are named.
    """
    found: list[_Found] = []
    expected = _expected(obj, found)
    files: list[str] = []
    found += [
        _Found(name, "added", "")
        for name in _listed(obj.folder)
        if name not in obj.tree and name != DESCRIPTION
    ]
    for scheme, node in obj.tree.items():
        found += _walk(obj.folder, scheme, node, files)
    found += _hash_all(obj, files, expected)
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
    return (
        _check(os.path.dirname(path), os.path.basename(path), _Expected(algorithm, digest)) is None
    )


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
        os.chmod(source, OPEN_MODE)  # a directory that is moved must be writable
        os.rename(source, target)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise disk_error(error, "quarantine", source) from error
    return target


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _expected(obj: StoredObject, found: list[_Found]) -> dict[str, _Expected]:
    """Path in the object → hash. Without a sound RECORD, only what ingest made has one."""
    expected = {
        path: _Expected("sha256", bytes.fromhex(value)) for path, value in obj.generated.items()
    }
    info = f"site/{obj.dist_info}"
    expected[f"{info}/RECORD"] = _Expected("sha256", bytes.fromhex(obj.record))
    try:
        with open(record.record_path(obj), "rb") as stream:
            content = stream.read()
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


def _walk(root: str, path: str, node: Mapping[str, Any], files: list[str]) -> Iterator[_Found]:
    """Compare one directory and those below it with the tree; ``files`` gets what is to be hashed."""
    try:
        if mode := _open_mode(os.lstat(os.path.join(root, path)), (CLOSED_MODE,)):
            yield _Found(path, "mode", mode)
        with os.scandir(os.path.join(root, path)) as entries:
            there = {entry.name: entry for entry in entries}
    except OSError as error:
        yield _Found(path, "missing", error.strerror or "")
        return
    known_files, known_folders = node.get("f", {}), node.get("d", {})
    compiled = any(name.endswith(".py") for name in known_files)
    for name, entry in sorted(there.items()):
        inner = f"{path}/{name}"
        if name in known_files and entry.is_file(follow_symlinks=False):
            if mode := _open_mode(entry.stat(follow_symlinks=False), (FILE_MODE, CLOSED_MODE)):
                yield _Found(inner, "mode", mode)
            files.append(inner)
        elif name in known_folders and entry.is_dir(follow_symlinks=False):
            yield from _walk(root, inner, known_folders[name], files)
        elif name in known_files or name in known_folders:
            yield _Found(inner, "changed", "it is of another type")
        elif name != _CACHE or not compiled or not entry.is_dir(follow_symlinks=False):
            yield _Found(inner, "added", "")
    for name in sorted({*known_files, *known_folders} - set(there)):
        yield _Found(f"{path}/{name}", "missing", "")


def _open_mode(status: os.stat_result, allowed: tuple[int, ...]) -> str:
    mode = stat.S_IMODE(status.st_mode)
    return "" if mode in allowed else f"mode {mode:04o}, and {allowed[0]:04o} is expected"


def _hash_all(
    obj: StoredObject, files: list[str], expected: Mapping[str, _Expected]
) -> Iterator[_Found]:
    def check(path: str) -> _Found | None:
        wanted = expected.get(path)
        return None if wanted is None else _check(obj.folder, path, wanted)

    if len(files) < _PARALLEL:
        results: Iterator[_Found | None] = map(check, files)
        yield from (result for result in results if result is not None)
        return
    from concurrent.futures import ThreadPoolExecutor

    def check_some(paths: list[str]) -> list[_Found]:
        return [result for path in paths if (result := check(path)) is not None]

    step = 64
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        for some in pool.map(check_some, [files[i : i + step] for i in range(0, len(files), step)]):
            yield from some


def _check(root: str, path: str, wanted: _Expected) -> _Found | None:
    hasher = hashlib.new(wanted.algorithm)
    try:
        descriptor = os.open(f"{root}/{path}", os.O_RDONLY | os.O_CLOEXEC)
        try:
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

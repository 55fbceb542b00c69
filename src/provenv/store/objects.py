"""The object: one wheel, unpacked and verified, described by its ``object.json``."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Collection, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any

from provenv.core.errors import IntegrityError
from provenv.core.seal import is_sealed
from provenv.core.values import field, frozen
from provenv.model.layout import HomeLayout

FORMAT = 2
DESCRIPTION = "object.json"
_BEGIN = b'{"format":%d,' % FORMAT
CLOSED_MODE = 0o555  # of folders and executable files; other files are FILE_MODE
OPEN_MODE = 0o755
FILE_MODE = 0o444
KEPT = 512
"""How many objects a process that has read them need not read again."""
_MAX_DEPTH = 100
_NO_NAMES = {"", ".", ".."}
SCHEMES = ("bin", "data", "include", "site")


@frozen
class StoredObject:
    """One object of the store.

    Attributes:
        sha256: Of the wheel file; names the object.
        name: Normalized name. version: Normalized version.
        folder: Absolute path; holds ``site``, ``bin``, ``data``, ``include`` (those that exist).
        dist_info: Name of the ``.dist-info`` folder in ``site``.
        scripts: Every name in ``bin``.
        size: Of the wheel file in bytes. unpacked: Of all files together in bytes.
        tree: By scheme: ``{"m": mtime_ns, "f": {name: [size, mtime_ns]}, "d": {name: …}, "o": 1}``.
        filename, tags: Of the wheel.
        record: SHA-256 of the wheel's RECORD. generated: Path → SHA-256 of what ingest made.
    """

    sha256: str
    name: str
    version: str
    folder: str
    dist_info: str
    scripts: tuple[str, ...]
    size: int
    unpacked: int
    tree: Mapping[str, Any] = field(repr=False)
    filename: str = ""
    tags: tuple[str, ...] = ()
    record: str = ""
    generated: Mapping[str, str] = field(default_factory=dict, repr=False)


def read_object(layout: HomeLayout, sha256: str) -> StoredObject | None:
    """The object of that name, or None where the store does not have it (or not in this format).

    One whose description is damaged, or whose folder is a symlink, is none.
    """
    folder = layout.object(sha256)
    try:
        if os.path.islink(folder):
            return None
        path = os.path.join(folder, DESCRIPTION)
        status = os.lstat(path)
        times = (
            status.st_ino,
            status.st_dev,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )
        return _described(path, os.path.abspath(folder), sha256, times)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


@lru_cache(maxsize=KEPT)
def _described(path: str, folder: str, sha256: str, times: tuple[int, ...]) -> StoredObject:  # noqa: ARG001
    """An object by its description; ``times`` tell whether that is as it was read before.

    One process may make environments for hundreds of services that share most of their packages.

    Raises:
        OSError, ValueError, KeyError, TypeError, RecursionError: It is none.
    """
    text = read_regular(path)
    if not is_sealed(text):
        raise ValueError("its description is damaged")
    return from_description(json.loads(text), folder, sha256)


def read_regular(path: str) -> bytes:
    """The content of a regular file. A symlink is not followed, and a pipe is not waited for.

    Raises:
        OSError: It is something else, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", path)
        return stream.read()


def describes(path: str, sha256: str) -> bool:
    """Whether the file ``path`` is a whole ``object.json`` of the object of that name."""
    try:
        text = read_regular(path)
        return is_sealed(text) and json.loads(text)["sha256"] == sha256
    except (OSError, ValueError, KeyError, TypeError):
        return False


def has_object(layout: HomeLayout, sha256: str) -> bool:
    """Whether the store has the object, told from the first bytes of its description."""
    try:
        with open(os.path.join(layout.object(sha256), DESCRIPTION), "rb", buffering=0) as stream:
            return stream.read(len(_BEGIN)) == _BEGIN
    except OSError:
        return False


def close_object(layout: HomeLayout, sha256: str) -> None:
    """Let nobody write into the folder of an object: a kill may have come before ingest could say so."""
    folder = layout.object(sha256)
    with contextlib.suppress(OSError):
        mode = os.lstat(folder).st_mode
        if stat.S_ISDIR(mode) and mode & 0o222:  # and no link to somebody else's folder
            os.chmod(folder, CLOSED_MODE)


def require_object(layout: HomeLayout, sha256: str) -> StoredObject:
    """The object of that name.

    Raises:
        IntegrityError: The store does not have it.
    """
    found = read_object(layout, sha256)
    if found is None:
        raise IntegrityError(
            f"the store has no object {sha256} ({layout.object(sha256)})",
            hint="Run `provenv sync` to fetch it again.",
            details={"wanted": sha256, "source": layout.object(sha256)},
        )
    return found


def from_description(data: Mapping[str, Any], folder: str, sha256: str) -> StoredObject:
    """Build the value from the content of ``object.json``.

    Raises:
        ValueError, KeyError, TypeError: Not a description of this object in this format.
    """
    if data["format"] != FORMAT or data["sha256"] != sha256:
        raise ValueError("another format, or another object")
    _check_type(list, data["scripts"], data["tags"])
    _check_type(dict, data["generated"])
    texts = [data[key] for key in ("name", "version", "dist-info", "filename")]
    _check_type(str, *texts, *data["scripts"], *data["tags"], *data["generated"])
    _check_type(int, data["size"], data["unpacked"])
    _check_digests(data["record"], *data["generated"].values())
    _check_names((data["dist-info"], *data["scripts"]))
    _check_tree({"m": 0, "d": data["tree"]})
    if tree_file(data["tree"], f"site/{data['dist-info']}/RECORD") is None:
        raise ValueError("no RECORD")
    return StoredObject(
        sha256=sha256,
        name=data["name"],
        version=data["version"],
        folder=folder,
        dist_info=data["dist-info"],
        scripts=tuple(data["scripts"]),
        size=data["size"],
        unpacked=data["unpacked"],
        tree=data["tree"],
        filename=data["filename"],
        tags=tuple(data["tags"]),
        record=data["record"],
        generated=data["generated"],
    )


def _check_type(kind: type, *values: object) -> None:
    for value in values:
        if type(value) is not kind:
            raise TypeError(f"{type(value).__name__}, and {kind.__name__} is expected")


def _check_digests(*values: str) -> None:
    if not all(len(value) == 64 and len(bytes.fromhex(value)) == 32 for value in values):
        raise ValueError("not a sha256")


def _check_names(names: Collection[str]) -> None:
    """Each is a name and no path: what is built from it stays in its folder."""
    joined = "".join(names)
    if not _NO_NAMES.isdisjoint(names) or "/" in joined or "\0" in joined:
        raise ValueError("a name leads elsewhere")
    joined.encode()  # JSON can say what no name of a file can (found by the fuzzer)


def _check_tree(node: Mapping[str, Any], depth: int = 0) -> None:
    """Every folder has its time, every file its size and time."""
    _check_type(dict, node)
    files, folders = node.get("f", {}), node.get("d", {})
    _check_type(dict, files, folders)
    if type(node["m"]) is not int or depth > _MAX_DEPTH:
        raise ValueError("not a folder of an object")
    if files:
        _check_names(files)
        entries = files.values()  # thousands: each check is one loop inside of the interpreter
        if not (
            {list}.issuperset(map(type, entries))
            and {2}.issuperset(map(len, entries))
            and {int}.issuperset(map(type, chain.from_iterable(entries)))
        ):
            raise ValueError("not the files of an object")
    if folders:
        _check_names(folders)
        for inner in folders.values():
            _check_tree(inner, depth + 1)


def tree_file(tree: Mapping[str, Any], path: str) -> tuple[int, int] | None:
    """Size and mtime_ns that ``tree`` records for the file ``path`` (``site/…``), or None."""
    *folders, name = path.split("/")
    node: Mapping[str, Any] = {"d": tree}
    for folder in folders:
        inner = node.get("d", {}).get(folder)
        if inner is None:
            return None
        node = inner
    entry = node.get("f", {}).get(name)
    return (entry[0], entry[1]) if entry is not None else None

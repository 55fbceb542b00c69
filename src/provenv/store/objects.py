"""The object: one wheel, unpacked and verified, described by its ``object.json``."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from provenv.core.errors import IntegrityError
from provenv.model.layout import HomeLayout

FORMAT = 1
DESCRIPTION = "object.json"
_BEGIN = b'{"format":%d,' % FORMAT
CLOSED_MODE = 0o555  # of folders and executable files; other files are FILE_MODE
OPEN_MODE = 0o755
FILE_MODE = 0o444
_MAX_DEPTH = 100
SCHEMES = ("bin", "data", "include", "site")


@dataclass(frozen=True, slots=True, kw_only=True)
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
    """The object of that name, or None where the store does not have it (or not in this format)."""
    folder = layout.object(sha256)
    try:
        with open(os.path.join(folder, DESCRIPTION), "rb") as stream:
            data = json.loads(stream.read())
        return from_description(data, os.path.abspath(folder), sha256)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


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
        if os.stat(folder).st_mode & 0o222:
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
    if not all(type(value) is kind for value in values):
        raise TypeError(f"one of {values!r} is no {kind.__name__}")


def _check_digests(*values: str) -> None:
    if not all(len(value) == 64 and len(bytes.fromhex(value)) == 32 for value in values):
        raise ValueError("not a sha256")


def _check_names(names: Collection[str]) -> None:
    """Each is a name and no path: what is built from it stays in its folder."""
    if not {"", ".", ".."}.isdisjoint(names) or "/" in (joined := "".join(names)) or "\0" in joined:
        raise ValueError("a name leads elsewhere")


def _check_tree(node: Mapping[str, Any], depth: int = 0) -> None:
    """Every folder has its time, every file its size and time."""
    _check_type(dict, node)
    files, folders = node.get("f", {}), node.get("d", {})
    _check_type(dict, files, folders)
    _check_type(int, node["m"])
    _check_names(files)
    _check_names(folders)
    if depth > _MAX_DEPTH or not all(
        type(entry) is list and list(map(type, entry)) == [int, int] for entry in files.values()
    ):
        raise ValueError("not the tree of an object")
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

"""Entries of a foreign lock → one PEP 751 lock, once the address of every file is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from packaging.pylock import Pylock, PylockValidationError

from provenv.core.errors import InputError
from provenv.formats.foreign import Direct, Foreign, Pin, PinnedFile


def make_lock(
    foreign: Foreign, pins: Sequence[Pin], files: Mapping[str, Sequence[PinnedFile]]
) -> Pylock:
    """The lock of exactly ``pins``; ``files`` by name, each with ``sha256`` and an address.

    Raises:
        InputError: An entry is none that a lock can hold.
    """
    names = {pin.name for pin in pins}
    packages = [_package(pin, files.get(pin.name, pin.files), names, foreign.file) for pin in pins]
    data: dict[str, Any] = {
        "lock-version": "1.0",
        "created-by": "provenv",
        "packages": [{k: v for k, v in package.items() if v} for package in packages],
    }
    if foreign.requires_python:
        data["requires-python"] = foreign.requires_python
    try:
        return Pylock.from_dict(data)
    except PylockValidationError as error:
        raise InputError(
            f"cannot be used as a lock: {error}",
            file=foreign.file,
            hint="Have its own tool lock again.",
        ) from error


def _package(pin: Pin, files: Sequence[PinnedFile], names: set[str], file: str) -> dict[str, Any]:
    table: dict[str, Any] = {"name": pin.name, "version": pin.version}
    needed = {edge.name for edges in (pin.edges, *pin.extras.values()) for edge in edges}
    table["dependencies"] = [{"name": name} for name in sorted(needed & names - {pin.name})]
    if pin.direct is not None:
        return table | _place(pin.direct, files, pin, file)
    table["index"] = pin.index
    for entry in sorted(files, key=lambda entry: entry.filename):
        row = _row(entry)
        if entry.filename.endswith(".whl"):
            table.setdefault("wheels", []).append(row)
        elif "sdist" not in table or entry.filename.endswith(".tar.gz"):
            table["sdist"] = row
    return table


def _row(entry: PinnedFile) -> dict[str, Any]:
    row: dict[str, Any] = {"name": entry.filename}
    row |= {"path": entry.path} if entry.path else {"url": entry.url}
    if entry.size is not None:
        row["size"] = entry.size
    return row | {"hashes": dict(entry.hashes)}


def _place(direct: Direct, files: Sequence[PinnedFile], pin: Pin, file: str) -> dict[str, Any]:
    address = {"path": direct.path} if direct.path else {"url": direct.url}
    below = {"subdirectory": direct.subdirectory} if direct.subdirectory else {}
    if direct.kind == "directory":
        return {"directory": {"path": direct.path, "editable": direct.editable, **below}}
    if direct.kind == "vcs":
        asked = {"requested-revision": direct.revision} if direct.revision else {}
        table = {"type": direct.vcs, **address, **asked, "commit-id": direct.commit, **below}
        return {"vcs": table}
    hashes = next((f.hashes for f in files if "sha256" in f.hashes), None)
    if hashes is None:
        raise InputError(
            f"{pin.name} from {direct.url or direct.path} has no sha256",
            file=file,
            hint="provenv installs nothing that it cannot check; lock again with hashes.",
        )
    return {"archive": {**address, "hashes": dict(hashes), **below}}

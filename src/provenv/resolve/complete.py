"""Every file of a lock gets its SHA-256 and its size, also where the index does not give them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.pylock import Pylock

from provenv.core.errors import InputError
from provenv.core.events import Emit, Noted
from provenv.core.http import Transport, redacted

_WORKERS = 8


def complete_files(
    packages: Sequence[Mapping[str, Any]],
    previous: Pylock | None,
    project: str,
    transport: Transport,
    emit: Emit,
) -> None:
    """Fill in missing hashes and sizes: from the previous lock, or by asking the server.

    A missing size costs one short request; a missing hash costs the whole download, which is said.

    Raises:
        NetworkError: A file cannot be reached.
        InputError: A local file cannot be read.
    """
    lacking = [entry for package in packages for entry in _files(package) if not _complete(entry)]
    if not lacking:
        return
    known = _known(previous)
    lacking = [entry for entry in lacking if not _recall(entry, known)]
    if not lacking:
        return
    with ThreadPoolExecutor(_WORKERS) as pool:
        list(pool.map(lambda entry: _complete_one(entry, transport, project, emit), lacking))


def _files(package: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from package.get("wheels", ())
    for key in ("sdist", "archive"):
        if key in package:
            yield package[key]


def _complete(entry: Mapping[str, Any]) -> bool:
    return "size" in entry and "sha256" in entry.get("hashes", {})


def _known(previous: Pylock | None) -> dict[tuple[str, str], int]:
    """(address, sha256) → size of every file of the previous lock that says both."""
    known: dict[tuple[str, str], int] = {}
    for package in previous.packages if previous is not None else ():
        for file in (*(package.wheels or ()), package.sdist, package.archive):
            if file is not None and file.size is not None and "sha256" in file.hashes:
                known[file.url or file.path or "", file.hashes["sha256"]] = file.size
    return known


def _recall(entry: dict[str, Any], known: Mapping[tuple[str, str], int]) -> bool:
    address, sha256 = entry.get("url") or entry.get("path"), entry.get("hashes", {}).get("sha256")
    if sha256 is None or (address, sha256) not in known:
        return False
    entry["size"] = known[str(address), sha256]
    return True


def _complete_one(entry: dict[str, Any], transport: Transport, project: str, emit: Emit) -> None:
    url = entry.get("url") or ""
    if "path" in entry or url.startswith("file:"):
        path = entry["path"] if "path" in entry else unquote(urlsplit(url).path)
        _measure(entry, _pieces_of(os.path.join(project, path)))
        return
    if "sha256" in entry.get("hashes", {}):
        size = transport.size(url)
        if size is not None:
            entry["size"] = size
            return
    emit(Noted(message=f"downloading {redacted(url)} for its hash and size: its index gives none"))
    with transport.stream(url) as pieces:
        _measure(entry, pieces)


def _measure(entry: dict[str, Any], pieces: Iterator[bytes]) -> None:
    import hashlib  # loads OpenSSL: 12 ms, and hardly ever is there anything to hash

    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    entry.setdefault("hashes", {}).setdefault("sha256", digest.hexdigest())
    entry["size"] = size


def _pieces_of(path: str) -> Iterator[bytes]:
    try:
        with open(path, "rb") as stream:
            while piece := stream.read(1 << 20):
                yield piece
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error

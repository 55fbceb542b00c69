"""What lies in the ``.dist-info`` of an object: its METADATA, and SBOMs of what is bundled (PEP 770)."""

from __future__ import annotations

import hashlib
import os

from provenv.core.disk import doing
from provenv.core.errors import InputError, IntegrityError
from provenv.store.objects import StoredObject, read_regular
from provenv.store.record import Row, parse_record

_SBOMS = "sboms/"


def read_documents(stored: StoredObject) -> tuple[bytes, dict[str, bytes]]:
    """METADATA, and every file below ``sboms`` by its path in the wheel; held against RECORD.

    Raises:
        IntegrityError: One is not what the wheel had.
    """
    with doing(f"reading {stored.name} {stored.version}", stored.folder):
        rows = _rows(stored)
        start = f"{stored.dist_info}/{_SBOMS}"
        metadata = _checked(stored, f"{stored.dist_info}/METADATA", rows)
        return metadata, {
            path: _checked(stored, path, rows) for path in sorted(rows) if path.startswith(start)
        }


def _rows(stored: StoredObject) -> dict[str, Row]:
    """The rows of RECORD that are about ``.dist-info``; RECORD itself has its digest in ``object.json``."""
    path = f"{stored.folder}/site/{stored.dist_info}/RECORD"
    data = _read(stored, path)
    if hashlib.sha256(data).hexdigest() != stored.record:
        raise _damaged(stored, path)
    lines = data.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n")
    own = [line for line in lines if line.lstrip('"').startswith(f"{stored.dist_info}/")]
    try:
        return parse_record("\n".join(own), path, stored.dist_info)
    except InputError as error:
        raise _damaged(stored, path) from error


def _checked(stored: StoredObject, path: str, rows: dict[str, Row]) -> bytes:
    place = os.path.join(stored.folder, "site", path)
    row = rows.get(path)
    data = _read(stored, place)
    if row is None or hashlib.new(row.algorithm, data).digest() != row.digest:
        raise _damaged(stored, place)
    return data


def _read(stored: StoredObject, path: str) -> bytes:
    try:
        return read_regular(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _damaged(stored, path) from error


def _damaged(stored: StoredObject, path: str) -> IntegrityError:
    return IntegrityError(
        f"{stored.name} {stored.version}: {path} is not what the wheel had",
        hint="`provenv verify` says more, `provenv repair` mends it.",
        details={"path": path},
    )

"""RECORD: what a wheel says of its own files (PEP 427, and PEP 376 for its form)."""

from __future__ import annotations

import os
from binascii import a2b_base64
from collections.abc import Iterator
from typing import Literal, NamedTuple, cast

from provenv.core import digest
from provenv.core.errors import InputError
from provenv.core.values import frozen
from provenv.store.archive import HINT
from provenv.store.names import quoted
from provenv.store.objects import StoredObject, tree_file
from provenv.store.spread import place

Scheme = Literal["site", "bin", "data", "include"]
ALGORITHMS = {"sha256": 32, "sha384": 48, "sha512": 64}
UNLISTED = ("RECORD", "RECORD.jws", "RECORD.p7s")


class Row(NamedTuple):
    """One line of RECORD; ``size`` is None where it is not given."""

    algorithm: str
    digest: bytes
    size: int | None


@frozen
class InstalledFile:
    """One file of an object, as an environment installs it; ``path`` is relative to the scheme."""

    scheme: Scheme
    path: str
    sha256: str
    size: int


def parse_record(text: str, file: str, dist_info: str) -> dict[str, Row]:
    """Read RECORD into path → row. RECORD itself and its signatures are left out.

    Raises:
        InputError: A row without a hash, with a weak or unreadable one, or two that disagree.
    """
    unlisted = {f"{dist_info}/{name}" for name in UNLISTED}
    rows: dict[str, Row] = {}
    number, path = 0, ""
    try:
        for number, fields in enumerate(_lines(text), 1):  # noqa: B007  # told in the error
            if not fields or (path := fields[0]) in unlisted or path.endswith("/"):
                continue
            row = _row(*fields[1:])
            if rows.setdefault(path, row) != row:
                raise ValueError("two rows disagree")
    except ValueError as error:
        raise _bad(file, dist_info, number, path, str(error)) from error
    return rows


def _bad(file: str, dist_info: str, number: int, path: str, reason: str) -> InputError:
    return InputError(
        f"RECORD, row {number}, {quoted(path)}: {reason}",
        file=file,
        hint=HINT,
        details={"member": f"{dist_info}/RECORD", "reason": reason},
    )


def _lines(text: str) -> Iterator[list[str]]:
    lines = text.replace("\r\n", "\n").split("\n")  # str.splitlines knows ends that RECORD does not
    if '"' in text:
        import csv

        try:
            yield from csv.reader(lines)
        except csv.Error as error:
            raise ValueError(f"what follows cannot be read ({error})") from error
    else:
        for line in lines:
            yield line.split(",") if line else []


def _row(hashed: str = "", size: str = "", *more: str) -> Row:
    if more:
        raise ValueError("it has more than three fields")
    algorithm, _, encoded = hashed.partition("=")
    length = ALGORITHMS.get(algorithm)
    if length is None:
        raise ValueError(
            f"hash algorithm {quoted(algorithm)} is not accepted" if algorithm else "it has no hash"
        )
    try:
        if len(encoded) == 2 * length:  # hexadecimal: no form of PEP 376, and found on PyPI (gmsh)
            value = bytes.fromhex(encoded)
        else:
            encoded = encoded.rstrip("=").replace("-", "+").replace("_", "/")
            value = a2b_base64(encoded + "=" * (-len(encoded) % 4))
    except ValueError:
        value = b""
    if len(value) != length:
        raise ValueError(f"not a {algorithm} hash")
    if size and not (size.isascii() and size.isdigit() and len(size) < 20):
        raise ValueError(f"{size[:20]!r} is not a size")
    return Row(algorithm, value, int(size) if size else None)


def installed_files(obj: StoredObject) -> list[InstalledFile]:
    """Every file that an environment takes from ``obj``, sorted by scheme and path.

    They come from the wheel's own RECORD, with what ingest made or rewrote in place of the
    originals. RECORD itself and its signatures are not among them.

    Raises:
        InputError: The object's RECORD cannot be read.
        OSError: A file of the object cannot be read.
    """
    hidden = {f"site/{obj.dist_info}/{name}" for name in UNLISTED}
    found = {path: sha256 for path, sha256 in obj.generated.items() if path not in hidden}
    for path, row in read_rows(obj).items():
        installed = place(path, obj.dist_info, obj.name)
        if installed is None or installed in found or tree_file(obj.tree, installed) is None:
            continue  # byte code, or a script that an entry point replaced
        if row.algorithm == "sha256":
            found[installed] = row.digest.hex()
        else:
            found[installed] = digest.of_file(os.path.join(obj.folder, installed))
    files = []
    for installed, sha256 in sorted(found.items()):
        scheme, _, path = installed.partition("/")
        entry = tree_file(obj.tree, installed)
        files.append(
            InstalledFile(
                scheme=cast("Scheme", scheme),
                path=path,
                sha256=sha256,
                size=entry[0] if entry else 0,
            )
        )
    return files


def read_rows(obj: StoredObject) -> dict[str, Row]:
    """The rows of the RECORD file that lies in ``obj``.

    Raises:
        InputError, OSError: It cannot be read.
    """
    with open(record_path(obj), encoding="utf-8", newline="") as stream:
        return parse_record(stream.read(), record_path(obj), obj.dist_info)


def record_path(obj: StoredObject) -> str:
    """Where the wheel's RECORD lies in ``obj``."""
    return os.path.join(obj.folder, "site", obj.dist_info, "RECORD")

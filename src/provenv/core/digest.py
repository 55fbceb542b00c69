"""SHA-256 digests of bytes, files and JSON values, always as lower-case hexadecimal."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from os import PathLike

from provenv.core import sha256


def of_bytes(data: bytes) -> str:
    """SHA-256 of ``data``, at most some hundred kilobytes: 64 hexadecimal digits."""
    return sha256.hexadecimal(data)


def of_file(path: str | PathLike[str]) -> str:
    """SHA-256 of a file's content, read in pieces.

    Raises:
        OSError: The file cannot be read.
    """
    import hashlib

    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def of_json(value: Mapping[str, object] | Sequence[object]) -> str:
    """SHA-256 of a JSON value in one canonical spelling (sorted keys, no spaces, UTF-8)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return of_bytes(text.encode())


def urlsafe_to_hex(text: str) -> str:
    """Turn RECORD's spelling (URL-safe base64 without padding, PEP 427) into hexadecimal.

    Raises:
        ValueError: ``text`` is not base64.
    """
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).hex()


def hex_to_urlsafe(digest: str) -> str:
    """Turn a hexadecimal digest into RECORD's spelling (URL-safe base64 without padding, PEP 427)."""
    return base64.urlsafe_b64encode(bytes.fromhex(digest)).rstrip(b"=").decode()

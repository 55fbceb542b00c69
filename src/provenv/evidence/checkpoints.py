"""Checkpoints: how long the evidence log was, and how it ended, signed and kept elsewhere.

A DSSE envelope over canonical JSON: ``{"head", "log", "place", "project", "schema", "size", "time"}``.
``size`` is the sequence of the last record, ``head`` its digest, ``log`` the log's name. One file each,
``LOG-SIZE.json``.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

from provenv.core.errors import InputError
from provenv.core.files import disk_error, ensure_folder, write_atomic
from provenv.core.values import frozen
from provenv.evidence import envelopes, records
from provenv.evidence.envelopes import Envelope
from provenv.evidence.keys import PrivateKey

KIND = "application/vnd.provenv.checkpoint+json"
SCHEMA = 1
_KEYS = frozenset({"head", "log", "place", "project", "schema", "size", "time"})
_NAME = re.compile(r"([0-9a-f]{32})-(\d{8,})\.json")
_LARGEST = 1 << 20


@frozen
class Checkpoint:
    """What is signed; ``project`` is its title, for people, ``place`` the folder in which the log lay."""

    log: str
    project: str
    size: int
    head: str
    time: str
    place: str = ""


@frozen
class Kept:
    """A checkpoint as it lies there; ``named`` is the log and the size that its file's name says."""

    file: str
    checkpoint: Checkpoint
    envelope: Envelope
    named: tuple[str, int] | None


def sign(checkpoint: Checkpoint, key: PrivateKey) -> Envelope:
    """Sign it."""
    data = {"schema": SCHEMA, **{name: getattr(checkpoint, name) for name in _KEYS - {"schema"}}}
    return envelopes.seal(KIND, records.canonical(data), [key])


def keep(folder: str, checkpoint: Checkpoint, envelope: Envelope) -> str:
    """Write it into a folder, and say where.

    Raises:
        DiskError: The file system refused.
    """
    ensure_folder(folder)
    path = os.path.join(folder, f"{checkpoint.log}-{checkpoint.size:08d}.json")
    write_atomic(path, envelope.as_text().encode())
    return path


def read_all(folder: str) -> tuple[list[Kept], list[tuple[str, str]]]:
    """The checkpoints in a folder, by size; and files that are none though they are called so, with why.

    Raises:
        DiskError: The folder cannot be read. InputError: There is no such folder.
    """
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError("is no folder", file=folder) from error
    except OSError as error:
        raise disk_error(error, "read", folder) from error
    found: list[Kept] = []
    odd: list[tuple[str, str]] = []
    for name in names:
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        path = os.path.join(folder, name)
        try:
            with open(path, "rb") as stream:
                text = stream.read(_LARGEST)
            envelope = envelopes.parse(text)
            checkpoint = parse(envelope)
        except ValueError as error:
            odd.append((path, str(error)))
        except OSError as error:
            raise disk_error(error, "read", path) from error
        else:
            named = (match[1], int(match[2]))
            found.append(Kept(file=path, checkpoint=checkpoint, envelope=envelope, named=named))
    return sorted(found, key=lambda one: (one.checkpoint.size, one.checkpoint.time)), odd


def parse(envelope: Envelope) -> Checkpoint:
    """What an envelope holds; whether anybody signed it is another question.

    Raises:
        ValueError: It is no checkpoint.
    """
    if envelope.kind != KIND:
        raise ValueError(f"it holds {envelope.kind!r}, and no checkpoint")
    try:
        data: Any = json.loads(envelope.payload)
    except (ValueError, RecursionError) as error:
        raise ValueError("what is signed is not JSON") from error
    if not isinstance(data, dict) or set(data) != _KEYS or data["schema"] != SCHEMA:
        raise ValueError("what is signed is no checkpoint")
    if not isinstance(data["size"], int) or not all(
        isinstance(data[key], str) for key in ("head", "log", "place", "project", "time")
    ):
        raise ValueError("what is signed is no checkpoint")
    return Checkpoint(
        log=data["log"],
        project=data["project"],
        size=data["size"],
        head=data["head"],
        time=data["time"],
        place=data["place"],
    )

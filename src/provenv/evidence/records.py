"""A record of the evidence log: one line of canonical JSON (RFC 8785) that names the line before it.

    {"actor", "advisories", "command", "details", "kind", "locks", "log", "marks", "policy",
     "previous", "schema", "sequence", "subject", "time"}

``sequence`` is the number of the line, from 1 on; ``previous`` the SHA-256 of the line before it,
without its end. ``log`` is the name that the log was given when it began. ``marks`` say what was odd
when the record was written: ``clock`` (its time is before that of the record before it) and ``torn`` (a
line before it is not whole).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from provenv.core import journal
from provenv.core.values import field, frozen

SCHEMA = 1
Kind = Literal[
    "begin", "lock", "sync", "rollback", "verdict", "waiver", "sign", "checkpoint", "seal"
]
Mark = Literal["clock", "torn"]
KEYS = frozenset(
    {
        "actor", "advisories", "command", "details", "kind", "locks", "log", "marks", "policy",
        "previous", "schema", "sequence", "subject", "time",
    }
)  # fmt: skip

_EXACT = 2**53


@frozen
class Entry:
    """What is to be recorded: what happened, before it has its place in the log.

    Attributes:
        time: UTC, RFC 3339, to the millisecond.
        actor: ``user``, ``uid``, ``sudo``, ``host``, ``ci``.
        subject: ``project``, and where it is about them ``environment`` and ``generation``.
        policy, advisories: Digests; None where there are none. ``locks``: Name of the file → digest.
    """

    kind: Kind
    time: str
    actor: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    subject: Mapping[str, Any] = field(default_factory=dict)
    policy: str | None = None
    advisories: str | None = None
    locks: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


@frozen
class Record:
    """A line of the log, read back."""

    sequence: int
    log: str
    previous: str
    marks: tuple[str, ...]
    entry: Entry
    line: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """What the next record names as ``previous``."""
        return journal.hash_of(self.line)


@frozen
class End:
    """Where a log ends, as far as the next record must know.

    Attributes:
        log: Its name; empty where it has no whole record. ``sequence``: Of the last line, whole or not.
        digest: Of the last line. ``time``: Of the last whole record. ``torn``: Lines after that one.
    """

    log: str = ""
    sequence: int = 0
    digest: str = journal.START
    time: str = ""
    torn: int = 0


def make(entry: Entry, end: End) -> tuple[bytes, End]:
    """The line of a record, without its end, and where the log ends then."""
    log = end.log or os.urandom(16).hex()
    marks = [*(["clock"] if entry.time < end.time else []), *(["torn"] if end.torn else [])]
    data = {
        "schema": SCHEMA,
        "log": log,
        "sequence": end.sequence + 1,
        "previous": end.digest,
        "marks": marks,
        "kind": entry.kind,
        "time": entry.time,
        "actor": entry.actor,
        "command": entry.command,
        "subject": entry.subject,
        "policy": entry.policy,
        "advisories": entry.advisories,
        "locks": entry.locks,
        "details": entry.details,
    }
    line = canonical(data)
    return line, End(
        log=log, sequence=end.sequence + 1, digest=journal.hash_of(line), time=entry.time
    )


def parse(line: bytes) -> Record:
    """A record from its line.

    Raises:
        ValueError: It is none: not JSON, other keys, wrong types, or not the canonical spelling.
    """
    try:
        return _parsed(json.loads(line), line)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _parsed(data: Any, line: bytes) -> Record:
    if not isinstance(data, dict) or set(data) != KEYS:
        raise ValueError("it is no record")
    texts = all(
        isinstance(data[key], str) for key in ("log", "previous", "kind", "time", "command")
    )
    tables = all(isinstance(data[key], dict) for key in ("actor", "subject", "locks", "details"))
    named = all(isinstance(data[key], str | None) for key in ("policy", "advisories"))
    number = isinstance(data["sequence"], int) and not isinstance(data["sequence"], bool)
    if not (texts and tables and named and number and isinstance(data["marks"], list)):
        raise ValueError("a value has the wrong type")
    if data["schema"] != SCHEMA or data["kind"] not in get_args(Kind):
        raise ValueError("it is of a kind that this provenv does not know")
    if canonical(data) != line:
        raise ValueError("it is not spelt as it was written")
    entry = Entry(
        kind=data["kind"],
        time=data["time"],
        actor=data["actor"],
        command=data["command"],
        subject=data["subject"],
        policy=data["policy"],
        advisories=data["advisories"],
        locks=data["locks"],
        details=data["details"],
    )
    return Record(
        sequence=data["sequence"],
        log=data["log"],
        previous=data["previous"],
        marks=tuple(map(str, data["marks"])),
        entry=entry,
        line=line,
    )


def of_several(found: Iterable[Record]) -> bool:
    """Whether records are about environments of several projects, which share a log."""
    about = [one.entry.subject for one in found if "environment" in one.entry.subject]
    return len({str(subject.get("root")) for subject in about}) > 1


def place(record: Record, *, several: bool) -> str:
    """The environment that a record is about; with its project, where the log is of ``several``."""
    subject = record.entry.subject
    return (
        f"{subject.get('project')} {subject.get('environment')}"
        if several
        else str(subject.get("environment"))
    )


def canonical(value: Any) -> bytes:
    """JSON in the one spelling that RFC 8785 gives it.

    Text that is no Unicode is shown with ``?``; what JSON has no exact spelling for, as a number beyond
    2^53 or a date, as text.
    """
    import rfc8785

    return rfc8785.dumps(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_plain(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < _EXACT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return str(value)

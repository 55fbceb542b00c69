"""An advisory: what is known of a vulnerability, as the OSV schema (1.7) has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from packaging.utils import canonicalize_version

from provenv.core.values import frozen
from provenv.model.plan import canonical

EventKind = Literal["introduced", "fixed", "last_affected", "limit"]
ECOSYSTEM = "PyPI"
_KINDS: tuple[EventKind, ...] = ("introduced", "fixed", "last_affected", "limit")


@frozen
class Event:
    """Where an affected interval begins or ends. ``introduced`` at ``"0"`` is before every version."""

    kind: EventKind
    version: str


@frozen
class Affected:
    """Which versions of one package a record is about: the exact ones, **or** any of the ranges.

    Attributes:
        package: The normalized name.
        versions: Each as :func:`version_key` writes it; not all of them follow PEP 440.
        ranges: The events of each range of type ECOSYSTEM. Those of commits are left out.
        severity: Of this package, where it is said: type and vector.
    """

    package: str
    versions: tuple[str, ...] = ()
    ranges: tuple[tuple[Event, ...], ...] = ()
    severity: tuple[tuple[str, str], ...] = ()


@frozen
class Advisory:
    """One record.

    Attributes:
        modified: When it was changed last (RFC 3339); ``published`` and ``withdrawn`` likewise.
        severity: Type (``CVSS_V3``) and vector; ``level`` is a word that its source says besides.
        affected: One entry for each package of PyPI that it names.
    """

    id: str
    modified: str
    published: str | None = None
    withdrawn: str | None = None
    aliases: tuple[str, ...] = ()
    summary: str = ""
    details: str = ""
    severity: tuple[tuple[str, str], ...] = ()
    level: str | None = None
    references: tuple[str, ...] = ()
    affected: tuple[Affected, ...] = ()

    @property
    def malware(self) -> bool:
        """Whether it says that the package itself is hostile (OSV's ``MAL-``)."""
        return self.id.startswith("MAL-")

    def of(self, package: str) -> list[Affected]:
        """What it says of one package; one record may have several entries for it."""
        return [entry for entry in self.affected if entry.package == package]


@lru_cache(maxsize=1 << 17)
def version_key(text: str) -> str:
    """The same text for equal versions (PEP 440): ``1.0`` and ``1.0.0``; what is none stays as it is."""
    return canonicalize_version(text)


def parse_advisory(data: object) -> Advisory:
    """Read a record. What is not about PyPI is left out of ``affected``.

    Raises:
        ValueError: It is no OSV record; the text says which field is wrong.
    """
    record = _table(data, "the record")
    specific = record.get("database_specific")
    level = specific.get("severity") if isinstance(specific, Mapping) else None
    return Advisory(
        id=_text(record, "id"),
        modified=_time(record, "modified"),
        published=_optional(record, "published"),
        withdrawn=_optional(record, "withdrawn"),
        aliases=tuple(_texts(record, "aliases")),
        summary=_optional(record, "summary") or "",
        details=_optional(record, "details") or "",
        severity=_severity(record),
        level=level if isinstance(level, str) else None,
        references=tuple(
            str(_table(item, "references").get("url", "")) for item in _list(record, "references")
        ),
        affected=tuple(
            _affected(entry)
            for item in _list(record, "affected")
            if (entry := _about_pypi(item)) is not None
        ),
    )


def _about_pypi(item: object) -> Mapping[str, Any] | None:
    entry = _table(item, "affected")
    package = entry.get("package")
    if not isinstance(package, Mapping):
        return None
    # an ecosystem may have a suffix (`PyPI:https://…`), which names another registry
    return entry if package.get("ecosystem") == ECOSYSTEM else None


def _affected(entry: Mapping[str, Any]) -> Affected:
    ranges = []
    for item in _list(entry, "ranges"):
        one = _table(item, "affected.ranges")
        if one.get("type") == "ECOSYSTEM":
            ranges.append(tuple(_events(one)))
    return Affected(
        package=canonical(_text(entry["package"], "name")),
        versions=tuple(map(version_key, _texts(entry, "versions"))),
        ranges=tuple(ranges),
        severity=_severity(entry),
    )


def _events(one: Mapping[str, Any]) -> list[Event]:
    found = []
    for item in _list(one, "events"):
        event = _table(item, "affected.ranges.events")
        found += [Event(kind=k, version=_text(event, k)) for k in _KINDS if k in event]
    return found


def _severity(record: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    rows = [_table(item, "severity") for item in _list(record, "severity")]
    return tuple((_text(row, "type"), _text(row, "score")) for row in rows)


def _table(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{what}: expected a table, not {type(value).__name__}")
    return value


def _list(record: Mapping[str, Any], key: str) -> Sequence[object]:
    value = record.get(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ValueError(f"{key}: expected a list, not {type(value).__name__}")
    return value


def _texts(record: Mapping[str, Any], key: str) -> list[str]:
    values = _list(record, key)
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"{key}: expected a list of strings")
    return [str(value) for value in values]


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key}: expected a string")
    return value


def _time(record: Mapping[str, Any], key: str) -> str:
    text = _text(record, key)
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"{key}: {text!r} has no time zone (RFC 3339)")
    return text


def _optional(record: Mapping[str, Any], key: str) -> str | None:
    return _text(record, key) if record.get(key) else None

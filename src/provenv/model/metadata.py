"""What a distribution says of itself: its core metadata (PEP 566, 643, 639), as far as it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from provenv.core.values import field, frozen

_MOST = 1 << 22  # bytes; the longest descriptions of PyPI have a tenth of it
_PREFIX = "License :: "


@frozen
class Person:
    """An author or maintainer; either may be empty."""

    name: str
    email: str


@frozen
class Metadata:
    """Core metadata.

    Attributes:
        name, version: As written.
        expression: ``License-Expression`` (PEP 639). ``licence``: The older ``License``, any text.
        classifiers: Those about the licence (``License :: …``).
        people: Authors, else maintainers.
        urls: Label → address; ``Home-page`` as ``Homepage``.
        requires: ``Requires-Dist``, as written.
        unreadable: Fields that stand there twice, or in no encoding; their values are not used.
    """

    name: str
    version: str
    summary: str = ""
    expression: str | None = None
    licence: str | None = None
    classifiers: tuple[str, ...] = ()
    people: tuple[Person, ...] = ()
    urls: Mapping[str, str] = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()

    def is_of(self, name: str, version: str) -> bool:
        """Whether it is about that release."""
        if canonicalize_name(self.name) != canonicalize_name(name):
            return False
        try:
            return Version(self.version) == Version(version)
        except InvalidVersion:
            return self.version == version


def parse_metadata(data: bytes) -> Metadata:
    """Read a METADATA file, or what an index serves for it (PEP 658).

    Raises:
        ValueError: It is too long, or has no name or version.
    """
    from packaging.metadata import parse_email

    if len(data) > _MOST:
        raise ValueError(f"it has more than {_MOST >> 20} MB")
    raw, unparsed = parse_email(data)
    name, version = raw.get("name"), raw.get("version")
    if not name or not version:
        raise ValueError("it has no name, or no version")
    return Metadata(
        name=_line(name),
        version=_line(version),
        summary=_line(raw.get("summary")),
        expression=raw.get("license_expression"),
        licence=raw.get("license"),
        classifiers=tuple(c for c in raw.get("classifiers", ()) if c.startswith(_PREFIX)),
        people=_people(raw, "author") or _people(raw, "maintainer"),
        urls=_urls(raw),
        requires=tuple(raw.get("requires_dist", ())),
        unreadable=tuple(sorted(unparsed)),
    )


def _people(raw: Mapping[str, Any], role: str) -> tuple[Person, ...]:
    """``Author`` is a name; ``Author-email`` may hold several, each with a name of its own (RFC 5322)."""
    from email.utils import getaddresses

    names = _line(raw.get(role))
    found = [
        Person(name=_line(name), email=email if "@" in email else "")
        for name, email in getaddresses([_line(raw.get(f"{role}_email"))])
        if name or "@" in email
    ]
    if not names:
        return tuple(found)
    if len(found) == 1 and not found[0].name:
        return (Person(name=names, email=found[0].email),)
    return (Person(name=names, email=""), *found)


def _urls(raw: Mapping[str, Any]) -> dict[str, str]:
    home = _line(raw.get("home_page"))
    found = {"Homepage": home} if home else {}
    return {**found, **{_line(key): _line(url) for key, url in raw.get("project_urls", {}).items()}}


def _line(text: str | None) -> str:
    """In one line, and nothing that a terminal would obey."""
    bare = " ".join((text or "").split())
    return "" if bare == "UNKNOWN" else "".join(c for c in bare if c.isprintable())

"""A bill of materials: what an environment consists of, whatever format it is written in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote

from provenv.core.values import field, frozen
from provenv.model.metadata import Person

_ADDRESS = re.compile(r"https?://[^\s<>\"{}|\\^`]+")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
Scope = Literal["lock", "installed"]
ENVIRONMENT = "provenv:environment"
LOCK = "provenv:lock:sha256"
SCOPE = "provenv:scope"
"""The names under which a document says what it was made from; who checks it looks for them."""


@frozen
class File:
    """One file of a release: ``hashes`` by algorithm (``sha256``), as the lock has them."""

    filename: str
    url: str
    hashes: Mapping[str, str]


@frozen
class Part:
    """Something that is bundled in a wheel, as its own document says it (PEP 770)."""

    name: str
    version: str
    purl: str | None


@frozen
class Document:
    """An SBOM that a wheel carries; ``parts`` is None where it cannot be read."""

    path: str
    sha256: str
    parts: tuple[Part, ...] | None


@frozen
class Component:
    """One release.

    Attributes:
        ref: What others call it in the same document; unique.
        purl: Its package URL; None for what lies in a directory, which nobody else can look up.
        licence: An SPDX expression; None where it cannot be told. ``words``: What it says itself then.
        needs: The refs of what it needs directly.
        files: All that the lock has of it; of what is installed, the wheel that it is from.
        origin: Where its source is: an address with a commit, or of an archive; empty for an index's.
        marker: For which platforms it is (PEP 508); empty for all.
        documents: SBOMs in its wheel; None where nobody could look.
        described: Whether there were metadata.
    """

    ref: str
    name: str
    version: str
    purl: str | None
    licence: str | None = None
    words: tuple[str, ...] = ()
    summary: str = ""
    people: tuple[Person, ...] = ()
    urls: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    origin: str = ""
    marker: str = ""
    documents: tuple[Document, ...] | None = None
    described: bool = True


@frozen
class Bill:
    """All of it.

    Attributes:
        title, version: Of the project.
        scope: What the lock says of all platforms, or what is ``installed`` on this one.
        digest: SHA-256 of the lock.
        created: The same for the same lock; None where nothing says a time.
        roots: The refs of what the project asks for itself.
        graph: Whether it is known what needs what.
    """

    title: str
    version: str
    environment: str
    scope: Scope
    digest: str
    created: datetime | None
    components: tuple[Component, ...]
    roots: tuple[str, ...]
    tool: str
    graph: bool = True


def package_url(name: str, version: str, **qualifiers: str) -> str:
    """``pkg:pypi/name@version`` with qualifiers (purl specification, type ``pypi``)."""
    at = f"@{quote(version, safe='')}" if version else ""
    rows = [f"{key}={quote(said, safe=':/')}" for key, said in sorted(qualifiers.items()) if said]
    return f"pkg:pypi/{name}{at}" + ("?" + "&".join(rows) if rows else "")


def timestamp(moment: datetime) -> str:
    """A time in UTC, to the second, as both formats have it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_address(text: str) -> bool:
    """Whether it may stand where a format wants an address."""
    return _ADDRESS.fullmatch(text) is not None


def is_email(text: str) -> bool:
    """Whether it may stand where a format wants an e-mail address."""
    return _EMAIL.fullmatch(text) is not None

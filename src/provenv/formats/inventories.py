"""Software bills of materials (SBOMs) that others wrote: which packages of PyPI they list."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import unquote

from provenv.core.errors import InputError
from provenv.core.values import frozen
from provenv.model.inventory import Part

_PREFIX = "pkg:pypi/"
_PURL = re.compile(r"pkg:[A-Za-z0-9.+-]+/[^\s<>\"{}|\\^`]+")
_MOST = 20_000  # parts that a document may name
_LONGEST = 1000


@frozen
class Listed:
    """One package of PyPI in an SBOM; ``direct``: it says that its file is not from an index."""

    name: str
    version: str
    direct: bool = False


def components(data: bytes, name: str) -> list[Listed] | None:
    """The packages in a CycloneDX or SPDX 2 document (JSON); None where it is neither.

    Raises:
        InputError: It is one, and is broken or lists no package of PyPI.
    """
    document = _document(data)
    if document is None:
        return None
    listed = {one for one in map(_listed, _purls(document)) if one is not None}
    if not listed:
        raise InputError("lists no package of PyPI (`pkg:pypi/…`)", file=name)
    return sorted(listed, key=lambda one: (one.name, one.version, one.direct))


def parts(data: bytes) -> tuple[Part, ...] | None:
    """Everything that a document in a wheel lists (PEP 770); None where it cannot be read."""
    document = _document(data)
    if document is None:
        return None
    rows = _every(document) if "bomFormat" in document else _tables(document.get("packages"))
    found = []
    for row in islice(rows, _MOST):
        name, version = _text(row.get("name")), _text(row.get("version") or row.get("versionInfo"))
        purl = next((url for url in _own_purls(row) if _PURL.fullmatch(url)), None)
        if name:
            found.append(Part(name=name, version=version, purl=purl))
    return tuple(found)


def recorded(data: bytes) -> dict[str, str] | None:
    """What a document that provenv wrote says of itself (``provenv:lock:sha256`` …); None: it is none."""
    document = _document(data)
    if document is None:
        return None
    about = document.get("metadata")
    rows = _tables(about.get("properties")) if isinstance(about, dict) else []
    found = {_text(row.get("name")): _text(row.get("value")) for row in rows}
    for row in _tables(document.get("annotations")):
        key, equals, value = _text(row.get("comment")).partition("=")
        if equals:
            found[key] = value
    return found


def _document(data: bytes) -> Mapping[str, Any] | None:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    spdx = str(document.get("spdxVersion", "")).startswith("SPDX-2")
    return document if spdx or document.get("bomFormat") == "CycloneDX" else None


def _purls(document: Mapping[str, Any]) -> Iterator[str]:
    rows = _every(document) if "bomFormat" in document else _tables(document.get("packages"))
    for row in rows:
        yield from _own_purls(row)


def _every(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Components of CycloneDX, and those inside of them."""
    pending = deque([document])
    while pending:
        for component in _tables(pending.popleft().get("components")):
            yield component
            pending.append(component)


def _own_purls(row: Mapping[str, Any]) -> Iterator[str]:
    found = [row.get("purl")]
    found += [one.get("referenceLocator") for one in _tables(row.get("externalRefs"))]
    yield from (text for text in found if isinstance(text, str))


def _listed(text: str) -> Listed | None:
    """What a package URL of PyPI names; the version is empty where it has none."""
    if not text.startswith(_PREFIX):
        return None
    bare, _, qualifiers = text[len(_PREFIX) :].partition("#")[0].partition("?")
    name, _, version = bare.partition("@")
    keys = {row.partition("=")[0] for row in qualifiers.split("&")}
    direct = not keys.isdisjoint({"download_url", "vcs_url"})
    return Listed(name=unquote(name), version=unquote(version), direct=direct)


def _text(value: object) -> str:
    """In one line, of bounded length, and printable."""
    line = " ".join(value.split()) if isinstance(value, str) else ""
    return "".join(c for c in line if c.isprintable())[:_LONGEST]


def _tables(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

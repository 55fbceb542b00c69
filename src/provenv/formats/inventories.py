"""Software bills of materials (SBOMs) that others wrote: which packages of PyPI they list."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from provenv.core.errors import InputError

_PREFIX = "pkg:pypi/"


def components(data: bytes, name: str) -> list[tuple[str, str]] | None:
    """Names and versions in a CycloneDX or SPDX 2 document (JSON); None where it is neither.

    Raises:
        InputError: It is one, and is broken or lists no package of PyPI.
    """
    try:
        document = json.loads(data)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    if document.get("bomFormat") == "CycloneDX":
        found = list(_cyclonedx(document))
    elif str(document.get("spdxVersion", "")).startswith("SPDX-2"):
        found = list(_spdx(document))
    else:
        return None
    if not found:
        raise InputError("lists no package of PyPI (`pkg:pypi/…`)", file=name)
    return sorted(set(found))


def _cyclonedx(part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for component in _tables(part.get("components")):
        if (found := _purl(component.get("purl"))) is not None:
            yield found
        yield from _cyclonedx(component)


def _spdx(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for package in _tables(document.get("packages")):
        for reference in _tables(package.get("externalRefs")):
            if (found := _purl(reference.get("referenceLocator"))) is not None:
                yield found


def _purl(text: object) -> tuple[str, str] | None:
    """Name and version of a package URL of PyPI; the version is empty where it has none."""
    if not isinstance(text, str) or not text.startswith(_PREFIX):
        return None
    bare = text[len(_PREFIX) :].partition("?")[0].partition("#")[0]
    name, _, version = bare.partition("@")
    return unquote(name), unquote(version)


def _tables(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

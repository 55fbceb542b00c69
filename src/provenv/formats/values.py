"""Small things that several readers need, as TOML and JSON with an error that says what was expected."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from packaging.requirements import Requirement

from provenv.core.errors import InputError
from provenv.formats.foreign import Edge, Source, wrong
from provenv.model import toml
from provenv.model.plan import canonical


def toml_of(source: Source, expected: str = "TOML") -> dict[str, Any]:
    """The file as TOML.

    Raises:
        InputError: It is not TOML; says what was expected.
    """
    try:
        return toml.parse(source.text(), source.shown)
    except InputError as error:
        if expected == "TOML" or error.hint is not None:
            raise
        reason = error.message.partition(": ")[2] or error.message
        raise wrong(source, expected, reason) from error


def json_of(source: Source, expected: str) -> dict[str, Any]:
    """The file as a JSON object.

    Raises:
        InputError: It is not one; says what was expected.
    """
    try:
        data = json.loads(source.text())
    except ValueError as error:
        raise wrong(source, expected, f"not valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise wrong(source, expected, "its JSON is no object")
    return data


def tables(value: object) -> list[Mapping[str, Any]]:
    """The tables of an array; whatever is none is left out."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def strings(value: object) -> list[str]:
    """The strings of an array; whatever is none is left out."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def hashes_of(text: object) -> dict[str, str]:
    """``sha256:…`` as a lock writes it, by its kind; nothing where there is none."""
    kind, _, value = str(text or "").partition(":")
    return {kind: value} if value else {}


def edge_of(text: str) -> Edge:
    """A requirement as an edge.

    Raises:
        InvalidRequirement: It is none.
    """
    requirement = Requirement(text)
    return Edge(
        name=canonical(requirement.name),
        marker=str(requirement.marker or ""),
        specifier=str(requirement.specifier),
        extras=tuple(sorted(canonical(extra) for extra in requirement.extras)),
    )


def joined_markers(terms: Sequence[str]) -> str:
    """Markers that must all hold, as one."""
    found = [term for term in terms if term]
    if len(found) == 1:
        return found[0]
    return " and ".join(f"({term})" if " or " in term else term for term in found)

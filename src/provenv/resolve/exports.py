"""What uv exports, one root at a time, merged into the packages of one lock (PEP 751).

A root is the project's own dependencies, one extra with them, or one dependency group alone. Each
export says under which marker a package belongs to that root; merged, a package's marker says for
which roots it is installed, and where.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import tomli
from packaging.markers import Marker

from provenv.core.values import field, frozen, mutable

_MARKER = re.compile(r"^marker = (.*)\n", re.MULTILINE)
_FILES = re.compile(
    r"^(?:wheels = \[\n(?:    .*\n)*\]|(?:wheels|sdist) = .*)(?:\n|\Z)", re.MULTILINE
)


@frozen
class Root:
    """What one export starts from; ``name`` of the extra or group."""

    kind: Literal["base", "extra", "group"]
    name: str = ""

    @property
    def options(self) -> list[str]:
        """For ``uv export``."""
        if self.kind == "group":
            return ["--only-group", self.name, "--no-emit-project"]
        extra = ["--extra", self.name] if self.kind == "extra" else []
        return ["--no-default-groups", "--no-emit-project", *extra]


@mutable
class Merged:
    """One package over all exports.

    ``tables`` by their text: they differ in the files that their root can use; ``markers`` says for
    each root when it is there, None for "always".
    """

    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    markers: dict[Root, str | None] = field(default_factory=dict)


def merge_exports(exports: Iterable[tuple[Root, str]]) -> list[dict[str, Any]]:
    """The packages of all exports as PEP 751 tables, each once, with the merged ``marker``.

    The root may have narrowed down the files of a package; all that any root can use are kept.
    """
    merged: dict[str, Merged] = {}
    for root, text in exports:
        for block in text.split("\n[[packages]]\n")[1:]:
            body = _MARKER.sub("", block.strip("\n") + "\n", count=1)
            found = _MARKER.search(block)
            marker = tomli.loads(f"m = {found.group(1)}")["m"] if found else None
            entry = merged.setdefault(_FILES.sub("", body), Merged())
            if body not in entry.tables:
                entry.tables[body] = tomli.loads(body)
            entry.markers[root] = marker
    return [_table(entry) for entry in merged.values()]


def _table(entry: Merged) -> dict[str, Any]:
    table, *others = entry.tables.values()
    for other in others:
        if "sdist" in other:
            table.setdefault("sdist", other["sdist"])
        known = {_address(wheel) for wheel in table.get("wheels", ())}
        more = [wheel for wheel in other.get("wheels", ()) if _address(wheel) not in known]
        if more:
            table["wheels"] = sorted([*table.get("wheels", ()), *more], key=_address)
    marker = combined_marker(entry.markers)
    if marker is not None:
        table["marker"] = marker
    return table


def _address(wheel: Mapping[str, Any]) -> str:
    return str(wheel.get("url") or wheel.get("path") or "").rpartition("/")[2]


def combined_marker(markers: Mapping[Root, str | None]) -> str | None:
    """One marker over ``extras`` and ``dependency_groups`` (PEP 751) from a marker for each root.

    None stands for "always"; a root under which the package never stands is not in ``markers``.
    """
    base = next((r for r in markers if r.kind == "base"), None)
    if base is not None and markers[base] is None:
        return None
    always_there = markers[base] if base is not None else ""
    by_condition: dict[str | None, list[str]] = {}
    for root, marker in sorted(markers.items(), key=lambda item: (item[0].kind, item[0].name)):
        if root.kind == "base" or (base is not None and marker == always_there):
            continue
        variable = "extras" if root.kind == "extra" else "dependency_groups"
        by_condition.setdefault(marker, []).append(f"'{root.name}' in {variable}")
    terms = [_bracketed([str(always_there)])] if base is not None else []
    for condition, selectors in by_condition.items():
        if condition is None:
            terms += selectors
        elif len(selectors) == 1:
            terms.append(f"({selectors[0]} and {_bracketed([condition])})")
        else:
            terms.append(f"(({' or '.join(selectors)}) and {_bracketed([condition])})")
    return str(Marker(" or ".join(terms)))


def _bracketed(alternatives: Sequence[str]) -> str:
    text = " or ".join(alternatives)
    return f"({text})" if " or " in text or " and " in text else text

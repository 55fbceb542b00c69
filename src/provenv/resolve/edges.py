"""Who depends on whom, read from ``uv.lock`` for ``packages.dependencies`` (PEP 751)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any


def add_dependencies(
    packages: Sequence[dict[str, Any]], uv_lock: Mapping[str, Any], own_names: Collection[str]
) -> None:
    """Fill in ``dependencies`` of each package table: those of it and of its extras that are in use."""
    count = Counter(package["name"] for package in packages)
    entries: dict[str, list[Mapping[str, Any]]] = {}
    for entry in uv_lock.get("package", ()):
        entries.setdefault(entry["name"], []).append(entry)
    for package in packages:
        targets: dict[tuple[str, str], dict[str, str]] = {}
        for entry in _matching(package, entries.get(package["name"], [])):
            for edge in _edges(entry):
                name = edge["name"]
                if name in own_names or not count[name] or name == package["name"]:
                    continue
                version = edge.get("version", "") if count[name] > 1 else ""
                targets[name, version] = {"name": name, **({"version": version} if version else {})}
        if targets:
            package["dependencies"] = [targets[key] for key in sorted(targets)]


def _matching(
    package: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    if len(entries) == 1 or "version" not in package:
        return list(entries)
    return [entry for entry in entries if entry.get("version") == package["version"]]


def _edges(entry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from entry.get("dependencies", ())
    for edges in entry.get("optional-dependencies", {}).values():
        yield from edges

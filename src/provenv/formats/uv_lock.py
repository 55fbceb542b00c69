"""``uv.lock``: a graph, entered at the project's own entry.

https://docs.astral.sh/uv/concepts/projects/layout/#the-lockfile
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from provenv.formats.foreign import (
    BASE,
    Direct,
    Edge,
    Foreign,
    Pin,
    PinnedFile,
    Place,
    Source,
    wrong,
)
from provenv.formats.values import hashes_of, strings, tables, toml_of
from provenv.model.plan import canonical

_OWN = ("editable", "virtual")


def read_lock(source: Source) -> Foreign:
    """``uv.lock``; the project is the one of the ``pyproject.toml`` beside it, or the only one.

    Raises:
        InputError: It is not one, or of another form, or does not know the project.
    """
    data = toml_of(source, "a uv.lock")
    if data.get("version") != 1:
        found = f"version {data['version']!r}" if "version" in data else "it has no version"
        raise wrong(source, "a uv.lock of version 1", found)
    entries = tables(data.get("package"))
    own = _own_entry(source, entries)
    beside = source.beside("pyproject.toml")
    document = toml_of(beside) if beside is not None else {}
    roots: dict[Place, tuple[Edge, ...]] = {}
    if own is not None:
        roots[BASE] = _edges(own.get("dependencies"))
        for extra, edges in own.get("optional-dependencies", {}).items():
            roots["extra", canonical(extra)] = _edges(edges)
        for group, edges in own.get("dev-dependencies", {}).items():
            roots["group", canonical(group)] = _edges(edges)
    else:
        roots[BASE] = _edges(data.get("manifest", {}).get("requirements"))
        for group, edges in data.get("manifest", {}).get("dependency-groups", {}).items():
            roots["group", canonical(group)] = _edges(edges)
    groups = {name: () for kind, name in roots if kind == "group"}
    return Foreign(
        kind="uv.lock",
        file=source.shown,
        files=(source.path, *((beside.path,) if beside is not None else ())),
        name=str(own["name"]) if own is not None else "",
        requires_python=str(data.get("requires-python", "")),
        extras={name: () for kind, name in roots if kind == "extra"},
        groups=groups,
        roots=roots,
        pins=tuple(_pin(source, entry) for entry in entries if entry is not own),
        default_groups=_default_groups(document, groups),
        package=None if own is None else "virtual" not in own["source"],
    )


def _default_groups(document: Mapping[str, Any], groups: Mapping[str, object]) -> tuple[str, ...]:
    said = document.get("tool", {}).get("uv", {}).get("default-groups", ["dev"])
    names = list(groups) if said == "all" else [canonical(name) for name in strings(said)]
    return tuple(name for name in names if name in groups)


def _own_entry(source: Source, entries: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The entry of the project in ``source.root``; None where the lock is of requirements alone."""
    local = [
        (entry, str(entry.get("source", {}).get(kind)))
        for entry in entries
        for kind in _OWN
        if kind in entry.get("source", {})
    ]
    for entry, path in local:
        if source.relative(path) == ".":
            return entry
    return local[0][0] if len(local) == 1 else None


def _edges(rows: object) -> tuple[Edge, ...]:
    return tuple(
        Edge(
            name=canonical(row["name"]),
            marker=str(row.get("marker", "")),
            version=str(row.get("version", "")),
            extras=tuple(canonical(extra) for extra in strings(row.get("extra"))),
        )
        for row in tables(rows)
        if isinstance(row.get("name"), str)
    )


def _pin(source: Source, entry: Mapping[str, Any]) -> Pin:
    for key in ("name", "source"):
        if key not in entry:
            raise wrong(source, "a uv.lock", f"an entry without {key}", "package")
    origin = entry["source"]
    rows = [*tables(entry.get("wheels")), *([entry["sdist"]] if "sdist" in entry else [])]
    direct = _direct(source, origin)
    url = direct.url if direct is not None and direct.kind == "archive" else ""
    index = str(origin.get("registry", ""))
    files = tuple(_file(source, row, url, index) for row in rows)
    return Pin(
        name=canonical(entry["name"]),
        version=str(entry.get("version", "")),
        files=files,
        direct=direct,
        index=index if "://" in index else "",
        edges=_edges(entry.get("dependencies")),
        extras={
            canonical(extra): _edges(edges)
            for extra, edges in entry.get("optional-dependencies", {}).items()
        },
        virtual="virtual" in origin,
    )


def _file(source: Source, row: Mapping[str, Any], url: str, index: str) -> PinnedFile:
    address = str(row.get("url") or url)
    path = str(row.get("path", ""))
    if path:
        folder = index if index and "://" not in index else "."
        path = source.relative(f"{folder}/{path}" if not path.startswith("/") else path)
    size = row.get("size")
    return PinnedFile(
        hashes=hashes_of(row.get("hash")),
        filename=str(row.get("filename") or (path or urlsplit(address).path).rpartition("/")[2]),
        url="" if path else address,
        path=path,
        size=size if isinstance(size, int) else None,
    )


def _direct(source: Source, origin: Mapping[str, Any]) -> Direct | None:
    if "git" in origin:
        parts = urlsplit(str(origin["git"]))
        query = parse_qs(parts.query)
        revision = next((query[key][0] for key in ("rev", "tag", "branch") if key in query), "")
        return Direct(
            kind="vcs",
            url=urlunsplit(parts._replace(query="", fragment="")),
            commit=parts.fragment,
            revision=revision,
            subdirectory=query.get("subdirectory", [""])[0],
        )
    for kind in ("directory", "editable", "virtual"):
        if kind in origin:
            path = source.relative(str(origin[kind]))
            return Direct(kind="directory", path=path, editable=kind == "editable")
    if "path" in origin:
        return Direct(kind="archive", path=source.relative(str(origin["path"])))
    if "url" in origin:
        below = str(origin.get("subdirectory", ""))
        return Direct(kind="archive", url=str(origin["url"]), subdirectory=below)
    return None

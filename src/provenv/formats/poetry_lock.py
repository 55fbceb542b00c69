"""``poetry.lock`` in its forms 1.0 to 2.1.

Up to 2.0 it does not say which group an entry is there for: it is walked from the manifest's requirements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from provenv.core.errors import InputError
from provenv.core.values import replace
from provenv.formats.constraints import UnclearError, specifier
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
from provenv.formats.poetry import read_manifest
from provenv.formats.values import hashes_of, tables, toml_of
from provenv.model.plan import canonical

_LOCKS = ("1.0", "1.1", "2.0", "2.1")


def read_lock(source: Source) -> Foreign:
    """``poetry.lock``, with the manifest beside it.

    Raises:
        InputError: It is not one, or of another form; or a lock of before 2.1 has no manifest.
    """
    data = toml_of(source, "a poetry.lock")
    version = str(data.get("metadata", {}).get("lock-version", ""))
    if "package" not in data and "metadata" not in data:
        raise wrong(source, "a poetry.lock", "it has neither [[package]] nor [metadata]")
    if not version.startswith(("1.", "2.")):
        found = f"lock-version {version!r}" if version else "it has no metadata.lock-version"
        known = ", ".join(_LOCKS)
        raise wrong(source, f"a poetry.lock of the forms that are known ({known})", found)
    hashes = data.get("metadata", {}).get("files", {})
    entries = tables(data.get("package"))
    pins = tuple(_pin(source, entry, hashes) for entry in entries)
    beside = source.beside("pyproject.toml")
    manifest = read_manifest(beside) if beside is not None else None
    if all("groups" in entry for entry in entries):
        roots = _flat_roots(entries)
    elif manifest is not None:
        roots = dict(manifest.roots)
    else:
        raise InputError(
            f"is a lock of form {version}, which says nothing of groups: the pyproject.toml with "
            "[tool.poetry] that it was made from must lie beside it",
            file=source.shown,
            hint="Put it there, or lock again with Poetry 2.",
        )
    names = {name for kind, name in roots if kind == "group"}
    defaults = manifest.default_groups if manifest is not None else tuple(sorted(names))
    return Foreign(
        kind="poetry.lock",
        file=source.shown,
        files=(source.path, *(manifest.files if manifest is not None else ())),
        name=manifest.name if manifest is not None else "",
        requires_python=_python(str(data.get("metadata", {}).get("python-versions", ""))),
        indexes=manifest.indexes if manifest is not None else (),
        extras={canonical(name): () for name in data.get("extras", {})},
        groups=dict.fromkeys(sorted(names), ()),
        roots=roots,
        pins=pins,
        default_groups=tuple(name for name in defaults if name in names),
        package=manifest.package if manifest is not None else None,
    )


def _python(text: str) -> str:
    try:
        return specifier(text)
    except UnclearError as error:
        return error.nearest


def _flat_roots(entries: list[Mapping[str, Any]]) -> dict[Place, tuple[Edge, ...]]:
    """From form 2.1 on each entry says for which groups it is there, and under which marker."""
    roots: dict[Place, list[Edge]] = {BASE: []}
    for entry in entries:
        markers = entry.get("markers", "")
        for group in entry["groups"]:
            marker = markers.get(group, "") if isinstance(markers, Mapping) else markers
            place: Place = BASE if group == "main" else ("group", canonical(group))
            edge = Edge(name=canonical(entry["name"]), marker=marker, version=str(entry["version"]))
            roots.setdefault(place, []).append(edge)
    return {place: tuple(edges) for place, edges in roots.items()}


def _pin(source: Source, entry: Mapping[str, Any], hashes: Mapping[str, Any]) -> Pin:
    for key in ("name", "version"):
        if not isinstance(entry.get(key), str):
            raise wrong(source, "a poetry.lock", f"an entry without {key}", "package")
    name = canonical(entry["name"])
    rows = entry.get("files")
    if not isinstance(rows, list):
        rows = hashes.get(entry["name"], hashes.get(name, ()))
    files = tuple(_file(row) for row in rows)
    direct, index = _origin(source, entry)
    if direct is not None and direct.kind == "archive":
        files = tuple(replace(file, url=direct.url) for file in files)
    return Pin(
        name=name,
        version=entry["version"],
        files=files,
        direct=direct,
        index=index,
        requires_python=_python(str(entry.get("python-versions", ""))),
        edges=tuple(_edges(entry)),
        extras={canonical(extra): tuple(edges) for extra, edges in _extra_edges(entry)},
    )


def _file(row: Mapping[str, Any]) -> PinnedFile:
    return PinnedFile(hashes=hashes_of(row.get("hash")), filename=str(row.get("file", "")))


def _origin(source: Source, entry: Mapping[str, Any]) -> tuple[Direct | None, str]:
    """Where an entry comes from: a place, or the address of an index."""
    origin = entry.get("source", {})
    kind, url = origin.get("type", ""), str(origin.get("url", ""))
    below = str(origin.get("subdirectory", ""))
    if kind in ("", "legacy"):
        return None, url
    if kind == "git":
        direct = Direct(
            kind="vcs",
            url=url,
            commit=str(origin.get("resolved_reference", "")),
            revision=str(origin.get("reference", "")),
            subdirectory=below,
        )
        return direct, ""
    if kind == "directory":
        path = source.relative(url)
        return Direct(kind="directory", path=path, editable=bool(entry.get("develop"))), ""
    if kind == "file":
        return Direct(kind="archive", path=source.relative(url)), ""
    return Direct(kind="archive", url=url, subdirectory=below), ""


def _edges(entry: Mapping[str, Any]) -> Iterator[Edge]:
    for name, data in _needs(entry):
        if not data.get("optional"):
            yield _edge(name, data)


def _extra_edges(entry: Mapping[str, Any]) -> Iterator[tuple[str, list[Edge]]]:
    for extra, texts in entry.get("extras", {}).items():
        wanted = {canonical(text.partition(" ")[0].partition("[")[0]) for text in texts}
        yield (
            extra,
            [
                _edge(name, data)
                for name, data in _needs(entry)
                if data.get("optional") and canonical(name) in wanted
            ],
        )


def _needs(entry: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, value in entry.get("dependencies", {}).items():
        for item in value if isinstance(value, list) else [value]:
            yield name, {"version": item} if isinstance(item, str) else item


def _edge(name: str, data: Mapping[str, Any]) -> Edge:
    try:
        limits = specifier(str(data.get("version", "")))
    except UnclearError:
        limits = ""
    return Edge(
        name=canonical(name),
        marker=str(data.get("markers", "")),
        specifier=limits,
        extras=tuple(canonical(item) for item in data.get("extras", ())),
    )

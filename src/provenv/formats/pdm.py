"""PDM: ``pdm.lock`` in its forms 4.x, and ``[tool.pdm]`` of ``pyproject.toml``.

https://pdm-project.org/en/latest/usage/lockfile/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from provenv.core.errors import InputError
from provenv.core.values import replace
from provenv.formats.direct import at_path, read_place, source_table
from provenv.formats.foreign import (
    BASE,
    Direct,
    Edge,
    Foreign,
    Left,
    Pin,
    PinnedFile,
    Place,
    Source,
    wrong,
)
from provenv.formats.indexes import Addresses
from provenv.formats.requirements import expanded
from provenv.formats.values import edge_of, hashes_of, strings, tables, toml_of
from provenv.model.plan import canonical


def read_manifest(source: Source) -> Foreign | None:
    """``[tool.pdm]``: development dependencies and sources; None where there is none.

    Raises:
        InputError: It is not TOML, or a requirement is none.
    """
    document = toml_of(source)
    table = document.get("tool", {}).get("pdm")
    if not isinstance(table, Mapping):
        return None
    left: list[Left] = []
    sources: dict[str, Any] = {}
    groups = {
        canonical(name): tuple(_requirement(text, source, sources) for text in strings(texts))
        for name, texts in table.get("dev-dependencies", {}).items()
    }
    addresses = Addresses()
    for row in tables(table.get("source")):
        if row.get("type", "index") != "index":
            left.append(Left(what=f"source {row.get('name')}", why="add it as `find-links` to [tool.uv]",
                             file=source.shown))  # fmt: skip
            continue
        name = str(row.get("name", ""))
        packages = [canonical(p) for p in strings(row.get("include_packages"))
                    if "*" not in p]  # fmt: skip
        url = expanded(str(row.get("url", "")), source.environ)
        addresses.add(
            url, "" if name == "pypi" else name, default=name == "pypi", packages=packages
        )
    overrides = table.get("resolution", {}).get("overrides", {})
    left += [
        Left(what=f"override {name}", why="add it to `override-dependencies` in [tool.uv]",
             file=source.shown)
        for name in overrides
    ]  # fmt: skip
    indexes, more = addresses.result(source.shown)
    project = document.get("project", {})
    return Foreign(
        kind="pdm",
        file=source.shown,
        files=(source.path,),
        name=str(project.get("name", "")),
        groups=groups,
        sources=sources,
        indexes=indexes,
        default_groups=tuple(groups),
        package=bool(table.get("distribution", "build-system" in document)),
        left=(*left, *more),
    )


def _requirement(text: str, source: Source, sources: dict[str, Any]) -> str:
    """PDM's own requirement, ``-e file:///${PROJECT_ROOT}/x#egg=x`` included, as PEP 508."""
    editable = text.startswith("-e ")
    bare = text.removeprefix("-e ").strip().replace("file:///${PROJECT_ROOT}/", "./")
    try:
        requirement = Requirement(bare)
    except InvalidRequirement as error:
        place = read_place(bare.partition("#egg=")[0], source, editable=editable)
        name = bare.partition("#egg=")[2].partition("&")[0] or (place.name if place else "")
        if place is None or not name:
            raise InputError(f"{text!r} is not a requirement", file=source.shown) from error
        sources[canonical(name)] = source_table(place.direct)
        return canonical(name)
    return str(requirement)


def read_lock(source: Source) -> Foreign:
    """``pdm.lock``, with the manifest beside it, which says what is an extra and what a group.

    Raises:
        InputError: It is not one, or of another form.
    """
    data = toml_of(source, "a pdm.lock")
    version = str(data.get("metadata", {}).get("lock_version", ""))
    if not version.startswith("4."):
        found = f"lock_version {version!r}" if version else "it has no metadata.lock_version"
        raise wrong(source, "a pdm.lock of the forms 4.x", found)
    beside = source.beside("pyproject.toml")
    document = toml_of(beside) if beside is not None else {}
    project = document.get("project", {})
    optional = {canonical(n) for n in project.get("optional-dependencies", {})}
    manifest = read_manifest(beside) if beside is not None else None
    entries = tables(data.get("package"))
    pins: dict[tuple[str, str, str], Pin] = {}
    for entry in entries:
        pin = _pin(source, entry)
        key = (pin.name, pin.version, str(pin.direct))
        pins[key] = _merged(pins.get(key), pin, strings(entry.get("extras")))
    if all("groups" in entry for entry in entries):
        roots = _flat_roots(entries, optional)
    else:
        roots = _manifest_roots(document, manifest)
    named = {name for kind, name in roots if kind == "group"}
    extras = tuple(sorted(name for kind, name in roots if kind == "extra"))
    return Foreign(
        kind="pdm.lock",
        file=source.shown,
        files=(source.path, *((beside.path,) if beside is not None else ())),
        name=str(project.get("name", "")),
        requires_python=_range(data),
        indexes=manifest.indexes if manifest is not None else (),
        extras=dict.fromkeys(extras, ()),
        groups=dict.fromkeys(sorted(named), ()),
        roots=roots,
        pins=tuple(pins.values()),
        default_groups=tuple(sorted(named)),  # `pdm sync` alone installs all that is locked
        default_extras=extras,
        package=manifest.package if manifest is not None else None,
    )


def _range(data: Mapping[str, Any]) -> str:
    targets = tables(data.get("metadata", {}).get("targets"))
    found = [str(target.get("requires_python", "")) for target in targets]
    return found[0] if len(found) == 1 else ""


def _flat_roots(
    entries: list[Mapping[str, Any]], optional: set[str]
) -> dict[Place, tuple[Edge, ...]]:
    roots: dict[Place, list[Edge]] = {BASE: []}
    for entry in entries:
        edge = Edge(
            name=canonical(entry["name"]),
            marker=str(entry.get("marker", "")),
            version=str(entry.get("version", "")),
        )
        for group in strings(entry["groups"]):
            roots.setdefault(_place(group, optional), []).append(edge)
    return {place: tuple(edges) for place, edges in roots.items()}


def _place(group: str, optional: set[str]) -> Place:
    if group == "default":
        return BASE
    name = canonical(group)
    return ("extra", name) if name in optional else ("group", name)


def _manifest_roots(
    document: Mapping[str, Any], manifest: Foreign | None
) -> dict[Place, tuple[Edge, ...]]:
    """How a lock without groups in it is entered: by what the manifest asks for."""
    project = document.get("project", {})
    roots: dict[Place, tuple[Edge, ...]] = {BASE: _edges(strings(project.get("dependencies")))}
    for name, texts in project.get("optional-dependencies", {}).items():
        roots["extra", canonical(name)] = _edges(strings(texts))
    for name, texts in document.get("dependency-groups", {}).items():
        roots["group", canonical(name)] = _edges(strings(texts))
    for name, lines in (manifest.groups if manifest is not None else {}).items():
        roots["group", name] = _edges(lines)
    return roots


def _edges(texts: Iterable[str]) -> tuple[Edge, ...]:
    return tuple(map(edge_of, texts))


def _merged(known: Pin | None, pin: Pin, extras: list[str]) -> Pin:
    """An entry for a distribution, and those for its extras, which PDM writes as entries of their own."""
    if extras:
        pin = replace(pin, edges=(), extras={canonical(extra): pin.edges for extra in extras})
    if known is None:
        return pin
    return replace(
        pin,
        files=known.files or pin.files,
        edges=pin.edges or known.edges,
        extras={**known.extras, **pin.extras},
    )


def _pin(source: Source, entry: Mapping[str, Any]) -> Pin:
    name = entry.get("name")
    if not isinstance(name, str):
        raise wrong(source, "a pdm.lock", "an entry without name", "package")
    files = []
    for row in tables(entry.get("files")):
        url = str(row.get("url", "")).partition("#")[0]
        filename = str(row.get("file", "")) or url.rpartition("/")[2]
        files.append(PinnedFile(hashes=hashes_of(row.get("hash")), filename=filename, url=url))
    return Pin(
        name=canonical(name),
        version=str(entry.get("version", "")),
        files=tuple(files),
        direct=_direct(source, entry),
        edges=tuple(_edge(text, source) for text in strings(entry.get("dependencies"))),
    )


def _edge(text: str, source: Source) -> Edge:
    try:
        return edge_of(text)
    except InvalidRequirement as error:
        raise wrong(source, "a pdm.lock", f"{text!r} is not a requirement") from error


def _direct(source: Source, entry: Mapping[str, Any]) -> Direct | None:
    subdirectory = str(entry.get("subdirectory", ""))
    if "git" in entry:
        return Direct(
            kind="vcs",
            url=str(entry["git"]),
            commit=str(entry.get("revision", "")),
            revision=str(entry.get("ref", "")),
            subdirectory=subdirectory,
        )
    if "path" in entry:
        path = source.relative(str(entry["path"]))
        return at_path(path, editable=bool(entry.get("editable")))
    if "url" in entry:
        return Direct(kind="archive", url=str(entry["url"]), subdirectory=subdirectory)
    return None

"""Poetry: ``[tool.poetry]`` of ``pyproject.toml``, and ``poetry.lock`` in its forms 1.0 to 2.x.

https://python-poetry.org/docs/pyproject/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from provenv.core.errors import InputError
from provenv.formats.constraints import UnclearError, python_marker, specifier
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
from provenv.formats.values import joined_markers, normal, tables, toml_of
from provenv.model.plan import canonical

_LOCKS = ("1.0", "1.1", "2.0", "2.1")


@dataclass(slots=True)
class _Asked:
    """What is being collected from ``[tool.poetry]``."""

    source: Source
    addresses: Addresses = field(default_factory=Addresses)
    sources: dict[str, Any] = field(default_factory=dict)
    left: list[Left] = field(default_factory=list)
    pinned: dict[str, list[str]] = field(default_factory=dict)

    def leave(self, what: str, why: str) -> None:
        self.left.append(Left(what=what, why=why, file=self.source.shown))


def read_manifest(source: Source) -> Foreign | None:
    """``[tool.poetry]``; None where there is none.

    What ``[project]`` says already (Poetry 2) is not repeated.

    Raises:
        InputError: It is not TOML, or an entry is none of Poetry's.
    """
    document = toml_of(source)
    table = document.get("tool", {}).get("poetry")
    if not isinstance(table, Mapping):
        return None
    project = document.get("project", {})
    asked = _Asked(source)
    enriched = {**table.get("dependencies", {})}
    python = enriched.pop("python", None)
    own = "dependencies" not in project and "dependencies" not in project.get("dynamic", ())
    base, optional = _dependencies(asked, enriched)
    groups: dict[str, Any] = {canonical(n): t for n, t in table.get("group", {}).items()}
    if "dev-dependencies" in table:
        groups.setdefault("dev", {"dependencies": table["dev-dependencies"]})
    in_groups: dict[str, tuple[str, ...]] = {}
    for name, group in groups.items():
        plain, _ = _dependencies(asked, group.get("dependencies", {}))
        for other in group.get("include-groups", ()):
            inner, _ = _dependencies(
                asked, groups.get(canonical(other), {}).get("dependencies", {})
            )
            plain += inner
        in_groups[name] = tuple(plain)
    _sources(asked, table)
    extras = _extras(asked, table, optional) if own else {}
    requires = _requires_python(asked, python) if "requires-python" not in project else ""
    indexes, more = asked.addresses.result(source.shown)
    return Foreign(
        kind="poetry",
        file=source.shown,
        files=(source.path,),
        name=str(table.get("name", "")),
        version=str(table.get("version", "")),
        requires_python=requires,
        dependencies=tuple(base) if own else (),
        extras=extras,
        groups=in_groups,
        sources=asked.sources,
        indexes=indexes,
        scripts={k: v for k, v in table.get("scripts", {}).items() if isinstance(v, str)},
        roots=_roots(base, optional, table, in_groups),
        default_groups=tuple(n for n, g in groups.items() if not g.get("optional")),
        package=bool(table.get("package-mode", True)),
        left=(*asked.left, *more),
    )


def _requires_python(asked: _Asked, python: object) -> str:
    if not isinstance(python, str):
        return ""
    try:
        return specifier(python)
    except UnclearError as error:
        asked.leave(f"python = {python!r}", f"{error}; written as {error.nearest!r}")
        return error.nearest


def _dependencies(
    asked: _Asked, table: Mapping[str, Any]
) -> tuple[list[str], dict[str, list[str]]]:
    """Requirements that are always there, and the optional ones by name."""
    plain: list[str] = []
    optional: dict[str, list[str]] = {}
    for key, value in table.items():
        name = canonical(key)
        for entry in value if isinstance(value, list) else [value]:
            data = {"version": entry} if isinstance(entry, str) else entry
            if not isinstance(data, Mapping):
                raise InputError(f"{entry!r} is not a dependency", file=asked.source.shown, key=key)
            text = _requirement(asked, key, data)
            if data.get("optional"):
                optional.setdefault(name, []).append(text)
            else:
                plain.append(text)
    return plain, optional


def _requirement(asked: _Asked, key: str, data: Mapping[str, Any]) -> str:
    name = canonical(key)
    extras = f"[{','.join(sorted(data['extras']))}]" if data.get("extras") else ""
    version = ""
    place = _place(asked, data)
    if place is not None:
        known = asked.sources.get(name)
        if known is not None and known != place:
            asked.leave(
                f"{key} from {place}", "a second place for one name; the first one is taken"
            )
        asked.sources.setdefault(name, place)
    else:
        try:
            version = specifier(str(data.get("version", "*")))
        except UnclearError as error:
            asked.leave(
                f"{key} {data['version']!r}", f"{error}; written as {error.nearest or 'any'!r}"
            )
            version = error.nearest
        if data.get("allow-prereleases") and version and not any(c.isalpha() for c in version):
            asked.leave(
                f"{key}: allow-prereleases",
                "name one in its version, such as `>=2.0a1`, to allow them",
            )
        if "source" in data:
            asked.pinned.setdefault(str(data["source"]), []).append(name)
    marker = _marker(asked, key, data)
    return f"{normal(key)}{extras}{version}" + (f" ; {marker}" if marker else "")


def _place(asked: _Asked, data: Mapping[str, Any]) -> dict[str, Any] | None:
    table: dict[str, Any] = {}
    if "git" in data:
        table["git"] = data["git"]
        table |= {key: data[key] for key in ("branch", "tag", "rev") if key in data}
    elif "path" in data or "file" in data:
        path = str(data.get("path", data.get("file")))
        table["path"] = asked.source.relative(path)
        if data.get("develop"):
            table["editable"] = True
    elif "url" in data:
        table["url"] = data["url"]
    else:
        return None
    if "subdirectory" in data:
        table["subdirectory"] = data["subdirectory"]
    return table


def _marker(asked: _Asked, key: str, data: Mapping[str, Any]) -> str:
    terms = [str(data["markers"])] if data.get("markers") else []
    if data.get("python"):
        try:
            terms.append(python_marker(str(data["python"])))
        except UnclearError as error:
            asked.leave(f"{key}: python = {data['python']!r}", str(error))
    if data.get("platform"):
        terms.append(f"sys_platform == '{data['platform']}'")
    return joined_markers(terms)


def _sources(asked: _Asked, table: Mapping[str, Any]) -> None:
    for entry in tables(table.get("source")):
        name, url = str(entry.get("name", "")), str(entry.get("url", ""))
        priority = str(entry.get("priority", "default" if entry.get("default") else ""))
        if entry.get("secondary"):
            priority = "secondary"
        if not url:
            continue  # PyPI, named to give it a rank
        asked.addresses.add(
            url,
            name,
            default=priority in ("", "default", "primary"),
            explicit=priority == "explicit",
            packages=asked.pinned.get(name, ()),
        )


def _extras(
    asked: _Asked, table: Mapping[str, Any], optional: Mapping[str, list[str]]
) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for extra, names in table.get("extras", {}).items():
        texts: list[str] = []
        for text in names:
            try:
                name = canonical(Requirement(text).name)
            except InvalidRequirement:
                name = canonical(text)
            texts += optional.get(name, [])
            if name not in optional:
                asked.leave(f"{text} in extra {extra}", "it is not declared as optional")
        found[canonical(extra)] = tuple(texts)
    return found


def _roots(
    base: list[str],
    optional: Mapping[str, list[str]],
    table: Mapping[str, Any],
    groups: Mapping[str, tuple[str, ...]],
) -> dict[Place, tuple[Edge, ...]]:
    """How a lock without groups in it (1.x, 2.0) is entered."""
    roots: dict[Place, tuple[Edge, ...]] = {BASE: tuple(map(edge_of, base))}
    for extra, names in table.get("extras", {}).items():
        texts = [text for name in names for text in optional.get(canonical(name), ())]
        roots["extra", canonical(extra)] = tuple(map(edge_of, texts))
    for name, lines in groups.items():
        roots["group", name] = tuple(map(edge_of, lines))
    return roots


def edge_of(text: str) -> Edge:
    """A requirement as an edge."""
    requirement = Requirement(text)
    return Edge(
        name=canonical(requirement.name),
        marker=str(requirement.marker or ""),
        specifier=str(requirement.specifier),
        extras=tuple(sorted(canonical(extra) for extra in requirement.extras)),
    )


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
        requires_python=_range(data),
        indexes=manifest.indexes if manifest is not None else (),
        extras={canonical(name): () for name in data.get("extras", {})},
        groups=dict.fromkeys(sorted(names), ()),
        roots=roots,
        pins=pins,
        default_groups=tuple(name for name in defaults if name in names),
        package=manifest.package if manifest is not None else None,
    )


def _range(data: Mapping[str, Any]) -> str:
    return _python(str(data.get("metadata", {}).get("python-versions", "")))


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
    direct, index, url = _origin(source, entry)
    if direct is not None and direct.kind == "archive":
        files = tuple(
            PinnedFile(hashes=file.hashes, filename=file.filename, url=url) for file in files
        )
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
    kind, _, value = str(row.get("hash", "")).partition(":")
    return PinnedFile(hashes={kind: value}, filename=str(row.get("file", "")))


def _origin(source: Source, entry: Mapping[str, Any]) -> tuple[Direct | None, str, str]:
    """Where an entry comes from: a place, or the address of an index."""
    origin = entry.get("source", {})
    kind, url = origin.get("type", ""), str(origin.get("url", ""))
    if kind in ("", "legacy"):
        return None, url, ""
    if kind == "git":
        direct = Direct(
            kind="vcs",
            url=url,
            commit=str(origin.get("resolved_reference", "")),
            revision=str(origin.get("reference", "")),
            subdirectory=str(origin.get("subdirectory", "")),
        )
        return direct, "", ""
    if kind == "directory":
        path = source.relative(url)
        return Direct(kind="directory", path=path, editable=bool(entry.get("develop"))), "", ""
    if kind == "file":
        return Direct(kind="archive", path=source.relative(url)), "", ""
    return (
        Direct(kind="archive", url=url, subdirectory=str(origin.get("subdirectory", ""))),
        "",
        url,
    )


def _edges(entry: Mapping[str, Any]) -> Iterator[Edge]:
    for data in _needs(entry):
        if not data[1].get("optional"):
            yield _edge(*data)


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

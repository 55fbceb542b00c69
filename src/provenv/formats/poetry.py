"""Poetry: ``[tool.poetry]`` of ``pyproject.toml``.

https://python-poetry.org/docs/pyproject/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from provenv.core.errors import InputError
from provenv.core.values import field, mutable
from provenv.formats.constraints import UnclearError, python_marker, specifier
from provenv.formats.direct import login_left, without_login
from provenv.formats.foreign import BASE, Edge, Foreign, Left, Place, Source
from provenv.formats.indexes import Addresses
from provenv.formats.values import edge_of, joined_markers, tables, toml_of
from provenv.model.plan import canonical


@mutable
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
    alone = {n: _dependencies(asked, g.get("dependencies", {}))[0] for n, g in groups.items()}
    in_groups = {
        name: tuple(text for other in _included(groups, name) for text in alone[other])
        for name in groups
    }
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


def _included(groups: Mapping[str, Any], name: str) -> list[str]:
    """A group, and those that it includes, and those that they include."""
    found = [name]
    for other in found:  # it grows on the way
        more = map(canonical, groups[other].get("include-groups", ()))
        found += [inner for inner in more if inner in groups and inner not in found]
    return found


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
    return f"{key.strip()}{extras}{version}" + (f" ; {marker}" if marker else "")


def _place(asked: _Asked, data: Mapping[str, Any]) -> dict[str, Any] | None:
    table: dict[str, Any] = {}
    if "git" in data:
        table["git"] = _without_login(asked, str(data["git"]))
        table |= {key: data[key] for key in ("branch", "tag", "rev") if key in data}
    elif "path" in data or "file" in data:
        path = str(data.get("path", data.get("file")))
        table["path"] = asked.source.relative(path)
        if data.get("develop"):
            table["editable"] = True
    elif "url" in data:
        table["url"] = _without_login(asked, str(data["url"]))
    else:
        return None
    if "subdirectory" in data:
        table["subdirectory"] = data["subdirectory"]
    return table


def _without_login(asked: _Asked, address: str) -> str:
    url, login = without_login(address)
    if login:
        asked.left.append(login_left(url, asked.source.shown))
    return url


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

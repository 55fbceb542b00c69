"""What ``import`` writes into ``pyproject.toml``: all that is there stays, what is missing is added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tomlkit
from packaging.requirements import Requirement
from tomlkit.items import InlineTable, Table

from provenv.core.values import field, frozen
from provenv.formats.foreign import Left, Place
from provenv.model.manifest import IndexSpec, Manifest, parse_manifest
from provenv.model.plan import canonical
from provenv.workspace.projects import specifiers


@frozen
class Wanted:
    """What several foreign files ask for together; the first to say something is believed."""

    name: str = ""
    version: str = ""
    requires_python: str = ""
    places: Mapping[Place, tuple[str, ...]] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    sources: Mapping[str, Any] = field(default_factory=dict)
    indexes: tuple[IndexSpec, ...] = ()
    build_system: Mapping[str, Any] | None = None
    dynamic: tuple[str, ...] = ()
    scripts: Mapping[str, str] = field(default_factory=dict)
    default_groups: tuple[str, ...] = ()


@frozen
class Carried:
    """The new text, what was added where, and what stayed as the manifest had it."""

    text: str
    added: tuple[tuple[str, str], ...]
    left: tuple[Left, ...]


def carry(text: str, file: str, wanted: Wanted, *, name: str, requires_python: str) -> Carried:
    """``text`` with what is wanted added to it.

    ``name`` and ``requires_python`` stand in where neither the manifest nor the foreign files say any.

    Raises:
        InputError: The text is not TOML, or a place for requirements holds something else.
    """
    before = parse_manifest(text, file) if text else Manifest(file=file)
    left: list[Left] = []
    new = _project(text, file, wanted, name, requires_python)
    added: list[tuple[str, str]] = []
    for place, texts in wanted.places.items():
        kind, group = place
        if kind != "group" and _is_dynamic(new, kind):
            why = "the build backend says it (`dynamic`)"
            left.append(Left(what=f"{len(texts)} requirements", why=why, file=file))
            continue
        fresh, kept = _unsaid(before, place, texts)
        left += kept
        if fresh:
            new = specifiers.set_requirements(
                new,
                file,
                fresh,
                group=group if kind == "group" else None,
                optional=group if kind == "extra" else None,
            )
        where = ".".join(specifiers.place(group if kind == "group" else None,
                                          group if kind == "extra" else None))  # fmt: skip
        added += [(where, item) for item in fresh]
    new, more = _tools(new, wanted, before, file)
    return Carried(text=new, added=tuple(added), left=(*left, *more))


def _is_dynamic(text: str, kind: str) -> bool:
    field_name = "dependencies" if kind == "base" else "optional-dependencies"
    return field_name in tomlkit.parse(text).get("project", {}).get("dynamic", ())


def _unsaid(before: Manifest, place: Place, texts: Sequence[str]) -> tuple[list[str], list[Left]]:
    """The requirements whose name the manifest does not have in that place, and the others."""
    kind, group = place
    tables = {
        "base": before.dependencies,
        "extra": before.optional_dependencies.get(group, ()),
        "group": before.groups.get(group, ()),
    }
    said: dict[str, set[str]] = {}
    for item in tables[kind]:
        requirement = Requirement(item)
        said.setdefault(canonical(requirement.name), set()).add(str(requirement))
    fresh, kept = [], []
    for item in texts:
        requirement = Requirement(item)
        known = said.get(canonical(requirement.name))
        if known is None:
            fresh.append(item)
        elif str(requirement) not in known:
            why = f"pyproject.toml has {' and '.join(sorted(known))} already, which stays"
            kept.append(Left(what=item, why=why, file=before.file))
    return fresh, kept


def _project(text: str, file: str, wanted: Wanted, name: str, requires_python: str) -> str:
    """``[project]`` completed, in the order in which people write it."""
    document = specifiers.document_of(text, file)
    if wanted.build_system is not None and "build-system" not in document:
        system = tomlkit.table()
        for key, value in wanted.build_system.items():
            system[key] = value
        document["build-system"] = system
    if "project" not in document:
        if len(document) > 0:
            document.add(tomlkit.nl())
        document["project"] = tomlkit.table()
    project = document["project"]
    assert isinstance(project, Table)
    fresh = not project.unwrap()
    dynamic = list(project.get("dynamic", ()))
    if fresh:
        dynamic += [item for item in wanted.dynamic if item not in dynamic]
    values: dict[str, Any] = {"name": wanted.name or name}
    if "version" not in dynamic:
        values["version"] = wanted.version or "0.1.0"
    values["requires-python"] = wanted.requires_python or requires_python
    if fresh and dynamic:
        values["dynamic"] = dynamic
    if "dependencies" not in dynamic:
        values["dependencies"] = tomlkit.array()
    for key, value in values.items():
        if key not in project:
            project[key] = value
    if fresh and wanted.scripts:
        project["scripts"] = dict(wanted.scripts)
    return specifiers.rendered(document, text)


def _tools(text: str, wanted: Wanted, before: Manifest, file: str) -> tuple[str, list[Left]]:
    """``[tool.uv.sources]``, constraints, indexes and default groups."""
    document = specifiers.document_of(text, file)
    left: list[Left] = []
    for name, source in sorted(wanted.sources.items()):
        _source(document, before, name, source, left)
    limits = [
        item
        for item in wanted.constraints
        if item not in before.uv.get("constraint-dependencies", ())
    ]
    if limits:
        table = _table(document, "tool", "uv")
        array = table.setdefault("constraint-dependencies", tomlkit.array())
        array.extend(limits)
        array.multiline(multiline=len(array) > 1)
    known = {index.name for index in before.indexes} | {
        i.get("name") for i in before.uv.get("index", ())
    }
    urls = {index.url.rstrip("/") for index in before.indexes}
    urls |= {str(i.get("url", "")).rstrip("/") for i in before.uv.get("index", ())}
    for index in wanted.indexes:
        if index.name not in known and index.url.rstrip("/") not in urls:
            _index(document, index)
    groups = [name for name in wanted.default_groups if ("group", name) in wanted.places]
    if groups and groups != ["dev"]:
        table = _table(document, "tool", "provenv")
        if "default-groups" not in table:
            table["default-groups"] = groups
    return specifiers.rendered(document, text), left


def _source(
    document: tomlkit.TOMLDocument,
    before: Manifest,
    name: str,
    source: Mapping[str, Any],
    left: list[Left],
) -> None:
    known = {canonical(key): value for key, value in before.sources.items()}
    if name not in known:
        inline: InlineTable = tomlkit.inline_table()
        inline.update(source)
        _table(document, "tool", "uv", "sources")[name] = inline
    elif known[name] != source:
        why = f"[tool.uv.sources] has {known[name]} already, which stays"
        left.append(Left(what=f"{name} from {dict(source)}", why=why, file=before.file))


def _index(document: tomlkit.TOMLDocument, index: IndexSpec) -> None:
    tool = _table(document, "tool", "provenv")
    table = tomlkit.table()
    table["name"] = index.name
    table["url"] = index.url
    for key in ("default", "explicit"):
        if getattr(index, key):
            table[key] = True
    if index.packages:
        table["packages"] = list(index.packages)
    tool.setdefault("index", tomlkit.aot()).append(table)


def _table(document: tomlkit.TOMLDocument, *path: str) -> Any:
    """The table at a path, made where it is missing."""
    table: Any = document
    for depth, key in enumerate(path):
        if key not in table:
            table[key] = tomlkit.table(is_super_table=depth + 1 < len(path))
        table = table[key]
    return table

"""What ``import`` takes: which files of other tools are there, and what they ask for and pin together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from packaging.requirements import Requirement

from provenv.core.errors import InputError, UsageError
from provenv.core.values import frozen, replace
from provenv.formats import requirements as requirements_format
from provenv.formats.foreign import BASE, UNPINNED, Foreign, Left, Place
from provenv.formats.kinds import Format, format_of, group_of
from provenv.formats.kinds import read as read_file
from provenv.model import toml
from provenv.model.manifest import IndexSpec
from provenv.model.plan import canonical
from provenv.workspace.exchange.carrying import Wanted
from provenv.workspace.projects.context import MANIFEST_FILE, Context, Project
from provenv.workspace.syncing.addresses import own_index
from provenv.workspace.syncing.sourcing import read_source

# A lock, and the manifest that is taken together with it.
_PAIRS = {
    "poetry.lock": MANIFEST_FILE, "pdm.lock": MANIFEST_FILE, "uv.lock": MANIFEST_FILE,
    "Pipfile.lock": "Pipfile",
}  # fmt: skip
# Without FILE the first of these that is there is taken, with what belongs to it.
_ORDER = ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "Pipfile")
_SETUP = ("setup.cfg", "setup.py")
# The lines of each requirements file that is read, with those of the files that it names.
_Lines = dict[str, list[requirements_format.Line]]


@frozen
class Taken:
    """A file that was read: its format, and whether it asks, pins, or does both."""

    file: str
    kind: str
    role: str


@frozen
class Gathered:
    """All that was read.

    Attributes:
        taken: The files that were read. ``beside``: Others that were there, and were not.
        wanted: What they ask for together. ``pinning``: Those that pin.
        left: What they say that is not carried over.
    """

    taken: tuple[Taken, ...]
    beside: tuple[str, ...]
    wanted: Wanted
    pinning: tuple[Foreign, ...]
    left: tuple[Left, ...]


def gather(project: Project, context: Context, paths: Sequence[str]) -> Gathered:
    """Read ``paths`` (absolute), or what is found in the project where there are none.

    Raises:
        UsageError: Nothing is there to be taken.
        InputError: A file is not what its name says.
    """
    chosen, beside = _choose(project, paths)
    read: list[tuple[Format, Foreign]] = []
    lines: _Lines = {}
    for path in chosen:
        source = read_source(project.root, context, path)
        known, foreign = read_file(source)
        if foreign is not None:
            read.append((known, foreign))
        if known.name == "requirements":
            lines[path] = requirements_format.parse(source).lines
    if not read:
        raise UsageError(f"{', '.join(map(os.path.basename, chosen))}: nothing in it to take over")
    places, pinning, left = _sorted(project, read, lines)
    wanted = _with_origins(_joined([f for _, f in read], places), project, pinning)
    return Gathered(
        taken=tuple(Taken(file=f.file, kind=f.kind, role=k.role) for k, f in read),
        beside=beside,
        wanted=replace(wanted, constraints=_limits(lines)),
        pinning=tuple(pinning),
        left=(*left, *(item for _, f in read for item in f.left)),
    )


def _choose(project: Project, paths: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """The files to read, locks with their manifests; and what else is there."""
    if paths:
        return _with_partners([os.path.normpath(path) for path in paths]), ()
    there = {name for name in sorted(os.listdir(project.root)) if _is_known(project.root, name)}
    first = next((name for name in _ORDER if name in there and _is_meant(project, name)), None)
    taken: list[str] = []
    if first is not None:
        taken = [first]
    elif any(tool in _tools(project) for tool in ("poetry", "pdm")):
        taken = [MANIFEST_FILE]
    elif names := [name for name in there if format_of(name).name == "requirements"]:
        taken = _requirement_files(project, sorted(names))
    elif names := [name for name in sorted(there) if format_of(name).name == "pylock"]:
        taken = [name for name in names if name != "pylock.toml"]
    elif names := [name for name in there if format_of(name).name == "environment.yml"]:
        taken = [
            min(names, key=lambda name: (len(name), name))
        ]  # rather than `environment-dev.yml`
    taken += [name for name in _SETUP if name in there]
    if not taken:
        raise UsageError(
            f"nothing to import in {project.root}",
            hint="`provenv import FILE` takes a requirements file, a lock or a manifest of another tool.",
        )
    found = _with_partners([os.path.join(project.root, name) for name in taken])
    names_taken = {os.path.basename(path) for path in found}
    own = {MANIFEST_FILE, "pylock.toml"}
    return found, tuple(sorted(there - names_taken - own))


def _is_known(root: str, name: str) -> bool:
    if name.endswith((".txt", ".in", ".pip")):
        stem = os.path.splitext(name)[0]
        if "requirement" not in stem.lower() or name.startswith("constraints"):
            return False
    try:
        format_of(name)
    except InputError:
        return False
    return os.path.isfile(os.path.join(root, name))


def _is_meant(project: Project, name: str) -> bool:
    """Whether a lock belongs to the manifest that is there."""
    tools = _tools(project)
    return {
        "poetry.lock": "poetry" in tools or not project.manifest_text,
        "pdm.lock": "pdm" in tools or bool(project.manifest.name),
        "uv.lock": bool(project.manifest.name or project.manifest.groups),
    }.get(name, True)


def _tools(project: Project) -> Mapping[str, Any]:
    tools = toml.parse(project.manifest_text, project.manifest_path).get("tool", {})
    return tools if isinstance(tools, dict) else {}


def _requirement_files(project: Project, names: list[str]) -> list[str]:
    """Requirements files of the folder and of ``requirements/``; `.in` files with what they lock."""
    folder = os.path.join(project.root, "requirements")
    more = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return names + [f"requirements/{name}" for name in more if name.endswith((".txt", ".in"))]


def _with_partners(paths: list[str]) -> list[str]:
    found = list(paths)
    for path in paths:
        found += [other for other in _partners(path) if other not in found]
    return found


def _partners(path: str) -> list[str]:
    """What is read together with a file: its manifest, or its lock."""
    folder, name = os.path.split(path)
    stem, suffix = os.path.splitext(name)
    pairs = {**_PAIRS, "Pipfile": "Pipfile.lock"}
    names = [pairs[name]] if name in pairs else []
    if suffix in (".in", ".txt") and format_of(path).name == "requirements":
        names = [f"{stem}{'.txt' if suffix == '.in' else '.in'}"]
    if name == MANIFEST_FILE:
        names = ["poetry.lock", "pdm.lock", "uv.lock"]
    there = [os.path.join(folder, name) for name in names]
    return [path for path in there if os.path.isfile(path)][:1]


def _sorted(
    project: Project, read: Sequence[tuple[Format, Foreign]], lines: _Lines
) -> tuple[dict[Place, list[str]], list[Foreign], list[Left]]:
    """Requirements by place; the files that pin; what is left."""
    places: dict[Place, list[str]] = {}
    pinning = [foreign for known, foreign in read if known.role != "manifest" and foreign.pins]
    for path in lines:
        if not (path.endswith(".txt") and f"{path.removesuffix('.txt')}.in" in lines):
            _place_lines(path, lines, places)
    for known, foreign in read:
        if known.name == "requirements" or known.role == "lock":
            continue
        places.setdefault(BASE, []).extend(foreign.dependencies)
        for kind, tables in (("extra", foreign.extras), ("group", foreign.groups)):
            for name, texts in tables.items():
                place: Place = ("extra", name) if kind == "extra" else ("group", name)
                places.setdefault(place, []).extend(texts)
    left = _drop_itself(read, places)
    asked = any(places.values()) or project.manifest.dependencies or project.manifest.groups
    dynamic = "dependencies" in project.manifest.dynamic
    if not asked and not dynamic and not project.manifest.name:
        for foreign in pinning:  # a lock alone: what it is entered by is all that is known
            _place_roots(foreign, places)
            why = "the file does not say: everything in it became a requirement"
            left.append(Left(what="what was asked for", why=why, file=foreign.file))
    return places, pinning, left


def _place_lines(path: str, lines: _Lines, places: dict[Place, list[str]]) -> None:
    """Each line into the group that its file's name stands for."""
    top = group_of(path) or ""
    for line in lines[path]:
        if line.constraint or not line.name:
            continue
        if line.file != path and line.file in lines:
            continue  # it is read by itself
        named = group_of(line.file) if line.file != path else top
        group = top if named is None else named
        place: Place = ("group", group) if group else BASE
        places.setdefault(place, []).append(requirements_format.requirement_text(line))


def _limits(lines: _Lines) -> tuple[str, ...]:
    """Constraints (``-c``) of files that are not read for themselves: those limit by what they pin."""
    found = [
        requirements_format.requirement_text(line)
        for of_file in lines.values()
        for line in of_file
        if line.constraint and line.place is None and line.file not in lines
    ]
    return tuple(dict.fromkeys(found))


def _drop_itself(
    read: Sequence[tuple[Format, Foreign]], places: dict[Place, list[str]]
) -> list[Left]:
    """``-e .`` and its like: a project does not ask for itself."""
    own = {
        name: foreign.file
        for _, foreign in read
        for name, table in foreign.sources.items()
        if table.get("path") == "."
    }
    for place, texts in places.items():
        places[place] = [text for text in texts if canonical(Requirement(text).name) not in own]
    why = "the project itself is installed where pyproject.toml has a [build-system]"
    return [Left(what=name, why=why, file=file) for name, file in own.items()]


def _place_roots(foreign: Foreign, places: dict[Place, list[str]]) -> None:
    for place, edges in foreign.roots.items():
        for edge in edges:
            extras = f"[{','.join(edge.extras)}]" if edge.extras else ""
            pinned = edge.version not in ("", UNPINNED)
            version = f"=={edge.version}" if pinned else edge.specifier
            if edge.name in foreign.sources:
                version = ""  # the place decides
            marker = f" ; {edge.marker}" if edge.marker and "extra ==" not in edge.marker else ""
            places.setdefault(place, []).append(f"{edge.name}{extras}{version}{marker}")


def _joined(found: Sequence[Foreign], places: Mapping[Place, Sequence[str]]) -> Wanted:
    """One value of all that was read; ``places`` are the requirements, already sorted into places.

    The first file to say something is believed.
    """

    def first(values: Iterable[Any]) -> Any:
        return next((value for value in values if value), "")

    asked = {canonical(Requirement(text).name) for texts in places.values() for text in texts}
    sources: dict[str, Any] = {}
    indexes: dict[str, IndexSpec] = {}
    scripts: dict[str, str] = {}
    for foreign in reversed(found):
        sources |= {n: t for n, t in foreign.sources.items() if n in asked}
        scripts |= foreign.scripts if foreign.build_system is not None else {}
        indexes |= {index.name: index for index in foreign.indexes}
    systems = [f.build_system for f in found if f.build_system is not None]
    return Wanted(
        name=first(foreign.name for foreign in found),
        version=first(foreign.version for foreign in found),
        requires_python=first(foreign.requires_python for foreign in found),
        places={place: tuple(dict.fromkeys(texts)) for place, texts in places.items() if texts},
        sources=sources,
        indexes=tuple(indexes.values()),
        build_system=systems[0] if systems else None,
        dynamic=tuple(sorted({item for foreign in found for item in foreign.dynamic})),
        scripts=scripts,
        default_groups=first(foreign.default_groups for foreign in found) or (),
    )


def _with_origins(wanted: Wanted, project: Project, pinning: Sequence[Foreign]) -> Wanted:
    """Indexes that a lock took something from, pinned to it: no other may give it from now on."""
    known = {index.url.rstrip("/"): index for index in wanted.indexes if not index.default}
    for foreign in pinning:
        for pin in foreign.pins:
            index = known.get(own_index(project, pin).rstrip("/"))
            if index is not None and pin.name not in index.packages:
                names = tuple(sorted({*index.packages, pin.name}))
                known[index.url.rstrip("/")] = replace(index, packages=names)
    indexes = tuple(known.get(index.url.rstrip("/"), index) for index in wanted.indexes)
    return replace(wanted, indexes=indexes)

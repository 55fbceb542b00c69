"""A workspace: several projects in one repository, and what one of them sees of the others.

``[tool.provenv.workspace]`` of the root names the members; each is a project with environments and
a lock of its own. What a member depends on and another member is called is taken from that folder,
without a ``[tool.uv.sources]`` entry.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from provenv.core.errors import InputError, UnsatisfiableError
from provenv.core.values import replace
from provenv.model.manifest import Manifest, Member

_GLOB = re.compile(r"[*?\[]")


def is_pattern(text: str) -> bool:
    """Whether an entry of ``members`` stands for folders by a pattern, not for one by its name."""
    return _GLOB.search(text) is not None


def with_members(
    manifest: Manifest, paths: Mapping[str, str], read: Callable[[str], Manifest]
) -> Manifest:
    """``manifest`` as it is in a workspace: what it needs of other members is taken from there.

    ``paths`` leads from the normalized names of all members to their folders, relative to the
    project; ``read`` gives the manifest of such a name. Only members that the project reaches get
    into ``members``, each with a source, unless the project says itself where it comes from.

    Raises:
        InputError: The manifest of a member that is reached cannot be used.
    """
    own = canonicalize_name(manifest.name) if manifest.name else None
    known = {name: path for name, path in paths.items() if name != own}
    sources = {
        name: _on_members(canonicalize_name(name), source, known)
        for name, source in manifest.sources.items()
    }
    elsewhere = {
        canonicalize_name(name)
        for name, source in sources.items()
        if not _leads_to(canonicalize_name(name), source, known)
    }
    reached: dict[str, Member] = {}
    pending = [canonicalize_name(Requirement(text).name) for _, text in requirements(manifest)]
    while pending:
        name = pending.pop()
        if name in reached or name in elsewhere or name not in known:
            continue
        other = read(name)
        reached[name] = _member(name, known[name], other)
        pending += [canonicalize_name(Requirement(text).name) for _, text in _installed(other)]
    named = {canonicalize_name(name) for name in sources}
    sources |= {
        name: {"path": member.path, "editable": True}
        for name, member in sorted(reached.items())
        if name not in named
    }
    return replace(manifest, sources=sources, members=dict(sorted(reached.items())))


def requirements(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Every requirement of a project with its dotted key, dependency groups included."""
    yield from _installed(manifest)
    for group, items in manifest.groups.items():
        yield from ((f"dependency-groups.{group}", text) for text in items)


def _installed(manifest: Manifest | Member) -> Iterator[tuple[str, str]]:
    """What is installed with a project: its dependencies, and those of its extras."""
    yield from (("project.dependencies", text) for text in manifest.dependencies)
    for extra, items in manifest.optional_dependencies.items():
        yield from ((f"project.optional-dependencies.{extra}", text) for text in items)


def _member(name: str, path: str, manifest: Manifest) -> Member:
    return Member(
        name=name,
        path=path,
        file=manifest.file,
        version=manifest.version,
        requires_python=manifest.requires_python,
        dynamic=manifest.dynamic,
        dependencies=manifest.dependencies,
        optional_dependencies=manifest.optional_dependencies,
        sources=manifest.sources,
    )


def _on_members(name: str, source: Any, known: Mapping[str, str]) -> Any:
    """A source with ``workspace = true`` as the path that it stands for; in place unless it says no."""
    if isinstance(source, list):
        return [_on_members(name, entry, known) for entry in source]
    if not isinstance(source, Mapping) or name not in known:
        return source
    path = known[name]
    if source.get("workspace") is True:
        rest = {key: value for key, value in source.items() if key != "workspace"}
        return {"path": path, "editable": True, **rest}
    if _same_path(source.get("path"), path):
        return {"editable": True, **source}
    return source


def _leads_to(name: str, source: Any, known: Mapping[str, str]) -> bool:
    """Whether a source, or one of several, is the folder of the member of that name."""
    if isinstance(source, list):
        return any(_leads_to(name, entry, known) for entry in source)
    return (
        isinstance(source, Mapping)
        and name in known
        and _same_path(source.get("path"), known[name])
    )


def _same_path(text: object, path: str) -> bool:
    return isinstance(text, str) and posixpath.normpath(text) == posixpath.normpath(path)


def check_versions(manifest: Manifest) -> None:
    """Refuse a requirement on a member that the member's version does not meet.

    Raises:
        UnsatisfiableError: There is one; the message names both sides.
    """
    asking: list[tuple[str, Iterable[tuple[str, str]]]] = [(manifest.file, requirements(manifest))]
    asking += [(member.file, _installed(member)) for member in manifest.members.values()]
    for file, stated_there in asking:
        for key, text in stated_there:
            wanted = Requirement(text)
            found = manifest.members.get(canonicalize_name(wanted.name))
            if found is None or found.version is None or wanted.url is not None:
                continue
            if not wanted.specifier.contains(found.version, prereleases=True):
                raise UnsatisfiableError(
                    f"{file}: {key}: asks for {wanted.name}{wanted.specifier}, and the member of "
                    f"the workspace, {found.file}, is version {found.version}",
                    hint="Change one of the two; or say in [tool.uv.sources] where else "
                    f"{wanted.name} comes from.",
                    details={"member": found.name, "version": found.version, "requirement": text},
                )


def metadata_of(member: Member) -> dict[str, Any] | None:
    """What uv must be told of a member that it cannot read; None where it can read it by itself.

    ``workspace = true`` means nothing to uv where only provenv knows the workspace.
    """
    if {"dependencies", "optional-dependencies"} & set(member.dynamic):
        return None
    if not any(_mentions_workspace(source) for source in member.sources.values()):
        return None
    rows = [(text, "") for text in member.dependencies]
    for extra, items in member.optional_dependencies.items():
        rows += [(text, extra) for text in items]
    table: dict[str, Any] = {
        "name": member.name,
        "requires-dist": [_stated(text, extra, member) for text, extra in rows],
        "provides-extra": list(member.optional_dependencies),
    }
    if member.version is not None:
        table["version"] = member.version
    if member.requires_python is not None:
        table["requires-python"] = member.requires_python
    return table


def _mentions_workspace(source: Any) -> bool:
    entries = source if isinstance(source, list) else [source]
    return any(isinstance(entry, Mapping) and entry.get("workspace") is True for entry in entries)


def _stated(text: str, extra: str, member: Member) -> str:
    """A requirement as metadata states it: its extra in the marker, its source as an address."""
    requirement = Requirement(text)
    source = next(
        (s for n, s in member.sources.items()
         if canonicalize_name(n) == canonicalize_name(requirement.name)), None,
    )  # fmt: skip
    if isinstance(source, list) or (isinstance(source, Mapping) and "marker" in source):
        raise InputError(
            "is not understood beside a source that says `workspace = true`: it has several "
            "sources, or one with a marker",
            file=member.file,
            key=f"tool.uv.sources.{requirement.name}",
            hint="Leave out `workspace = true` in this table: members need no source.",
        )
    address = _address(source, member) if isinstance(source, Mapping) else None
    marker = str(requirement.marker) if requirement.marker else ""
    if extra:
        marker = f"({marker}) and extra == '{extra}'" if marker else f"extra == '{extra}'"
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    what = f" @ {address or requirement.url}" if address or requirement.url else ""
    what = what or str(requirement.specifier)
    return f"{requirement.name}{extras}{what}" + (f" ; {marker}" if marker else "")


def _address(source: Mapping[str, Any], member: Member) -> str | None:
    if "git" in source:
        revision = next((str(source[k]) for k in ("rev", "tag", "branch") if k in source), "")
        below = f"#subdirectory={source['subdirectory']}" if "subdirectory" in source else ""
        return f"git+{source['git']}" + (f"@{revision}" if revision else "") + below
    if "url" in source:
        return str(source["url"])
    if "path" in source:
        path = posixpath.join(posixpath.dirname(member.file), source["path"])
        return PurePosixPath(posixpath.normpath(path)).as_uri()
    return None

"""One lock for a whole workspace: each member's requirements become dependency groups of it.

A lock (PEP 751) knows extras and dependency groups, no members. So what member ``orders`` depends
on is the group ``member-orders`` of the common lock, its group ``dev`` is
``member-orders-group-dev``, and its extra ``pdf`` is ``member-orders-extra-pdf``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from provenv.core.errors import InputError
from provenv.core.values import replace
from provenv.model.manifest import EnvironmentSpec, Manifest
from provenv.workspace.projects.members import Workspace

_LIKE = "member-"


def group_name(member: str, kind: str = "", name: str = "") -> str:
    """The group of the common lock for a member's own dependencies, or its ``group`` or ``extra``."""
    return canonicalize_name("-".join(part for part in (f"{_LIKE}{member}", kind, name) if part))


def selector(manifest: Manifest, environment: EnvironmentSpec) -> EnvironmentSpec:
    """``environment`` of a member in terms of the common lock."""
    member = manifest.name or ""
    groups = [group_name(member)]
    groups += [group_name(member, "extra", name) for name in environment.extras]
    groups += [group_name(member, "group", name) for name in environment.lock_groups]
    return replace(environment, groups=tuple(groups), extras=())


def whole(workspace: Workspace) -> Manifest:
    """What all members ask for together, as one manifest in the workspace's root.

    Indexes, ``origins``, ``no-build``, ``evidence`` and ``[tool.uv]`` are those of the root, sources are
    each member's own.

    Raises:
        InputError: A member cannot take part: it has no name, or declares conflicting groups.
    """
    return _whole(_Read(workspace))


class _Read:
    """A workspace with the manifests of all members as they stand now: a key, for what is made of them."""

    __slots__ = ("_texts", "workspace")

    def __init__(self, workspace: Workspace) -> None:
        texts = dict(map(workspace.read, (workspace.root, *workspace.folders)))
        self._texts = (workspace.root, *texts.items())
        self.workspace = replace(workspace, texts=texts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Read) and other._texts == self._texts

    def __hash__(self) -> int:
        return hash(self._texts)


@lru_cache(maxsize=2)
def _whole(read: _Read) -> Manifest:
    """The same, made once for all members that ask for it."""
    workspace = read.workspace
    root = workspace.manifest(workspace.root)
    groups: dict[str, tuple[str, ...]] = {}
    owners: dict[str, str] = {}
    sources: dict[str, list[dict[str, Any]]] = {}
    pythons: list[str] = []
    for folder in workspace.folders:
        manifest = workspace.manifest(folder)
        _check(manifest)
        own = _groups(manifest)
        for group in own:
            if owners.setdefault(group, manifest.file) != manifest.file:
                raise InputError(
                    f"its part of the common lock would be called {group!r}, as that of "
                    f"{owners[group]} is",
                    file=manifest.file,
                    key="project.name",
                    hint="Rename the group or the member.",
                )
        groups |= own
        complete = workspace.complete(folder, manifest)
        _carry(sources, complete, list(own), os.path.relpath(folder, workspace.root))
        if manifest.requires_python:
            pythons.append(manifest.requires_python)
    together = Manifest(
        file=workspace.manifest_path,
        requires_python=_together(pythons),
        groups=groups,
        sources=sources,
        uv=root.uv,
        indexes=root.indexes,
        no_build=root.no_build,
        origins=root.origins,
        evidence=root.evidence,
        environments={
            "dev": EnvironmentSpec(name="dev", python=root.environment().python),
        },
        workspace=workspace.spec,
    )
    return workspace.complete(workspace.root, together)


def _check(manifest: Manifest) -> None:
    if manifest.name is None:
        raise InputError(
            "is missing: the common lock tells members apart by it",
            file=manifest.file,
            key="project.name",
        )
    if manifest.conflicts:
        raise InputError(
            "cannot be declared in a workspace with `shared-lock = true`: one lock is for all",
            file=manifest.file,
            key="tool.provenv.conflicts",
            hint="Take it out, or let each member have its own lock.",
        )


def _groups(manifest: Manifest) -> dict[str, tuple[str, ...]]:
    """A member's requirements by group of the common lock."""
    member = str(manifest.name)
    own: tuple[str, ...] = manifest.dependencies
    if manifest.installable and "dependencies" in manifest.dynamic:
        own = (member,)  # its build backend says: it is asked, and left out again when installed
    found = {group_name(member): own}
    for extra, items in manifest.optional_dependencies.items():
        found[group_name(member, "extra", extra)] = _without_self(items, manifest)
    for group, items in manifest.groups.items():
        found[group_name(member, "group", group)] = _without_self(items, manifest)
    return found


def _without_self(items: Iterable[str], manifest: Manifest) -> tuple[str, ...]:
    """Requirements with those on the project's own extras replaced by what these ask for."""
    own = canonicalize_name(str(manifest.name))
    found: dict[str, None] = {}
    seen: set[str] = set()
    pending = list(items)
    while pending:
        text = pending.pop(0)
        requirement = Requirement(text)
        if canonicalize_name(requirement.name) != own:
            found[text] = None
            continue
        for extra in sorted(map(canonicalize_name, requirement.extras)):
            if extra not in seen:
                seen.add(extra)
                pending += manifest.optional_dependencies.get(extra, ())
    return tuple(found)


def _carry(
    sources: dict[str, list[dict[str, Any]]], manifest: Manifest, groups: list[str], place: str
) -> None:
    """Add a member's sources to the common ones, each for that member's groups alone.

    Sources of other members are left out: they are the same for all.
    """
    for name, source in manifest.sources.items():
        if canonicalize_name(name) in manifest.members:
            continue
        entries = source if isinstance(source, list) else [source]
        for entry in entries:
            if not isinstance(entry, Mapping):
                continue
            table = dict(entry)
            if isinstance(table.get("path"), str):
                table["path"] = os.path.normpath(os.path.join(place, table["path"]))
            mine = groups
            if "group" in table:
                mine = [group_name(str(manifest.name), "group", str(table.pop("group")))]
            elif "extra" in table:
                mine = [group_name(str(manifest.name), "extra", str(table.pop("extra")))]
            sources.setdefault(canonicalize_name(name), []).extend(
                {**table, "group": group} for group in mine
            )


def _together(pythons: list[str]) -> str | None:
    specifiers = SpecifierSet()
    for text in pythons:
        specifiers &= SpecifierSet(text)
    return str(specifiers) or None

"""The project that uv is shown: what the manifest asks for, in a folder where nothing else decides."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from packaging.utils import canonicalize_name

from provenv.core.values import frozen
from provenv.model.lock import toml_value
from provenv.model.manifest import Manifest
from provenv.model.members import metadata_of
from provenv.resolve.indexes import Indexes
from provenv.resolve.sources import carried_sources

NAME = "provenv-project"
PINNED_GROUP = "provenv-pinned"
# Never true, and uv knows it: the package is not resolved for it, but its index is settled by it.
_NEVER = "python_version < '1'"
_PASSED_ON = (
    "build-constraint-dependencies", "config-settings", "config-settings-package",
    "constraint-dependencies", "dependency-metadata", "environments", "exclude-dependencies",
    "exclude-newer", "exclude-newer-package", "extra-build-dependencies", "extra-build-variables",
    "fork-strategy", "index-strategy", "keyring-provider", "no-binary", "no-binary-package",
    "no-build", "no-build-isolation", "no-build-isolation-package", "no-build-package", "no-index",
    "no-sources", "no-sources-package", "override-dependencies", "prerelease", "required-environments",
    "resolution", "allow-insecure-host", "system-certs",
)  # fmt: skip


@frozen
class Asked:
    """A manifest, and which of its groups and extras one lock holds.

    ``dynamic`` says that the build backend decides on the project's dependencies (PEP 621), so that
    the project is depended on as a directory, and ``extras`` are those that its metadata provides.
    ``constraints`` hold besides the manifest's own.
    """

    manifest: Manifest
    project: str
    requires_python: str
    groups: tuple[str, ...]
    extras: tuple[str, ...]
    dynamic: bool = False
    constraints: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the project that uv is shown."""
        return NAME if self.dynamic or not self.manifest.name else self.manifest.name

    @property
    def own_names(self) -> frozenset[str]:
        """Normalized names that stand for the project itself and are left out of its lock."""
        return frozenset(canonicalize_name(n) for n in (self.name, self.manifest.name or NAME))


def render_project(asked: Asked, indexes: Indexes) -> str:
    """The text of the ``pyproject.toml`` that uv is shown.

    Raises:
        InputError: A source cannot be carried over.
    """
    manifest = asked.manifest
    groups = {name: list(manifest.groups[name]) for name in asked.groups}
    if indexes.pins:
        groups[PINNED_GROUP] = [f"{name} ; {_NEVER}" for name in sorted(indexes.pins)]
    sources = carried_sources(manifest, asked.project, groups=groups, extras=asked.extras)
    sources = {n: s for n, s in sources.items() if canonicalize_name(n) not in indexes.pins}
    sources |= {name: {"index": index} for name, index in indexes.pins.items()}
    if asked.dynamic:
        sources[str(manifest.name)] = {"path": asked.project, "editable": True}
    uv = {
        **_passed_on(asked, indexes, groups),
        "package": False,
        "workspace": {"members": []},
        "sources": sources,
        "index": list(indexes.tables),
    }
    document: dict[str, Any] = {
        "project": {
            "name": asked.name,
            "version": manifest.version or "0",
            "requires-python": asked.requires_python,
            **_dependencies(asked),
        },
        "dependency-groups": groups,
        "tool": {"uv": uv},
    }
    return "".join(f"{key} = {toml_value(value)}\n" for key, value in document.items())


def _dependencies(asked: Asked) -> dict[str, Any]:
    manifest = asked.manifest
    if asked.dynamic:
        return {
            "dependencies": [manifest.name],
            "optional-dependencies": {e: [f"{manifest.name}[{e}]"] for e in asked.extras},
        }
    return {
        "dependencies": list(manifest.dependencies),
        "optional-dependencies": {e: list(manifest.optional_dependencies[e]) for e in asked.extras},
    }


def _passed_on(asked: Asked, indexes: Indexes, groups: Collection[str]) -> dict[str, Any]:
    """``[tool.uv]`` without what is about other things than resolving, or about what is left out."""
    uv = asked.manifest.uv
    table = {key: uv[key] for key in _PASSED_ON if key in uv}
    if not any(index.get("default") for index in indexes.tables) and "index-url" in uv:
        table["index-url"] = uv["index-url"]
    if "extra-index-url" in uv:
        table["extra-index-url"] = uv["extra-index-url"]
    if "find-links" in uv:
        table["find-links"] = [_beside(asked.project, link) for link in uv["find-links"]]
    per_group = {
        name: value
        for name, value in uv.get("dependency-groups", {}).items()
        if canonicalize_name(name) in groups
    }
    if asked.manifest.members:  # settles where they come from also where only others need them
        constraints = table.get("constraint-dependencies", ())
        table["constraint-dependencies"] = [*constraints, *asked.manifest.members]
    if asked.constraints:
        constraints = table.get("constraint-dependencies", ())
        table["constraint-dependencies"] = [*constraints, *asked.constraints]
    stated = [told for member in asked.manifest.members.values() if (told := metadata_of(member))]
    if stated:
        table["dependency-metadata"] = [*table.get("dependency-metadata", ()), *stated]
    if per_group:
        table["dependency-groups"] = per_group
    conflicts = [kept for each in uv.get("conflicts", ()) if len(kept := _known(each, asked)) > 1]
    if conflicts:
        table["conflicts"] = conflicts
    return table


def _known(conflict: list[Mapping[str, str]], asked: Asked) -> list[dict[str, str]]:
    return [
        {key: value for key, value in item.items() if key != "package"}
        for item in conflict
        if canonicalize_name(item.get("group", "")) in {"", *asked.groups}
        and canonicalize_name(item.get("extra", "")) in {"", *asked.extras}
        and canonicalize_name(item.get("package", asked.name)) in asked.own_names
    ]


def _beside(project: str, link: str) -> str:
    import os

    return link if "://" in link else os.path.normpath(os.path.join(project, link))

"""What a project says that it needs, wherever it says so: names of distributions, by what they are for."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from provenv.core.values import frozen
from provenv.doctor.facts import ProjectFacts
from provenv.doctor.facts_project import is_requirements

_COMPUTED = ("setup.py", "setup.cfg")


@frozen
class Declared:
    """Normalized names that a project asks for: ``own`` to run, ``groups`` to work on it."""

    own: frozenset[str]
    groups: frozenset[str]
    build: frozenset[str] = frozenset()

    @property
    def all(self) -> frozenset[str]:
        """Every one of them."""
        return self.own | self.groups | self.build


def declared_by(project: ProjectFacts, metadata: frozenset[str] | None) -> Declared | None:
    """What a project asks for. Markers do not count: the platform may be another.

    ``metadata`` is what an installed project requires by its own metadata: it counts where the build
    backend decides on dependencies (PEP 621, ``dynamic``). Without ``[project]``, Poetry's table,
    ``Pipfile`` and requirement files count. None where nobody can know without running something.
    """
    manifest = project.manifest
    if manifest is not None and manifest.name is not None:
        own = _names([*manifest.dependencies, *_flat(manifest.optional_dependencies.values())])
        if any(key.endswith("dependencies") for key in manifest.dynamic):
            if metadata is None:
                return None
            own |= metadata
        build = (manifest.build_system or {}).get("requires", ())
        return Declared(
            own=own,
            groups=_names(_flat(manifest.groups.values())),
            build=_names(item for item in build if isinstance(item, str)),
        )
    if any(f"{project.root}/{name}" in project.texts for name in _COMPUTED):
        return None
    groups = _flat(manifest.groups.values()) if manifest is not None else ()
    tables = list(_tables(project))
    return Declared(
        own=_names(_required(project)) | frozenset(canonicalize_name(n) for t in tables for n in t),
        groups=_names(groups),
    )


def _tables(project: ProjectFacts) -> Iterator[Mapping[str, Any]]:
    """The tables of Poetry and Pipenv that are keyed by distribution."""
    poetry = _parsed(project, "pyproject.toml").get("tool", {}).get("poetry", {})
    yield poetry.get("dependencies", {})
    yield poetry.get("dev-dependencies", {})
    for group in poetry.get("group", {}).values():
        yield group.get("dependencies", {})
    for table in _parsed(project, "Pipfile").values():
        if isinstance(table, dict):
            yield table


def _parsed(project: ProjectFacts, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(project.texts.get(f"{project.root}/{name}", ""))
    except tomllib.TOMLDecodeError:
        return {}


def _required(project: ProjectFacts) -> Iterator[str]:
    """Every line of a requirements file that may be a requirement."""
    for path, text in project.texts.items():
        if is_requirements(path) or path.endswith(".in"):
            for line in text.splitlines():
                yield re.split(r"\s+#|\s--?[a-z]|\\$", line.strip(), maxsplit=1)[0]


def _flat(items: Iterable[Iterable[str]]) -> Iterator[str]:
    for inner in items:
        yield from inner


def _names(requirements: Iterable[str]) -> frozenset[str]:
    found = set()
    for text in requirements:
        try:
            found.add(canonicalize_name(Requirement(text).name))
        except ValueError:
            continue  # an option, a path, a comment, or somebody else's to complain about
    return frozenset(found)

"""The manifest: what a project asks for, read from ``pyproject.toml``.

``[project]`` (PEP 621), ``[dependency-groups]`` (PEP 735), ``[build-system]`` (PEP 518) and
``[tool.provenv]``; ``[tool.uv]`` is carried along for the resolver.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from packaging.dependency_groups import DependencyGroupResolver
from packaging.requirements import InvalidRequirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from provenv.core import digest
from provenv.core.errors import UsageError
from provenv.core.values import field, frozen
from provenv.model import toml
from provenv.model.layout import base_name, is_environment_name
from provenv.model.matrix import MatrixSpec, read_matrix
from provenv.model.requirements import requirement
from provenv.model.settings import (
    BUILT_IN_ENVIRONMENTS,
    LINK_MODES,
    NAME_RULE,
    SEED_GROUP,
    TOOL_KEYS,
    EnvironmentSpec,
    EvidenceSpec,
    IndexSpec,
    WorkspaceSpec,
    read_conflicts,
    read_default_groups,
    read_doctor_ignore,
    read_environments,
    read_evidence,
    read_file_owners,
    read_indexes,
    read_keep,
    read_no_build,
    read_origins,
    read_python_mirror,
    read_workspace,
    seed_groups,
)


@frozen
class Member:
    """Another project of the workspace that a project depends on, as far as its lock depends on it.

    Attributes:
        name: Normalized name.
        path: Of its folder, relative to the project that depends on it.
        file: Of its manifest, for messages.
        version: None where its build backend decides.
        sources: Its ``[tool.uv.sources]`` as it stands.
    """

    name: str
    path: str
    file: str
    version: str | None = None
    requires_python: str | None = None
    dynamic: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    optional_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sources: Mapping[str, Any] = field(default_factory=dict)


@frozen
class Manifest:
    """What a project asks for. Requirement strings are valid PEP 508, as they were written.

    Attributes:
        file: Where it was read from, for messages.
        name: The project's name as written, or None where there is no ``[project]``.
        dynamic: Fields that the build backend decides (PEP 621).
        dependencies: Of the project itself.
        optional_dependencies: By normalized extra.
        groups: By normalized dependency group, includes resolved (PEP 735); and those of seeds.
        build_system: The ``[build-system]`` table, or None where the project is not installable.
        sources: ``[tool.uv.sources]`` as it stands.
        uv: The rest of ``[tool.uv]``.
        no_build: True, or the normalized names of which no sdist may be built.
        conflicts: Sets of groups that need not agree on versions.
        file_owners: Glob over environment paths → normalized distribution that wins there.
        keep: How many former generations ``gc`` leaves.
        origins: Where files of the lock may come from besides the indexes.
        python_mirror: Where Pythons are installed from; None where they come from their own servers.
        workspace: ``[tool.provenv.workspace]``, or None where the project is no root of one.
        members: By normalized name, the other projects of the workspace that this one reaches;
            never read from the file, but found beside it (``model/members.py``).
        doctor_ignore: Codes of findings that ``doctor`` leaves out → why.
        evidence: ``[tool.provenv.evidence]``, or None where the project does not ask for a log.
        matrix: In which environments ``test`` runs the tests; None where that is not declared.
    """

    file: str
    name: str | None = None
    version: str | None = None
    requires_python: str | None = None
    dynamic: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    optional_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    build_system: Mapping[str, Any] | None = None
    sources: Mapping[str, Any] = field(default_factory=dict)
    uv: Mapping[str, Any] = field(default_factory=dict)
    indexes: tuple[IndexSpec, ...] = ()
    environments: Mapping[str, EnvironmentSpec] = field(default_factory=dict)
    default_environment: str = "dev"
    default_groups: tuple[str, ...] = ()
    no_build: bool | tuple[str, ...] = False
    conflicts: tuple[tuple[str, ...], ...] = ()
    file_owners: Mapping[str, str] = field(default_factory=dict)
    keep: int = 5
    python_mirror: str | None = None
    origins: tuple[str, ...] = ()
    workspace: WorkspaceSpec | None = None
    members: Mapping[str, Member] = field(default_factory=dict)
    doctor_ignore: Mapping[str, str] = field(default_factory=dict)
    evidence: EvidenceSpec | None = None
    matrix: MatrixSpec | None = None

    @property
    def installable(self) -> bool:
        """Whether the project itself is installed into its environments (it has a build system)."""
        return self.build_system is not None and self.name is not None

    def environment(self, name: str | None = None) -> EnvironmentSpec:
        """The environment called ``name``, or the default one; of several Pythons, the first.

        Raises:
            UsageError: There is no such environment.
        """
        return self.instances(name)[0]

    def instances(self, name: str | None = None) -> tuple[EnvironmentSpec, ...]:
        """The environment called ``name`` for each of its Pythons; for ``NAME@PYTHON``, that one alone.

        Raises:
            UsageError: There is no such environment; the known ones are listed, the nearest first.
        """
        wanted = self.default_environment if name is None else name
        base = base_name(wanted)
        if base not in self.environments:
            raise unknown_environment(base, self.environments)
        found = self.environments[base].instances()
        if "@" not in wanted:
            return found
        for spec in found:
            if spec.name == wanted:
                return (spec,)
        raise _undeclared_python(wanted, found)

    def all_instances(self) -> tuple[EnvironmentSpec, ...]:
        """Every environment of the project, those of several Pythons once for each."""
        return tuple(spec for one in self.environments.values() for spec in one.instances())

    def lock_digest(self) -> str:
        """A digest over everything that the lock depends on, and nothing else."""
        members = [
            [
                member.path,
                member.name,
                member.version,
                member.requires_python,
                [field for field in member.dynamic if "dependencies" in field],
                list(member.dependencies),
                {extra: list(items) for extra, items in member.optional_dependencies.items()},
                dict(member.sources),
            ]
            for member in self.members.values()
        ]
        return digest.of_json(
            {
                "requires-python": self.requires_python,
                "dynamic": [d for d in self.dynamic if "dependencies" in d],
                "dependencies": list(self.dependencies),
                "optional-dependencies": {
                    k: list(v) for k, v in self.optional_dependencies.items()
                },
                "groups": {k: list(v) for k, v in self.groups.items()},
                "default-groups": list(self.default_groups),
                "sources": dict(self.sources),
                "uv": dict(self.uv),
                "indexes": [
                    [i.name, i.url, i.default, i.explicit, list(i.packages)] for i in self.indexes
                ],
                "no-build": self.no_build
                if isinstance(self.no_build, bool)
                else list(self.no_build),
                "conflicts": [list(c) for c in self.conflicts],
                **({"members": members} if members else {}),
            }
        )


def unknown_environment(name: str, known: Iterable[str]) -> UsageError:
    """No environment is called ``name``; the hint lists those there are, the nearest first."""
    if not is_environment_name(name):
        return UsageError(f"{name!r} is not the name of an environment: {NAME_RULE}")
    names = list(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    listed = ", ".join([*near, *(other for other in names if other not in near)])
    return UsageError(
        f"unknown environment {name!r}",
        hint=(f"Did you mean {near[0]!r}? " if near else "") + f"Known environments: {listed}. "
        "Declare others in [tool.provenv.environments].",
        details={"known": names, "nearest": near[0] if near else None},
    )


def _undeclared_python(wanted: str, found: tuple[EnvironmentSpec, ...]) -> UsageError:
    base, _, python = wanted.partition("@")
    if len(found) == 1:
        return UsageError(
            f"environment {base!r} is not one of several Pythons: there is no {wanted!r}",
            hint=f"It is called {base!r}. With a list as its `python` there is one for each.",
        )
    return UsageError(
        f"environment {base!r} does not declare Python {python!r}",
        hint=f"Declared: {', '.join(spec.name for spec in found)}.",
    )


def parse_manifest(text: str, file: str = "pyproject.toml") -> Manifest:
    """Read a ``pyproject.toml``.

    Raises:
        InputError: Broken TOML, a wrong type, an invalid requirement or specifier, an unknown
            ``[tool.provenv]`` key; with file, dotted key and line.
    """
    root = toml.Table(toml.parse(text, file), file=file, text=text)
    project = root.table("project")
    tool = root.table("tool").table("provenv")
    tool.only(TOOL_KEYS)
    uv_table = root.table("tool").table("uv")
    uv = dict(uv_table.data)
    uv.pop("sources", None)
    groups = _groups(root)
    default_groups = read_default_groups(tool, groups, uv)
    optional = _optional_dependencies(project)
    more_groups, more_extras = _of_other_tools(root)
    environments = read_environments(
        tool, {**more_groups, **groups}, {**more_extras, **optional}, default_groups
    )
    default_environment = tool.get("default-environment", str) or "dev"
    if default_environment not in environments:
        raise tool.error("default-environment", f"there is no environment {default_environment!r}")
    return Manifest(
        file=file,
        name=_name(project),
        version=_version(project),
        requires_python=_requires_python(project),
        dynamic=project.strings("dynamic"),
        dependencies=_requirements(project, "dependencies"),
        optional_dependencies=optional,
        groups={**groups, **seed_groups(environments)},
        build_system=root.get("build-system", dict),
        sources=uv_table.table("sources").data,
        uv=uv,
        indexes=read_indexes(tool),
        environments=environments,
        default_environment=default_environment,
        default_groups=default_groups,
        no_build=read_no_build(tool),
        conflicts=read_conflicts(tool, groups),
        file_owners=read_file_owners(tool),
        keep=read_keep(tool),
        python_mirror=read_python_mirror(tool),
        origins=read_origins(tool),
        workspace=read_workspace(tool),
        doctor_ignore=read_doctor_ignore(tool),
        evidence=read_evidence(tool),
        matrix=read_matrix(tool),
    )


def _of_other_tools(
    root: toml.Table,
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Groups and extras that Poetry and PDM declare in places of their own.

    An environment may name them: with ``sync --from`` the other tool's lock has them. What they ask
    for is not read here.
    """
    poetry, pdm = root.table("tool").data.get("poetry"), root.table("tool").data.get("pdm")
    groups: list[str] = []
    extras: list[str] = []
    if isinstance(poetry, Mapping):
        groups += _keys(poetry.get("group"))
        groups += ["dev"] if "dev-dependencies" in poetry else []
        extras += _keys(poetry.get("extras"))
    if isinstance(pdm, Mapping):
        groups += _keys(pdm.get("dev-dependencies"))
    return (
        {canonicalize_name(name): () for name in groups},
        {canonicalize_name(name): () for name in extras},
    )


def _keys(table: object) -> list[str]:
    return [str(key) for key in table] if isinstance(table, Mapping) else []


def _requirements(table: toml.Table, key: str) -> tuple[str, ...]:
    items = table.strings(key)
    for index, item in enumerate(items):
        try:
            requirement(item)
        except InvalidRequirement as error:
            reason = str(error).splitlines()[0]
            raise table.error(
                key, f"item {index}, {item!r}, is not a valid requirement (PEP 508): {reason}"
            ) from error
    return items


def _name(project: toml.Table) -> str | None:
    text = project.get("name", str)
    if text is not None:
        try:
            canonicalize_name(text, validate=True)
        except InvalidName as error:
            raise project.error(
                "name", f"{text!r} is not a distribution's name",
                hint="Letters, digits, '-', '_' and '.', with a letter or digit at both ends.",
            ) from error  # fmt: skip
    return text


def _version(project: toml.Table) -> str | None:
    text = project.get("version", str)
    if text is not None:
        try:
            Version(text)
        except InvalidVersion as error:
            raise project.error("version", f"{text!r} is not a version (PEP 440)") from error
    return text


def _requires_python(project: toml.Table) -> str | None:
    text = project.get("requires-python", str)
    if text is not None:
        try:
            SpecifierSet(text)
        except InvalidSpecifier as error:
            raise project.error(
                "requires-python", f"{text!r} is not a version specifier"
            ) from error
    return text


def _optional_dependencies(project: toml.Table) -> dict[str, tuple[str, ...]]:
    table = project.table("optional-dependencies")
    names: dict[str, str] = {}
    for key in table.data:
        if names.setdefault(canonicalize_name(key), key) != key:
            raise table.error(key, f"is the same extra as {names[canonicalize_name(key)]!r}")
    return {name: _requirements(table, key) for name, key in names.items()}


def _groups(root: toml.Table) -> dict[str, tuple[str, ...]]:
    table = root.table("dependency-groups")
    for key in table.data:
        if not isinstance(table.data[key], list):
            raise table.error(key, "must be an array")
    names: dict[str, str] = {}
    for key in table.data:
        if names.setdefault(canonicalize_name(key), key) != key:
            raise table.error(key, f"is the same group as {names[canonicalize_name(key)]!r}")
        if canonicalize_name(key).startswith(SEED_GROUP):
            raise table.error(key, f"names that begin with {SEED_GROUP!r} are kept for seeds")
    try:
        resolver = DependencyGroupResolver(table.data)
    except (ValueError, TypeError) as error:
        raise table.error("", str(error)) from error
    found: dict[str, tuple[str, ...]] = {}
    for name, key in names.items():
        try:
            found[name] = tuple(str(requirement) for requirement in resolver.resolve(key))
        except Exception as error:
            raise table.error(key, _first_reason(error)) from error
    return found


def _first_reason(error: BaseException) -> str:
    """The innermost sentence of an error or group of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error).splitlines()[0] if str(error) else type(error).__name__


__all__ = [
    "BUILT_IN_ENVIRONMENTS",
    "LINK_MODES",
    "EnvironmentSpec",
    "IndexSpec",
    "Manifest",
    "Member",
    "WorkspaceSpec",
    "parse_manifest",
    "unknown_environment",
]

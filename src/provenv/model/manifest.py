"""The manifest: what a project asks for, read from ``pyproject.toml``.

``[project]`` (PEP 621), ``[dependency-groups]`` (PEP 735), ``[build-system]`` (PEP 518) and
``[tool.provenv]``; ``[tool.uv]`` is carried along for the resolver.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from packaging.dependency_groups import DependencyGroupResolver
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from provenv.core import digest
from provenv.core.errors import InputError, UsageError
from provenv.model import toml

LINK_MODES = ("linked", "hardlink", "clone", "copy")
BUILT_IN_ENVIRONMENTS = ("dev", "test", "staging", "prod")
_EDITABLE_BY_DEFAULT = frozenset({"dev", "test"})
_TOOL_KEYS = frozenset(
    {
        "conflicts", "default-environment", "default-groups", "environments", "file-owners", "index",
        "keep", "link-mode", "no-build",
    }
)  # fmt: skip
_ENVIRONMENT_KEYS = frozenset({"editable", "extras", "groups", "inherits", "link-mode", "python"})
_INDEX_KEYS = frozenset({"default", "explicit", "name", "packages", "url"})


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSpec:
    """One package index (``[[tool.provenv.index]]``).

    Attributes:
        name: Its name, as used in environment variables and messages.
        url: The simple API's address (PEP 503, PEP 691), without credentials.
        default: It replaces PyPI.
        explicit: Only ``packages`` come from it.
        packages: Normalized names that must come from it and from nowhere else.
    """

    name: str
    url: str
    default: bool = False
    explicit: bool = False
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSpec:
    """One named environment (``[tool.provenv.environments]``), inheritance resolved.

    ``editable`` is about the project itself: a PEP 660 install, or a wheel. ``python`` holds the
    requests in order of preference; empty means what ``requires-python`` allows. ``link_mode`` is
    None where nothing is declared: what the environment has is kept, and a new one is ``linked``.
    """

    name: str
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    python: tuple[str, ...] = ()
    editable: bool = True
    link_mode: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a project asks for. Requirement strings are valid PEP 508, as they were written.

    Attributes:
        file: Where it was read from, for messages.
        name: The project's name as written, or None where there is no ``[project]``.
        dynamic: Fields that the build backend decides (PEP 621).
        dependencies: Of the project itself.
        optional_dependencies: By normalized extra.
        groups: By normalized dependency group, includes resolved (PEP 735).
        build_system: The ``[build-system]`` table, or None where the project is not installable.
        sources: ``[tool.uv.sources]`` as it stands.
        uv: The rest of ``[tool.uv]``.
        no_build: True, or the normalized names of which no sdist may be built.
        conflicts: Sets of groups that need not agree on versions.
        file_owners: Glob over environment paths → normalized distribution that wins there.
        keep: How many former generations ``gc`` leaves.
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

    @property
    def installable(self) -> bool:
        """Whether the project itself is installed into its environments (it has a build system)."""
        return self.build_system is not None and self.name is not None

    def environment(self, name: str | None = None) -> EnvironmentSpec:
        """The environment called ``name``, or the default one.

        Raises:
            UsageError: There is no such environment.
        """
        wanted = name or self.default_environment
        if wanted in self.environments:
            return self.environments[wanted]
        known = ", ".join(self.environments)
        raise UsageError(
            f"unknown environment {wanted!r}",
            hint=f"Known environments: {known}. Declare others in [tool.provenv.environments].",
        )

    def lock_digest(self) -> str:
        """A digest over everything that the lock depends on, and nothing else."""
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
            }
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
    tool.only(_TOOL_KEYS)
    uv_table = root.table("tool").table("uv")
    uv = dict(uv_table.data)
    uv.pop("sources", None)
    groups = _groups(root)
    default_groups = _default_groups(tool, groups, uv)
    optional = _optional_dependencies(project)
    environments = _environments(tool, groups, optional, default_groups)
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
        groups=groups,
        build_system=root.get("build-system", dict),
        sources=uv_table.table("sources").data,
        uv=uv,
        indexes=_indexes(tool),
        environments=environments,
        default_environment=default_environment,
        default_groups=default_groups,
        no_build=_no_build(tool),
        conflicts=_conflicts(tool, groups),
        file_owners={
            glob: canonicalize_name(owner)
            for glob, owner in _string_table(tool.table("file-owners")).items()
        },
        keep=_keep(tool),
    )


def _string_table(table: toml.Table) -> dict[str, str]:
    return {key: table.get(key, str) or "" for key in table.data}


def _requirements(table: toml.Table, key: str) -> tuple[str, ...]:
    items = table.strings(key)
    for index, item in enumerate(items):
        try:
            Requirement(item)
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


def _default_groups(
    tool: toml.Table, groups: Mapping[str, tuple[str, ...]], uv: Mapping[str, Any]
) -> tuple[str, ...]:
    if "default-groups" in tool:
        named = tuple(canonicalize_name(name) for name in tool.strings("default-groups"))
        _check_names(tool, "default-groups", named, groups, "dependency group")
        return named
    inherited = uv.get("default-groups")
    if inherited == "all":
        return tuple(groups)
    if isinstance(inherited, list):
        return tuple(
            canonicalize_name(name) for name in inherited if canonicalize_name(name) in groups
        )
    return ("dev",) if "dev" in groups else ()


def _check_names(
    table: toml.Table, key: str, names: tuple[str, ...], known: Mapping[str, object], what: str
) -> None:
    for name in names:
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise table.error(key, f"there is no {what} {name!r}", hint=f"Declared: {listed}.")


def _environments(
    tool: toml.Table,
    groups: Mapping[str, tuple[str, ...]],
    extras: Mapping[str, tuple[str, ...]],
    default_groups: tuple[str, ...],
) -> dict[str, EnvironmentSpec]:
    declared = tool.table("environments")
    names = [*BUILT_IN_ENVIRONMENTS, *(n for n in declared.data if n not in BUILT_IN_ENVIRONMENTS)]
    found: dict[str, EnvironmentSpec] = {}

    def resolve(name: str, chain: tuple[str, ...]) -> EnvironmentSpec:
        if name in found:
            return found[name]
        table = declared.table(name)
        table.only(_ENVIRONMENT_KEYS)
        parent_name = table.get("inherits", str)
        parent = _built_in(name, groups, default_groups, tool.get("link-mode", str))
        if parent_name is not None:
            if parent_name in chain or parent_name == name:
                loop = " → ".join([*chain, name, parent_name])
                raise table.error("inherits", f"environments inherit from each other: {loop}")
            if parent_name not in names:
                raise table.error("inherits", f"there is no environment {parent_name!r}")
            parent = resolve(parent_name, (*chain, name))
        found[name] = _environment(table, name, parent, groups, extras)
        return found[name]

    for name in names:
        if (
            name in ("", ".", "..")
            or not name.replace("-", "").replace("_", "").replace(".", "").isalnum()
        ):
            raise declared.error(name, "a name holds letters, digits, '-', '_' and '.' only")
        resolve(name, ())
    return {name: found[name] for name in names}


def _built_in(
    name: str,
    groups: Mapping[str, tuple[str, ...]],
    default_groups: tuple[str, ...],
    mode: str | None,
) -> EnvironmentSpec:
    own: tuple[str, ...] = ()
    if name == "dev":
        own = default_groups
    elif name == "test" and "test" in groups:
        own = ("test",)
    return EnvironmentSpec(
        name=name, groups=own, editable=name in _EDITABLE_BY_DEFAULT, link_mode=mode
    )


def _environment(
    table: toml.Table,
    name: str,
    parent: EnvironmentSpec,
    groups: Mapping[str, tuple[str, ...]],
    extras: Mapping[str, tuple[str, ...]],
) -> EnvironmentSpec:
    own_groups = parent.groups
    if "groups" in table:
        own_groups = tuple(canonicalize_name(item) for item in table.strings("groups"))
        _check_names(table, "groups", own_groups, groups, "dependency group")
    own_extras = parent.extras
    if "extras" in table:
        own_extras = tuple(canonicalize_name(item) for item in table.strings("extras"))
        _check_names(table, "extras", own_extras, extras, "extra")
    python = parent.python
    if isinstance(table.data.get("python"), list):
        python = table.strings("python")
    elif (single := table.get("python", str)) is not None:
        python = (single,)
    mode = _link_mode(table) or parent.link_mode
    editable = table.get("editable", bool)
    return EnvironmentSpec(
        name=name,
        groups=own_groups,
        extras=own_extras,
        python=python,
        editable=parent.editable if editable is None else editable,
        link_mode=mode,
    )


def _link_mode(table: toml.Table) -> str | None:
    mode = table.get("link-mode", str)
    if mode is not None and mode not in LINK_MODES:
        raise table.error("link-mode", f"{mode!r} is not one of {', '.join(LINK_MODES)}")
    return mode


def _indexes(tool: toml.Table) -> tuple[IndexSpec, ...]:
    found: list[IndexSpec] = []
    for table in tool.tables("index"):
        table.only(_INDEX_KEYS)
        name, url = table.get("name", str), table.get("url", str)
        if not name or not url:
            raise table.error("name" if not name else "url", "is missing")
        if "@" in url.split("://", 1)[-1].split("/", 1)[0]:
            raise table.error(
                "url", "must not hold credentials",
                hint="Give them in the environment, in netrc or in a keyring.",
            )  # fmt: skip
        if any(name == other.name for other in found):
            raise table.error("name", f"two indexes are called {name!r}")
        found.append(
            IndexSpec(
                name=name,
                url=url,
                default=table.get("default", bool) or False,
                explicit=table.get("explicit", bool) or False,
                packages=tuple(canonicalize_name(item) for item in table.strings("packages")),
            )
        )
    if sum(index.default for index in found) > 1:
        raise tool.error("index", "more than one index says `default = true`")
    return tuple(found)


def _no_build(tool: toml.Table) -> bool | tuple[str, ...]:
    if isinstance(tool.data.get("no-build"), list):
        return tuple(canonicalize_name(item) for item in tool.strings("no-build"))
    if "no-build" in tool and not isinstance(tool.data["no-build"], bool):
        raise tool.error("no-build", "must be true, false or an array of names")
    return tool.get("no-build", bool) or False


def _conflicts(
    tool: toml.Table, groups: Mapping[str, tuple[str, ...]]
) -> tuple[tuple[str, ...], ...]:
    found: list[tuple[str, ...]] = []
    for index, item in enumerate(tool.get("conflicts", list) or []):
        if not isinstance(item, list) or not all(isinstance(name, str) for name in item):
            raise tool.error("conflicts", f"item {index} must be an array of group names")
        names = tuple(canonicalize_name(name) for name in item)
        _check_names(tool, "conflicts", names, groups, "dependency group")
        found.append(names)
    return tuple(found)


def _keep(tool: toml.Table) -> int:
    keep = tool.get("keep", int)
    if keep is not None and keep < 0:
        raise tool.error("keep", "must not be negative")
    _link_mode(tool)
    return 5 if keep is None else keep


__all__ = ["EnvironmentSpec", "IndexSpec", "InputError", "Manifest", "parse_manifest"]

"""``[tool.provenv]``: indexes, environments and the rest of what a project says to provenv."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from provenv.core.values import frozen, replace
from provenv.model import toml
from provenv.model.layout import is_environment_name, is_plain_request

NAME_RULE = "a name holds letters, digits, '-', '_' and '.' only, and begins with no '-' or '.'"
LINK_MODES = ("linked", "hardlink", "clone", "copy")
BUILT_IN_ENVIRONMENTS = ("dev", "test", "staging", "prod")
_EDITABLE_BY_DEFAULT = frozenset({"dev", "test"})
TOOL_KEYS = frozenset(
    {
        "conflicts", "default-environment", "default-groups", "doctor", "environments", "evidence",
        "file-owners", "index", "keep", "link-mode", "matrix", "no-build", "origins", "policy",
        "python-mirror",
        "workspace",
    }
)  # fmt: skip
ENVIRONMENT_KEYS = frozenset(
    {
        "editable", "extras", "groups", "inherits", "link-mode", "prompt", "python", "seed",
        "system-site-packages",
    }
)  # fmt: skip
SEEDS = ("pip", "setuptools", "wheel")
SEED_GROUP = "provenv-seed-"  # and the seed's name: a group of the lock that no manifest declares
WORKSPACE_KEYS = frozenset({"exclude", "members", "shared-lock"})
DOCTOR_KEYS = frozenset({"ignore"})
EVIDENCE_KEYS = frozenset({"folder", "required"})
INDEX_KEYS = frozenset({"default", "explicit", "name", "packages", "publish-url", "url"})


@frozen
class IndexSpec:
    """One package index (``[[tool.provenv.index]]``).

    Attributes:
        name: Its name, as used in environment variables and messages.
        url: The simple API's address (PEP 503, PEP 691), without credentials.
        default: It replaces PyPI.
        explicit: Only ``packages`` come from it.
        packages: Normalized names that must come from it and from nowhere else.
        publish_url: Where ``publish`` uploads to (the legacy upload API); None where it cannot.
    """

    name: str
    url: str
    default: bool = False
    explicit: bool = False
    packages: tuple[str, ...] = ()
    publish_url: str | None = None


@frozen
class EnvironmentSpec:
    """One named environment (``[tool.provenv.environments]``), inheritance resolved.

    ``editable`` is about the project itself: a PEP 660 install, or a wheel. ``python`` holds the
    requests; empty means what ``requires-python`` allows, and where there are several, this is one
    environment for each (:meth:`instances`). ``link_mode`` is None where nothing is declared: what
    the environment has is kept, and a new one is ``linked``.
    ``seed`` names the installers that it holds for its own use, ``prompt`` what shells show of it
    (None: the project's name), and with ``system_site_packages`` it also sees what is installed for
    its interpreter (PEP 405).
    """

    name: str
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    python: tuple[str, ...] = ()
    editable: bool = True
    link_mode: str | None = None
    seed: tuple[str, ...] = ()
    prompt: str | None = None
    system_site_packages: bool = False

    @property
    def lock_groups(self) -> tuple[str, ...]:
        """The groups of the lock that it holds: its own, and those of its seeds."""
        return (*self.groups, *(f"{SEED_GROUP}{name}" for name in self.seed))

    def instances(self) -> tuple[EnvironmentSpec, ...]:
        """One environment for each Python, called ``NAME@PYTHON``; itself where there are not several."""
        if len(self.python) < 2:
            return (self,)
        return tuple(replace(self, name=f"{self.name}@{r}", python=(r,)) for r in self.python)


@frozen
class WorkspaceSpec:
    """``[tool.provenv.workspace]``: which folders are its members, as glob patterns from its root.

    With ``shared_lock`` one lock beside the root's manifest decides for all members.
    """

    members: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    shared_lock: bool = False


@frozen
class EvidenceSpec:
    """``[tool.provenv.evidence]``: what happens is recorded in a log that shows every change to it.

    ``folder`` is where, relative to the project; None: in the home folder. ``required``: what cannot be
    recorded fails.
    """

    folder: str | None = None
    required: bool = False


def read_evidence(tool: toml.Table) -> EvidenceSpec | None:
    """``[tool.provenv.evidence]``; None where there is none. No folder lies outside of the project."""
    if "evidence" not in tool:
        return None
    table = tool.table("evidence")
    table.only(EVIDENCE_KEYS)
    folder = table.get("folder", str)
    if folder is not None and (
        not folder.strip("/. ") or folder.startswith(("/", "~")) or ".." in folder.split("/")
    ):
        raise table.error(
            "folder", f"{folder!r} is not a folder below the project's",
            hint="For one elsewhere, as on another machine, PROVENV_EVIDENCE names it.",
        )  # fmt: skip
    return EvidenceSpec(folder=folder, required=table.get("required", bool) or False)


def read_workspace(tool: toml.Table) -> WorkspaceSpec | None:
    """``[tool.provenv.workspace]``; None where there is none. No entry leads out of its folder."""
    if "workspace" not in tool:
        return None
    table = tool.table("workspace")
    table.only(WORKSPACE_KEYS)
    for key in ("members", "exclude"):
        for index, text in enumerate(table.strings(key)):
            if not text.strip("/.") or text.startswith(("/", "~")) or ".." in text.split("/"):
                raise table.error(
                    key, f"item {index}, {text!r}, is not a folder below the workspace's",
                    hint="Write patterns relative to the root, such as `services/*`.",
                )  # fmt: skip
    return WorkspaceSpec(
        members=table.strings("members"),
        exclude=table.strings("exclude"),
        shared_lock=table.get("shared-lock", bool) or False,
    )


def read_default_groups(
    tool: toml.Table, groups: Mapping[str, tuple[str, ...]], uv: Mapping[str, Any]
) -> tuple[str, ...]:
    """The groups of the default environment: as declared here, in ``[tool.uv]``, or ``dev``."""
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


def read_environments(
    tool: toml.Table,
    groups: Mapping[str, tuple[str, ...]],
    extras: Mapping[str, tuple[str, ...]],
    default_groups: tuple[str, ...],
) -> dict[str, EnvironmentSpec]:
    """Every environment, the built-in ones first, with inheritance resolved."""
    declared = tool.table("environments")
    names = [*BUILT_IN_ENVIRONMENTS, *(n for n in declared.data if n not in BUILT_IN_ENVIRONMENTS)]
    found: dict[str, EnvironmentSpec] = {}

    def resolve(name: str, chain: tuple[str, ...]) -> EnvironmentSpec:
        if name in found:
            return found[name]
        table = declared.table(name)
        table.only(ENVIRONMENT_KEYS)
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
        if not is_environment_name(name):
            raise declared.error(
                name, NAME_RULE if name else f"an environment has an empty name: {NAME_RULE}"
            )
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
    mode = _link_mode(table) or parent.link_mode
    editable = table.get("editable", bool)
    system = table.get("system-site-packages", bool)
    return EnvironmentSpec(
        name=name,
        groups=own_groups,
        extras=own_extras,
        python=parent.python if "python" not in table else _requests(table),
        editable=parent.editable if editable is None else editable,
        link_mode=mode,
        seed=_seed(table, parent.seed),
        prompt=_prompt(table, parent.prompt),
        system_site_packages=parent.system_site_packages if system is None else system,
    )


def _seed(table: toml.Table, inherited: tuple[str, ...]) -> tuple[str, ...]:
    if "seed" not in table:
        return inherited
    names = sorted({canonicalize_name(item) for item in table.strings("seed")})
    for name in names:
        if name not in SEEDS:
            raise table.error(
                "seed", f"{name!r} is not one of {', '.join(SEEDS)}",
                hint="Anything else belongs into a dependency group; a version into "
                "`constraint-dependencies` of [tool.uv].",
            )  # fmt: skip
    return tuple(names)


def _prompt(table: toml.Table, inherited: str | None) -> str | None:
    prompt = table.get("prompt", str)
    if prompt is not None and (not prompt.strip() or not prompt.isprintable()):
        raise table.error("prompt", "must be one line of text that can be shown")
    return inherited if prompt is None else prompt


def seed_groups(environments: Mapping[str, EnvironmentSpec]) -> dict[str, tuple[str, ...]]:
    """The groups of the lock that hold what environments are seeded with, one for each seed.

    They are resolved together with everything else: a project that needs setuptools itself and an
    environment that is seeded with it have one version.
    """
    names = sorted({name for spec in environments.values() for name in spec.seed})
    return {f"{SEED_GROUP}{name}": (name,) for name in names}


def _requests(table: toml.Table) -> tuple[str, ...]:
    """``python``: one request of any form, or several that can be part of a folder's name."""
    if not isinstance(table.data["python"], list):
        found: tuple[str, ...] = (table.get("python", str) or "",)
    else:
        found = table.strings("python")
    for number, request in enumerate(found):
        if not request.strip():
            raise table.error("python", "a request for an interpreter is empty")
        if len(found) > 1 and not is_plain_request(request):
            raise table.error(
                "python", f"{request!r} cannot be part of an environment's name",
                hint="Several Pythons are one environment each: write versions or names, as 3.12 or "
                "pypy3.11. A range or a path stands alone, in an environment of its own.",
            )  # fmt: skip
        if request.lower() in (other.lower() for other in found[:number]):
            raise table.error("python", f"{request!r} is there twice")
    return found


def _link_mode(table: toml.Table) -> str | None:
    mode = table.get("link-mode", str)
    if mode is not None and mode not in LINK_MODES:
        raise table.error("link-mode", f"{mode!r} is not one of {', '.join(LINK_MODES)}")
    return mode


def read_indexes(tool: toml.Table) -> tuple[IndexSpec, ...]:
    """``[[tool.provenv.index]]``; at most one is the default, and none holds credentials."""
    found: list[IndexSpec] = []
    for table in tool.tables("index"):
        table.only(INDEX_KEYS)
        name, url = table.get("name", str), table.get("url", str)
        if not name or not url:
            raise table.error("name" if not name else "url", "is missing")
        publish_url = table.get("publish-url", str)
        for key, address in (("url", url), ("publish-url", publish_url or "")):
            if "@" in address.split("://", 1)[-1].split("/", 1)[0]:
                raise table.error(
                    key, "must not hold credentials",
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
                publish_url=publish_url,
            )
        )
    if sum(index.default for index in found) > 1:
        raise tool.error("index", "more than one index says `default = true`")
    return tuple(found)


def read_python_mirror(tool: toml.Table) -> str | None:
    """Where Pythons are installed from instead of their usual servers; without credentials."""
    mirror = tool.get("python-mirror", str)
    if mirror is not None and "@" in mirror.split("://", 1)[-1].split("/", 1)[0]:
        raise tool.error(
            "python-mirror", "must not hold credentials",
            hint="Give the whole address in PROVENV_PYTHON_MIRROR.",
        )  # fmt: skip
    return mirror


def read_origins(tool: toml.Table) -> tuple[str, ...]:
    """Where files of the lock may come from besides the indexes: addresses, each with a ``/`` at its end.

    A host alone stands for https there.
    """
    found = []
    for index, text in enumerate(tool.strings("origins")):
        url = text if "://" in text else f"https://{text}"
        try:
            parts = urlsplit(url)
            remote = bool(parts.hostname) and parts.port != 0 and parts.scheme not in ("", "file")
        except ValueError:
            remote = False
        local = url.startswith("file:///") and ".." not in url.split("/")
        if re.search(r"[\s\\*@?#]", text) or not (local or remote):
            raise tool.error(
                "origins", f"item {index}, {text!r}, is not a host or an address",
                hint="Write a host, `https://cdn.example/packages/` or `file:///srv/wheels/`; without "
                "credentials, and each host by its whole name.",
            )  # fmt: skip
        found.append(f"{url.rstrip('/')}/")
    return tuple(found)


def read_no_build(tool: toml.Table) -> bool | tuple[str, ...]:
    """True, or the normalized names of which no sdist may be built."""
    if isinstance(tool.data.get("no-build"), list):
        return tuple(canonicalize_name(item) for item in tool.strings("no-build"))
    if "no-build" in tool and not isinstance(tool.data["no-build"], bool):
        raise tool.error("no-build", "must be true, false or an array of names")
    return tool.get("no-build", bool) or False


def read_conflicts(
    tool: toml.Table, groups: Mapping[str, tuple[str, ...]]
) -> tuple[tuple[str, ...], ...]:
    """Sets of groups that need not agree on versions."""
    found: list[tuple[str, ...]] = []
    for index, item in enumerate(tool.get("conflicts", list) or []):
        if not isinstance(item, list) or not all(isinstance(name, str) for name in item):
            raise tool.error("conflicts", f"item {index} must be an array of group names")
        names = tuple(canonicalize_name(name) for name in item)
        _check_names(tool, "conflicts", names, groups, "dependency group")
        found.append(names)
    return tuple(found)


def read_keep(tool: toml.Table) -> int:
    """How many former generations ``gc`` leaves; 5 unless declared."""
    keep = tool.get("keep", int)
    if keep is not None and keep < 0:
        raise tool.error("keep", "must not be negative")
    _link_mode(tool)
    return 5 if keep is None else keep


def read_file_owners(tool: toml.Table) -> dict[str, str]:
    """Glob over environment paths → normalized distribution that wins there."""
    table = tool.table("file-owners")
    return {glob: canonicalize_name(table.get(glob, str) or "") for glob in table.data}


def read_doctor_ignore(tool: toml.Table) -> dict[str, str]:
    """Codes of findings that ``doctor`` leaves out → why (``""`` where no reason is given)."""
    table = tool.table("doctor")
    table.only(DOCTOR_KEYS)
    if isinstance(table.data.get("ignore"), dict):
        reasons = table.table("ignore")
        return {code: reasons.get(code, str) or "" for code in reasons.data}
    return dict.fromkeys(table.strings("ignore"), "")

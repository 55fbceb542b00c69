"""``env create``: declare an environment and make it, in a project or outside of all. Whole or nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from packaging.utils import InvalidName, canonicalize_name

from provenv.core.errors import DiskError, ForeignError, InputError, UsageError
from provenv.core.events import ChangeBegun, silent
from provenv.core.files import FOLDER_LOCK, ensure_folder, locked_folder, write_atomic
from provenv.core.values import frozen, replace
from provenv.environments import switch
from provenv.interpreters import find
from provenv.model.layout import (
    DEFAULT_ENVIRONMENT_FOLDER,
    NAMED_ENVIRONMENTS_FOLDER,
    base_name,
    environment_folder,
    is_environment_name,
)
from provenv.model.manifest import BUILT_IN_ENVIRONMENTS, EnvironmentSpec, Manifest, parse_manifest
from provenv.model.settings import NAME_RULE
from provenv.workspace.host import access, waits
from provenv.workspace.named import removing
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects import files, outside, specifiers
from provenv.workspace.projects.context import (
    MANIFEST_FILE,
    Context,
    LockFile,
    Project,
    open_project,
)
from provenv.workspace.projects.declaring import declare, declared
from provenv.workspace.syncing import edit, locking, template
from provenv.workspace.syncing.evidencing import record_locks

if TYPE_CHECKING:
    from packaging.pylock import Pylock

    from provenv.workspace.syncing.sync import SyncResult


@frozen
class WantedEnvironment:
    """What ``env create`` was asked for; None and empty stand for what was not said.

    Attributes:
        python: Requests for interpreters; several make one environment each.
        requirements: Packages that it gets besides (PEP 508).
        seed: Which of pip, setuptools and wheel the environment itself gets, sorted.
    """

    python: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    inherits: str | None = None
    link_mode: str | None = None
    editable: bool | None = None
    seed: tuple[str, ...] = ()
    prompt: str | None = None
    system_site_packages: bool | None = None

    @property
    def virtual(self) -> dict[str, Any]:
        """What it says of the virtual environment as such, as it is written down."""
        said = {
            "seed": list(self.seed) or None,
            "prompt": self.prompt,
            "system-site-packages": self.system_site_packages,
        }
        return {key: value for key, value in said.items() if value is not None}


@frozen
class CreateResult:
    """What ``env create`` did.

    Attributes:
        environment: Its name. ``root``: The folder of its project.
        outside: It lies outside of projects.
        declared: It was written into ``pyproject.toml``; False where it stood there already.
        requirements: What was added for it, as it now stands.
        syncs: One for each of its Pythons.
    """

    environment: str
    root: str
    outside: bool
    declared: bool
    requirements: tuple[str, ...]
    syncs: tuple[SyncResult, ...]


def create_environment(
    project: Project, context: Context, name: str, wanted: WantedEnvironment
) -> CreateResult:
    """Declare the environment ``name`` in a project's manifest, lock if needed, and make it.

    One that is declared already is just made. Where anything fails, every file is as it was.

    Raises:
        UsageError: Not a name, or it is declared otherwise than ``wanted``.
        InputError: It cannot be declared so: there is no such group, extra or environment.
        ProvenvError: As ``sync`` says.
    """
    check_name(name)
    folder = environment_folder(project.root, name, project.manifest.default_environment)
    with recorded(
        context, "env-create", root=project.root, environment=name, folder=folder, at_once=False
    ) as operation:
        return _create(project, operation.context, name, wanted)


def _create(
    project: Project, context: Context, name: str, wanted: WantedEnvironment
) -> CreateResult:
    with waits.changing(context, project):
        now = open_project(project.root)  # another process may have changed it meanwhile
        own = outside.is_outside(context.home, now.root)
        there = _is_declared(now, name, wanted)
        if there:
            _refuse_other(now, name, wanted, own=own)
        if not there:
            context.emit(ChangeBegun(paths=(now.manifest_path, *locking.deciding(now.locker)[1:])))
        with edit.whole(now, name), _whole(context, now, name):
            final, fresh = (now, None) if there else _declare(now, context, name, wanted)
            syncs = _sync(final, context, name, fresh)
    names = tuple(canonicalize_name(r.name) for r in _parsed(now, wanted))
    said = () if there else edit.written(final, f"dependency-groups.{_group(name)}", names)
    return _result(final, name, syncs, own=own, requirements=said, made=not there)


def create_environment_outside(
    context: Context, name: str, wanted: WantedEnvironment
) -> CreateResult:
    """Make the environment ``name`` outside projects: a project of its own in the home folder.

    Raises:
        UsageError: Not a name; something that needs a project; or it is there and differs.
        ForeignError: Its folder holds something else.
        ProvenvError: As ``lock`` and ``sync`` say; nothing is left of it then.
    """
    check_name(name)
    root = outside.folder(context.home, name)
    if os.path.lexists(root) and not os.path.isdir(root):
        raise _foreign(root)
    folder = os.path.join(root, DEFAULT_ENVIRONMENT_FOLDER)
    with recorded(
        context, "env-create", root=root, environment=name, folder=folder, at_once=False
    ) as operation:
        return _create_outside(operation.context, root, name, wanted)


def _create_outside(
    context: Context, root: str, name: str, wanted: WantedEnvironment
) -> CreateResult:
    ensure_folder(root)
    try:
        # where two make it at once, the second finds it made
        with locked_folder(root, waiting=waits.told(context, f"makes {name}")):
            ensure_folder(root)  # the first may have failed, and left nothing
            made = None
            if outside.find(context.home, name) is None:
                files.sweep(root)
                if set(os.listdir(root)) - {FOLDER_LOCK}:
                    raise _foreign(root)
                made = _make_outside(context, root, name, wanted)
    except DiskError:
        with contextlib.suppress(OSError):  # only where it is empty
            os.rmdir(root)
        raise
    if made is None:
        return create_environment(open_project(root), context, name, wanted)
    project, syncs = made
    if wanted.virtual.keys() <= {"seed"}:
        template.remember(context, project, wanted.python, wanted.link_mode, wanted.seed)
    said = tuple(project.manifest.dependencies)
    return _result(project, name, syncs, own=True, requirements=said, made=True)


def _foreign(root: str) -> ForeignError:
    return ForeignError(
        f"{root} is no environment of provenv; it is left as it is", details={"path": root}
    )


def _make_outside(
    context: Context, root: str, name: str, wanted: WantedEnvironment
) -> tuple[Project, tuple[SyncResult, ...]]:
    """Fill an empty folder: manifest, lock, environments; where that fails, it is gone."""
    try:
        _refuse_project_options(wanted)
        python = _lowest(context, root, wanted)
        text = outside.manifest_text(
            name, wanted.python, python, wanted.link_mode, more=wanted.virtual
        )
        _check_text(text, name)
        context.emit(ChangeBegun())
        write_atomic(os.path.join(root, MANIFEST_FILE), text.encode())
        project, fresh = _fill(open_project(root), context, wanted)
        return project, _sync(project, context, name, fresh)
    except BaseException:
        removing.clear(context, root)
        raise


def check_name(name: str) -> None:
    """Refuse what cannot name an environment.

    Raises:
        UsageError: It would leave its folder, or is no name at all.
    """
    if not is_environment_name(name):
        raise UsageError(f"{name!r} is not the name of an environment: {NAME_RULE}")


def _refuse_project_options(wanted: WantedEnvironment) -> None:
    given = {
        "--group": wanted.groups, "--extra": wanted.extras, "--inherits": wanted.inherits,
        "--editable or --no-editable": wanted.editable is not None,
    }  # fmt: skip
    for option, value in given.items():
        if value:
            raise UsageError(
                f"{option} is about a project, and this environment lies outside of all",
                hint="Start in a project's folder, and without --global.",
            )


def _lowest(context: Context, root: str, wanted: WantedEnvironment) -> str:
    """The lowest ``3.N`` of the interpreters that were asked for."""
    found = [
        find(
            (request,) if request else (),
            None,
            access.search(context, root),
            cache=context.home.interpreters,
            emit=context.emit,
        )
        for request in wanted.python or (None,)
    ]
    return min((i.minor for i in found), key=lambda minor: tuple(map(int, minor.split("."))))


def _fill(
    project: Project, context: Context, wanted: WantedEnvironment
) -> tuple[Project, Mapping[str | None, LockFile] | None]:
    """Add the packages that were asked for to a new project's dependencies, and lock."""
    if not wanted.requirements:
        if not wanted.seed:
            context = replace(context, emit=silent)  # nothing to resolve, nothing to say
        locking.lock(project, context)
        return project, None
    parsed = _parsed(project, wanted)

    def change(text: str, lock: Pylock | None) -> str:
        lines = [edit.bounded(item, lock) for item in parsed]
        return specifiers.set_requirements(
            text, project.manifest_path, lines, group=None, optional=None
        )

    relocked = edit.relock(project, context, change)
    record_locks(relocked.project, context, relocked.fresh.values(), relocked.changes)
    return relocked.project, relocked.fresh


def _parsed(project: Project, wanted: WantedEnvironment) -> list[Any]:
    return [edit.parsed_requirement(text, project.root) for text in wanted.requirements]


def _is_declared(project: Project, name: str, wanted: WantedEnvironment) -> bool:
    """Whether nothing is to be written: it is declared, or built in and nothing was said of it."""
    if declared(project.manifest_text, project.manifest_path, name) is not None:
        return True
    return name in BUILT_IN_ENVIRONMENTS and wanted == WantedEnvironment()


def _refuse_other(project: Project, name: str, wanted: WantedEnvironment, *, own: bool) -> None:
    """Refuse options that say something else than what is declared.

    Raises:
        UsageError: One of them does.
    """
    spec = project.manifest.environments[name]
    table = declared(project.manifest_text, project.manifest_path, name) or {}
    groups = tuple(canonicalize_name(group) for group in wanted.groups)
    pairs: list[tuple[str, object, object]] = [
        ("python", wanted.python or None, spec.python),
        ("groups", groups or None, tuple(g for g in spec.groups if g != _group(name))),
        ("extras", tuple(map(canonicalize_name, wanted.extras)) or None, spec.extras),
        ("inherits", wanted.inherits, table.get("inherits")),
        ("link-mode", wanted.link_mode, spec.link_mode),
        ("editable", wanted.editable, spec.editable),
        ("seed", wanted.seed or None, spec.seed),
        ("prompt", wanted.prompt, spec.prompt),
        ("system-site-packages", wanted.system_site_packages, spec.system_site_packages),
    ]
    for key, said, there in pairs:
        if said is not None and said != there and not (key == "groups" and said == spec.groups):
            raise UsageError(
                f"environment {name!r} is there already, with another {key}: {_shown(there)}",
                hint=f"Change it in {project.manifest_path}, or leave the option out.",
            )
    have = project.manifest.dependencies
    have = have if own else project.manifest.groups.get(_group(name), ())
    names = {canonicalize_name(edit.parsed_requirement(r, project.root).name) for r in have}
    missing = [r for r in _parsed(project, wanted) if canonicalize_name(r.name) not in names]
    if missing:
        place = f"-e {name}" if own else f"--group {_group(name)}"
        raise UsageError(
            f"environment {name!r} is there already, without {missing[0].name}",
            hint=f"`provenv add {place} {missing[0]}` adds it.",
        )


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value or "none")


def _group(name: str) -> str:
    """The dependency group that holds what an environment alone asks for."""
    return canonicalize_name(name)


def _declare(
    project: Project, context: Context, name: str, wanted: WantedEnvironment
) -> tuple[Project, Mapping[str | None, LockFile] | None]:
    """Write the environment into the manifest, with its packages and the lock where there are any."""
    file = project.manifest_path
    parsed = _parsed(project, wanted)
    if parsed:
        _check_group(name)

    def change(text: str, lock: Pylock | None) -> str:
        if parsed:
            lines = [edit.bounded(item, lock) for item in parsed]
            text = specifiers.set_requirements(text, file, lines, group=_group(name), optional=None)
        return declare(text, file, name, values)

    values = _values(project.manifest, name, wanted)
    _check(project, name, change(project.manifest_text, None))
    if parsed:
        relocked = edit.relock(project, context, change)
        record_locks(relocked.project, context, relocked.fresh.values(), relocked.changes)
        return relocked.project, relocked.fresh
    final = edit.with_text(project, change(project.manifest_text, None))
    files.sweep(project.root)
    files.write(project, {project.manifest_path: final.manifest_text})
    return final, None


def _check(project: Project, name: str, text: str) -> None:
    """Refuse what cannot be declared, and say so of the call: the line is in no file yet."""
    try:
        edit.with_text(project, text)
    except InputError as error:
        raise _said(error, name) from error


def _check_text(text: str, name: str) -> None:
    try:
        parse_manifest(text)
    except InputError as error:
        raise _said(error, name) from error


def _said(error: InputError, name: str) -> UsageError:
    reason = error.message.rpartition(f"environments.{name}")[2].lstrip(".")
    return UsageError(f"environment {name!r} cannot be so: {reason}", hint=error.hint)


def _check_group(name: str) -> None:
    try:
        canonicalize_name(name, validate=True)
    except InvalidName as error:
        raise UsageError(
            f"{name!r} cannot be the name of the dependency group that --with adds to",
            hint="Letters (a to z), digits, '-', '_' and '.', with a letter or digit at both ends.",
        ) from error


def _values(manifest: Manifest, name: str, wanted: WantedEnvironment) -> dict[str, Any]:
    """The table of the environment, as it is written down."""
    values: dict[str, Any] = {}
    if wanted.inherits is not None:
        values["inherits"] = wanted.inherits
    groups = list(wanted.groups)
    parent = _parent(manifest, name, wanted)
    if wanted.requirements:
        inherited = parent.groups if parent is not None else ()
        groups = groups or list(inherited)
        if _group(name) not in [_group(group) for group in groups]:
            groups.append(_group(name))
    if groups:
        values["groups"] = groups
    if wanted.extras:
        values["extras"] = list(wanted.extras)
    if wanted.python:
        values["python"] = wanted.python[0] if len(wanted.python) == 1 else list(wanted.python)
    if wanted.editable is not None:
        values["editable"] = wanted.editable
    if wanted.link_mode is not None:
        values["link-mode"] = wanted.link_mode
    return values | wanted.virtual


def _parent(manifest: Manifest, name: str, wanted: WantedEnvironment) -> EnvironmentSpec | None:
    """Whose values hold where the new table has none; None where that is nobody's."""
    return manifest.environments.get(wanted.inherits or name)


def _sync(
    project: Project, context: Context, name: str, fresh: Mapping[str | None, LockFile] | None
) -> tuple[SyncResult, ...]:
    from provenv.workspace.syncing.sync import sync

    default = project.manifest.environment().name
    return tuple(
        sync(
            project,
            context,
            # asked for without a name, as the short way will ask for it
            environment=None if spec.name == default else spec.name,
            fresh=fresh,
        )
        for spec in project.manifest.instances(name)
    )


@contextlib.contextmanager
def _whole(context: Context, project: Project, name: str) -> Iterator[None]:
    """Where the block fails, environments of this name that it made are gone again."""
    before = set(_folders(project, name))
    try:
        yield
    except BaseException:
        for folder in set(_folders(project, name)) - before:
            removing.take_away(context, folder)
        raise


def _folders(project: Project, name: str) -> list[str]:
    """The folders of the environments of this name that have a generation."""
    found = [os.path.join(project.root, DEFAULT_ENVIRONMENT_FOLDER)]
    if name != project.manifest.default_environment:
        found = []
    folder = os.path.join(project.root, NAMED_ENVIRONMENTS_FOLDER)
    with contextlib.suppress(OSError):
        found += [f"{folder}/{other}" for other in os.listdir(folder) if base_name(other) == name]
    return [path for path in found if switch.numbers(path)]


def _result(
    project: Project,
    name: str,
    syncs: tuple[SyncResult, ...],
    *,
    own: bool,
    requirements: tuple[str, ...],
    made: bool,
) -> CreateResult:
    return CreateResult(
        environment=name,
        root=project.root,
        outside=own,
        declared=made,
        requirements=requirements,
        syncs=syncs,
    )

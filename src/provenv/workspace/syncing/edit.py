"""``init``, ``add``, ``remove``: changing what a project asks for. Whole or nothing."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from provenv.core import disk
from provenv.core.errors import ProvenvError, UsageError
from provenv.core.events import ChangeBegun
from provenv.core.files import write_atomic
from provenv.core.values import frozen
from provenv.environments import generations, switch
from provenv.model.generation import Change
from provenv.model.layout import lock_file_name
from provenv.model.manifest import parse_manifest
from provenv.model.requirements import requirement
from provenv.workspace.host import access, waits
from provenv.workspace.operations.recording import Operation, recorded
from provenv.workspace.projects import files, specifiers
from provenv.workspace.projects.context import (
    MANIFEST_FILE,
    Context,
    LockFile,
    Project,
    make_project,
    open_project,
    project_name,
    read_locks,
    read_text,
    require_manifest,
)
from provenv.workspace.syncing import locking
from provenv.workspace.syncing.evidencing import locks_recorded

if TYPE_CHECKING:
    from packaging.pylock import Pylock

    from provenv.workspace.syncing.sync import SyncResult

Edit = Callable[[str, "Pylock | None"], str]
_LOCK = re.compile(r"pylock(\..+)?\.toml")
_IGNORED = (".venv/", ".venvs/", "__pycache__/")


@frozen
class InitResult:
    """What ``init`` made and completed, relative to the project."""

    root: str
    name: str
    requires_python: str
    created: tuple[str, ...]
    completed: tuple[str, ...]


@frozen
class EditResult:
    """What ``add`` or ``remove`` did: requirements as they now stand, the lock's changes, the sync."""

    requirements: tuple[str, ...]
    place: str
    changes: tuple[Change, ...]
    sync: SyncResult | None


def init(root: str, context: Context, *, name: str | None = None) -> InitResult:
    """Make a project in the folder ``root``, or complete one. Nothing that is there is overwritten.

    Raises:
        InputError: A manifest is there and cannot be used.
        DiskError: The file system refused.
    """
    os.makedirs(root, exist_ok=True)
    paths = [os.path.join(root, name) for name in (MANIFEST_FILE, ".gitignore")]
    with recorded(context, "init", root=root, paths=paths, at_once=False) as operation:
        return _init(root, operation.context, name)


def _init(root: str, context: Context, name: str | None) -> InitResult:
    path = os.path.join(root, MANIFEST_FILE)
    created: list[str] = []
    completed: list[str] = []
    if disk.there(path):
        text = read_text(path)
        manifest = parse_manifest(text, path)
        new = _complete(text, root, context, name)
        if new != text:
            context.emit(ChangeBegun())
            write_atomic(path, new.encode())
            completed.append(MANIFEST_FILE)
        manifest = parse_manifest(new, path)
    else:
        text = _fresh(name or project_name(root), _requires_python(root, context))
        context.emit(ChangeBegun())
        write_atomic(path, text.encode())
        created.append(MANIFEST_FILE)
        manifest = parse_manifest(text, path)
    _ignore(root, context, created, completed)
    return InitResult(
        root=root,
        name=manifest.name or "",
        requires_python=manifest.requires_python or "",
        created=tuple(created),
        completed=tuple(completed),
    )


def _requires_python(root: str, context: Context) -> str:
    return f">={best_minor(root, context)}"


def best_minor(root: str, context: Context) -> str:
    """The minor version of the interpreter that a new project in ``root`` gets (``3.13``)."""
    from provenv.interpreters import find

    interpreter = find(
        (),
        ">=3.9",
        access.search(context, root),
        cache=context.home.interpreters,
        emit=context.emit,
    )
    return interpreter.minor


def _fresh(name: str, requires_python: str) -> str:
    return f"""\
[project]
name = "{name}"
version = "0.1.0"
requires-python = "{requires_python}"
dependencies = []

[dependency-groups]
dev = []
"""


def _complete(text: str, root: str, context: Context, name: str | None) -> str:
    import tomlkit

    document = tomlkit.parse(text)
    if "project" not in document:
        table = tomlkit.table()
        if len(document) > 0:
            document.add(tomlkit.nl())
        document["project"] = table
    project = document["project"]
    assert isinstance(project, dict)
    if "name" not in project:
        project["name"] = name or project_name(root)
    if "version" not in project and "version" not in project.get("dynamic", []):
        project["version"] = "0.1.0"
    if "requires-python" not in project:
        project["requires-python"] = _requires_python(root, context)
    if "dependencies" not in project and "dependencies" not in project.get("dynamic", []):
        project["dependencies"] = tomlkit.array()
    return tomlkit.dumps(document)


def _ignore(root: str, context: Context, created: list[str], completed: list[str]) -> None:
    path = os.path.join(root, ".gitignore")
    there = disk.there(path)
    text = read_text(path) if there else ""
    lines = {line.strip().strip("/") for line in text.splitlines()}
    missing = [entry for entry in _IGNORED if entry.strip("/") not in lines]
    if not missing:
        return
    joint = "" if not text or text.endswith("\n") else "\n"
    context.emit(ChangeBegun())
    write_atomic(path, (text + joint + "".join(f"{entry}\n" for entry in missing)).encode())
    (completed if there else created).append(".gitignore")


def add(
    project: Project,
    context: Context,
    requirements: Sequence[str],
    *,
    group: str | None = None,
    optional: str | None = None,
    synced: bool = True,
    environment: str | None = None,
) -> EditResult:
    """Add requirements to the manifest, lock, and sync.

    A requirement without a version gets the lower bound that was locked (``requests`` becomes
    ``requests>=2.32.5``). Where anything fails, every file is as it was.

    Raises:
        UsageError: Not a requirement.
        UnsatisfiableError: No versions go together.
    """
    parsed = [parsed_requirement(text, project.root) for text in requirements]
    file = project.manifest_path

    def edit(text: str, lock: Pylock | None) -> str:
        lines = [bounded(item, lock) for item in parsed]
        return specifiers.set_requirements(text, file, lines, group=group, optional=optional)

    names = tuple(canonicalize_name(item.name) for item in parsed)
    place = ".".join(specifiers.place(group, optional))
    with _recorded(project, context, "add", environment) as operation:
        return _change(
            project, operation.context, edit, names, place, synced=synced, environment=environment
        )


def remove(
    project: Project,
    context: Context,
    names: Sequence[str],
    *,
    group: str | None = None,
    optional: str | None = None,
    synced: bool = True,
    environment: str | None = None,
) -> EditResult:
    """Remove requirements from the manifest by name, lock, and sync. Whole or nothing.

    Raises:
        UsageError: One of them is not there; the hint says where it is.
    """
    file = project.manifest_path

    def edit(text: str, lock: Pylock | None) -> str:  # noqa: ARG001  # the lock adds bounds, in `add`
        return specifiers.drop_requirements(text, file, names, group=group, optional=optional)

    place = ".".join(specifiers.place(group, optional))
    with _recorded(project, context, "remove", environment) as operation:
        return _change(
            project, operation.context, edit, (), place, synced=synced, environment=environment
        )


def _recorded(
    project: Project, context: Context, verb: str, environment: str | None
) -> contextlib.AbstractContextManager[Operation]:
    """Record in the operations log what changes the manifest, the locks and the environment."""
    spec = project.manifest.environment(environment)
    return recorded(
        context,
        verb,
        root=project.root,
        environment=spec.name,
        folder=project.folder(spec),
        paths=(project.manifest_path, *locking.deciding(project.locker)[1:]),
    )


def parsed_requirement(text: str, root: str) -> Requirement:
    """A requirement as somebody typed it.

    Raises:
        UsageError: It is none (PEP 508).
    """
    try:
        found = requirement(text)
        if any(
            not specifier.version for specifier in found.specifier
        ):  # `name ===` is one to packaging
            raise InvalidRequirement(f"no version: {text}")
        return found
    except InvalidRequirement as error:
        path = os.path.join(root, text)
        hint = "Write it as `name`, `name>=1.2`, `name[extra]`, or `name @ https://…` (PEP 508)."
        if os.path.exists(path):
            hint = f"For a local project: `provenv add 'NAME @ file://{os.path.abspath(path)}'`."
        reason = str(error).splitlines()[0]
        raise UsageError(f"{text!r} is not a requirement: {reason}", hint=hint) from error


def bounded(item: Requirement, lock: Pylock | None) -> str:
    """The requirement as it is written down: with the locked version as lower bound."""
    if lock is None or item.specifier or item.url:
        return str(item)
    name = canonicalize_name(item.name)
    versions = [p.version for p in lock.packages if p.name == name and p.version is not None]
    if not versions:
        return str(item)
    found = Requirement(str(item))
    found.specifier = SpecifierSet(f">={min(versions).public}")
    return str(found)


def _change(
    project: Project,
    context: Context,
    edit: Edit,
    names: tuple[str, ...],
    place: str,
    *,
    synced: bool,
    environment: str | None,
) -> EditResult:
    """Edit, lock and sync, one process after the other; put every file back where one of them fails."""
    with waits.changing(context, project):
        now = open_project(
            project.root
        )  # another process may have changed it while this one waited
        require_manifest(now)
        return _change_alone(
            now, context, edit, names, place, synced=synced, environment=environment
        )


def _change_alone(
    project: Project,
    context: Context,
    edit: Edit,
    names: tuple[str, ...],
    place: str,
    *,
    synced: bool,
    environment: str | None,
) -> EditResult:
    if synced:
        _refuse_foreign_source(project, environment)
    result = None
    with locks_recorded(project, context) as record, whole(project):
        relocked = relock(project, context, edit, environment)
        record(relocked.project, relocked.fresh.values(), relocked.changes)
        if synced:
            from provenv.workspace.syncing.sync import sync

            result = sync(relocked.project, context, environment=environment, fresh=relocked.fresh)
    return EditResult(
        requirements=written(relocked.project, place, names),
        place=place,
        changes=relocked.changes,
        sync=result,
    )


@contextlib.contextmanager
def whole(project: Project, environment: str | None = None) -> Iterator[None]:
    """Where the block fails, the manifest and the locks become what they were before it.

    ``environment`` is one that the block declares, and that may get a lock of its own.
    """
    with files.whole(project, _files(project, environment)):
        yield


@frozen
class Relocked:
    """A project after an edit of its manifest: with its new locks, and what moved in them."""

    project: Project
    fresh: Mapping[str | None, LockFile]
    changes: tuple[Change, ...]


def relock(
    project: Project, context: Context, edit: Edit, environment: str | None = None
) -> Relocked:
    """Edit the manifest, lock, and write both; ``environment`` is synced next, if one is.

    ``edit`` makes the manifest's new text of the old one; it is called twice, the second time with the
    lock, whose versions become bounds.
    """
    first = with_text(project, edit(project.manifest_text, None))
    old = read_locks(project)
    new = locking.resolve_manifest(
        first, context, old, meanwhile=partial(_get_ready, project, context, environment)
    )
    final = with_text(project, edit(project.manifest_text, new[None]))
    # The bounds are the locked versions: nothing moves, only the digest of the manifest does.
    fresh = locking.render_locks(final, locking.answering(final, new))
    texts = {file.path: file.text for file in fresh.values()}
    files.sweep(project.root)
    files.write(project, {**texts, project.manifest_path: final.manifest_text})
    locking.remember_fresh(final, context, fresh)
    before = old[None].lock if None in old else None
    changes = locking.lock_changes(before, new[None])
    return Relocked(project=final, fresh=fresh, changes=changes)


def _refuse_foreign_source(project: Project, environment: str | None) -> None:
    """An environment that another tool's lock decides on cannot get what is not in that lock."""
    spec = project.manifest.environment(environment)
    source = generations.source_of(project.folder(spec))
    if source is not None:
        raise UsageError(
            f"environment {spec.name!r} is made from {source}, which another tool writes",
            hint=f"Use that tool, or take the project over with `provenv import {source}`.",
        )


def _get_ready(project: Project, context: Context, environment: str | None) -> None:
    """While the resolver works: import what ``sync`` needs, and read the objects that most likely stay."""
    import provenv.workspace.syncing.sync  # noqa: F401  # it takes as long as resolving
    from provenv.store.objects import KEPT, read_object

    try:
        folder = project.folder(project.manifest.environment(environment))
        number = switch.current(folder)
        if number is None:
            return
        for package in generations.read_generation(folder, number).packages[:KEPT]:
            read_object(context.home, package.sha256)
    except (OSError, ProvenvError):
        return  # what is wrong there, `sync` says


def with_text(project: Project, text: str) -> Project:
    """The project as it is once its manifest reads ``text``.

    Raises:
        InputError: That would be no manifest that can be used.
    """
    return make_project(project.root, text)


def _files(project: Project, environment: str | None) -> list[str]:
    """The manifest, and every lock that the project has or may get."""
    names = [None, environment, *project.manifest.environments]
    folder = project.locker.root
    there = [name for name in os.listdir(folder) if is_lock(name)]
    locks = dict.fromkeys([*map(lock_file_name, names), *there])
    return [project.manifest_path, *(os.path.join(folder, name) for name in locks)]


def is_lock(name: str) -> bool:
    """Whether a file of this name is a lock (PEP 751, "File Name")."""
    return _LOCK.fullmatch(name) is not None


def written(project: Project, place: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The requirements on these distributions as they stand in the array at ``place`` of the manifest."""
    manifest = project.manifest
    items = manifest.dependencies
    for head, table in (
        ("dependency-groups.", manifest.groups),
        ("project.optional-dependencies.", manifest.optional_dependencies),
    ):
        if place.startswith(head):
            items = table.get(canonicalize_name(place.removeprefix(head)), ())
    return tuple(item for item in items if canonicalize_name(Requirement(item).name) in names)

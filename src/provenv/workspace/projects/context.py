"""What a use case is handed: the world (:class:`Context`) and a project (:class:`Project`).

Both are values. The front end makes them from the environment, the home folder and the command
line; nothing below reads those.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from provenv.core import digest
from provenv.core.disk import refuse_sick, there
from provenv.core.errors import InputError, UsageError
from provenv.core.events import Emit, silent
from provenv.core.http import HttpSettings
from provenv.core.values import field, frozen, replace
from provenv.model.layout import (
    DEFAULT_ENVIRONMENT_FOLDER,
    HomeLayout,
    base_name,
    environment_folder,
    lock_file_name,
)
from provenv.model.manifest import EnvironmentSpec, Manifest, parse_manifest
from provenv.workspace import fast
from provenv.workspace.projects import sharing
from provenv.workspace.projects.members import Workspace, find_workspace

if TYPE_CHECKING:
    from packaging.pylock import Pylock

MANIFEST_FILE = "pyproject.toml"


@frozen
class Context:
    """The world, as far as a use case may see it.

    Attributes:
        home: The folder that all projects share.
        environ: Environment variables (``PATH``, proxies, credentials of indexes).
        user_home: The user's home folder (netrc, pyenv).
        http: How to reach servers.
        emit: Who listens to events.
        index_url: Replaces the default index for this run.
        cause: The command, as it is written into the history.
        operation: What is being recorded in the operations log; None where nothing is yet.
    """

    home: HomeLayout
    environ: Mapping[str, str]
    user_home: str
    http: HttpSettings = field(default_factory=HttpSettings)
    emit: Emit = silent
    index_url: str | None = None
    cause: str = "provenv"
    operation: str | None = None

    @property
    def offline(self) -> bool:
        """Whether nothing may be fetched."""
        return self.http.offline


@frozen
class LockFile:
    """A lock as it lies in a project."""

    path: str
    text: str
    lock: Pylock

    @property
    def digest(self) -> str:
        """SHA-256 of the file's bytes."""
        return digest.of_bytes(self.text.encode())


@frozen
class Project:
    """A folder with a manifest.

    Attributes:
        manifest: What it asks for; in a workspace with what it needs of other members.
        workspace: What it is a member or the root of.
        shared: The project whose lock decides, where the workspace has one lock for all members.
        apart: The folder of its environment, where that is one that lies outside of the project.
    """

    root: str
    manifest_text: str
    manifest: Manifest
    workspace: Workspace | None = None
    shared: Project | None = None
    apart: str | None = None

    @property
    def manifest_path(self) -> str:
        """The path of ``pyproject.toml``."""
        return os.path.join(self.root, MANIFEST_FILE)

    @property
    def title(self) -> str:
        """The project's name, or its folder's as far as it can be shown in one line."""
        name = os.fsencode(os.path.basename(self.root)).decode(errors="replace")
        return self.manifest.name or "".join(c if c.isprintable() else "?" for c in name)

    @property
    def locker(self) -> Project:
        """The project that is locked: the workspace as a whole where it shares a lock, or this one."""
        return self.shared or self

    @property
    def bare(self) -> bool:
        """Whether it is only there for the members of its workspace, and no project by itself."""
        return self.workspace is not None and (
            os.path.realpath(self.root) not in self.workspace.folders
        )

    @property
    def around(self) -> tuple[str, ...]:
        """Paths relative to the project of what decides on it besides its own files: a workspace's."""
        if self.workspace is None:
            return ()
        paths = [*self.workspace.watched]
        if self.shared is not None:
            paths += [self.lock_path(None), os.path.join(self.shared.root, fast.POLICY)]
        here = os.path.realpath(self.root)
        own = os.path.join(here, MANIFEST_FILE)
        return tuple(os.path.relpath(path, here) for path in paths if path != own)

    def selector(self, environment: EnvironmentSpec) -> EnvironmentSpec:
        """``environment`` with the groups and extras that choose its packages from the lock."""
        if self.shared is None:
            return environment
        return sharing.selector(self.manifest, environment)

    def folder(self, environment: EnvironmentSpec) -> str:
        """Where an environment of this project lies; the default one (its first Python) in ``.venv``."""
        if self.apart is not None:
            return self.apart
        return environment_folder(self.root, environment.name, self.manifest.environment().name)

    def lock_key(self, environment: EnvironmentSpec) -> str | None:
        """Which lock decides for ``environment``: None for the common one, else its name.

        The environments of several Pythons have one lock.
        """
        if self.shared is not None:
            return None
        conflicting = {name for group in self.manifest.conflicts for name in group}
        return base_name(environment.name) if conflicting.intersection(environment.groups) else None

    def lock_path(self, key: str | None) -> str:
        """Where the lock of that key lies."""
        return os.path.join(self.locker.root, lock_file_name(key))


def require_manifest(project: Project) -> None:
    """Refuse a folder that is a project only by the environment in it.

    Raises:
        InputError: It has no manifest.
    """
    if not there(project.manifest_path):
        raise InputError(
            f"no {MANIFEST_FILE} in {project.root}",
            hint="`provenv init` makes one, `provenv import` out of what other tools left.",
        )


def project_name(root: str) -> str:
    """A valid project name (PEP 508) made from a folder's name."""
    bare = re.sub(r"[^A-Za-z0-9._-]+", "-", os.path.basename(os.path.abspath(root)))
    return bare.strip("-._").lower() or "project"


def find_root(start: str) -> str | None:
    """The nearest folder at or above ``start`` that holds a ``pyproject.toml``.

    An environment that was made without one (``sync --from requirements.txt``) stands for it.
    """
    folder = os.path.abspath(start)
    while True:
        path = os.path.join(folder, MANIFEST_FILE)
        if there(path) and os.path.isfile(path):
            return folder
        if os.path.islink(os.path.join(folder, DEFAULT_ENVIRONMENT_FOLDER, "current")):
            return folder
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def open_project(start: str) -> Project:
    """The project that ``start`` lies in.

    Raises:
        InputError: There is none, or its manifest cannot be used.
    """
    root = find_root(start)
    if root is None:
        raise InputError(
            f"no {MANIFEST_FILE} in {start} or above it",
            hint="`provenv init` makes one; --directory chooses another folder.",
        )
    return project_in(root)


def project_in(root: str) -> Project:
    """The project in the folder ``root`` itself, which may have no manifest.

    Raises:
        InputError: Its manifest cannot be used.
    """
    return make_project(root, read_manifest(root))


def open_member(start: str, wanted: str) -> Project:
    """The member called ``wanted`` (a project's name, or a path) of the workspace around ``start``.

    Raises:
        UsageError: ``start`` lies in no workspace, or it has no such member.
        InputError: A manifest cannot be used.
    """
    workspace = open_project(start).workspace
    if workspace is None:
        raise UsageError(
            f"{start} lies in no workspace, so that it has no member {wanted!r}",
            hint="A workspace is declared in [tool.provenv.workspace]; --directory chooses a project.",
        )
    return open_project(workspace.member(wanted, start))


def open_folder(workspace: Workspace, folder: str, shared: Project | None = None) -> Project:
    """The member in ``folder`` of a workspace that was read already.

    ``shared`` is what the members have in common, where that is known, too: each would make it anew.

    Raises:
        InputError: Its manifest, or that of a member that it needs, cannot be used.
    """
    return make_project(folder, read_text(os.path.join(folder, MANIFEST_FILE)), workspace, shared)


def refuse_bare(project: Project) -> None:
    """Refuse the root of a workspace that is no project by itself.

    Raises:
        UsageError: It is one; names the members.
    """
    if project.bare and project.workspace is not None:
        labels = list(project.workspace.labels.values())
        raise UsageError(
            f"{project.root} is a workspace and no project by itself; "
            f"its members: {', '.join(labels) or 'none'}",
            hint="`--member NAME` chooses one of them; `lock`, `sync` and `status` take `--all`.",
            details={"members": labels},
        )


def make_project(
    root: str, text: str, workspace: Workspace | None = None, shared: Project | None = None
) -> Project:
    """The project in ``root`` with ``text`` for its manifest, as a member of its workspace.

    ``workspace`` is that, where it is known already, and ``shared`` :attr:`Project.shared` of any member.

    Raises:
        InputError: The manifest, or the workspace, cannot be used.
    """
    manifest = parse_manifest(text, os.path.join(root, MANIFEST_FILE))
    workspace = workspace or find_workspace(root, text)
    if workspace is None:
        return Project(root=root, manifest_text=text, manifest=manifest)
    here = os.path.realpath(root)
    made = Project(
        root=root,
        manifest_text=text,
        manifest=workspace.complete(here, manifest),
        workspace=workspace,
    )
    if not workspace.spec.shared_lock:
        return made
    if shared is None:
        other = here != workspace.root
        shared = replace(
            made,
            root=workspace.root,
            manifest_text=read_text(workspace.manifest_path) if other else text,
            manifest=sharing.whole(workspace),
        )
    python = (
        shared.manifest.requires_python
    )  # one lock holds for the Pythons that all members allow
    return replace(made, manifest=replace(made.manifest, requires_python=python), shared=shared)


def as_it_is(project: Project) -> Project:
    """The project as it lies there now: another process may have changed it since it was read.

    Raises:
        InputError: Its manifest cannot be used any more.
    """
    text = read_manifest(project.root)
    if text == project.manifest_text and project.workspace is None:
        return project
    return make_project(project.root, text)


def read_manifest(root: str) -> str:
    """The text of the manifest in ``root``; empty where there is none.

    Raises:
        InputError: It cannot be read, or is not UTF-8.
    """
    path = os.path.join(root, MANIFEST_FILE)
    return read_text(path) if there(path) else ""


def read_text(path: str) -> str:
    """A text file in UTF-8, line ends as they are.

    Raises:
        InputError: It cannot be read, or is not UTF-8.
        DiskError: The disk refuses to read it.
    """
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return stream.read()
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8: {error.reason}", file=path) from error
    except OSError as error:
        refuse_sick(error, path)
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error


def read_lock(project: Project, key: str | None) -> LockFile | None:
    """The lock of that key, or None where there is none.

    Raises:
        InputError: It is there and cannot be used.
    """
    path = project.lock_path(key)
    if not there(path):
        return None
    return _lock_file(path, read_text(path))


@lru_cache(maxsize=4)
def _lock_file(path: str, text: str) -> LockFile:
    """A lock by its text: the common one of a workspace is read for every member."""
    from provenv.model.lock import parse_lock  # 20 ms, and not every command parses a lock

    return LockFile(path=path, text=text, lock=parse_lock(text, path))


def read_locks(project: Project) -> dict[str | None, LockFile]:
    """Every lock that the project has for its environments."""
    keys = [None, *(project.lock_key(spec) for spec in project.manifest.environments.values())]
    found: dict[str | None, LockFile] = {}
    for key in dict.fromkeys(keys):
        lock = read_lock(project, key)
        if lock is not None:
            found[key] = lock
    return found

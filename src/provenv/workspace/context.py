"""What a use case is handed: the world (:class:`Context`) and a project (:class:`Project`).

Both are values. The front end makes them from the environment, the home folder and the command
line; nothing below reads those.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provenv.core import digest
from provenv.core.errors import InputError
from provenv.core.events import Emit, silent
from provenv.core.http import HttpSettings
from provenv.model.layout import HomeLayout, base_name, environment_folder, lock_file_name
from provenv.model.manifest import EnvironmentSpec, Manifest, parse_manifest

if TYPE_CHECKING:
    from packaging.pylock import Pylock

MANIFEST_FILE = "pyproject.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
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
    """

    home: HomeLayout
    environ: Mapping[str, str]
    user_home: str
    http: HttpSettings = field(default_factory=HttpSettings)
    emit: Emit = silent
    index_url: str | None = None
    cause: str = "provenv"

    @property
    def offline(self) -> bool:
        """Whether nothing may be fetched."""
        return self.http.offline


@dataclass(frozen=True, slots=True, kw_only=True)
class LockFile:
    """A lock as it lies in a project."""

    path: str
    text: str
    lock: Pylock

    @property
    def digest(self) -> str:
        """SHA-256 of the file's bytes."""
        return digest.of_bytes(self.text.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A folder with a manifest."""

    root: str
    manifest_text: str
    manifest: Manifest

    @property
    def manifest_path(self) -> str:
        """The path of ``pyproject.toml``."""
        return os.path.join(self.root, MANIFEST_FILE)

    @property
    def title(self) -> str:
        """The project's name, or its folder's as far as it can be shown in one line."""
        name = os.fsencode(os.path.basename(self.root)).decode(errors="replace")
        return self.manifest.name or "".join(c if c.isprintable() else "?" for c in name)

    def folder(self, environment: EnvironmentSpec) -> str:
        """Where an environment of this project lies; the default one (its first Python) in ``.venv``."""
        return environment_folder(self.root, environment.name, self.manifest.environment().name)

    def lock_key(self, environment: EnvironmentSpec) -> str | None:
        """Which lock decides for ``environment``: None for the common one, else its name.

        The environments of several Pythons have one lock.
        """
        conflicting = {name for group in self.manifest.conflicts for name in group}
        return base_name(environment.name) if conflicting.intersection(environment.groups) else None

    def lock_path(self, key: str | None) -> str:
        """Where the lock of that key lies."""
        return os.path.join(self.root, lock_file_name(key))


def project_name(root: str) -> str:
    """A valid project name (PEP 508) made from a folder's name."""
    bare = re.sub(r"[^A-Za-z0-9._-]+", "-", os.path.basename(os.path.abspath(root)))
    return bare.strip("-._").lower() or "project"


def find_root(start: str) -> str | None:
    """The nearest folder at or above ``start`` that holds a ``pyproject.toml``."""
    folder = os.path.abspath(start)
    while True:
        if os.path.isfile(os.path.join(folder, MANIFEST_FILE)):
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
    text = read_text(os.path.join(root, MANIFEST_FILE))
    manifest = parse_manifest(text, os.path.join(root, MANIFEST_FILE))
    return Project(root=root, manifest_text=text, manifest=manifest)


def read_text(path: str) -> str:
    """A text file in UTF-8, line ends as they are.

    Raises:
        InputError: It cannot be read, or is not UTF-8.
    """
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return stream.read()
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8: {error.reason}", file=path) from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error


def read_lock(project: Project, key: str | None) -> LockFile | None:
    """The lock of that key, or None where there is none.

    Raises:
        InputError: It is there and cannot be used.
    """
    path = project.lock_path(key)
    if not os.path.lexists(path):
        return None
    from provenv.model.lock import parse_lock  # 20 ms, and not every command parses a lock

    text = read_text(path)
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

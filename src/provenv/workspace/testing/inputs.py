"""What decides on the result of a cell besides its environment: the files of the project, as a digest."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from collections.abc import Iterable, Mapping
from typing import Any

from provenv.core import digest
from provenv.core.errors import ProvenvError
from provenv.core.files import ensure_folder
from provenv.core.values import frozen
from provenv.environments import stamp
from provenv.workspace.projects.context import Context, LockFile, Project
from provenv.workspace.testing.cells import trials_folder
from provenv.workspace.testing.files import own_files

_FRESH = 2.0
"""Seconds: a file that was changed so short a time ago may change again without its time telling so."""


@frozen
class Files:
    """Files as they are: by path, relative to the project. ``digest`` is over all of them.

    ``newest`` is the latest of the times at which one was changed, in nanoseconds.
    """

    contents: Mapping[str, str]
    newest: int = 0

    @property
    def digest(self) -> str:
        """One digest for all of them."""
        return digest.of_json(self.contents)

    def changed(self, others: Files) -> list[str]:
        """Paths that differ, also those that came or went."""
        names = {*self.contents, *others.contents}
        return sorted(n for n in names if self.contents.get(n) != others.contents.get(n))


def read_files(project: Project, locks: Iterable[LockFile], context: Context) -> Files:
    """The project's files, those of its workspace, and of what its locks have from folders beside it.

    In a git repository, what git tracks and what it does not ignore; elsewhere everything but
    environments and caches. A file whose times, size, inode and mode are those of last time is not read
    again.
    """
    cache = os.path.join(trials_folder(project, context), "files.json")
    known = _recalled(cache)
    now = time.time()
    kept: dict[str, list[Any]] = {}
    contents: dict[str, str] = {}
    newest = 0
    for folder in _folders(project, locks):
        for own in own_files(folder, context.environ):
            path = os.path.join(folder, own)
            name = os.path.relpath(path, project.root)
            told = _look(path, known.get(path))
            if told is None:
                continue
            contents[name] = told[-1]
            newest = max(newest, *told[:2])
            if now - max(told[:2]) / 1e9 > _FRESH:
                kept[path] = told
    if kept != known:
        with contextlib.suppress(OSError, ProvenvError):  # it costs time later on, and nothing else
            ensure_folder(os.path.dirname(cache))
            stamp.replace(cache, json.dumps(kept))
    return Files(contents=contents, newest=newest)


def _folders(project: Project, locks: Iterable[LockFile]) -> list[str]:
    """The project or its workspace, and folders that packages of the locks are built from."""
    root = project.workspace.root if project.workspace is not None else project.root
    found = [os.path.realpath(root)]
    for file in locks:
        base = os.path.dirname(file.path)
        for package in file.lock.packages:
            if package.directory is not None:
                path = os.path.realpath(os.path.join(base, package.directory.path))
                if not any(path == one or path.startswith(f"{one}/") for one in found):
                    found.append(path)
    return found


def _look(path: str, known: list[Any] | None) -> list[Any] | None:
    """Times, size, inode, mode and digest of a file (of a link: where it leads); None where it is gone."""
    try:
        status = os.lstat(path)
        signs = [
            status.st_mtime_ns,
            status.st_ctime_ns,  # tells of what puts the other time back
            status.st_size,
            status.st_ino,
            status.st_mode,
        ]
        if stat.S_ISLNK(status.st_mode):
            return [*signs, f"link {digest.of_bytes(os.fsencode(os.readlink(path)))}"]
        if not stat.S_ISREG(status.st_mode):
            return [*signs, "special"]
        if isinstance(known, list) and known[:-1] == signs and isinstance(known[-1], str):
            return known
        with open(path, "rb") as stream:
            text = digest.of_bytes(stream.read())
        return [*signs, f"{text}{' x' if status.st_mode & 0o100 else ''}"]
    except FileNotFoundError:
        return None
    except OSError as error:
        return [0, 0, 0, 0, 0, f"unreadable: {error.errno}"]


def _recalled(path: str) -> dict[str, list[Any]]:
    try:
        with open(path, "rb") as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

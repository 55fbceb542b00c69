"""Writing the files of a project: each whole, and nothing left over where a command was killed."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping

from provenv.core.errors import InputError
from provenv.core.files import write_atomic
from provenv.environments import stamp
from provenv.model.layout import lock_file_name
from provenv.workspace.projects.context import MANIFEST_FILE, Project

_LOCK = re.compile(r"pylock(\..+)?\.toml")
_LEFT = re.compile(
    r"\.(?:pyproject\.toml|pylock(?:\..+)?\.toml|\.gitignore|\.python-version)\.(\d+)\.\d+\.tmp"
)


def write(project: Project, texts: Mapping[str, str]) -> None:
    """Replace files of the project, each in one step: locks first, the manifest as the last one.

    The environments' stamps go first, so that after a kill the next command takes the long way, and
    sweeps.

    Raises:
        DiskError: The file system refused.
    """
    for spec in project.manifest.all_instances():
        stamp.forget(project.folder(spec))
    for path in sorted(texts, key=lambda path: os.path.basename(path) == MANIFEST_FILE):
        write_atomic(path, texts[path].encode())


def sweep(root: str) -> None:
    """Remove temporary files that processes which are no more left in a project's folder."""
    with contextlib.suppress(OSError):
        for name in os.listdir(root):
            match = _LEFT.fullmatch(name)
            if match is not None and not _is_running(int(match[1])):
                os.unlink(os.path.join(root, name))


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextlib.contextmanager
def whole(project: Project, environment: str | None = None) -> Iterator[None]:
    """Where the block fails, the manifest and the locks become what they were before it.

    ``environment`` is one that the block declares, and that may get a lock of its own.
    """
    before = {path: read_bytes(path) for path in _files(project, environment)}
    try:
        yield
    except BaseException:
        put_back(before)
        raise


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


def read_bytes(path: str) -> bytes | None:
    """The bytes of a file; None where there is none.

    Raises:
        InputError: It cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error


def put_back(before: dict[str, bytes | None]) -> None:
    """Give files the bytes that they had; those that were not there (None) go."""
    for path, data in before.items():
        if data is not None:
            if read_bytes(path) != data:
                write_atomic(path, data)
        elif os.path.exists(path):
            os.unlink(path)

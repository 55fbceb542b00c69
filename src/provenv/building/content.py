"""Source trees as they lie on disk: which files count, a digest over them, and a copy to build in."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator

from provenv.building.system import BuildSystem
from provenv.building.versioning import reads_version_control
from provenv.core import digest
from provenv.core.files import disk_error

_NEVER = frozenset(
    {
        ".bzr", ".eggs", ".git", ".hg", ".idea", ".mypy_cache", ".nox", ".pdm-build", ".pytest_cache",
        ".ruff_cache", ".svn", ".tox", ".venv", ".venvs", ".vscode", "__pycache__", "node_modules",
    }
)  # fmt: skip
_VERSION_CONTROL = (".git", ".hg", ".hg_archival.txt", ".svn")
_OUTPUTS = frozenset({"build", "dist"})
_BUILT = ("lib", "bdist.", "temp.", "__editable__.", "scripts-")
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".egg")
_OUTSIDE = re.compile(r"(?<![\w./])\.\./")
LARGE = 16 << 20  # bytes; a larger file is told by size and mtime
MANY = 5000


def source_files(root: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Every folder of a source tree with its folders and files, in order, paths relative to ``root``.

    Left out: version control, environments, caches, ``*.egg-info``, and what builds leave in the
    top folder's ``build`` and ``dist``.
    """
    for folder, folders, files in os.walk(root):
        inner = os.path.relpath(folder, root)
        top = inner == "."
        folders[:] = sorted(
            name
            for name in folders
            if name not in _NEVER
            and not name.endswith(".egg-info")
            and not (top and is_output(os.path.join(folder, name)))
        )
        kept = sorted(name for name in files if not name.endswith((".pyc", ".pyo")))
        yield ("" if top else inner), list(folders), [name for name in kept if name not in _NEVER]


def is_output(folder: str) -> bool:
    """Whether a top folder called ``build`` or ``dist`` holds what a build left, not sources."""
    name = os.path.basename(folder)
    if name not in _OUTPUTS or os.path.islink(folder):
        return False
    try:
        inside = os.listdir(folder)
    except OSError:
        return False
    if name == "dist":
        return all(entry.endswith(_ARCHIVES) or entry.startswith(".") for entry in inside)
    return all(entry.startswith((*_BUILT, ".")) for entry in inside)


def tree_digest(root: str) -> tuple[str, tuple[str, ...]]:
    """A digest over the content of a source tree, and the paths to watch for a change of it.

    The paths are every file and folder; above :data:`MANY` files, the folders alone.

    Raises:
        DiskError: Something in it cannot be read.
    """
    rows: list[list[object]] = []
    folders: list[str] = []
    files: list[str] = []
    try:
        for inner, below, names in source_files(root):
            base = os.path.join(root, inner) if inner else root
            folders.append(base)
            for name in names:
                if not inner and name.startswith("pylock."):
                    continue  # changes whenever a dependency does, and is no part of a wheel
                path = os.path.join(base, name)
                rows.append([os.path.join(inner, name), *_file(path)])
                files.append(path)
            rows += [
                [os.path.join(inner, name), "link", os.readlink(os.path.join(base, name))]
                for name in below
                if os.path.islink(os.path.join(base, name))
            ]
    except OSError as error:
        raise disk_error(error, "read", error.filename or root) from error
    watched = folders if len(files) > MANY else [*folders, *files]
    return digest.of_json(sorted(rows, key=str)), tuple(watched)


def _file(path: str) -> list[object]:
    if os.path.islink(path):
        return ["link", os.readlink(path)]
    status = os.stat(path)
    executable = bool(status.st_mode & 0o111)
    if status.st_size > LARGE:
        return ["large", executable, status.st_size, status.st_mtime_ns]
    return ["file", executable, digest.of_file(path)]


def copy_source(root: str, target: str) -> None:
    """Copy a source tree, so that what a backend writes beside its sources does not stay.

    Version control is linked, not copied: backends ask it for the version.

    Raises:
        DiskError: The file system refused.
    """
    try:
        for inner, folders, files in source_files(root):
            made = os.path.join(target, inner) if inner else target
            base = os.path.join(root, inner) if inner else root
            os.makedirs(made, exist_ok=True)
            for name in files:
                shutil.copy2(
                    os.path.join(base, name), os.path.join(made, name), follow_symlinks=False
                )
            for name in folders:
                source = os.path.join(base, name)
                if os.path.islink(source):
                    os.symlink(os.readlink(source), os.path.join(made, name))
        for name in _VERSION_CONTROL:
            source = os.path.join(root, name)
            if os.path.lexists(source) and not os.path.lexists(os.path.join(target, name)):
                os.symlink(source, os.path.join(target, name))
    except OSError as error:
        raise disk_error(error, "copy", error.filename or root) from error


def needs_its_place(root: str, system: BuildSystem) -> bool:
    """Whether a copy would not build: it refers to what lies above, or git is found above."""
    for name in ("pyproject.toml", "setup.py", "setup.cfg"):
        try:
            with open(os.path.join(root, name), encoding="utf-8", errors="replace") as stream:
                if _OUTSIDE.search(stream.read()):
                    return True
        except OSError:
            continue
    return reads_version_control(root, system) and not os.path.lexists(os.path.join(root, ".git"))

"""Source trees as they lie on disk: which files count, a digest over them, and a copy to build in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from provenv.core import digest
from provenv.core.files import disk_error

_NEVER = frozenset(
    {
        ".git", ".hg", ".svn", ".bzr", ".venv", ".venvs", ".tox", ".nox", ".eggs", ".mypy_cache",
        ".pytest_cache", ".ruff_cache", ".idea", ".vscode", "__pycache__", "node_modules",
    }
)  # fmt: skip
_VERSION_CONTROL = (".git", ".hg", ".hg_archival.txt", ".svn")
_OUTPUTS = frozenset({"build", "dist"})
_BUILT = ("lib", "bdist.", "temp.", "__editable__.", "scripts-")
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".egg")
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


def git_state(root: str) -> tuple[list[str], str]:
    """What a version that is read from git depends on: the paths to watch, and the commit.

    Both are empty where ``root`` lies in no repository. Tags are watched as a folder.
    """
    folder = root
    while not os.path.lexists(os.path.join(folder, ".git")):
        above = os.path.dirname(folder)
        if above == folder:
            return [], ""
        folder = above
    git = _git_folder(os.path.join(folder, ".git"))
    if git is None:
        return [], ""
    common = os.path.normpath(os.path.join(git, _read(os.path.join(git, "commondir")) or "."))
    paths = [os.path.join(git, "HEAD"), os.path.join(common, "packed-refs")]
    paths.append(os.path.join(common, "refs", "tags"))
    head = _read(paths[0])
    if not head.startswith("ref: "):
        return paths, head
    paths.append(os.path.join(common, head[5:]))
    commit = _read(paths[-1])
    if not commit:
        for line in _read(paths[1]).splitlines():
            if line.endswith(" " + head[5:]):
                commit = line.split(" ")[0]
    return paths, f"{commit} {_tags(common)}"


def _git_folder(path: str) -> str | None:
    """The git folder itself; ``.git`` of a worktree or submodule is a file that names it."""
    if os.path.isdir(path):
        return path
    text = _read(path)
    if not text.startswith("gitdir: "):
        return None
    return os.path.normpath(os.path.join(os.path.dirname(path), text[8:]))


def _tags(common: str) -> str:
    names: list[str] = []
    for folder, _, files in os.walk(os.path.join(common, "refs", "tags")):
        names += [os.path.join(folder, name) for name in files]
    packed = [
        line for line in _read(os.path.join(common, "packed-refs")).splitlines() if "/tags/" in line
    ]
    return digest.of_json([*packed, *sorted(f"{name} {_read(name)}" for name in names)])


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().strip()
    except OSError:
        return ""

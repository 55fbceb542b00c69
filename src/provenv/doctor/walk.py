"""The folders of a project that are the project's own: no environments, no caches, no other project."""

from __future__ import annotations

import os
from collections.abc import Iterator

from provenv.core.values import field, mutable

_SKIPPED = frozenset(
    {"__pycache__", "__pypackages__", "build", "dist", "node_modules", "site-packages"}
)
_BORROWED = frozenset({"_vendor", "vendor", "vendored", "third_party"})
_LIMIT = 50_000  # folders; what is larger is no project of one person's


@mutable
class Tree:
    """What one walk over a project found.

    Attributes:
        folders: Each with the names of its files and of its folders.
        environments: Folders with a virtual environment or a conda environment.
        unread: Folders that could not be looked into: path → reason.
    """

    folders: list[tuple[str, list[str], list[str]]] = field(default_factory=list)
    environments: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)


def walk(root: str) -> Tree:
    """Look at every folder of a project once.

    Environments are named and not entered. Other projects (a ``pyproject.toml`` or ``.git`` of their
    own), vendored code, caches and hidden folders are left out.
    """
    tree = Tree()
    stack = [root]
    while stack and len(tree.folders) < _LIMIT:
        folder = stack.pop()
        files, folders = _list(folder, tree)
        if folder != root:
            if _is_environment(folder, files, folders):
                tree.environments.append(folder)
                continue
            if "pyproject.toml" in files or ".git" in files or ".git" in folders:
                continue
        tree.folders.append((folder, files, folders))
        stack += reversed([f"{folder}/{name}" for name in folders if _is_entered(name)])
    tree.environments += _hidden_environments(root, tree)
    return tree


def _list(folder: str, tree: Tree) -> tuple[list[str], list[str]]:
    files, folders = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                elif _is_file(entry):
                    files.append(entry.name)
    except OSError as error:
        tree.unread[folder] = error.strerror or str(error)
    return sorted(files), sorted(folders)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link in a circle, or to where this user may not look
        return False


def _is_environment(folder: str, files: list[str], folders: list[str]) -> bool:
    """Whether a folder with these names in it is an environment (PEP 405, conda, or provenv's own)."""
    if "pyvenv.cfg" in files or os.path.lexists(f"{folder}/pyvenv.cfg"):
        return True
    return "conda-meta" in folders or ("generations" in folders and ".stamp" in files)


def _is_entered(name: str) -> bool:
    if name.startswith(".") or name in _SKIPPED or name in _BORROWED:
        return False
    return not name.endswith((".egg-info", ".dist-info"))


def _hidden_environments(root: str, tree: Tree) -> Iterator[str]:
    """Environments in hidden folders of the project itself: ``.venv``, ``.env``, ``.venvs/test``."""
    names = next((folders for folder, _, folders in tree.folders if folder == root), [])
    for name in names:
        if not name.startswith(".") or name in (".git", ".tox", ".nox"):
            continue  # tox and nox look after their own
        hidden = f"{root}/{name}"
        files, folders = _list(hidden, tree)
        if _is_environment(hidden, files, folders):
            yield hidden
        for inner in folders if name.startswith((".venv", ".env")) else ():
            if _is_environment(f"{hidden}/{inner}", *_list(f"{hidden}/{inner}", tree)):
                yield f"{hidden}/{inner}"

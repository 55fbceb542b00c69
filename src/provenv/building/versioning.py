"""Versions that a build backend reads from git: whether it does, and what they depend on."""

from __future__ import annotations

import os

from provenv.building.system import BuildSystem, table, text_at
from provenv.core import digest

_FROM_VERSION_CONTROL = (
    "setuptools_scm", "setuptools-scm", "hatch-vcs", "vcs", "versioningit", "pdm-scm", "flit_scm",
    "poetry-dynamic-versioning", "versioneer", "dunamai",
)  # fmt: skip


def reads_version_control(root: str, system: BuildSystem) -> bool:
    """Whether the project's version comes from git, as far as can be told."""
    project = table(system.pyproject, "project")
    if "version" in project and "version" not in (project.get("dynamic") or ()):
        return False
    tool = table(system.pyproject, "tool")
    told = [*system.requires, *tool, text_at(tool, "hatch", "version", "source")]
    told.append(text_at(tool, "pdm", "version", "source"))
    setup = _read(os.path.join(root, "setup.py"))
    return any(word in text for word in _FROM_VERSION_CONTROL for text in (*told, setup))


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

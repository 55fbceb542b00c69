"""The files that are a project's own: what git knows and does not ignore, and no environments or caches."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping

from provenv.core import process
from provenv.core.disk import refuse_sick
from provenv.core.errors import ProvenvError

_GIT_TIME = 20.0
_SKIPPED = frozenset(
    {
        ".eggs", ".git", ".hg", ".hypothesis", ".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache",
        ".svn", ".tox", ".venv", ".venvs", "__pycache__", "__pypackages__", "htmlcov", "node_modules",
        "site-packages",
    }
)  # fmt: skip
_SIGNS = ("CACHEDIR.TAG", "pyvenv.cfg", "conda-meta", ".stamp")  # of caches and environments
_BUILT = frozenset({"build", "dist"})  # where they lie beside the manifest


def own_files(root: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The project's own files and links, relative to ``root``, sorted.

    In a git repository what is committed, and what is new and not ignored; elsewhere all but stores
    of version control and what is built. Environments and caches are left out in any case.
    """
    told = _told_by_git(root, environ)
    found = _walked(root, "") if told is None else _expanded(root, told)
    return tuple(sorted(set(found)))


def _told_by_git(root: str, environ: Mapping[str, str]) -> list[str] | None:
    program = shutil.which("git", path=environ.get("PATH", os.defpath))
    if program is None:
        return None
    own = {name: value for name, value in environ.items() if not name.startswith("GIT_")}
    own |= {"LC_ALL": "C.UTF-8", "GIT_OPTIONAL_LOCKS": "0"}
    asked = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    words = [program, "-c", "core.fsmonitor=false", *asked]
    try:
        done = process.run(words, env=own, cwd=root, timeout=_GIT_TIME)
    except ProvenvError:
        return None
    if done.code != 0 or "\ufffd" in done.stdout:  # a name that is not UTF-8 would be lost
        return None
    return [path for path in done.stdout.split("\0") if path]


def _expanded(root: str, told: list[str]) -> Iterator[str]:
    """What git names, as far as it is there; a submodule, or a repository in it, with its files."""
    entered: dict[str, bool] = {"": True}
    for path in told:
        if not _is_entered(root, os.path.dirname(path), entered):
            continue
        kind = _kind(os.path.join(root, path))
        if kind == stat.S_IFDIR:
            yield from _walked(root, path.rstrip("/"))
        elif kind:
            yield path


def _is_entered(root: str, folder: str, known: dict[str, bool]) -> bool:
    if folder not in known:
        above, _, name = folder.rpartition("/")
        known[folder] = _is_entered(root, above, known) and not _is_skipped(root, folder, name)
    return known[folder]


def _is_skipped(root: str, folder: str, name: str) -> bool:
    if name in _SKIPPED:
        return True
    path = os.path.join(root, folder)
    return any(os.path.lexists(f"{path}/{sign}") for sign in _SIGNS)


def _walked(root: str, top: str) -> Iterator[str]:
    stack = [top]
    while stack:
        folder = stack.pop()
        try:
            names = sorted(os.listdir(os.path.join(root, folder)))
        except OSError as error:
            refuse_sick(error, os.path.join(root, folder))
            continue
        for name in names:
            path = os.path.join(folder, name)
            kind = _kind(os.path.join(root, path))
            if kind == stat.S_IFDIR:
                built = not folder and name in _BUILT
                if (
                    not built
                    and not name.endswith(".egg-info")
                    and not _is_skipped(root, path, name)
                ):
                    stack.append(path)
            elif kind and not name.endswith((".pyc", ".pyo")) and not _is_measured(name):
                yield path


def _is_measured(name: str) -> bool:
    """Whether it is what `coverage` writes while tests run."""
    return name == ".coverage" or name.startswith(".coverage.")


def _kind(path: str) -> int:
    """Folder, file or link; 0 for what is nothing of these, or not there."""
    try:
        kind = stat.S_IFMT(os.lstat(path).st_mode)
    except OSError:
        return 0
    return kind if kind in (stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK) else 0

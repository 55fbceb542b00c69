"""Facts about the git repository around a project: asked of git itself, nothing is changed."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence

from provenv.core import process
from provenv.core.errors import UndecidedError
from provenv.doctor.facts import Committed, GitFacts

_TIME = 10.0  # seconds for one question; a history that is longer than that is left alone
# What only an environment has; the first group is the environment's folder.
_INSIDE = re.compile(
    r"(?:(?P<at>.+?)/)??(?:pyvenv\.cfg|conda-meta/.*|"
    r"lib(?:64)?/(?:python|pypy)\d\.?\d*t?/site-packages/.*|Lib/site-packages/.*)$"
)
_PATHSPECS = (
    ":(glob)**/pyvenv.cfg", ":(glob)**/site-packages/**", ":(glob)**/conda-meta/**",
)  # fmt: skip


def git_facts(
    root: str, environments: Sequence[str], must: Sequence[str], environ: Mapping[str, str]
) -> tuple[GitFacts | None, str | None]:
    """What git knows of the project in ``root``, and what kept it from telling (all).

    ``environments`` are environment folders, ``must`` names of files that belong into a commit. Both
    answers are None where there is no repository.
    """
    program = shutil.which("git", path=environ.get("PATH", os.defpath))
    if program is None:
        return None, "it is not on PATH" if _in_repository(root) else None
    ask = _asker(program, root, environ)
    top = ask(["rev-parse", "--show-toplevel"])
    if top is None:
        return None, "it refuses this repository" if _in_repository(root) else None
    history = _in_history(ask, top.strip())
    facts = GitFacts(
        top=top.strip(),
        index=tuple(_in_index(ask, root)),
        history=history or (),
        open=tuple(_not_ignored(ask, environments)),
        ignored_files=tuple(_ignored(ask, [path for path in must if os.path.exists(path)])),
    )
    return facts, None if history is not None else f"its history took more than {_TIME:g} s"


def _in_repository(root: str) -> bool:
    folder = root
    while not os.path.lexists(f"{folder}/.git"):
        above = os.path.dirname(folder)
        if above == folder:
            return False
        folder = above
    return True


_Ask = Callable[..., str | None]


def _asker(program: str, root: str, environ: Mapping[str, str]) -> _Ask:
    own = {name: value for name, value in environ.items() if not name.startswith("GIT_")}
    own |= {"LC_ALL": "C.UTF-8", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    fixed = [program, "-c", "core.fsmonitor=false", "-c", "core.quotePath=false"]

    def ask(arguments: Sequence[str], *, codes: Iterable[int] = (0,)) -> str | None:
        """What git answers; None where it does not know, or takes too long."""
        try:
            done = process.run([*fixed, *arguments], env=own, cwd=root, timeout=_TIME)
        except UndecidedError:
            return None
        return done.stdout if done.code in codes else None

    return ask


def _in_index(ask: _Ask, root: str) -> list[Committed]:
    """Environments in the index, below the project; sizes as they lie on disk."""
    told = ask(["ls-files", "-z", "--", *_PATHSPECS]) or ""
    folders = {_environment(path) for path in told.split("\0") if path}
    found = []
    for folder in _outermost(folder for folder in folders if folder):
        inside = ask(["ls-files", "-z", "--", f":(literal){folder}"]) or ""
        files = [path for path in inside.split("\0") if path]
        size = sum(_size(f"{root}/{path}") for path in files)
        found.append(Committed(folder=f"{root}/{folder}", files=len(files), size=size))
    return found


def _in_history(ask: _Ask, top: str) -> tuple[Committed, ...] | None:
    """Environments that any commit of any branch holds; sizes as they lie in the repository."""
    specs = [_from_top(spec) for spec in _PATHSPECS]
    added = ["--diff-filter=A", "--no-renames", "--name-only", "--format=", "-z"]
    told = ask(["log", "--all", *added, "--", *specs])
    if told is None:
        return None
    folders = _outermost(folder for path in told.split("\0") if (folder := _environment(path)))
    found = []
    for folder in folders:
        blobs = ["--objects", "--filter=object:type=blob", "--filter-provided-objects", "--all"]
        where = ["--", f":(top,literal){folder}"]
        names = ask(["rev-list", *blobs, *where])
        size = ask(["rev-list", *blobs, "--disk-usage", *where])
        if names is None or size is None:
            return None
        files = {line.partition(" ")[2] for line in names.splitlines()}
        inside = [path for path in files if path.startswith(f"{folder}/")]
        found.append(
            Committed(folder=f"{top}/{folder}", files=len(inside), size=int(size.strip() or 0))
        )
    return tuple(found)


def _from_top(pathspec: str) -> str:
    return pathspec.replace(":(glob)", ":(top,glob)")


def _environment(path: str) -> str | None:
    """The environment folder that a file of these patterns lies in; None where that is the root."""
    match = _INSIDE.match(path)
    return match["at"] if match is not None else None


def _outermost(folders: Iterable[str]) -> list[str]:
    """Without folders that lie in others: a generation is part of its environment."""
    found: list[str] = []
    for folder in sorted({re.sub(r"/generations/\d+$", "", folder) for folder in folders}):
        if not any(folder.startswith(f"{other}/") for other in found):
            found.append(folder)
    return found


def _not_ignored(ask: _Ask, environments: Sequence[str]) -> list[str]:
    """Those environments of which git would add files."""
    found = []
    for folder in environments:
        told = ask(["status", "--porcelain=v1", "--", f":(literal){folder}"]) or ""
        if any(line.startswith("??") for line in told.splitlines()):
            found.append(folder)
    return found


def _ignored(ask: _Ask, paths: Sequence[str]) -> list[str]:
    if not paths:
        return []
    told = ask(["check-ignore", "--", *paths], codes=(0, 1)) or ""
    return told.splitlines()


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0

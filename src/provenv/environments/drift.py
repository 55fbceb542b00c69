"""What others did to a generation since it was made: installed, removed or replaced something."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from provenv.core import digest
from provenv.core.values import frozen
from provenv.environments.generations import OWN_FOLDER
from provenv.environments.private import copies_in
from provenv.environments.tree import Steps, filled_in

_IGNORED = frozenset({"__pycache__"})
_MADE_FROM = ("L", "C", "Y", "X")  # steps whose source is there to be compared with


@frozen
class Drift:
    """One path of a generation that is not as its recipe says: ``added``, ``missing``, ``changed``.

    ``generation`` is its number, where several are looked at.
    """

    path: str
    kind: str
    generation: int = 0


def find_drift(recipe: Steps, root: str, home: str) -> list[Drift]:
    """Compare a generation's tree with its recipe: names, link targets, and what is hard-linked.

    ``root`` is the generation's folder. Content inside linked directories is the store's, which
    ``verify`` compares. Byte code is nobody's concern, and private copies are :mod:`edits`'.
    """
    copies = copies_in(recipe)
    free = {*copies.files, *copies.folders}
    wanted = {path: (kind, source) for kind, source, path in recipe}
    children: dict[str, set[str]] = {"": set()}
    for path, (kind, _) in wanted.items():
        folder, _, name = path.rpartition("/")
        children.setdefault(folder, set()).add(name)
        if kind == "D":
            children.setdefault(path, set())
    found: list[Drift] = []
    for folder, expected in sorted(children.items()):
        name = folder.rpartition("/")[2]
        if name not in _IGNORED and folder != OWN_FOLDER and folder not in copies.folders:
            found += _names(root, folder, expected, free)
    for path, (kind, source) in wanted.items():
        if _is_changed(kind, source, f"{root}/{path}", home):
            found.append(Drift(path=path, kind="changed"))
    return found


def is_misplaced(recipe: Steps, root: str, plan: str, project: str) -> bool:
    """Whether what leads from a generation to its project leads elsewhere: it was moved or copied.

    ``plan`` is the folder of the plan that the recipe is of, ``project`` where the project lies now.
    """
    for kind, source, path in recipe:
        if kind != "E":
            continue
        try:
            with open(f"{plan}/{source}", "rb") as template, open(f"{root}/{path}", "rb") as made:
                if filled_in(template.read(), project) != made.read():
                    return True
        except OSError:
            continue  # what is missing is told as drift
    return False


def _names(root: str, folder: str, expected: set[str], free: set[str]) -> list[Drift]:
    try:
        present = set(os.listdir(f"{root}/{folder}" if folder else root))
    except OSError:
        return [Drift(path=folder, kind="missing")]
    prefix = f"{folder}/" if folder else ""
    added = sorted(
        name for name in present - expected - _IGNORED if not _is_byte_code(name, expected)
    )
    missing = sorted(expected - present - _IGNORED)
    return [
        *(Drift(path=prefix + name, kind="added") for name in added),
        *(Drift(path=prefix + n, kind="missing") for n in missing if prefix + n not in free),
    ]


def _is_byte_code(name: str, expected: set[str]) -> bool:
    """Whether it is what Python 2.7 writes beside a source; Python 3 imports that from nowhere."""
    return name.endswith((".pyc", ".pyo")) and name[:-1] in expected


def _is_changed(kind: str, source: str, path: str, home: str) -> bool:
    try:
        if kind == "S":
            return os.readlink(path) != source
        if kind == "D":
            return os.path.islink(path)
        if kind not in _MADE_FROM:
            return False
        status, origin = os.lstat(path), os.lstat(_origin(kind, source, home))
        if stat.S_ISLNK(origin.st_mode):  # the store may have moved, or lie on another file system
            return os.readlink(path) != os.readlink(f"{home}/{source}") or _is_dangling(path, home)
    except OSError:
        return False  # missing ones are told elsewhere; a missing store file is the store's damage
    if (status.st_ino, status.st_dev) == (origin.st_ino, origin.st_dev):
        return False
    return status.st_size != origin.st_size or status.st_mtime_ns != origin.st_mtime_ns


def _origin(kind: str, source: str, home: str) -> str:
    return source if kind == "X" else f"{home}/{source}"


def _is_dangling(path: str, home: str) -> bool:
    """Whether a link leads nowhere, and not because the store lost what it leads to."""
    return not os.path.exists(path) and not os.readlink(path).startswith(f"{home}/")


def find_altered(recipe: Steps, root: str, home: str, hashes: Mapping[str, str]) -> list[Drift]:
    """Compare the content of every file that a generation does not share with the store.

    What shares its inode with a file of the store is as good as that one, which ``verify`` compares
    with RECORD. Copies are compared with it byte for byte, small files of the plan with ``hashes``.
    """
    found = []
    for kind, source, path in recipe:
        try:
            altered = _is_altered(kind, source, f"{root}/{path}", home, hashes)
        except FileNotFoundError:
            continue  # find_drift tells what is missing
        except OSError:
            altered = True
        if altered:
            found.append(Drift(path=path, kind="changed"))
    return found


def _is_altered(kind: str, source: str, path: str, home: str, hashes: Mapping[str, str]) -> bool:
    if kind in ("P", "N"):
        return source in hashes and digest.of_file(path) != hashes[source]
    if kind not in _MADE_FROM:
        return False
    origin = _origin(kind, source, home)
    status, wanted = os.lstat(path), os.lstat(origin)
    if (status.st_ino, status.st_dev) == (wanted.st_ino, wanted.st_dev):
        return False
    if os.path.islink(origin):
        return os.readlink(path) != os.readlink(origin)
    return status.st_size != wanted.st_size or digest.of_file(path) != digest.of_file(origin)

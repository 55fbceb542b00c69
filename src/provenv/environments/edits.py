"""Edits: what a person changed in the private copies of a generation, and taking it to the next one."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping

from provenv.core import digest
from provenv.core.links import duplicate
from provenv.core.values import frozen
from provenv.environments.drift import Drift
from provenv.environments.generations import own_file
from provenv.environments.private import copies_in
from provenv.environments.tree import Steps
from provenv.model.layout import HomeLayout

_COMPILED = "__pycache__"
_RELEASED = "released"


@frozen
class Edit(Drift):
    """One file of a private copy that differs from the store: drift that was meant.

    Attributes:
        sha256: The object that it is a copy of.
        origin: Where it lies in the object (``site/httpx/api.py``).
    """

    sha256: str
    origin: str


def find_edits(recipe: Steps, root: str, home: str) -> list[Edit]:
    """What differs between the private copies in ``root`` and the store, by path. Byte code is left out.

    Files of the size and mtime that the store's have are taken for equal.
    """
    copies = copies_in(recipe)
    layout = HomeLayout(home)
    found: list[Edit] = []
    for path, (sha256, origin) in copies.files.items():
        kind = _compare(f"{root}/{path}", f"{layout.object(sha256)}/{origin}")
        if kind is not None:
            found.append(Edit(sha256=sha256, path=path, origin=origin, kind=kind))
    for folder, (sha256, origin) in copies.folders.items():
        for name in _added(f"{root}/{folder}", folder, copies.files, copies.folders):
            path, inside = f"{folder}/{name}", f"{origin}/{name}"
            found.append(Edit(sha256=sha256, path=path, origin=inside, kind="added"))
    return sorted(found, key=lambda edit: edit.path)


def _compare(path: str, stored: str) -> str | None:
    """How a copy differs from the store's file; None where it does not."""
    try:
        status = os.lstat(path)
    except OSError:
        return "missing"
    try:
        wanted = os.stat(stored)
        if not stat.S_ISREG(status.st_mode) or status.st_size != wanted.st_size:
            return "changed"
        if status.st_mtime_ns == wanted.st_mtime_ns:
            return None
        return None if digest.of_file(path) == digest.of_file(stored) else "changed"
    except OSError:  # the store lost it, or it cannot be read: nobody can say that it is the same
        return "changed"


def _added(
    folder: str, inside: str, files: Collection[str], folders: Collection[str]
) -> Iterator[str]:
    """What lies in a private folder beside its copies, relative to it; new folders opened."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        path = f"{inside}/{name}"
        compiled = name == _COMPILED or (name.endswith((".pyc", ".pyo")) and name[:-1] in names)
        if not compiled and path not in files and path not in folders:
            yield from _files(f"{folder}/{name}", name)


def _files(path: str, name: str) -> Iterator[str]:
    if os.path.islink(path) or not os.path.isdir(path):
        yield name
        return
    for folder, below, names in os.walk(path):
        below[:] = sorted(item for item in below if item != _COMPILED)
        linked = [item for item in below if os.path.islink(f"{folder}/{item}")]
        prefix = name + folder.removeprefix(path)
        yield from (f"{prefix}/{item}" for item in sorted([*names, *linked]))


def carry(edits: Iterable[Edit], before: str, recipe: Steps, root: str) -> list[Edit]:
    """Take edits from the tree ``before`` to the new one in ``root``, made by ``recipe``.

    Returns:
        Those for which there is no place, because something else is there now.

    Raises:
        OSError: What the file system says.
    """
    copies = copies_in(recipe)
    paths = {origin: path for path, origin in copies.files.items()}
    stuck: list[Edit] = []
    for edit in edits:
        target = paths.get((edit.sha256, edit.origin)) or _place(edit, copies.places)
        if target is None:
            stuck.append(edit)
        elif edit.kind == "missing":
            _drop(f"{root}/{target}", f"{before}/{edit.path}")
        elif edit.kind == "added" and os.path.lexists(f"{root}/{target}"):
            stuck.append(edit)
        else:
            _bring(f"{before}/{edit.path}", f"{root}/{target}")
    return stuck


def _place(edit: Edit, places: Mapping[tuple[str, str], str]) -> str | None:
    """Where an added file belongs: in the folder that its own, or the next one above, became."""
    folder, _, rest = edit.origin.rpartition("/")
    while folder:
        if (edit.sha256, folder) in places:
            return f"{places[edit.sha256, folder]}/{rest}"
        folder, _, name = folder.rpartition("/")
        rest = f"{name}/{rest}"
    return None


def _drop(path: str, before: str) -> None:
    """Remove a file that was removed before, and the folders that went with it."""
    os.unlink(path)
    folder, gone = os.path.dirname(path), os.path.dirname(before)
    while not os.path.lexists(gone):
        try:
            os.rmdir(folder)
        except OSError:  # something else is in it
            return
        folder, gone = os.path.dirname(folder), os.path.dirname(gone)


def _bring(source: str, target: str) -> None:
    if os.path.lexists(target):
        os.unlink(target)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.isdir(source) and not os.path.islink(source):
        import shutil

        shutil.copytree(source, target, symlinks=True)  # a folder where there was a file
    else:
        duplicate(source, target)


def release(folder: str, number: int, names: Iterable[str]) -> None:
    """Note that a generation need not be kept for its edits of ``names``: others have them, or nobody must.

    A failure costs disk space, and nothing else.
    """
    with contextlib.suppress(OSError):
        path = own_file(folder, number, _RELEASED)
        with open(path, "a", encoding="utf-8") as stream:
            stream.writelines(f"{name}\n" for name in names)


def released(folder: str, number: int) -> set[str]:
    """The names of the private copies for whose edits a generation need not be kept."""
    try:
        with open(own_file(folder, number, _RELEASED), encoding="utf-8") as stream:
            return set(stream.read().splitlines())
    except OSError:
        return set()

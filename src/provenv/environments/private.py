"""Private copies: a distribution that is copied into an environment, file by file, to be edited there.

In a recipe, whatever links to the distribution's object becomes ``W`` steps: real directories of real
files, which their owner may write. A directory of the tree that holds nothing else is *private*, too:
what a person adds there belongs to the distribution.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from provenv.core import digest
from provenv.core.values import frozen
from provenv.environments.tree import Steps
from provenv.model.layout import HomeLayout
from provenv.store.links import link_name
from provenv.store.objects import StoredObject

STEP = "W"
_LINKING = ("L", "C", "Y")


def open_up(steps: Steps, owner: StoredObject, layout: HomeLayout) -> Steps:
    """The recipe with one distribution copied instead of linked; every other step as it was.

    Each step is replaced where it stands, so that it does not matter which of several distributions
    is opened up first. What stands for RECORD stays: other installers leave the copy alone, too.
    """
    own = _inner(owner.folder, layout)
    links = _inner(layout.object_links(owner.sha256), layout)
    folders = {link_name(path): (path, table) for path, table in _folders(owner.tree, "")}
    opened: Steps = []
    for kind, source, path in steps:
        if kind in _LINKING and source.startswith(f"{own}/"):
            opened.append((STEP, source, path))
        elif kind in _LINKING and source.startswith(f"{links}/"):
            name = source.removeprefix(f"{links}/")
            if name in folders:
                opened += _copies(*folders[name], own, path)
            else:  # the link that stands for RECORD
                opened.append((kind, source, path))
        else:
            opened.append((kind, source, path))
    return _with_shared(opened, owner, own, layout.root)


def _inner(path: str, layout: HomeLayout) -> str:
    return os.path.relpath(path, layout.root).replace(os.sep, "/")


def _folders(tree: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, table in tree.items():
        inside = f"{path}{name}"
        yield inside, table
        yield from _folders(table.get("d", {}), f"{inside}/")


def _copies(inside: str, table: Mapping[str, Any], own: str, path: str) -> Steps:
    steps: Steps = [("D", "", path)]
    steps += [(STEP, f"{own}/{inside}/{name}", f"{path}/{name}") for name in table.get("f", {})]
    for name, below in table.get("d", {}).items():
        steps += _copies(f"{inside}/{name}", below, own, f"{path}/{name}")
    return steps


def _with_shared(steps: Steps, owner: StoredObject, own: str, home: str) -> Steps:
    """Files that another distribution installs with the same bytes become private as well.

    They would otherwise stay hard links into the store.
    """
    there = {source.removeprefix(f"{own}/"): path for kind, source, path in steps if kind == STEP}
    roots: dict[str, str] = {}
    for source, path in there.items():
        scheme, _, inside = source.partition("/")
        if path.endswith(inside):
            roots.setdefault(scheme, path.removesuffix(inside))
    missing = {}
    for folder, table in _folders(owner.tree, ""):
        scheme, _, inside = folder.partition("/")
        for name in table.get("f", {}):
            if f"{folder}/{name}" not in there and scheme in roots:
                target = roots[scheme] + (f"{inside}/{name}" if inside else name)
                missing[target] = f"{own}/{folder}/{name}"
    return [
        (STEP, missing[path], path)
        if path in missing and kind in _LINKING and _alike(f"{home}/{source}", home, missing[path])
        else (kind, source, path)
        for kind, source, path in steps
    ]


def _alike(one: str, home: str, other: str) -> bool:
    if os.path.islink(one):
        return False
    return digest.of_file(one) == digest.of_file(f"{home}/{other}")


@frozen
class Copies:
    """What a recipe says of private copies.

    Attributes:
        files: Path in the tree → ``(sha256, path in the object)``.
        folders: Private directories of the tree → the same.
        places: ``(sha256, directory in the object)`` → directory in the tree, private or not.
    """

    files: Mapping[str, tuple[str, str]]
    folders: Mapping[str, tuple[str, str]]
    places: Mapping[tuple[str, str], str]


def copies_in(recipe: Steps) -> Copies:
    """The private copies of a recipe."""
    files = {path: _origin(source) for kind, source, path in recipe if kind == STEP}
    if not files:
        return Copies(files={}, folders={}, places={})
    owners: dict[str, set[str | None]] = {}
    places: dict[tuple[str, str], str] = {}
    for kind, _, path in recipe:
        if kind == "D":
            continue
        sha256, inside = files.get(path, (None, ""))
        folder, name = _split(path)
        origin, other = _split(inside)
        while folder:
            owners.setdefault(folder, set()).add(sha256)
            if sha256 is not None and name == other and origin:
                places.setdefault((sha256, origin), folder)
                origin, other = _split(origin)
            else:
                other = "/"  # no name: from here on the tree and the object part ways
            folder, name = _split(folder)
    private = {folder for folder, who in owners.items() if len(who) == 1 and None not in who}
    folders = {path: key for key, path in places.items() if path in private}
    return Copies(files=files, folders=folders, places=places)


def _origin(source: str) -> tuple[str, str]:
    """``store/wheels/ab/SHA/site/x.py`` → ``(SHA, site/x.py)``."""
    parts = source.split("/", 4)
    return parts[3], parts[4]


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name

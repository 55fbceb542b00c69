"""A quick look at objects before they are linked: has somebody written into them?

A directory whose entries changed has another mtime; a file that is hard-linked into environments
(and so can be written through them) has another size or mtime. Nothing is hashed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from provenv.store.damage import Damage, Kind
from provenv.store.objects import StoredObject


def look(objects: Iterable[StoredObject], *, every_file: bool = False) -> list[Damage]:
    """Compare directories (mtime) and files (size, mtime) with what ingest recorded.

    Looked at are all directories, and the files that environments hard-link: those at the top of
    each scheme, in ``.dist-info``, and in directories that are open. With ``every_file``, all.

    Returns:
        What differs; empty where all is as it was.
    """
    found: list[Damage] = []
    for obj in objects:
        folders: list[tuple[str, Mapping[str, Any]]] = [
            (f"{obj.folder}/{scheme}", node) for scheme, node in obj.tree.items()
        ]
        linked = [(path, node) for path, node in folders if "f" in node]
        info = obj.tree["site"]["d"][obj.dist_info]
        linked.append((f"{obj.folder}/site/{obj.dist_info}", info))
        damaged = _look_at_folders(folders, linked, every_file)
        for path, node in linked:
            damaged += _look_at_files(path, node)
        found += [_damage(obj, path, kind) for path, kind in dict(damaged).items()]
    return found


def _look_at_folders(
    stack: list[tuple[str, Mapping[str, Any]]],
    linked: list[tuple[str, Mapping[str, Any]]],
    every: bool,
) -> list[tuple[str, Kind]]:
    """Compare the folders in ``stack`` and below; ``linked`` gets those whose files count too."""
    found: list[tuple[str, Kind]] = []
    stat, pop, push = os.stat, stack.pop, stack.append
    while stack:
        folder, node = pop()
        try:
            if stat(folder).st_mtime_ns != node["m"]:
                found.append((folder, "changed"))
        except OSError:
            found.append((folder, "missing"))
            continue
        if "d" in node:
            for name, inner in node["d"].items():
                push((f"{folder}/{name}", inner))
        if ("o" in node or every) and "f" in node:
            linked.append((folder, node))
    return found


def _look_at_files(folder: str, node: Mapping[str, Any]) -> Iterator[tuple[str, Kind]]:
    for name, (size, mtime) in node["f"].items():
        path = f"{folder}/{name}"
        try:
            status = os.stat(path)
        except OSError:
            yield path, "missing"
            continue
        if status.st_size != size or status.st_mtime_ns != mtime:
            yield path, "changed"


def _damage(obj: StoredObject, path: str, kind: Kind) -> Damage:
    return Damage(
        sha256=obj.sha256,
        name=obj.name,
        version=obj.version,
        path=os.path.relpath(path, obj.folder),
        kind=kind,
        detail="its time or size is not the recorded one" if kind == "changed" else "",
    )

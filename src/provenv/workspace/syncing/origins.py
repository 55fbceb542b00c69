"""Files of a lock that come from where the manifest does not lead: refused, with the line that allows them.

When a lock is made, its addresses are what the indexes say; they are held against the manifest all the
same, so that whoever locks is told, and not whoever syncs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from provenv.core.errors import CheckFailedError
from provenv.core.http import redacted, split_credentials
from provenv.model.lock import toml_value
from provenv.model.origins import PYPI, Origins, Stray, leads_to, origins_of, strays
from provenv.workspace.projects.context import Context, Project

if TYPE_CHECKING:
    from packaging.pylock import Pylock


def origins(project: Project, context: Context) -> Origins:
    """Where the files of the project's lock may come from; the index of this run counts, too."""
    project = project.locker
    manifest = project.manifest
    folders = [project.root, *([project.workspace.root] if project.workspace is not None else [])]
    own = [context.index_url] if context.index_url else []
    if not manifest.indexes and not manifest.sources and not manifest.uv:
        return origins_of(manifest, indexes={}, more=[PYPI, *own], pins={}, folders=folders)
    from provenv.resolve.indexes import collect_indexes  # 7 ms, and most projects have PyPI alone

    declared = collect_indexes(manifest, project.root, None)
    replaced = not any(table.get("default") for table in declared.tables) and (
        "index-url" in manifest.uv
    )
    more = [] if replaced else [declared.default]
    more += [str(table["url"]) for table in declared.tables if not table.get("name")]
    return origins_of(
        manifest,
        indexes=declared.urls,
        more=[*more, *own],
        pins=declared.pins,
        folders=folders,
    )


def refuse_strays(
    project: Project, context: Context, locks: Mapping[str, Pylock], *, made: bool = False
) -> None:
    """Refuse locks (by path) with files from elsewhere; ``made`` where they were resolved just now.

    Raises:
        CheckFailedError: There are some; names the first, its server, and what allows it.
    """
    allowed = origins(project, context)
    found = [
        (path, stray)
        for path, lock in locks.items()
        for stray in strays(lock, allowed, os.path.dirname(path))
    ]
    if found:
        raise _refused(project.locker, found, made=made)


def refuse_index(project: Project, context: Context, file: str, name: str, index: str) -> None:
    """Refuse to ask an index that a foreign lock names, and the manifest does not.

    Raises:
        CheckFailedError: It is such.
    """
    allowed = origins(project, context)
    if not leads_to(allowed, name, index):
        server = urljoin(split_credentials(index)[0], "/")
        stray = Stray(name=name, version="", address=redacted(index), allow=server)
        raise _refused(project.locker, [(file, stray)], made=False)


def _refused(project: Project, found: list[tuple[str, Stray]], *, made: bool) -> CheckFailedError:
    path, first = found[0]
    places = list(dict.fromkeys(stray.allow for _, stray in found if stray.allow))
    names = list(dict.fromkeys(stray.name for _, stray in found))
    more = f" (and {len(names) - 1} more packages)" if len(names) > 1 else ""
    label = f"{first.name} {first.version}".strip()
    said = (
        f"the index gives a file of {label} that lies elsewhere: {first.address}{more}"
        if made
        else f"{os.path.basename(path)}: {label} comes from where pyproject.toml does not lead: "
        f"{first.address}{more}"
    )
    line = f"origins = {toml_value([*project.manifest.origins, *places])}"
    hint = f"Where that is right, say so under [tool.provenv] in {project.manifest_path}: {line}"
    if not made:
        own = path in {project.lock_path(key) for key in (None, *project.manifest.environments)}
        anew = "`provenv lock` makes it anew" if own else "its own tool makes it anew"
        again = f"Find out who has changed the lock; {anew}."
        hint = f"{again} {hint}" if places else again
    return CheckFailedError(
        said,
        hint=hint,
        details={
            "file": path,
            "key": "tool.provenv.origins",
            "package": first.name,
            "url": redacted(first.address),
            "packages": names,
            "origins": places,
            "line": line,
        },
    )

"""What the store remembers of the environments, for the day on which one is not there.

For each there is a link in ``roots/`` (:mod:`provenv.workspace.roots`), beside it a folder ``.held`` with
the ``contents.json`` of every plan that it has generations of, and a file ``.missed`` whose time is that
at which it was first missed. What a missing environment held stays in the store for a while.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable
from typing import Any

from provenv.core.errors import UsageError
from provenv.core.files import remove_tree
from provenv.core.seal import is_sealed
from provenv.core.values import frozen
from provenv.model import amounts
from provenv.store import released
from provenv.workspace import roots
from provenv.workspace.projects.context import Context

PATIENCE = 14 * 86400.0
"""For how long an environment that is missing keeps its claim, from when it was first missed."""


@frozen
class Root:
    """One entry of ``roots/``: ``folder`` is the environment; None where the entry cannot be read."""

    path: str
    folder: str | None

    @property
    def label(self) -> str:
        """The environment's folder, or where the entry lies."""
        return self.folder if self.folder is not None else self.path


def of(context: Context, folder: str) -> Root:
    """The entry of the environment in ``folder``, whether or not there is one."""
    return Root(path=roots.root_path(context.home.roots, folder), folder=folder)


def entries(context: Context) -> list[Root]:
    """Every entry of ``roots/``, also those that lead nowhere."""
    try:
        names = sorted(os.listdir(context.home.roots))
    except FileNotFoundError:
        return []
    found = []
    for name in names:
        if "." in name:
            continue
        path = f"{context.home.roots}/{name}"
        try:
            found.append(Root(path=path, folder=os.readlink(path)))
        except FileNotFoundError:  # forgotten this moment
            continue
        except OSError:
            found.append(Root(path=path, folder=None))
    return found


def held(root: Root) -> frozenset[str] | None:
    """The objects (sha256) that an environment held when it was last seen; None where nobody knows."""
    found: set[str] = set()
    known = False
    for path in _remembered(root):
        try:
            with open(path, "rb") as stream:
                text = stream.read()
            if not is_sealed(text):
                return None
            found |= {str(row[2]) for row in json.loads(text)["packages"]}
            known = True
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return None
    return frozenset(found) if known else None


def last_contents(root: Root) -> dict[str, Any]:
    """What is remembered of the plan that an environment was given last; empty where nothing is."""
    times: list[tuple[int, str]] = []
    for file in _remembered(root):
        with contextlib.suppress(OSError):
            times.append((os.stat(file).st_mtime_ns, file))
    if not times:
        return {}
    try:
        with open(max(times)[1], "rb") as stream:
            data = json.load(stream)
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _remembered(root: Root) -> list[str]:
    folder = f"{root.path}.held"
    try:
        return [f"{folder}/{n}" for n in sorted(os.listdir(folder)) if not n.startswith(".")]
    except NotADirectoryError:
        return [folder]  # as the first versions wrote it
    except OSError:
        return []


def remember(root: Root, wanted: Iterable[bytes]) -> None:
    """Let what is remembered of an environment be just these: each a ``contents.json``.

    Raises:
        OSError: What the file system says.
    """
    folder = f"{root.path}.held"
    names = set()
    there = {os.path.basename(path) for path in _remembered(root)}
    for contents in wanted:
        names.add(roots.entry_name(contents))
        if roots.entry_name(contents) not in there:
            roots.remember(folder, contents)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for name in set(os.listdir(folder)) - names:
            os.unlink(f"{folder}/{name}")


def forget(context: Context, root: Root, used: float | None = None) -> None:
    """Forget an environment: its link, what it held, and since when it was missed.

    What it held is let go; it was used last at ``used``, else when it was first missed, else now.

    Raises:
        OSError, DiskError: The file system refused.
    """
    if used is None:
        used = missed_since(root, note=False)
    released.note(context.home, held(root) or (), used)
    with contextlib.suppress(FileNotFoundError, IsADirectoryError):
        os.unlink(root.path)
    for item in (f"{root.path}.held", f"{root.path}.missed"):
        remove_tree(item)


def missed_since(root: Root, *, note: bool) -> float:
    """Since when an environment that is not there has been missed: a time, now at the first time.

    ``note``: write that down where it is the first time.
    """
    path = f"{root.path}.missed"
    with contextlib.suppress(OSError):
        return os.stat(path).st_mtime
    if note:
        with contextlib.suppress(OSError), open(path, "x", encoding="utf-8"):
            pass
    return time.time()


def patience(context: Context) -> float:
    """For how many seconds an environment that is missing keeps its claim.

    Raises:
        UsageError: ``PROVENV_FORGET_MISSING`` is no age.
    """
    text = context.environ.get("PROVENV_FORGET_MISSING")
    if not text:
        return PATIENCE
    try:
        return amounts.age(text)
    except ValueError as error:
        raise UsageError(f"PROVENV_FORGET_MISSING: {error}") from error


def found_again(root: Root) -> None:
    """Take back that an environment was missed."""
    with contextlib.suppress(OSError):
        os.unlink(f"{root.path}.missed")

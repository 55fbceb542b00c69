"""Environments of trials that nobody has used for a while: they are made again in milliseconds."""

from __future__ import annotations

import contextlib
import os
import time

from provenv.core.errors import DiskError, UndecidedError
from provenv.core.files import locked, remove_tree
from provenv.environments import stamp, switch
from provenv.model.layout import NAMED_ENVIRONMENTS_FOLDER, EnvironmentLayout
from provenv.workspace.host import claims, processes
from provenv.workspace.projects.context import Context

UNUSED = 14 * 86400.0
"""Seconds after which the environment of a cell goes; a project's results and logs go with its last."""

KEPT = 30 * 86400.0
"""Seconds for which locks, results and logs of trials are kept."""
_NOTES = ("locks", "logs", "results")


def remove_spent(context: Context, used: processes.InUse, *, dry_run: bool) -> list[str]:
    """Remove environments of trials that have not been used for two weeks, and notes of last month.

    Those that a process runs in stay. The caller holds the store's lock alone; what cannot be removed
    stays, and is tried again the next time.

    Returns:
        The folders of the environments.
    """
    limit = time.time() - UNUSED
    gone: list[str] = []
    for project in _listed(context.home.trials):
        own = os.path.join(project, NAMED_ENVIRONMENTS_FOLDER)
        environments = _listed(own)
        spent = [f for f in environments if _last_use(f) < limit and not _is_used(f, used)]
        gone += spent
        if dry_run:
            continue
        for folder in spent:
            with contextlib.suppress(OSError, UndecidedError):  # as where somebody works on it
                _remove(context, folder)
        for path in (p for name in _NOTES for p in _listed(os.path.join(project, name))):
            with contextlib.suppress(OSError):
                if os.stat(path).st_mtime < time.time() - KEPT:
                    os.unlink(path)
        if spent and not _listed(own):
            with contextlib.suppress(OSError, DiskError):
                remove_tree(project)
    return gone


def _remove(context: Context, folder: str) -> None:
    with locked(EnvironmentLayout(folder).lock, wait=False):
        stamp.forget(folder)  # killed from here on, it is no environment that anybody would use
        claims.forget(context, claims.of(context, folder), used=_last_use(folder))
        remove_tree(folder)


def _is_used(folder: str, used: processes.InUse) -> bool:
    return any(used.holds(folder, number) for number in switch.numbers(folder))


def _last_use(folder: str) -> float:
    """When an environment was used last; when its folder was made, where it came to nothing."""
    for path in (f"{folder}/.used", folder):
        with contextlib.suppress(OSError):
            return os.stat(path).st_mtime
    return time.time()


def _listed(folder: str) -> list[str]:
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    except (FileNotFoundError, NotADirectoryError):
        return []

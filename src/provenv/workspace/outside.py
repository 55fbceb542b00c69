"""Environments outside projects: each is an ordinary project in the home folder, found by its name.

``$PROVENV_HOME/environments/NAME/`` holds a manifest, a lock and ``.venv``. Its default environment is
called NAME, so that everything else treats it as any project's.
"""

from __future__ import annotations

import contextlib
import os

from provenv.model.layout import HomeLayout, is_environment_name
from provenv.workspace import fast
from provenv.workspace.context import MANIFEST_FILE


def folder(home: HomeLayout, name: str) -> str:
    """The project of the environment called ``name``, which must be the name of one."""
    return os.path.join(home.environments, name)


def find(home: HomeLayout, name: str) -> str | None:
    """The project of the environment called ``name``; None where there is none."""
    if not is_environment_name(name):
        return None
    root = folder(home, name)
    return root if os.path.isfile(os.path.join(root, MANIFEST_FILE)) else None


def names(home: HomeLayout) -> list[str]:
    """The names of all environments outside projects."""
    try:
        return sorted(name for name in os.listdir(home.environments) if find(home, name))
    except OSError:
        return []


def is_outside(home: HomeLayout, root: str) -> bool:
    """Whether the project in ``root`` is an environment outside projects."""
    return os.path.dirname(root) == home.environments


def remember(root: str, home: str, name: str) -> None:
    """Write down that the project in ``root``, as it stands, has no environment called ``name``."""
    with contextlib.suppress(OSError):  # it costs time later on, and nothing else
        fast.remember_outside(root, home, name)

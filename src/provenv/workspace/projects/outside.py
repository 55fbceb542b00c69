"""Environments outside projects: each is an ordinary project in the home folder, found by its name.

``$PROVENV_HOME/environments/NAME/`` holds a manifest, a lock and ``.venv``. Its default environment is
called NAME, so that everything else treats it as any project's.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence

from provenv.model.layout import HomeLayout, is_environment_name
from provenv.workspace import fast
from provenv.workspace.projects.context import MANIFEST_FILE, project_name


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


def manifest_text(
    name: str,
    python: Sequence[str],
    minor: str,
    link_mode: str | None,
    more: Mapping[str, object] | None = None,
) -> str:
    """The manifest of a new one: ``python`` are requests, ``minor`` the lowest ``3.N`` that they mean.

    ``more`` are further values of the environment's table.
    """
    from provenv.model.lock import toml_value  # 4 ms, and many look here only whether there is one

    values: dict[str, object] = {}
    if python:
        values["python"] = python[0] if len(python) == 1 else list(python)
    if link_mode is not None:
        values["link-mode"] = link_mode
    values |= more or {}
    return f"""\
# An environment outside projects, made by `provenv env create`. `-e {name}` finds it from anywhere.
[project]
name = {toml_value(project_name(name))}
version = "0"
requires-python = ">={minor}"
dependencies = []

[tool.provenv]
default-environment = {toml_value(name)}

[tool.provenv.environments]
{toml_value(name) if not name.isascii() or "." in name else name} = {toml_value(values)}
"""


def is_outside(home: HomeLayout, root: str) -> bool:
    """Whether the project in ``root`` is an environment outside projects."""
    return os.path.dirname(os.path.realpath(root)) == os.path.realpath(home.environments)


def remember(root: str, home: str, name: str) -> None:
    """Write down that the project in ``root``, as it stands, has no environment called ``name``."""
    with contextlib.suppress(OSError):  # it costs time later on, and nothing else
        fast.remember_outside(root, home, name)

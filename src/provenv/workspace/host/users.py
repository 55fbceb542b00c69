"""Which environments on this machine use which interpreter."""

from __future__ import annotations

import os

from provenv.core.errors import InputError, IntegrityError
from provenv.environments import generations, switch
from provenv.model.generation import Generation
from provenv.workspace.host.registry import project_folder, registered
from provenv.workspace.projects.context import Context, Project, open_project


def current(context: Context) -> dict[str, Generation]:
    """The current generation of every environment that the store knows and that can be read, by folder."""
    found = {}
    for folder in registered(context):
        number = switch.current(folder)
        if number is not None:
            try:
                found[folder] = generations.read_generation(folder, number)
            except IntegrityError:
                continue
    return found


def by_executable(context: Context) -> dict[str, list[str]]:
    """The folders of the environments that use an interpreter now, by its path."""
    found: dict[str, list[str]] = {}
    for folder, generation in current(context).items():
        found.setdefault(os.path.realpath(generation.executable), []).append(folder)
    return found


def project_of(folder: str) -> Project | None:
    """The project that the environment in ``folder`` belongs to; None where it cannot be told."""
    root = project_folder(folder)
    try:
        project = open_project(root)
    except InputError:
        return None
    return project if project.root == root else None

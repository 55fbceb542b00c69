"""Where the environments of this machine lie: registered, moved, gone, or on a disk that is not mounted.

The store keeps one link an environment (``roots/``); :func:`provenv.workspace.roots.register` makes it.
An environment keeps the other half in ``.used``: its inode and the folder that it was registered as. The
time of that file is when it was used last.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Literal

from provenv.core.events import Warned
from provenv.environments import generations, switch
from provenv.model.layout import DEFAULT_ENVIRONMENT_FOLDER, NAMED_ENVIRONMENTS_FOLDER
from provenv.workspace import roots
from provenv.workspace.projects.context import Context, Project

GRACE = 14 * 86400.0
"""For how long an environment that cannot be reached keeps its claim, from when it was first missed."""

Absence = Literal["removed", "gone", "unreachable"]


def registered(context: Context) -> list[str]:
    """The folders of all environments that the store knows, also those that are gone."""
    try:
        names = sorted(os.listdir(context.home.roots))
    except FileNotFoundError:
        return []
    return [os.readlink(f"{context.home.roots}/{name}") for name in names if "." not in name]


def project_folder(folder: str) -> str:
    """The project that the environment in ``folder`` belongs to, by where it lies."""
    above = os.path.dirname(folder)
    named = os.path.basename(above) == NAMED_ENVIRONMENTS_FOLDER
    return os.path.dirname(above) if named else above


def absence(folder: str) -> Absence | None:
    """Why there is no environment in ``folder``; None where there is one.

    ``removed``: its project is there. ``gone``: so is the project, which was moved or removed.
    ``unreachable``: nor is anything beside the project there, as where a disk is not mounted.
    """
    if os.path.isdir(f"{folder}/generations"):
        return None
    root = project_folder(folder)
    if os.path.isdir(root):
        return "removed"
    try:
        with os.scandir(os.path.dirname(root)) as beside:
            return "gone" if any(True for _ in beside) else "unreachable"
    except OSError:
        return "unreachable"


def register(context: Context, folder: str, plan: str) -> None:
    """Register the environment in ``folder``; where it was moved, its former place is forgotten.

    ``plan`` is the folder of its plan.

    Raises:
        OSError: What the file system says.
    """
    before = _placed(folder)
    roots.register(context.home.roots, folder, plan)
    found_again(context, folder)
    if before is not None and before != folder and absence(before) is not None:
        forget(context, before)


def _placed(folder: str) -> str | None:
    """Where this very folder was registered before; None where that is unknown, or it is a copy."""
    try:
        with open(
            f"{folder}/.used", encoding="utf-8", errors="surrogateescape", newline=""
        ) as file:
            inode, _, path = file.read().partition("\n")
        return path if inode == str(os.stat(folder).st_ino) else None
    except OSError:
        return None


def forget(context: Context, folder: str) -> None:
    """Forget an environment: its link, what it held, and since when it was missed.

    Raises:
        OSError: What the file system says.
    """
    path = roots.root_path(context.home.roots, folder)
    for item in (f"{path}.held", f"{path}.missed", path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(item)


def missed_since(context: Context, folder: str, *, note: bool) -> float:
    """Since when an environment that is not there has been missed: a time, now at the first time.

    ``note``: write that down where it is the first time.
    """
    path = _missed(context, folder)
    with contextlib.suppress(OSError):
        return os.stat(path).st_mtime
    if note:
        with contextlib.suppress(OSError), open(path, "x", encoding="utf-8"):
            pass
    return time.time()


def found_again(context: Context, folder: str) -> None:
    """Take back that an environment was missed."""
    with contextlib.suppress(OSError):
        os.unlink(_missed(context, folder))


def _missed(context: Context, folder: str) -> str:
    return f"{roots.root_path(context.home.roots, folder)}.missed"


def attend(project: Project, context: Context, environment: str | None = None) -> None:
    """What every command does that looks at an environment as it is.

    One that was moved is registered where it lies now, and a vanished interpreter is said.

    Raises:
        UsageError: There is no such environment.
    """
    spec = project.manifest.environment(environment)
    folder = project.folder(spec)
    number = switch.current(folder)
    if number is None:
        return
    take_note(context, folder, number)
    lost = generations.lost_interpreter(folder, number)
    if lost is not None:
        option = option_for(context, folder, spec.name)
        hint = f"`provenv sync{option}` repairs it with another."
        context.emit(Warned(message=gone(lost), hint=hint))


def option_for(context: Context, folder: str, name: str) -> str:
    """What a command line needs besides to mean the environment in ``folder``: `` -e NAME``, or nothing."""
    default = os.path.basename(folder) == DEFAULT_ENVIRONMENT_FOLDER
    outside = os.path.dirname(project_folder(folder)) == context.home.environments
    return "" if default and not outside else f" -e {name}"


def gone(executable: str) -> str:
    """One line about an interpreter that vanished."""
    return f"the interpreter of this environment is gone: {executable}"


def take_note(context: Context, folder: str, number: int) -> None:
    """Register an environment that the store does not know where it lies, as after a move."""
    if os.path.lexists(roots.root_path(context.home.roots, folder)):
        return
    with contextlib.suppress(OSError):  # a home that cannot be written: the next sync tries again
        register(context, folder, os.path.dirname(generations.own_file(folder, number, "")))

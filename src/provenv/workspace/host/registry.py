"""Where the environments of this machine lie: registered, moved, gone, or on a disk that is not mounted.

The store keeps one link an environment (``roots/``); :func:`provenv.workspace.roots.register` makes it.
An environment keeps the other half in ``.used``: its inode and the folder that it was registered as. The
time of that file is when it was used last.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Literal

from provenv.core.events import Warned
from provenv.environments import generations, switch
from provenv.model.layout import DEFAULT_ENVIRONMENT_FOLDER, NAMED_ENVIRONMENTS_FOLDER
from provenv.workspace import roots
from provenv.workspace.host import claims
from provenv.workspace.projects.context import Context, Project

Absence = Literal["removed", "gone", "unreachable"]
ABSENCES: dict[Absence, str] = {
    "removed": "it was removed",
    "gone": "its project was moved or removed",
    "unreachable": "its disk may not be mounted",
}
"""What each means, in words."""


def registered(context: Context) -> list[str]:
    """The folders of all environments that the store knows, also those that are gone."""
    return [root.folder for root in claims.entries(context) if root.folder is not None]


def is_trial(context: Context, folder: str) -> bool:
    """Whether the environment in ``folder`` is one that `test` or `bisect` made for itself."""
    return folder.startswith(f"{context.home.trials}/")


def projects(context: Context) -> dict[str, list[str]]:
    """The environments of this machine by the project that they belong to; without those of trials."""
    found: dict[str, list[str]] = {}
    for folder in registered(context):
        if not folder.startswith(f"{context.home.trials}/"):
            found.setdefault(project_folder(folder), []).append(folder)
    return found


def project_folder(folder: str) -> str:
    """The project that the environment in ``folder`` belongs to, by where it lies."""
    above = os.path.dirname(folder)
    named = os.path.basename(above) == NAMED_ENVIRONMENTS_FOLDER
    return os.path.dirname(above) if named else above


def absence(folder: str) -> Absence | None:
    """Why there is no environment in ``folder``; None where there is one.

    ``removed``: its project is there. ``gone``: so is the project, which was moved or removed.
    ``unreachable``: nor is anything beside the project there, as where a disk is not mounted; or the
    folder is empty, as a place where one is mounted is; or nobody may look.
    """
    there = _is_folder(f"{folder}/generations")
    if there:
        return None
    root = project_folder(folder)
    above = _is_folder(root)
    if there is None or above is None:
        return "unreachable"
    if above:
        return "unreachable" if _is_empty(folder) else "removed"
    return "unreachable" if _is_empty(os.path.dirname(root)) in (True, None) else "gone"


def _is_folder(path: str) -> bool | None:
    """Whether there is a folder; None where that cannot be told."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return None


def _is_empty(folder: str) -> bool | None:
    """Whether a folder holds nothing; None where there is none, or nobody may look."""
    try:
        with os.scandir(folder) as entries:
            return not any(True for _ in entries)
    except OSError:
        return None


def register(context: Context, folder: str, plan: str) -> None:
    """Register the environment in ``folder``; where it was moved, its former place is forgotten.

    ``plan`` is the folder of its plan.

    Raises:
        OSError: What the file system says.
    """
    before = _placed(folder)
    former = [] if before == folder else _contents(folder)
    roots.register(context.home.roots, folder, *former, plan)
    claims.found_again(claims.of(context, folder))
    if before is not None and before != folder and absence(before) is not None:
        claims.forget(context, claims.of(context, before))


def _contents(folder: str) -> list[str]:
    """Where the generations that are there say what they hold."""
    files = [generations.own_file(folder, n, "contents.json") for n in switch.numbers(folder)]
    return [os.path.dirname(file) for file in files if os.path.isfile(file)]


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

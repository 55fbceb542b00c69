"""``env remove``: take an environment away, and nothing that provenv did not make."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from provenv.core.disk import doing
from provenv.core.errors import CheckFailedError, UsageError
from provenv.core.files import FOLDER_LOCK, write_atomic
from provenv.core.values import frozen
from provenv.environments import generations, stamp, switch
from provenv.model.layout import (
    NAMED_ENVIRONMENTS_FOLDER,
    base_name,
    is_environment_name,
    is_plain_request,
)
from provenv.workspace.host import claims, processes, waits
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects import outside
from provenv.workspace.projects.context import (
    MANIFEST_FILE,
    Context,
    Project,
    as_it_is,
    open_project,
)
from provenv.workspace.projects.declaring import declared, undeclare
from provenv.workspace.proving import copies, thinning
from provenv.workspace.syncing import edit


@frozen
class RemoveResult:
    """What ``env remove`` took away.

    Attributes:
        environments: Names of those that were there, with their folders.
        project: The folder of an environment outside projects, which went as a whole; else None.
        files: The project's files that were removed or changed.
        left: Paths that provenv did not make, and that are still there.
    """

    environments: tuple[tuple[str, str], ...]
    project: str | None
    files: tuple[str, ...]
    left: tuple[str, ...]


def candidates(project: Project, name: str | None) -> list[tuple[str, str]]:
    """Names and folders of the environments that ``name`` means: of several Pythons, all.

    One that is no longer declared so counts where its folder is still there.

    Raises:
        UsageError: There is none of this name, declared or left over.
    """
    try:
        specs = project.manifest.instances(name)
    except UsageError:
        left = _left_over(project, name or "")
        if left is None:
            raise
        return [left]
    found = [(spec.name, project.folder(spec)) for spec in specs]
    left = _left_over(project, name or "")  # from the time when it was not one of several Pythons
    return found if left is None or left in found else [*found, left]


def _left_over(project: Project, name: str) -> tuple[str, str] | None:
    base, at, python = name.partition("@")
    if not is_environment_name(base) or (at and not is_plain_request(python)):
        return None
    folder = os.path.join(project.root, NAMED_ENVIRONMENTS_FOLDER, name)
    return (name, folder) if os.path.isdir(f"{folder}/generations") else None


def in_use(folders: Sequence[str]) -> list[tuple[str, int]]:
    """The generations of these environments that running processes use."""
    used = processes.generations_in_use()
    return [(f, n) for f in folders for n in switch.numbers(f) if used.holds(f, n)]


def remove_environment(
    project: Project,
    context: Context,
    name: str | None,
    *,
    force: bool = False,
    undeclared: bool = False,
) -> RemoveResult:
    """Take away the environment ``name``, of several Pythons all; of one outside projects, its project.

    Args:
        project: Whose environment.
        context: The world.
        name: As for ``-e``; the default one where None.
        force: Although processes run in it, or it has edits that are nowhere else.
        undeclared: Take it out of the manifest, too.

    Raises:
        UsageError: There is none of this name; or it is not declared and cannot be undeclared.
        ForeignError: Its folder was made by something else.
        CheckFailedError: A process runs in it, or edits would be lost that are nowhere else.
        DiskError: The file system refused.
    """
    found = candidates(project, name)
    folders = [folder for _, folder in found]
    for folder in folders:
        generations.refuse_foreign(folder)
    own = outside.is_outside(context.home, project.root)
    text = _without(project, name) if undeclared and not own else None
    _refuse_busy(folders, force=force)
    _refuse_edited(context, folders, force=force)
    there = tuple(pair for pair in found if os.path.isdir(pair[1]))
    title = ", ".join(title for title, _ in found)
    with (
        recorded(
            context,
            "env-remove",
            root=project.root,
            environment=title,
            folder=folders[0] if len(found) == 1 else "",
            paths=(project.manifest_path,) if own or undeclared else (),
        ) as operation,
        doing(f"removing {title}", project.root),
    ):
        return _remove(project, operation.context, name, there, text, own=own)


def _remove(
    project: Project,
    context: Context,
    name: str | None,
    there: tuple[tuple[str, str], ...],
    text: str | None,
    *,
    own: bool,
) -> RemoveResult:
    """Take the folders away; then the project, or what ``text`` leaves out of its manifest."""
    left: list[str] = []
    changed: list[str] = []
    for _, folder in there:
        left += take_away(context, folder)
    whole = own and name in (None, project.manifest.default_environment)
    if whole:
        with waits.changing(context, project):
            changed += _clear_project(context, project.root, left)
    elif text is not None:
        with waits.changing(context, project):
            text = _without(as_it_is(project), name)
            write_atomic(project.manifest_path, text.encode())
        changed.append(MANIFEST_FILE)
    return RemoveResult(
        environments=there,
        project=project.root if whole else None,
        files=tuple(changed),
        left=tuple(left),
    )


def _refuse_busy(folders: Sequence[str], *, force: bool) -> None:
    busy = [] if force else in_use(folders)
    if busy:
        listed = ", ".join(f"generation {number} of {folder}" for folder, number in busy)
        raise CheckFailedError(
            f"a process runs in {listed}",
            hint="End it first; --force removes the environment under it.",
            details={"in_use": [{"folder": f, "generation": n} for f, n in busy]},
        )


def _refuse_edited(context: Context, folders: Sequence[str], *, force: bool) -> None:
    """Private copies are what a person wrote: they do not go unasked."""
    for folder in [] if force else folders:
        for number in switch.numbers(folder):
            edited = copies.unreleased(context, folder, number)
            if edited:
                raise CheckFailedError(
                    f"generation {number} of {folder} has edits of {', '.join(edited)}",
                    hint=f"`provenv env edit --diff {edited[0]} --generation {number}` prints them; "
                    "--force removes them, too.",
                    details={"folder": folder, "generation": number, "packages": list(edited)},
                )


def _without(project: Project, name: str | None) -> str:
    """The manifest without the environment.

    Raises:
        UsageError: It is not declared, is one of several Pythons, or others need it.
    """
    wanted = name or project.manifest.default_environment
    text, file = project.manifest_text, project.manifest_path
    if wanted != base_name(wanted):
        raise UsageError(
            f"{wanted!r} is one of several Pythons of {base_name(wanted)!r}, and is declared with them",
            hint=f"Take it out of `python` in {file}.",
        )
    if declared(text, file, wanted) is None:
        raise UsageError(
            f"environment {wanted!r} is not declared in {file}", hint="Leave --undeclare out."
        )
    new = undeclare(text, file, wanted)
    edit.with_text(project, new)  # says who needs it
    return new


def take_away(context: Context, folder: str, *, wait: bool = True) -> list[str]:
    """Remove the environment in ``folder``, and the store's link to it.

    ``current`` goes first: a kill leaves no environment, and the next call goes on. ``wait``: for
    another command that works on it.

    Returns:
        The paths that provenv did not make; they stay, and so does the folder then.

    Raises:
        OSError, DiskError: The file system refused.
        UndecidedError: Not ``wait``, and another command works on it.
    """
    with waits.working_on(context, folder, wait=wait):
        used = thinning.environment_used(folder) or None
        stamp.forget(folder)
        for item in ("current", *switch.links(folder, strict=True)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{folder}/{item}")
        if os.path.isdir(f"{folder}/generations"):
            switch.sweep(folder)
        for number in switch.numbers(folder):
            switch.discard(folder, number)
        switch.unprepare(folder)
        claims.forget(context, claims.of(context, folder), used)
    return [f"{folder}/{name}" for name in _foreign(folder)]


def _foreign(folder: str) -> list[str]:
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    inner = f"{folder}/generations"
    found = [f"generations/{n}" for n in os.listdir(inner)] if os.path.isdir(inner) else []
    return [name for name in names if name not in (*switch.OWN_FILES, "generations")] + found


def _clear_project(context: Context, root: str, left: list[str]) -> list[str]:
    """Remove an environment outside projects: its manifest and locks, and its folder where empty.

    Paths that stay are added to ``left``; returns the names of the files that went.
    """
    project = open_project(root)
    for spec in project.manifest.all_instances():
        folder = project.folder(spec)
        if generations.is_ours(folder) and os.path.isdir(folder):
            left += take_away(context, folder)
    gone = [n for n in sorted(os.listdir(root)) if n == MANIFEST_FILE or edit.is_lock(n)]
    for name in sorted(gone, key=MANIFEST_FILE.__eq__):  # the manifest goes last: it names the rest
        os.unlink(os.path.join(root, name))
    for folder in (os.path.join(root, NAMED_ENVIRONMENTS_FOLDER), root):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
    for name in sorted({*os.listdir(root)} - {FOLDER_LOCK}) if os.path.isdir(root) else []:
        if not any(path.startswith(f"{root}/{name}/") for path in left):
            left.append(f"{root}/{name}")
    return gone


def clear(context: Context, root: str) -> None:
    """Undo the making of an environment outside projects, as far as it came."""
    with contextlib.suppress(Exception):
        _clear_project(context, root, [])
    for name in (MANIFEST_FILE, "pylock.toml"):
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(root, name))
    with contextlib.suppress(OSError):
        os.rmdir(root)

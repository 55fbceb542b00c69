"""What a command enters without a sync: an environment that is what its lock says, and may be used today.

Who may not write it, as a service of another user than the one who installed it, uses it all the same: what
would be written down is found out each time.
"""

from __future__ import annotations

import os
import shlex

from provenv.core.errors import UndecidedError
from provenv.core.files import locked
from provenv.environments import generations, stamp, switch
from provenv.model.manifest import EnvironmentSpec
from provenv.workspace import fast
from provenv.workspace.projects.context import Context, Project
from provenv.workspace.projects.governed import may_be_governed
from provenv.workspace.proving.aftermath import require_whole, settle


def standing(
    project: Project, context: Context, environment: str | None, *, held: bool
) -> tuple[str, int] | None:
    """The folder and the generation of what is in sync; with ``held``, of what a rollback chose, too.

    None where a sync must say. After a power cut it is compared first.

    Raises:
        CheckFailedError, UndecidedError: A policy does not let it be used.
        IntegrityError: It is not as it was made, and whoever asks may not mend it.
    """
    home = context.home
    spec = project.manifest.environment(environment)
    folder = project.folder(spec)
    writable = all(os.access(path, os.W_OK) for path in (home.lock, folder))
    if writable and fast.unsettled(home.root):
        with locked(home.lock, shared=True):
            settle(context)
    asked = fast.Asked(environment)
    outcome = fast.in_sync(
        project.root, asked, home.root, context.environ, held=held, any_start=not writable
    )
    if outcome is not None:
        folder, number = outcome.folder, outcome.generation
    else:
        renewed = _renewed(project, context, spec, held=held, any_start=not writable)
        if renewed is None and not writable:
            renewed = _agreeing(project, context, spec)
        if renewed is None:
            return None
        number = renewed
    if not writable:
        require_whole(context, folder, number)
    return folder, number


def _renewed(
    project: Project, context: Context, spec: EnvironmentSpec, *, held: bool, any_start: bool
) -> int | None:
    """The generation that may go on being used: only a policy's verdict on it was too old."""
    known = stamp.read(project.folder(spec), any_start=any_start)
    if known is None or (known.held and not held):
        return None
    if not (stamp.verdict(known.signatures) or may_be_governed(project, context)):
        return None
    from provenv.workspace.governing.freshness import renew

    return renew(project, context, spec, any_start=any_start)


def _agreeing(project: Project, context: Context, spec: EnvironmentSpec) -> int | None:
    """The generation of an environment that is what its lock says, whatever its stamp does.

    A copy into an image changes the inodes, which a stamp goes by.

    Raises:
        UndecidedError: It is not, and whoever asks cannot make it so.
    """
    from provenv.workspace.syncing.inspection import status

    folder = project.folder(spec)
    number = switch.current(folder)
    if number is None:
        return None
    found = status(project, context, environment=spec.name)
    if found.generation is not None and found.agrees:
        if may_be_governed(project, context):
            from provenv.workspace.governing.freshness import require_generation

            require_generation(project, context, folder, found.generation)
        return number
    if os.access(folder, os.W_OK):
        return None
    elsewhere = generations.other_store(folder, number, context.home.root)
    owner = "Whoever it belongs to calls `provenv sync`"
    if elsewhere and os.path.isdir(elsewhere):
        owner = f"`export PROVENV_HOME={shlex.quote(elsewhere)}` uses that store"
    raise UndecidedError(
        f"{folder} cannot be written by this user, and needs a sync: {', '.join(found.reasons)}",
        hint=f"{owner}; `--no-sync` uses the environment as it is.",
    )

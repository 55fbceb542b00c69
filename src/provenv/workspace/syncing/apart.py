"""An environment of a project that lies elsewhere, from a lock that is handed in: for trials.

It is made as any other, is registered with the store, and knows nothing of `sync`: what decides on it is
that lock, and not the project's.
"""

from __future__ import annotations

import os

from provenv.core.disk import doing
from provenv.core.errors import UsageError
from provenv.core.values import frozen, replace
from provenv.environments import stamp, switch
from provenv.model.interpreter import Interpreter
from provenv.model.manifest import EnvironmentSpec
from provenv.workspace import fast
from provenv.workspace.host import waits
from provenv.workspace.host.ownership import begin_store, check_store
from provenv.workspace.projects.context import Context, LockFile, Project
from provenv.workspace.projects.governed import may_be_governed


@frozen
class Apart:
    """An environment that is whole: ``made`` is False where it was there, as it must be."""

    folder: str
    generation: int
    made: bool


def make_apart(
    project: Project,
    context: Context,
    spec: EnvironmentSpec,
    interpreter: Interpreter,
    lock: LockFile,
    folder: str,
    *,
    link_mode: str | None = None,
) -> Apart:
    """The environment ``spec`` of ``project`` for ``interpreter``, as ``lock`` says, in ``folder``.

    What is there is used again as long as nothing that it was made from has changed, and policies let it.

    Raises:
        UnsatisfiableError: The lock has nothing for that interpreter.
        CheckFailedError, UndecidedError: The policies that govern do not let it be made, or used.
        BuildError, NetworkError, IntegrityError: As they say. What was there is as it was.
        DiskError: The file system refused.
    """
    if os.pathsep in folder:
        raise UsageError(
            f"no environment can be in {folder}: PATH cannot name a folder with {os.pathsep!r} in it",
            hint="Choose another PROVENV_HOME.",
        )
    mode = link_mode or spec.link_mode or "linked"
    asked = f"lock={lock.digest} python={interpreter.version} link-mode={mode}"
    project = replace(project, apart=folder)
    require_allowed(project, context, spec, interpreter, lock)
    there = _as_it_is(context, folder, asked)
    if there is not None:
        check_store(context)
        return there
    return _make(project, context, spec, interpreter, lock, mode, asked)


def require_allowed(
    project: Project,
    context: Context,
    spec: EnvironmentSpec,
    interpreter: Interpreter,
    lock: LockFile,
) -> None:
    """See that the policies that govern ``project`` let what ``lock`` says be used, or that none does.

    Raises:
        CheckFailedError, UndecidedError: They do not.
    """
    if may_be_governed(project, context):
        from provenv.workspace.governing.freshness import require

        require(project, context, spec, lock, interpreter.version)


def _make(
    project: Project,
    context: Context,
    spec: EnvironmentSpec,
    interpreter: Interpreter,
    lock: LockFile,
    mode: str,
    asked: str,
) -> Apart:
    """The long way; what it needs is imported here, as most cells find their environment as it was."""
    from provenv.store.fetch import ahead
    from provenv.workspace.proving.aftermath import settle
    from provenv.workspace.syncing.generating import SyncRequest, least, make
    from provenv.workspace.syncing.modes import link_mode_for

    folder = project.folder(spec)
    mode = link_mode_for(interpreter, mode)
    begin_store(context)
    with (
        doing(f"making an environment for Python {interpreter.version}", folder),
        waits.working_on(context, folder),
        ahead(context.home, least(lock.lock)) as crew,
    ):
        there = _as_it_is(context, folder, asked)
        if there is not None:  # another process was first
            return there
        settle(context)
        switch.prepare(folder)
        switch.sweep(folder)
        stamp.forget(folder)
        request = SyncRequest(asked=fast.Asked(spec.name), spec=spec, lock=lock, mode=mode)
        prepared, outcome = make(project, context, folder, interpreter, request, crew)
        paths = [
            interpreter.executable,
            *fast.installed(folder, interpreter.site_packages),
            *fast.stored(context.home.root, prepared.steps),
            *prepared.inputs,
            project.manifest_path,
        ]
        current = f"generations/{outcome.number}"
        signatures = [stamp.signature(path) for path in paths]
        stamp.write(
            folder, stamp.Stamp(context.home.root, spec.name, current, signatures, asked=asked)
        )
    return Apart(folder=folder, generation=outcome.number, made=outcome.made)


def _as_it_is(context: Context, folder: str, asked: str) -> Apart | None:
    known = stamp.read(folder)
    if known is None or known.home != context.home.root or known.asked != asked:
        return None
    if not stamp.holds(folder, known):
        return None
    stamp.used(folder)
    return Apart(folder=folder, generation=int(known.current.rpartition("/")[2]), made=False)

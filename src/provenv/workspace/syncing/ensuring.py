"""The lock that decides for an environment, made anew where it is stale."""

from __future__ import annotations

from collections.abc import Mapping

from provenv.core.errors import CheckFailedError
from provenv.core.events import Noted
from provenv.model.manifest import EnvironmentSpec
from provenv.workspace.host import waits
from provenv.workspace.projects.context import Context, LockFile, Project, as_it_is, read_locks
from provenv.workspace.syncing import locking
from provenv.workspace.syncing.origins import refuse_strays


def ensure_lock(
    project: Project, context: Context, spec: EnvironmentSpec, *, locked_only: bool
) -> tuple[Project, LockFile, bool]:
    """The lock that decides for ``spec``, made anew where it is stale; whether it was.

    Of many that find it stale at once, one makes it anew, and the others use it: the project is given
    back as it is then.

    Raises:
        CheckFailedError: ``locked_only``, and it is stale. Always where somebody has edited it, or
            where it has files from where the manifest does not lead.
    """
    locks = read_locks(project)
    stale = locking.why_stale(project, locks)
    if stale is None:
        return project, _checked(project, context, spec, locks), False
    locking.refuse_edited(locks)
    if locked_only:
        raise CheckFailedError(
            f"{stale}; with --locked it is not made anew",
            hint="Run `provenv lock`, and commit the lock.",
        )
    with waits.changing(context, project):
        project = as_it_is(project)
        spec = project.manifest.environment(spec.name)
        locks = read_locks(project)
        stale = locking.why_stale(project, locks)
        if stale is None:
            return project, _checked(project, context, spec, locks), False
        context.emit(Noted(message=f"locking: {stale}"))
        locking.lock(project, context)
        return project, read_locks(project)[project.lock_key(spec)], True


def _checked(
    project: Project,
    context: Context,
    spec: EnvironmentSpec,
    locks: Mapping[str | None, LockFile],
) -> LockFile:
    key = project.lock_key(spec)
    refuse_strays(project, context, {locks[key].path: locks[key].lock})
    return locks[key]

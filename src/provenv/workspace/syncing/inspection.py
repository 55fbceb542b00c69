"""``status``, ``tree``, ``why``, ``outdated``: questions that change nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping

from packaging.utils import canonicalize_name

from provenv.core.errors import CheckFailedError, InputError, IntegrityError, UnsatisfiableError
from provenv.core.values import frozen
from provenv.core.words import many
from provenv.environments import generations, switch
from provenv.environments.drift import Drift, find_drift
from provenv.model import graph
from provenv.model.generation import Change, Generation, changes
from provenv.model.interpreter import Interpreter
from provenv.model.manifest import EnvironmentSpec
from provenv.model.plan import make_plan
from provenv.resolve import outdated as resolving
from provenv.resolve.pages import Pages
from provenv.workspace.host import access, registry
from provenv.workspace.host.choosing import choose_interpreter
from provenv.workspace.operations import reading
from provenv.workspace.operations.reading import LoggedOperation
from provenv.workspace.projects.context import Context, LockFile, Project, read_lock, read_locks
from provenv.workspace.proving.copies import PrivateCopy, private_copies
from provenv.workspace.syncing import locking
from provenv.workspace.syncing.origins import refuse_strays


@frozen
class StatusResult:
    """How manifest, lock and environment stand to each other.

    Attributes:
        stale: Why the lock does not answer the manifest; None where it does.
        refused: Why nothing is installed from the lock: it was edited, or has files from elsewhere.
        source: The file of another tool that the environment is made from (``sync --from``).
        generation: What is current; None where there is no environment.
        broken: Why the current generation cannot be used; None where it can.
        pending: What ``sync`` would change; empty where the lock is stale or missing.
        drift: What others did to the current generation.
        edited: Its private copies, and what was changed in them.
        agrees: All of it agrees.
        interrupted: The last operation here that was interrupted, unless a later one was done, or was a
            sync of what agrees now.
    """

    project: str
    root: str
    environment: str
    folder: str
    stale: str | None
    refused: str | None
    generation: Generation | None
    broken: str | None
    pending: tuple[Change, ...]
    drift: tuple[Drift, ...]
    edited: tuple[PrivateCopy, ...]
    agrees: bool
    source: str | None = None
    interrupted: LoggedOperation | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why not all of it agrees, in a few words each; empty where it does."""
        if self.agrees:
            return ()
        reasons = [self.broken if self.generation is not None else self.broken or "not made yet"]
        if self.stale:
            reasons.append("the lock is stale")
        elif self.refused:
            reasons.append("the lock is refused")
        if self.pending:
            reasons.append(f"{many(len(self.pending), 'package')} to change")
        if self.drift:
            reasons.append(f"{many(len(self.drift), 'path')} changed by others")
        return tuple(filter(None, reasons))


def status(project: Project, context: Context, *, environment: str | None = None) -> StatusResult:
    """What is current, and whether manifest, lock and environment agree.

    Raises:
        InputError: The manifest or the lock cannot be used.
        ForeignError: The environment's folder was made by something else.
    """
    spec = project.manifest.environment(environment)
    folder = project.folder(spec)
    generations.refuse_foreign(folder)
    source = generations.source_of(folder)
    locks = read_locks(project) if source is None else {}
    stale = locking.why_stale(project, locks) if source is None else None
    refused = _refusal(project, context, locks)
    number = switch.current(folder)
    if number is not None:
        registry.take_note(context, folder, number)
    generation, broken, drift = _current(context, folder, number)
    edited: tuple[PrivateCopy, ...] = ()
    if generation is not None and generation.edited:
        edited = private_copies(context, folder, generation.number)
    pending: tuple[Change, ...] = ()
    lock = locks.get(project.lock_key(spec))
    if source is not None:
        project, spec, lock = _foreign_lock(project, context, spec, folder, source)
    if lock is not None and stale is None:
        try:
            pending = pending_changes(project, context, spec, folder, lock, generation)
        except UnsatisfiableError:
            if broken is None:  # else that is the news: its interpreter is gone, and no other fits
                raise
    agrees = not (stale or refused or broken or pending or drift) and generation is not None
    stopped = reading.unresolved(context, project.root, folder)
    if stopped is not None and stopped.operation == "sync" and agrees:
        stopped = None
    return StatusResult(
        project=project.title,
        root=project.root,
        environment=spec.name,
        folder=folder,
        stale=stale,
        refused=refused.message if refused is not None else None,
        generation=generation,
        broken=broken,
        pending=pending,
        drift=drift,
        edited=edited,
        agrees=agrees,
        source=source,
        interrupted=stopped,
    )


def _foreign_lock(
    project: Project, context: Context, spec: EnvironmentSpec, folder: str, source: str
) -> tuple[Project, EnvironmentSpec, LockFile]:
    """What an environment that was made with ``sync --from`` is held against."""
    from provenv.workspace.syncing import sourcing

    opened = sourcing.open_source(project, context, spec, source)
    interpreter = choose_interpreter(opened.project, context, opened.spec, folder, None)
    return opened.project, opened.spec, sourcing.lock_for(opened, context, interpreter)


def _refusal(
    project: Project, context: Context, locks: Mapping[str | None, LockFile]
) -> CheckFailedError | None:
    """Why nothing would be installed from the project's locks; None where it would."""
    try:
        locking.refuse_edited(locks)
        refuse_strays(project, context, {file.path: file.lock for file in locks.values()})
    except CheckFailedError as error:
        return error
    return None


def _current(
    context: Context, folder: str, number: int | None
) -> tuple[Generation | None, str | None, tuple[Drift, ...]]:
    if number is None:
        broken = "`current` leads nowhere" if os.path.lexists(f"{folder}/current") else None
        return None, broken, ()
    try:
        generation = generations.read_generation(folder, number)
        recipe = generations.read_recipe(folder, number)
    except IntegrityError as error:
        return None, error.message, ()
    root = f"{folder}/generations/{number}"
    elsewhere = generations.other_store(folder, number, context.home.root)
    drift = () if elsewhere else tuple(find_drift(recipe, root, context.home.root))
    broken = None
    lost = generations.lost_interpreter(folder, number)
    if lost is not None:
        broken = f"its interpreter is gone: {lost}"
    elif elsewhere:
        broken = f"it is linked from {elsewhere}, and PROVENV_HOME is {context.home.root}"
    elif damaged := generations.damaged_objects(folder, number, context.home.root):
        broken = f"{len(damaged)} of its packages are damaged in the store"
    return generation, broken, drift


def pending_changes(
    project: Project,
    context: Context,
    spec: EnvironmentSpec,
    folder: str,
    lock: LockFile,
    generation: Generation | None,
) -> tuple[Change, ...]:
    """What ``sync`` would change in an environment, by the lock."""
    interpreter = choose_interpreter(project, context, spec, folder, None)
    have = {p.name: p.version for p in generation.packages} if generation else {}
    return changes(have, wanted_versions(project, spec, interpreter, lock, generation))


def wanted_versions(
    project: Project,
    spec: EnvironmentSpec,
    interpreter: Interpreter,
    lock: LockFile,
    generation: Generation | None,
) -> dict[str, str]:
    """What the lock wants the environment to hold; versions that it leaves open as ``generation`` has them.

    Raises:
        InputError, UnsatisfiableError: The lock has nothing that fits.
    """
    plan = make_plan(lock.lock, lock.digest, project.selector(spec), interpreter, lock.path)
    own = canonicalize_name(project.title)
    wanted = {a.name: a.version for a in plan.artifacts if a.name != own}
    have = {p.name: p.version for p in generation.packages} if generation else {}
    if project.manifest.installable:  # its version is the build backend's to say
        wanted[own] = have.get(own, "")
    for name, version in wanted.items():  # a local project's version may be left open
        if not version and name in have:
            wanted[name] = have[name]
    return wanted


def project_graph(
    project: Project, context: Context, environment: str | None
) -> tuple[graph.Graph, EnvironmentSpec, Interpreter]:
    """The graph of an environment, from the lock alone.

    Raises:
        InputError: There is no lock.
    """
    spec = project.manifest.environment(environment)
    registry.attend(project, context, environment)
    folder = project.folder(spec)
    source = generations.source_of(folder)
    if source is not None:
        project, spec, lock = _foreign_lock(project, context, spec, folder, source)
    else:
        lock = _own_lock(project, spec)
    interpreter = choose_interpreter(project, context, spec, folder, None)
    chosen = project.selector(spec)
    made = graph.make_graph(lock.lock, project.manifest, spec, interpreter.markers, chosen)
    return made, spec, interpreter


def _own_lock(project: Project, spec: EnvironmentSpec) -> LockFile:
    lock = read_lock(project, project.lock_key(spec))
    if lock is None:
        path = project.lock_path(project.lock_key(spec))
        raise InputError("is missing", file=path, hint="Run `provenv lock`.")
    return lock


@frozen
class WhyResult:
    """Why a distribution is there: every root that leads to it, with a shortest path."""

    name: str
    version: str
    environment: str
    paths: tuple[graph.Path, ...]


def why(
    project: Project, context: Context, name: str, *, environment: str | None = None
) -> WhyResult:
    """Why a distribution is in an environment, read from the lock alone, offline.

    Raises:
        CheckFailedError: It is not there.
    """
    made, spec, _ = project_graph(project, context, environment)
    wanted = canonicalize_name(name)
    if wanted not in made.versions:
        raise CheckFailedError(
            f"{wanted} is not in environment {spec.name!r}",
            hint="`provenv tree` shows what is.",
        )
    return WhyResult(
        name=wanted,
        version=made.versions[wanted],
        environment=spec.name,
        paths=graph.why(made, wanted),
    )


def outdated(
    project: Project, context: Context, pages: Pages | None = None
) -> tuple[resolving.Newest, ...]:
    """What is newer than the lock: the newest release, and the newest that the manifest allows.

    ``pages`` gets what the indexes said.

    Raises:
        InputError: There is no lock.
        NetworkError: The index does not answer.
    """
    project = project.locker
    locks = read_locks(project)
    if None not in locks:
        raise InputError("is missing", file=project.lock_path(None), hint="Run `provenv lock`.")
    interpreter = locking.resolving_interpreter(project, context, None)
    return resolving.outdated(
        project.manifest,
        locks[None].lock,
        project=project.root,
        settings=access.resolve_settings(project, context, interpreter),
        emit=context.emit,
        pages=pages,
    )

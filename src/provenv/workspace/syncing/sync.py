"""``sync``: lock → generation. The long way round; :mod:`fast` is the short one."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from provenv.core.disk import doing
from provenv.core.errors import (
    DiskError,
    InputError,
    UndecidedError,
    UsageError,
)
from provenv.core.events import Warned
from provenv.core.values import frozen
from provenv.environments import generations, switch
from provenv.environments.drift import Drift
from provenv.model.generation import Change
from provenv.model.interpreter import Interpreter
from provenv.model.manifest import LINK_MODES, EnvironmentSpec
from provenv.store import leftovers
from provenv.store.fetch import ahead
from provenv.workspace import fast
from provenv.workspace.host import choosing, registry, waits
from provenv.workspace.host.ownership import begin_store, warn_of_closed
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects import files
from provenv.workspace.projects.context import (
    Context,
    LockFile,
    Project,
    as_it_is,
    read_locks,
    read_manifest,
    read_text,
)
from provenv.workspace.projects.governed import may_be_governed
from provenv.workspace.proving.aftermath import settle
from provenv.workspace.syncing import locking, modes
from provenv.workspace.syncing.ensuring import ensure_lock
from provenv.workspace.syncing.evidencing import (
    record_generation,
    refuse_stale,
    signature_check,
)
from provenv.workspace.syncing.generating import SyncRequest, finish, least, make

if TYPE_CHECKING:
    from provenv.workspace.governing.freshness import Fresh
    from provenv.workspace.syncing.sourcing import Opened


_TRIES = 20


@frozen
class SyncResult:
    """What ``sync`` did.

    Attributes:
        environment: Its name. ``folder``: Where it lies.
        generation: The number that ``current`` names now. ``previous``: Before; None at first.
        made: A new generation was made; False where there was nothing to do.
        changes: Distributions that came, went or moved.
        packages: How many distributions the environment holds.
        drift: What others had done to the previous generation, undone by the new one.
        locked: The lock was made anew first.
        aside: Where a foreign folder was set aside, if one was.
        source: The file of another tool that decided (``--from``); None for the project's own lock.
        edited: Private copies that it has. ``dropped``: Those that are left behind in ``previous``.
    """

    environment: str
    folder: str
    generation: int
    previous: int | None
    made: bool
    changes: tuple[Change, ...]
    packages: int
    python: str
    executable: str
    link_mode: str
    drift: tuple[Drift, ...]
    locked: bool
    aside: str | None
    edited: tuple[str, ...]
    dropped: tuple[str, ...]
    seconds: float
    source: str | None = None


def sync(
    project: Project,
    context: Context,
    *,
    environment: str | None = None,
    python: str | None = None,
    link_mode: str | None = None,
    locked_only: bool = False,
    adopt: bool = False,
    fresh: Mapping[str | None, LockFile] | None = None,
    source: str | None = None,
    require_signature: bool = False,
) -> SyncResult:
    """Make the environment what the lock says; where it is so already, make nothing.

    Args:
        project: What to sync.
        context: The world.
        environment: Its name; the default environment where None.
        python: An interpreter request that overrides the manifest's.
        link_mode: Overrides the manifest's and the environment's present one.
        locked_only: Refuse a stale lock instead of making it anew.
        adopt: Set a foreign environment folder aside instead of refusing it.
        fresh: The project's locks where the caller has just made them; else they are read.
        source: A lock of another tool that decides from now on; ``pylock.toml`` goes back to the
            project's own. Where None, what the environment was made from last decides.
        require_signature: Refuse a lock that nobody signed who may, also where no policy asks for it.

    Raises:
        CheckFailedError: ``locked_only``, and the lock is missing or stale; or it must be signed.
        ForeignError: The folder was made by something else.
        ProvenvError: As the parts say; the environment is as it was.
    """
    if link_mode is not None and link_mode not in LINK_MODES:
        raise UsageError(f"{link_mode!r} is not one of {', '.join(LINK_MODES)}")
    spec = project.manifest.environment(environment)
    folder = project.folder(spec)
    _check_place(folder, adopt=adopt)
    before = switch.current(folder)
    begin_store(context)
    with (
        recorded(
            context, "sync", root=project.root, environment=spec.name, folder=folder, at_once=False
        ) as operation,
        doing(f"syncing {spec.name}", folder, safe=lambda: switch.standing(folder, before)),
    ):
        context = operation.context
        asked = fast.Asked(environment, python, link_mode)
        for _ in range(_TRIES):
            try:
                signed = signature_check(project, context, spec.name, asked=require_signature)
                return _sync(project, context, spec, asked, locked_only, fresh, source, signed)
            except _OvertakenError:  # by a rollback, while this one waited for its turn
                project = as_it_is(project)
                spec = project.manifest.environment(environment)
        raise UndecidedError(
            f"{project.manifest_path} or its lock is changed again and again while this command waits",
            hint="Find out what writes them, and try again; the environment is as it was.",
        )


class _OvertakenError(Exception):
    """The project's files are no longer those that were read."""


def _sync(
    project: Project,
    context: Context,
    spec: EnvironmentSpec,
    wanted: fast.Asked,
    locked_only: bool,  # as `sync` was asked
    fresh: Mapping[str | None, LockFile] | None,
    source: str | None,
    signed: Callable[[LockFile], None] | None,
) -> SyncResult:
    """:func:`sync` of one environment, whose place has been looked at."""
    started = time.monotonic()
    environment, python, link_mode = wanted.environment, wanted.python, wanted.link_mode
    folder = project.folder(spec)
    relocked, opened, whose = False, None, project
    if fresh is not None:
        lock = fresh[project.lock_key(spec)]
    elif (name := _source_name(project, folder, source)) is not None:
        opened, lock = _foreign(
            project, context, spec, folder, name, python=python, anew=source is not None
        )
        project, spec = opened.project, opened.spec
    else:
        if signed is not None and not locked_only:
            locks = read_locks(project)
            refuse_stale(project.lock_path(None), locking.why_stale(project, locks))
        project, lock, relocked = ensure_lock(project, context, spec, locked_only=locked_only)
        spec = project.manifest.environment(environment)
        whose = project
    if signed is not None:
        signed(lock)
    aside = None if generations.is_ours(folder) else generations.set_aside(folder)
    try:
        leftovers.sweep(context.home)
        files.sweep(project.root)
        with (
            waits.working_on(context, folder),
            ahead(context.home, least(lock.lock)) as crew,
        ):
            if fresh is None and opened is None and not _still(project, lock):
                raise _OvertakenError
            settle(context)
            switch.prepare(folder)
            switch.sweep(folder)
            interpreter = _chosen(project, context, spec, folder, python)
            mode = modes.chosen_mode(context, spec, folder, interpreter, link_mode)
            verdict = _judged(whose, context, spec, lock, interpreter, whole=opened is not None)
            # by its whole name: `test` may be several, and the short way must not take one for all
            asked = fast.Asked(spec.name if environment is not None else None, python, link_mode)
            request = SyncRequest(
                asked=asked, spec=spec, lock=lock, mode=mode, opened=opened, verdict=verdict
            )
            prepared, outcome = make(project, context, folder, interpreter, request, crew)
            # the switch is done: what cannot be written down now costs time later on
            with contextlib.suppress(OSError, DiskError, InputError):
                finish(project, context, folder, prepared, request, outcome.number)
            if outcome.made:
                made, came = (outcome.number, outcome.previous), outcome.changes
                record_generation(project, context, spec.name, *made, came)
                leads = [context.home.wheels] if mode == LINK_MODES[0] else []
                warn_of_closed(context, project.root, *leads, interpreter.executable)
    except BaseException:
        if aside is not None and not os.path.lexists(folder):
            os.rename(aside, folder)
        raise
    return SyncResult(
        environment=spec.name,
        folder=folder,
        generation=outcome.number,
        previous=outcome.previous,
        made=outcome.made,
        changes=outcome.changes,
        packages=len(prepared.packages),
        python=interpreter.version,
        executable=interpreter.executable,
        link_mode=mode,
        drift=tuple(outcome.drift),
        locked=relocked,
        aside=aside,
        edited=prepared.edited,
        dropped=outcome.dropped,
        seconds=time.monotonic() - started,
        source=request.source,
    )


def _foreign(
    project: Project,
    context: Context,
    spec: EnvironmentSpec,
    folder: str,
    name: str,
    *,
    python: str | None,
    anew: bool,
) -> tuple[Opened, LockFile]:
    """The file of another tool that decides, and the lock that is made of it for an interpreter."""
    from provenv.workspace.syncing import sourcing

    opened = sourcing.open_source(project, context, spec, name)
    interpreter = choosing.choose_interpreter(opened.project, context, opened.spec, folder, python)
    return opened, sourcing.lock_for(opened, context, interpreter, anew=anew)


def _source_name(project: Project, folder: str, asked: str | None) -> str | None:
    """The foreign file that decides, relative to the project; None where its own lock does."""
    if asked is None:
        return generations.source_of(folder)
    name = os.path.relpath(asked, project.root)
    specs = project.manifest.environments.values()
    own = {os.path.basename(project.lock_path(project.lock_key(spec))) for spec in specs}
    return None if name in own else name


def _chosen(
    project: Project, context: Context, spec: EnvironmentSpec, folder: str, python: str | None
) -> Interpreter:
    """The interpreter; where the one that the environment had is gone, that is said."""
    number = switch.current(folder)
    lost = generations.lost_interpreter(folder, number) if number is not None else None
    interpreter = choosing.choose_interpreter(project, context, spec, folder, python)
    if lost is not None:
        taken = f"Python {interpreter.version} at {interpreter.executable} takes its place"
        context.emit(Warned(message=f"{registry.gone(lost)}; {taken}"))
    return interpreter


def _judged(
    project: Project,
    context: Context,
    spec: EnvironmentSpec,
    lock: LockFile,
    interpreter: Interpreter,
    *,
    whole: bool,
) -> Fresh | None:
    """The verdict of the policies that govern, which lets the environment be made; None where none do.

    Raises:
        CheckFailedError, UndecidedError: It does not.
    """
    if not may_be_governed(project, context):
        return None
    from provenv.workspace.governing.freshness import require

    return require(project, context, spec, lock, interpreter.version, whole=whole)


def _check_place(folder: str, *, adopt: bool) -> None:
    if os.pathsep in folder:
        raise UsageError(
            f"no environment can be in {folder}: PATH cannot name a folder with {os.pathsep!r} in it",
            hint="Rename the folder.",
        )
    if not adopt:
        generations.refuse_foreign(folder)


def _still(project: Project, lock: LockFile) -> bool:
    """Whether the manifest and the lock are those that were read before this process had its turn."""
    try:
        return (
            read_manifest(project.root) == project.manifest_text
            and read_text(lock.path) == lock.text
        )
    except InputError:
        return False

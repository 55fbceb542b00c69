"""``sync``: lock → generation. The long way round; :mod:`fast` is the short one."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from packaging.pylock import Pylock

from provenv.core.disk import doing
from provenv.core.errors import (
    CheckFailedError,
    DiskError,
    InputError,
    IntegrityError,
    UndecidedError,
    UsageError,
)
from provenv.core.events import Noted, PhaseFinished, PhaseStarted, Warned, silent
from provenv.core.values import frozen, replace
from provenv.environments import generations, plans, python2, stamp, switch
from provenv.environments.drift import Drift, find_altered, find_drift, is_misplaced
from provenv.environments.edits import Edit
from provenv.model.generation import Change, changes
from provenv.model.interpreter import Interpreter
from provenv.model.manifest import LINK_MODES, EnvironmentSpec
from provenv.store import leftovers
from provenv.store.fetch import ahead
from provenv.workspace import fast
from provenv.workspace.host import choosing, registry, waits
from provenv.workspace.host.ownership import begin_store
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects import files
from provenv.workspace.projects.context import (
    Context,
    LockFile,
    Project,
    as_it_is,
    make_project,
    read_locks,
    read_manifest,
    read_text,
)
from provenv.workspace.projects.governed import may_be_governed
from provenv.workspace.proving import copies, suspects
from provenv.workspace.proving.aftermath import settle
from provenv.workspace.syncing import locking
from provenv.workspace.syncing.evidencing import (
    record_generation,
    refuse_stale,
    signature_check,
)
from provenv.workspace.syncing.origins import refuse_strays
from provenv.workspace.syncing.planning import Prepared, prepare
from provenv.workspace.syncing.starting import starting

if TYPE_CHECKING:
    from provenv.store.crew import Crew
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
            mode = _mode(context, spec, folder, interpreter, link_mode)
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


def least(lock: Pylock) -> Iterator[int]:
    """Bytes that each package takes at least, whichever of its wheels is chosen."""
    for package in lock.packages:
        yield min((wheel.size or 0 for wheel in package.wheels or ()), default=0)


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


def _still(project: Project, lock: LockFile) -> bool:
    """Whether the manifest and the lock are those that were read before this process had its turn."""
    try:
        return (
            read_manifest(project.root) == project.manifest_text
            and read_text(lock.path) == lock.text
        )
    except InputError:
        return False


def _mode(
    context: Context,
    spec: EnvironmentSpec,
    folder: str,
    interpreter: Interpreter,
    asked: str | None,
) -> str:
    """The link mode: as asked for, as declared, as it is, or linked; as far as the interpreter goes."""
    mode = asked or spec.link_mode or _present_mode(folder) or LINK_MODES[0]
    mode = link_mode_for(interpreter, mode)
    if mode != asked == "linked":
        context.emit(Noted(message=f"files are linked, not folders: {python2.WHY_NO_FOLDERS}"))
    return mode


def link_mode_for(interpreter: Interpreter, mode: str) -> str:
    """``mode``, or ``hardlink`` where no folder can be linked (:mod:`python2`)."""
    return "hardlink" if mode == "linked" and python2.is_python2(interpreter.version) else mode


def _present_mode(folder: str) -> str | None:
    number = switch.current(folder)
    if number is None:
        return None
    try:
        present = generations.read_generation(folder, number)
    except IntegrityError:
        return None
    if present.link_mode == "hardlink" and python2.is_python2(present.python):
        return None  # its interpreter's choice, not a person's
    return present.link_mode


@frozen
class SyncRequest:
    """What was asked for, resolved as far as the manifest allows."""

    asked: fast.Asked
    spec: EnvironmentSpec
    lock: LockFile
    mode: str
    opened: Opened | None = None
    verdict: Fresh | None = None

    @property
    def source(self) -> str | None:
        """The foreign file that decides."""
        return self.opened.name if self.opened is not None else None

    def usual(self, prepared: Prepared, default: Callable[[], Interpreter]) -> bool:
        """Whether another checkout of the same files would come to the same plan."""
        if self.opened is not None:
            return False
        mode = self.asked.link_mode or self.spec.link_mode or LINK_MODES[0]
        if self.mode != link_mode_for(prepared.interpreter, mode):
            return False
        if self.asked.python is not None:
            return True
        return default().executable == prepared.interpreter.executable


@frozen
class _Outcome:
    number: int
    previous: int | None
    made: bool
    changes: tuple[Change, ...]
    drift: list[Drift]
    dropped: tuple[str, ...] = ()


def make(
    project: Project,
    context: Context,
    folder: str,
    interpreter: Interpreter,
    request: SyncRequest,
    crew: Crew | None,
) -> tuple[Prepared, _Outcome]:
    """Prepare and switch; objects that turn out to be damaged are set aside and fetched again.

    The caller holds the locks of store and environment (:func:`waits.working_on`).

    Raises:
        ProvenvError: As preparing and linking say; ``current`` is as it was.
    """
    force, moved = suspects.set_aside(context, folder)
    before = copies.carried(context, folder)
    for last in (False, True):
        try:
            prepared = prepare(
                project,
                context,
                request.spec,
                interpreter,
                request.lock,
                request.mode,
                crew,
                source=request.source,
                edited=before.objects,
            )
            if request.opened is not None:
                from provenv.workspace.syncing.sourcing import check_whole

                check_whole(request.opened, context, prepared)
        except BaseException:
            suspects.bring_back(context, moved)
            raise
        try:
            outcome = _switch(
                project, context, folder, prepared, before, source=request.source, force=force
            )
        except switch.DamagedStoreError as error:
            if last:
                raise IntegrityError(
                    f"objects in the store are changed while they are used: {error}",
                    hint="`provenv verify` names the files; look for what writes into the store.",
                ) from error
            for path in error.folders:
                sha256 = path.rpartition("/")[2]
                moved[sha256] = suspects.quarantined(context, sha256)
        else:
            suspects.mended(folder)
            return prepared, outcome
    raise AssertionError("unreachable")


def _switch(
    project: Project,
    context: Context,
    folder: str,
    prepared: Prepared,
    copied: copies.Carried,
    *,
    source: str | None,
    force: bool,
) -> _Outcome:
    home = context.home.root
    with doing("registering the environment", context.home.roots):
        registry.register(context, folder, prepared.folder)
    previous = switch.current(folder)
    drift: list[Drift] = []
    before: dict[str, str] = {}
    if previous is not None:
        try:
            record = generations.read_generation(folder, previous)
            before = {package.name: package.version for package in record.packages}
            recipe = generations.read_recipe(folder, previous)
            tree = f"{folder}/generations/{previous}"
            drift = find_drift(recipe, tree, home)
            own = generations.damaged_own(folder, previous)
            drift += [Drift(path=f"{generations.OWN_FOLDER}/{n}", kind="changed") for n in own]
            if not drift and stamp.read(folder) is None:  # lost, perhaps with more, in a power cut
                hashes = generations.own_hashes(folder, previous)
                drift = find_altered(recipe, tree, home, hashes)
        except IntegrityError as error:
            context.emit(Warned(message=error.message, hint="A new generation is made."))
            drift = [Drift(path=".provenv", kind="changed")]
        same = generations.tree_digest(folder, previous) == prepared.tree_digest
        same = same and generations.source_of(folder) == source
        if same and not drift:
            here = f"{folder}/generations/{previous}"
            force = force or is_misplaced(prepared.steps, here, prepared.folder, project.root)
        if same and not drift and not force:
            switch.straighten(folder, previous)
            return _Outcome(number=previous, previous=previous, made=False, changes=(), drift=[])
    started = time.monotonic()
    context.emit(PhaseStarted(phase="link", total=len(prepared.packages)))
    stuck: list[Edit] = []
    number, shared = switch.make_generation(
        folder,
        prepared.steps,
        home,
        prepared.folder,
        context.cause,
        project=project.root,
        amend=copied.into(prepared.steps, stuck),
    )
    switch.switch(folder, number, context.cause)
    after = {name: version for name, version, _, _ in prepared.packages}
    dropped = copies.after_sync(context, copied, prepared.edited, after, stuck)
    if not shared:
        context.emit(
            Warned(
                message="the store is on another file system (or a file has no links left): "
                "some files were copied",
                hint="Put PROVENV_HOME on the file system of your projects to share them.",
            )
        )
    seconds = time.monotonic() - started
    context.emit(PhaseFinished(phase="link", count=len(prepared.packages), seconds=seconds))
    moved = changes(before, after)
    _say_what_starts(context, prepared, {change.name for change in moved})
    return _Outcome(
        number=number,
        previous=previous,
        made=True,
        changes=moved,
        drift=drift,
        dropped=dropped,
    )


def _say_what_starts(context: Context, prepared: Prepared, names: Collection[str]) -> None:
    """Note the files of these distributions that Python runs whenever it starts."""
    labels = {
        sha256: f"{name} {version}"
        for name, version, sha256, editable in prepared.packages
        if name in names and not editable
    }
    site_packages = prepared.interpreter.site_packages
    for owner, file in starting(prepared.steps, context.home.root, site_packages, labels):
        context.emit(Noted(message=f"{labels[owner]} runs code whenever Python starts: {file}"))


def finish(
    project: Project,
    context: Context,
    folder: str,
    prepared: Prepared,
    request: SyncRequest,
    number: int,
) -> None:
    """Write down what the next command need not find out again: stamp and plan key.

    Raises:
        OSError, DiskError, InputError: The disk refused, or the project's files are no more what they were.
    """
    name = request.spec.name
    decided = request.opened.files if request.opened is not None else ()
    own = [stamp.signature(path) for path in (*prepared.inputs, *decided)]
    own += [stamp.signature(f"{project.root}/{path}") for path in project.around]
    python = stamp.signature(prepared.interpreter.executable)
    paths = [
        *fast.watched(project.root, name, context.home.root),
        *fast.installed(folder, prepared.interpreter.site_packages),
        *fast.stored(context.home.root, prepared.steps),
    ]
    watched = [stamp.signature(path) for path in paths]
    if not _as_read(project, request):
        return  # changed meanwhile: the signatures above may be those of what was not looked at
    verdict = request.verdict
    lines = [] if verdict is None else [*verdict.lines]
    signatures = [*watched, python, *own, *([] if verdict is None else verdict.own), *lines]
    quiet = replace(context, emit=silent)  # what is to be said of interpreters has been said
    if not prepared.edited and request.usual(
        prepared, lambda: choosing.default_interpreter(project, quiet, request.spec.python)
    ):
        key = fast.plan_key(project.root, request.asked, context.home.root, context.environ)
        judged = verdict is None or verdict.holds  # by the very policies that the key was made from
        if key is not None and judged and _as_read(project, request):
            known = _known(project, folder, name, prepared, [python, *lines], own)
            plans.remember(context.home.plans, key, known)
    # the last that is written: where it is missing, the next command takes the long way, and sweeps
    current = f"generations/{number}"
    overrides = request.asked.overrides
    stamp.write(folder, stamp.Stamp(context.home.root, name, current, signatures, asked=overrides))


def _known(
    project: Project,
    folder: str,
    name: str,
    prepared: Prepared,
    machine: list[str],  # signatures of its interpreter, and of what the verdict was made from
    own: list[str],
) -> plans.Known:
    """What the plan's key leads to; by content where another checkout may use it."""
    relative = os.path.relpath(folder, project.root)
    paths = list(project.around)
    if prepared.bound:
        contents = [plans.content(project.root, path) for path in paths]
        own = own[: len(prepared.inputs)]
        inputs = [machine[0], *own, *machine[1:]]
        return plans.Known(prepared.digest, relative, name, project.root, inputs, contents)
    paths += [os.path.relpath(path, project.root) for path in prepared.inputs]
    contents = [plans.content(project.root, path) for path in paths]
    return plans.Known(prepared.digest, relative, name, "*", machine, contents)


def _as_read(project: Project, request: SyncRequest) -> bool:
    """Whether the manifests and the lock on the disk are those that were worked with."""
    try:
        if read_manifest(project.root) != project.manifest_text:
            return False
        if request.opened is not None:
            return request.opened.as_read()
        if read_text(request.lock.path) != request.lock.text:
            return False
        if project.workspace is None:
            return True
        now = make_project(project.root, project.manifest_text)
        return now.locker.manifest.lock_digest() == project.locker.manifest.lock_digest()
    except (InputError, DiskError):
        return False

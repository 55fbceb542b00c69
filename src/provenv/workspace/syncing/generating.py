"""The second half of ``sync``: a lock and an interpreter become a generation, and stamp and plan say so."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

from provenv.core.disk import doing
from provenv.core.errors import DiskError, InputError, IntegrityError
from provenv.core.events import Noted, PhaseFinished, PhaseStarted, Warned, silent
from provenv.core.values import frozen, replace
from provenv.environments import generations, plans, stamp, switch
from provenv.environments.drift import Drift, find_altered, find_drift, is_misplaced
from provenv.environments.edits import Edit
from provenv.model.generation import Change, changes
from provenv.model.interpreter import Interpreter
from provenv.model.manifest import LINK_MODES, EnvironmentSpec
from provenv.workspace import fast
from provenv.workspace.host import choosing, registry
from provenv.workspace.projects.context import (
    Context,
    LockFile,
    Project,
    make_project,
    read_manifest,
    read_text,
)
from provenv.workspace.proving import copies, suspects
from provenv.workspace.syncing import modes
from provenv.workspace.syncing.planning import Prepared, prepare
from provenv.workspace.syncing.starting import starting

if TYPE_CHECKING:
    from packaging.pylock import Pylock

    from provenv.store.crew import Crew
    from provenv.workspace.governing.freshness import Fresh
    from provenv.workspace.syncing.sourcing import Opened


def least(lock: Pylock) -> Iterator[int]:
    """Bytes that each package takes at least, whichever of its wheels is chosen."""
    for package in lock.packages:
        yield min((wheel.size or 0 for wheel in package.wheels or ()), default=0)


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
        if self.mode != modes.link_mode_for(prepared.interpreter, mode):
            return False
        if self.asked.python is not None:
            return True
        return default().executable == prepared.interpreter.executable


@frozen
class Outcome:
    """The generation that is current now, and what became of the one before."""

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
) -> tuple[Prepared, Outcome]:
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
) -> Outcome:
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
            elsewhere = generations.other_store(folder, previous, home)
            if elsewhere:
                context.emit(Noted(message=f"linked from {elsewhere} before, and from {home} now"))
                force = True
            else:
                drift = _drift(context, folder, previous, len(before))
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
            return Outcome(number=previous, previous=previous, made=False, changes=(), drift=[])
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
    return Outcome(
        number=number,
        previous=previous,
        made=True,
        changes=moved,
        drift=drift,
        dropped=dropped,
    )


def _drift(context: Context, folder: str, number: int, packages: int) -> list[Drift]:
    """What is not as it was made in generation ``number``, which has so many packages.

    Raises:
        IntegrityError: Its record cannot be read.
    """
    recipe, home = generations.read_recipe(folder, number), context.home.root
    tree = f"{folder}/generations/{number}"
    drift = find_drift(recipe, tree, home)
    own = generations.damaged_own(folder, number)
    drift += [Drift(path=f"{generations.OWN_FOLDER}/{name}", kind="changed") for name in own]
    if not drift and stamp.read(folder) is None:  # lost, perhaps with more, in a power cut
        started = time.monotonic()
        context.emit(PhaseStarted(phase="verify"))  # gigabytes, where files are copied
        drift = find_altered(recipe, tree, home, generations.own_hashes(folder, number))
        context.emit(
            PhaseFinished(phase="verify", count=packages, seconds=time.monotonic() - started)
        )
    return drift


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

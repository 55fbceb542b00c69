"""``history``, ``diff``, ``rollback``: generations as they were, and the way back."""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from provenv.core import digest
from provenv.core.disk import doing
from provenv.core.errors import (
    CheckFailedError,
    DiskError,
    InputError,
    IntegrityError,
    UsageError,
)
from provenv.core.events import ChangeBegun, Noted, Warned
from provenv.core.values import frozen
from provenv.core.words import many
from provenv.environments import generations, stamp, switch
from provenv.environments.drift import find_drift
from provenv.environments.tree import Steps
from provenv.model.generation import Change, Generation, changes
from provenv.model.manifest import EnvironmentSpec, Manifest, parse_manifest
from provenv.store import leftovers
from provenv.workspace import fast
from provenv.workspace.host import registry, waits
from provenv.workspace.host.ownership import check_store
from provenv.workspace.operations import reading
from provenv.workspace.operations.reading import LoggedOperation
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects import files, outside
from provenv.workspace.projects.context import (
    Context,
    Project,
    as_it_is,
    read_manifest,
    read_text,
)
from provenv.workspace.projects.governed import may_be_governed
from provenv.workspace.syncing.evidencing import record_generation


@frozen
class HistoryEntry:
    """One generation, and what it changed with respect to the one before it."""

    generation: Generation
    current: bool
    changes: tuple[Change, ...]


@frozen
class DiffResult:
    """What differs between two generations; ``python`` and ``link_mode`` as (before, after)."""

    before: int
    after: int
    changes: tuple[Change, ...]
    python: tuple[str, str]
    link_mode: tuple[str, str]


@frozen
class RollbackResult:
    """What ``rollback`` did; ``restored`` are the project's files that were written."""

    environment: str
    folder: str
    generation: int
    previous: int | None
    changes: tuple[Change, ...]
    restored: tuple[str, ...]
    seconds: float


def history(project: Project, *, environment: str | None = None) -> list[HistoryEntry]:
    """Every generation that is there, the oldest first."""
    folder = project.folder(project.manifest.environment(environment))
    now = switch.current(folder)
    entries: list[HistoryEntry] = []
    before: dict[str, str] = {}
    for generation in generations.read_all(folder):
        after = _versions(generation)
        entries.append(
            HistoryEntry(
                generation=generation,
                current=generation.number == now,
                changes=changes(before, after),
            )
        )
        before = after
    return entries


def interrupted(
    project: Project, context: Context, *, environment: str | None = None
) -> list[LoggedOperation]:
    """The operations on an environment that were interrupted, the newest first, as far as is logged."""
    folder = project.folder(project.manifest.environment(environment))
    return reading.interrupted(context, project.root, folder)


def diff(
    project: Project, before: int | None, after: int | None, *, environment: str | None = None
) -> DiffResult:
    """What differs between two generations: by default the previous one and the current one.

    Raises:
        UsageError: There is no such generation.
    """
    folder = project.folder(project.manifest.environment(environment))
    last = generations.known_number(
        folder, after if after is not None else generations.current_number(folder)
    )
    first = generations.known_number(
        folder, before if before is not None else _before(folder, last)
    )
    old, new = (generations.read_generation(folder, number) for number in (first, last))
    return DiffResult(
        before=first,
        after=last,
        changes=changes(_versions(old), _versions(new)),
        python=(old.python, new.python),
        link_mode=(old.link_mode, new.link_mode),
    )


def _versions(generation: Generation) -> dict[str, str]:
    return {package.name: package.version for package in generation.packages}


def _before(folder: str, number: int) -> int:
    """The generation that was in use before ``number`` came: by the log, else by number."""
    there = switch.numbers(folder)
    logged = [entry.generation for entry in generations.read_log(folder)]
    if number in logged:
        position = len(logged) - 1 - logged[::-1].index(number)
        for candidate in reversed(logged[:position]):
            if candidate != number and candidate in there:
                return candidate
    earlier = [candidate for candidate in there if candidate < number]
    if not earlier:
        raise UsageError(
            f"there is no generation before {number}",
            hint="`provenv history` lists those there are.",
        )
    return earlier[-1]


def rollback(
    project: Project,
    context: Context,
    *,
    environment: str | None = None,
    to: int | None = None,
    environment_only: bool = False,
    despite: str | None = None,
) -> RollbackResult:
    """Go back to an earlier generation, offline, in milliseconds.

    The lock and the specifiers in the manifest become what they were when that generation was made,
    so that the next ``sync`` finds nothing to do; comments and everything else in the manifest stay.

    Args:
        project: Whose environment.
        context: The world.
        environment: Its name; the default environment where None.
        to: The generation's number; the one in use before the current one where None.
        environment_only: Leave the project's files alone; always so where its lock is a common one.
        despite: The reason for going back to what a policy refuses today; it may be used for a day then.

    Raises:
        UsageError: There is no such generation.
        CheckFailedError: Its interpreter is gone, a policy refuses it, or its requirements do not go with
            the rest of the manifest; nothing was switched.
        UndecidedError: A policy cannot tell; nothing was switched.
        IntegrityError: Objects that it links are no longer what they were; nothing was switched.
    """
    started = time.monotonic()
    check_store(context)
    if project.shared is not None and not environment_only:
        environment_only = True
        context.emit(
            Warned(
                message="the lock is that of all members of the workspace: no file is restored",
                hint="`provenv sync` brings the environment and the lock together again.",
            )
        )
    generations.current_number(project.folder(project.manifest.environment(environment)))
    with waits.changing(context, project):  # a sync or an `add` that waits reads them afterwards
        project = as_it_is(project)
        spec = project.manifest.environment(environment)
        paths = (project.manifest_path, project.lock_path(project.lock_key(spec)))
        with recorded(
            context,
            "rollback",
            root=project.root,
            environment=spec.name,
            folder=project.folder(spec),
            paths=() if environment_only else paths,
            at_once=False,
        ) as operation:
            context = operation.context
            asked = _Asked(to=to, environment_only=environment_only, despite=despite)
            return _rollback(project, context, spec, asked, started)


@frozen
class _Asked:
    """What was asked of a rollback."""

    to: int | None
    environment_only: bool
    despite: str | None


def _rollback(
    project: Project,
    context: Context,
    spec: EnvironmentSpec,
    asked: _Asked,
    started: float,
) -> RollbackResult:
    folder = project.folder(spec)
    previous = generations.current_number(folder)
    leftovers.sweep(context.home)
    with (
        doing("rolling back", folder, safe=lambda: switch.standing(folder, previous)),
        waits.working_on(context, folder),
    ):
        previous = generations.current_number(folder)
        switch.sweep(folder)
        files.sweep(project.root)
        number = generations.known_number(
            folder, asked.to if asked.to is not None else _before(folder, previous)
        )
        recipe = generations.read_recipe(folder, number)
        after = _usable(context, folder, number)
        verdict = _judged(project, context, folder, after, asked.despite)
        _tell_drift(context, folder, number, recipe)
        # What another tool locked is not written into its files: the environment alone goes back.
        environment_only = asked.environment_only or after.source is not None
        before = _readable(folder, previous)
        texts = {} if environment_only else _former(project, folder, spec.name, number)
        context.emit(ChangeBegun())
        with files.whole(project, texts):
            with _or_the_environment_only():
                files.write(project, texts)
            switch.switch(folder, number, context.cause, verb="rollback")
        _warn_of_others(project, context, texts)
        registry.take_note(context, folder, number)
        stamp.used(folder)
        # the switch is done: what cannot be written down now costs time later on
        with contextlib.suppress(OSError, DiskError, InputError):
            _stamp(project, context, folder, number, recipe, after, verdict, held=environment_only)
        if environment_only:
            _warn_unless_held(context, folder)
        moved = changes(before, _versions(after))
        _tell_lost(project, context, texts.get(project.manifest_path), moved)
        record_generation(project, context, spec.name, number, previous, moved, kind="rollback")
    return RollbackResult(
        environment=spec.name,
        folder=folder,
        generation=number,
        previous=previous,
        changes=moved,
        restored=tuple(os.path.basename(path) for path in texts),
        seconds=time.monotonic() - started,
    )


def _usable(context: Context, folder: str, number: int) -> Generation:
    """The record of a generation that one may go back to.

    Raises:
        CheckFailedError: Its interpreter is gone, or it is linked from another store.
        IntegrityError: Objects that it links are no longer what they were.
    """
    elsewhere = generations.other_store(folder, number, context.home.root)
    if elsewhere:
        there = f"`export PROVENV_HOME={shlex.quote(elsewhere)}` uses that store, "
        raise CheckFailedError(
            f"generation {number} is linked from {elsewhere}, and PROVENV_HOME is {context.home.root}",
            hint=(there if os.path.isdir(elsewhere) else "")
            + "`provenv repair` links it from this one; nothing was switched.",
        )
    bad = generations.damaged_objects(folder, number, context.home.root)
    if bad:
        raise IntegrityError(
            f"generation {number} links {len(bad)} damaged or missing object(s) in the store",
            hint="`provenv verify` names the files; nothing was switched.",
            details={"objects": bad},
        )
    made = generations.read_generation(folder, number)
    if not os.path.exists(made.executable):
        raise CheckFailedError(
            f"generation {number} is for {made.executable} (Python {made.python}), which is gone",
            hint=f"Install it again (`provenv python install {made.python}`, pyenv), "
            "or `provenv sync --python` another one; nothing was switched.",
        )
    return made


def _judged(
    project: Project, context: Context, folder: str, made: Generation, despite: str | None
) -> tuple[str, ...]:
    """For how long a policy lets the generation be used, as lines of a stamp; none where none governs.

    Raises:
        CheckFailedError, UndecidedError: It does not.
    """
    if not may_be_governed(project, context):
        return ()
    from provenv.workspace.governing.freshness import REFUSALS, require_generation

    try:
        verdict = require_generation(project, context, folder, made, despite)
    except REFUSALS as error:
        error.hint = (
            "Nothing was switched. In an emergency `provenv rollback --despite-policy REASON` goes back "
            "all the same, and it may be used for a day."
        )
        raise
    return (*verdict.own, *verdict.lines)


def _tell_drift(context: Context, folder: str, number: int, recipe: Steps) -> None:
    drift = find_drift(recipe, f"{folder}/generations/{number}", context.home.root)
    if drift:
        context.emit(
            Warned(
                message=f"generation {number} is not as it was made: {drift[0].path} ({drift[0].kind})"
                + (f" and {len(drift) - 1} more" if len(drift) > 1 else ""),
                hint="`provenv verify` names all of it; `provenv sync` makes a whole one.",
            )
        )


def _readable(folder: str, number: int) -> dict[str, str]:
    """What a generation holds; nothing where it cannot be read, which is why one goes back."""
    try:
        return _versions(generations.read_generation(folder, number))
    except IntegrityError:
        return {}


@contextlib.contextmanager
def _or_the_environment_only() -> Iterator[None]:
    try:
        yield
    except DiskError as error:
        way = "`provenv rollback --environment-only` goes back without writing the project's files."
        error.hint = " ".join(filter(None, (error.hint, way)))
        raise


def _former(project: Project, folder: str, environment: str, number: int) -> dict[str, str]:
    """Path → text of the project's files that differ from those of a generation: lock and specifiers.

    Raises:
        CheckFailedError: What else stands in the manifest needs what was added since.
    """
    texts: dict[str, str] = {}
    lock_text = generations.own_text(folder, number, "pylock.toml")
    manifest_text = generations.own_text(folder, number, "pyproject.toml")
    merged = project.manifest_text
    if manifest_text != merged:
        from provenv.workspace.projects import specifiers  # tomlkit: 15 ms, and often nothing to do

        merged = specifiers.restore(merged, manifest_text, project.manifest_path)
        try:
            parse_manifest(merged, os.path.basename(project.manifest_path))
        except InputError as error:  # such as an environment that holds a group of today
            raise CheckFailedError(
                f"the requirements of generation {number} do not go with the rest of {error.message}",
                hint="Take that out of pyproject.toml first; or `provenv rollback --environment-only` goes "
                "back and leaves the project's files alone.",
            ) from error
    lock_path = project.lock_path(project.lock_key(project.manifest.environment(environment)))
    if not os.path.exists(lock_path) or read_text(lock_path) != lock_text:
        texts[lock_path] = lock_text
    if merged != project.manifest_text:
        texts[project.manifest_path] = merged
    return texts


def _tell_lost(
    project: Project, context: Context, restored: str | None, moved: Iterable[Change]
) -> None:
    """Say what the manifest asks for no more, where no package of the environment tells of it.

    Such is what was added for another environment since the generation was made.
    """
    if restored is None:
        return
    there = set(_asked_for(parse_manifest(restored, os.path.basename(project.manifest_path))))
    told = {change.name for change in moved}
    lost = [
        (place, text)
        for place, text in _asked_for(project.manifest)
        if (place, text) not in there and canonicalize_name(Requirement(text).name) not in told
    ]
    if lost:
        (place, text), *others = lost
        more = f" and {many(len(others), 'other requirement')}" if others else ""
        who = "pyproject.toml"
        if outside.is_outside(context.home, project.root):  # `add` finds it by its name
            who = os.path.basename(project.root)
            place = f"-e {who} {place}"
        context.emit(
            Noted(
                message=f"{who} asks no more for {text}{more}, which came since: "
                f"`provenv add {place}{_quoted(text)}` brings it back"
            )
        )


def _quoted(text: str) -> str:
    """A requirement as one word for a shell, in quotes in any case."""
    return shlex.quote(text) if "'" in text else f"'{text}'"


def _asked_for(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Every requirement, after the option of `add` that puts it where it stands."""
    for text in manifest.dependencies:
        yield "", text
    for name, items in manifest.optional_dependencies.items():
        yield from ((f"--optional {name} ", text) for text in items)
    for name, items in manifest.groups.items():
        yield from ((f"--group {name} ", text) for text in items)


def _warn_unless_held(context: Context, folder: str) -> None:
    """A full disk: nothing says that this generation was chosen against the lock."""
    known = stamp.read(folder)
    if known is None or not known.held:
        context.emit(
            Warned(
                message="that this generation was chosen on purpose could not be written down",
                hint="`provenv run --no-sync` uses it; without that, `run` syncs with the lock.",
            )
        )


def _warn_of_others(project: Project, context: Context, restored: Mapping[str, str]) -> None:
    if len(project.manifest.conflicts) and restored:
        context.emit(
            Warned(
                message="this project has several locks, and one of them was restored",
                hint="`provenv lock --check` tells whether the others still answer the manifest.",
            )
        )


def _stamp(
    project: Project,
    context: Context,
    folder: str,
    number: int,
    recipe: Steps,
    generation: Generation,
    verdict: tuple[str, ...],
    *,
    held: bool,
) -> None:
    """Let the next command see at once how the environment and the project's files stand.

    In sync, where the files are those of then; held, where they were left alone on purpose: ``run``
    then leaves the environment alone until one of them changes, or ``sync`` is called.
    """
    manifest = digest.of_bytes(read_manifest(project.root).encode())
    if manifest != generation.manifest_digest and not held:
        return
    if project.manifest.members and not held:
        return  # whether the lock of then answers what members ask for now is the long way's to say
    site = next((p for kind, _, p in recipe if kind == "D" and p.endswith("site-packages")), "")
    paths = [
        *fast.watched(project.root, generation.environment, context.home.root),
        *fast.installed(folder, site),
        *fast.stored(context.home.root, recipe),
        generation.executable,
        *(f"{project.root}/{path}" for path in project.around),
    ]
    if generation.source is not None:
        paths.append(os.path.normpath(os.path.join(project.root, generation.source)))
    signatures = [*map(stamp.signature, paths), *verdict]
    current = f"generations/{number}"
    known = stamp.Stamp(context.home.root, generation.environment, current, signatures, held=held)
    stamp.write(folder, known)

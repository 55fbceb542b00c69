"""``upgrade``: one lock, reached in named steps, each of them resolved, audited, judged and tested.

A step takes all packages that can move in it together. Where that fails, it takes half of them, and half of
that: what fails alone is left out with the reason, and the rest goes on from the last candidate that was
sound.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal, get_args

from packaging.version import Version

from provenv.core.errors import CheckFailedError, UndecidedError, UnsatisfiableError
from provenv.core.events import Noted
from provenv.core.values import field, frozen, mutable, replace
from provenv.model import bounds as versions_bounds
from provenv.model.generation import Change
from provenv.workspace.assuring import bounds, candidates, changelogs, mending, trying
from provenv.workspace.assuring.bounds import Bound
from provenv.workspace.assuring.candidates import Candidate, Desk
from provenv.workspace.assuring.mending import Left
from provenv.workspace.assuring.staying import Stayed, joined, short, stayed
from provenv.workspace.assuring.trying import Trial
from provenv.workspace.governing.auditing import AuditResult
from provenv.workspace.projects.context import Context, Project
from provenv.workspace.syncing import locking

Step = Literal["security", "patch", "minor", "major"]
STEPS: tuple[Step, ...] = get_args(Step)
_WHY: Mapping[Step, str] = {
    "security": "clears what is known against it",
    "patch": "patch release",
    "minor": "minor release",
    "major": "major release",
}


@frozen
class Move:
    """A package that moves, and what a person wants to know of it.

    Attributes:
        before, after: Versions, joined where there are several; None where it is not locked.
        why: In a few words. ``cleared``: Advisories that were known against it, and are not any more.
        uploaded: When the version was published (RFC 3339). ``changelog``: Where its changes are told.
    """

    name: str
    before: str | None
    after: str | None
    why: str
    cleared: tuple[str, ...] = ()
    uploaded: str | None = None
    changelog: str | None = None


@frozen
class Rejected:
    """What a step left out: a package, the versions that it would have moved between, and why.

    ``log`` is what the test wrote, where that is why.
    """

    name: str
    before: str
    after: str
    reason: str
    log: str | None = None


@frozen
class StepResult:
    """What came of one step: ``trials`` says how often the test was run in it."""

    step: Step
    moves: tuple[Move, ...]
    rejected: tuple[Rejected, ...]
    trials: int
    seconds: float


@frozen
class Upgrade:
    """A whole upgrade, as it was worked out.

    Attributes:
        steps: In their order. ``stayed``: What has not moved, and why. ``left``: What stays vulnerable.
        changes: What moves in the lock, all steps together. ``edits``: Requirements that change with it.
        before, after: The audits.
        trial: What each step was tested with; None where nothing was.
        written: Manifest and lock are so now.
    """

    title: str
    steps: tuple[StepResult, ...]
    changes: tuple[Change, ...]
    edits: tuple[Bound, ...]
    stayed: tuple[Stayed, ...]
    left: tuple[Left, ...]
    before: AuditResult
    after: AuditResult
    trial: Trial | None
    base: Candidate = field(repr=False)
    candidate: Candidate = field(repr=False)
    seconds: float = 0.0
    written: bool = False

    @property
    def changing(self) -> bool:
        """Whether it has anything to write."""
        return bool(self.changes or self.edits)

    @property
    def code(self) -> int:
        """Exit code: 1 where something was left out, or stays vulnerable; 3 where that cannot be told."""
        after = self.after
        left = any(found.vulnerability.certain for found in after.findings)
        if left or any(step.rejected for step in self.steps):
            return 1
        return 3 if after.findings or after.unaudited or after.doubts else 0


@frozen
class _Problem:
    reason: str
    log: str | None = None


@mutable
class _Work:
    """An upgrade under way. ``state`` is the last candidate that was sound."""

    desk: Desk
    trial: Trial | None
    beyond: bool
    state: Candidate
    trials: int = 0
    known: dict[str, _Problem | None] = field(default_factory=dict)
    edits: list[Bound] = field(default_factory=list)


def plan_upgrade(
    project: Project,
    context: Context,
    *,
    steps: Sequence[Step] = STEPS,
    beyond: bool = False,
    test: Sequence[str] = (),
    environment: str | None = None,
    timeout: float | None = None,
) -> Upgrade:
    """Work out an upgrade. Writes nothing into the project.

    Args:
        project: Whose locks.
        context: The world.
        steps: Which, in this order.
        beyond: Upper bounds of the project's own requirements may be lifted.
        test: A command that must end with 0 in the environment of each step.
        environment: Which environment that is.
        timeout: Of the command, in seconds.

    Raises:
        CheckFailedError: The lock is stale or was edited; the test fails with the lock as it is.
        UndecidedError: There are no advisories, or the test cannot be run.
        ProvenvError: As resolving says.
    """
    started = time.monotonic()
    with candidates.opened(project, context) as desk:
        trial = None
        if test:
            name = trying.environment_for_trials(desk.base, environment)
            trial = Trial(words=tuple(test), environment=name, timeout=timeout)
        work = _Work(desk, trial, beyond, desk.base)
        _test_before(work)
        done: list[StepResult] = []
        left: tuple[Left, ...] = ()
        for step in steps:
            result, still = _take(work, step)
            done.append(result)
            left = still or left
        left_out = {one.name: one.reason for result in done for one in result.rejected}
        return Upgrade(
            title=project.title,
            steps=tuple(done),
            changes=candidates.moved(desk.base, work.state),
            edits=tuple(work.edits),
            stayed=tuple(stayed(desk, work.state, steps, left_out)),
            left=left,
            before=mending.audited(desk, desk.base),
            after=mending.audited(desk, work.state),
            trial=trial,
            base=desk.base,
            candidate=work.state,
            seconds=time.monotonic() - started,
        )


def accept_upgrade(upgrade: Upgrade, context: Context) -> Upgrade:
    """Write what was worked out: lock and manifest, all or nothing.

    Raises:
        UndecidedError: The project's files are no more those that it was worked out from.
        DiskError: The file system refused; every file is as it was.
    """
    candidates.write(context, upgrade.base, upgrade.candidate, "upgrade")
    return replace(upgrade, written=True)


def _test_before(work: _Work) -> None:
    """A test that fails before anything has moved says nothing of what moves."""
    if work.trial is None:
        return
    work.desk.context.emit(Noted(message="testing what is locked"))
    tried = trying.run_trial(work.state, work.desk.context, work.trial, "before")
    if not tried.passed:
        raise CheckFailedError(
            f"with the lock as it is, {tried.reason}",
            hint=f"Mend that first: it would be said of every step. What it wrote: {tried.log}",
            details={"log": tried.log},
        )


def _take(work: _Work, step: Step) -> tuple[StepResult, tuple[Left, ...]]:
    started, before, trials = time.monotonic(), work.state, work.trials
    work.desk.context.emit(Noted(message=f"{step}: working it out"))
    rejected: list[Rejected] = []
    left: tuple[Left, ...] = ()
    if step == "security":
        left = _secure(work, rejected)
    else:
        _raise(work, step, sorted(_movable(work, step)), rejected)
    return (
        StepResult(
            step=step,
            moves=tuple(_moves(work, before, step)),
            rejected=tuple(rejected),
            trials=work.trials - trials,
            seconds=time.monotonic() - started,
        ),
        left,
    )


def _secure(work: _Work, rejected: list[Rejected]) -> tuple[Left, ...]:
    """Clear all findings together; where the outcome is not sound, one package after the other."""
    made = mending.mend(work.desk, work.state, beyond=work.beyond)
    problem = _problem(work, made.candidate, "security")
    if problem is None:
        _keep(work, made)
        return tuple(made.left)
    left = list(made.left)
    for name in candidates.hits(work.desk, work.state):
        if any(one.name == name for one in left):
            continue
        made = mending.mend(work.desk, work.state, beyond=work.beyond, names=[name])
        problem = _problem(work, made.candidate, f"security-{name}")
        if problem is None:
            _keep(work, made)
        else:
            rejected.append(_rejected(work.state, made.candidate, name, problem))
    return tuple(left)


def _keep(work: _Work, made: mending.Mended) -> None:
    work.state = made.candidate
    work.edits += made.edits


def _movable(work: _Work, step: Step) -> Iterator[str]:
    """Packages that have a newer version that the step reaches, and that nothing is known against."""
    for name, versions in work.state.versions().items():
        if next(_reached(work.desk, name, versions[-1], step), None) is not None:
            yield name


def _reached(desk: Desk, name: str, version: Version, step: Step) -> Iterator[Version]:
    end = versions_bounds.ceiling(version, step)
    known = desk.against(name)
    for one in desk.offered(name).above(version):
        if (not end or one < Version(end)) and not known.hits(str(one)):
            yield one


def _raise(work: _Work, step: Step, names: Sequence[str], rejected: list[Rejected]) -> None:
    """Move packages as far as the step goes; halve them where that is not sound."""
    if not names:
        return
    pinned = [one.name for one in rejected]
    label = step if len(names) > 1 else f"{step}-{names[0]}"
    candidate: Candidate | None = None
    edits: list[Bound] = []
    try:
        candidate, edits = _raised(work, step, names, pinned)
        problem = _problem(work, candidate, label)
    except UnsatisfiableError as error:
        problem = _Problem(reason=short(error.message))
    if problem is None and candidate is not None:
        work.state = candidate
        work.edits += edits
    elif len(names) > 1:
        middle = (len(names) + 1) // 2
        for part in (names[:middle], names[middle:]):
            _raise(work, step, [n for n in part if _still_movable(work, n, step)], rejected)
    elif problem is not None:
        after = candidate if candidate is not None else work.state
        rejected.append(_rejected(work.state, after, names[0], problem, step=step, desk=work.desk))


def _still_movable(work: _Work, name: str, step: Step) -> bool:
    versions = work.state.versions().get(name)
    return (
        versions is not None
        and next(_reached(work.desk, name, versions[-1], step), None) is not None
    )


def _raised(
    work: _Work, step: Step, names: Collection[str], pinned: Collection[str]
) -> tuple[Candidate, list[Bound]]:
    """The candidate in which these packages are as new as the step allows, and nothing is older."""
    constraints = [
        text
        for name, versions in work.state.versions().items()
        if name in work.desk.market.addresses
        for text in _window(work, step, name, versions, pinned=name in pinned)
    ]
    lifted = _lifts(work, step, names) if work.beyond else []
    made = candidates.resolved(
        work.desk, bounds.lifted(work.state, lifted), constraints, upgrade=names
    )
    if not lifted:
        return made, []
    needed = [
        replace(one, enough=True)
        for one in lifted
        if not bounds.allows(one.requirement, made.versions()[one.name])
    ]
    return _answering(bounds.lifted(work.state, needed), made), needed


def _window(
    work: _Work, step: Step, name: str, versions: Sequence[Version], *, pinned: bool
) -> Iterator[str]:
    """Between which versions a package may move: not down, not beyond the step, not where it is hit."""
    if pinned and len(versions) == 1:
        yield f"{name}=={versions[0]}"
        return
    yield f"{name}>={versions[0]}"
    end = versions_bounds.ceiling(versions[-1], step)
    if end:
        yield f"{name}<{end}"
    known = work.desk.against(name)
    for offer in work.desk.offered(name).versions:
        within = offer.version > versions[-1] and (not end or offer.version < Version(end))
        if within and (offer.yanked or known.hits(str(offer.version))):
            yield f"{name}!={offer.version}"


def _lifts(work: _Work, step: Step, names: Collection[str]) -> list[Bound]:
    """The project's own requirements that keep the newest version that the step reaches out."""
    if work.state.project.shared is not None:
        return []
    found: list[Bound] = []
    for name in names:
        newest = list(_reached(work.desk, name, work.state.versions()[name][-1], step))[-1]
        found += bounds.stated_against(work.state.project, name, newest)
    return found


def _answering(final: Candidate, made: Candidate) -> Candidate:
    """The locks of ``made`` for the manifest of ``final``, which must lead to them as well."""
    locks = {key: file.lock for key, file in made.locks.items()}
    answered = locking.answering(final.project, locks)
    return replace(final, locks=locking.render_locks(final.project, answered))


def _problem(work: _Work, candidate: Candidate, label: str) -> _Problem | None:
    """Why a candidate is not sound; None where it is. Each is asked once."""
    if not candidates.moved(work.state, candidate):
        return None
    key = "".join(file.digest for file in candidate.locks.values())
    if key not in work.known:
        work.known[key] = _asked(work, candidate, label)
    return work.known[key]


def _asked(work: _Work, candidate: Candidate, label: str) -> _Problem | None:
    desk = work.desk
    worse = candidates.findings(desk, candidate) - candidates.findings(desk, work.state)
    if worse:
        said = ", ".join(f"{name} of {one}" for one, name in sorted(worse))
        return _Problem(reason=f"it brings in {said}")
    refused = candidates.refused(desk, candidate) - candidates.refused(desk, work.state)
    if refused:
        return _Problem(reason=f"the policy refuses it: {'; '.join(sorted(refused))}")
    if work.trial is None:
        return None
    work.trials += 1
    desk.context.emit(Noted(message=f"{label}: testing"))
    try:
        tried = trying.run_trial(candidate, desk.context, work.trial, label)
    except UndecidedError as error:
        return _Problem(reason=error.message)
    return None if tried.passed else _Problem(reason=tried.reason, log=tried.log)


def _rejected(
    before: Candidate,
    after: Candidate,
    name: str,
    problem: _Problem,
    *,
    step: Step = "security",
    desk: Desk | None = None,
) -> Rejected:
    old, new = (joined(one.versions().get(name, ())) for one in (before, after))
    if old == new and desk is not None:
        reached = list(_reached(desk, name, before.versions()[name][-1], step))
        new = str(reached[-1]) if reached else new
    return Rejected(name=name, before=old, after=new, reason=problem.reason, log=problem.log)


def _moves(work: _Work, before: Candidate, step: Step) -> Iterator[Move]:
    """What a step has moved, with the facts of the new versions."""
    was, now = (candidates.findings(work.desk, one) for one in (before, work.state))
    changes = candidates.moved(before, work.state)
    told = changelogs.links(work.desk, work.state, {one.name for one in changes}) if changes else {}
    for change in changes:
        cleared = tuple(sorted(name for one, name in was - now if one == change.name))
        after = work.state.versions().get(change.name)
        offer = work.desk.offered(change.name).of(str(after[-1])) if after else None
        yield Move(
            name=change.name,
            before=change.before,
            after=change.after,
            why=_why(change, step, cleared),
            cleared=cleared,
            uploaded=offer.uploaded if offer is not None else None,
            changelog=told.get(change.name),
        )


def _why(change: Change, step: Step, cleared: Sequence[str]) -> str:
    if cleared:
        return _WHY["security"]
    if change.before is None:
        return "needed by what moved"
    if change.after is None:
        return "needed no more"
    return "goes with what moved" if step == "security" else _WHY[step]

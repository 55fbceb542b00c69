"""``audit --fix``: the least upgrade that clears what is known against a lock, by really resolving it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from packaging.version import Version

from provenv.audit.findings import Vulnerability
from provenv.audit.matching import parsed
from provenv.audit.remedies import remedies
from provenv.core.errors import UnsatisfiableError
from provenv.core.values import frozen, mutable, replace
from provenv.model.generation import Change
from provenv.workspace.assuring import bounds, candidates
from provenv.workspace.assuring.bounds import Bound
from provenv.workspace.assuring.candidates import Candidate, Desk
from provenv.workspace.governing import auditing
from provenv.workspace.governing.auditing import AuditResult, Found
from provenv.workspace.governing.subjects import Subject
from provenv.workspace.projects.context import Context, Project

_ROUNDS = 8
"""An upgrade may bring in what is hit itself: so often its outcome is audited again."""
_TRIES = 16
"""So often a whole proposal is resolved again, to bring down what moved further than it need."""


@frozen
class Left:
    """A package that stays as vulnerable as it is.

    Attributes:
        reason: Why. ``bounds``: The requirements that stand in the way, and what they would have to be.
    """

    name: str
    version: str
    reason: str
    bounds: tuple[Bound, ...] = ()


@frozen
class FixProposal:
    """What would clear the findings.

    Attributes:
        before: The audit of what is locked. ``after``: Of what would be.
        changes: What moves in the lock. ``edits``: Requirements of the manifest that change with it.
        cleared: Findings that are no more. ``left``: Packages with findings that stay.
        base, candidate: What was there, and what would be.
        written: Manifest and lock are so now.
    """

    before: AuditResult
    after: AuditResult
    changes: tuple[Change, ...]
    edits: tuple[Bound, ...]
    cleared: tuple[Found, ...]
    left: tuple[Left, ...]
    base: Candidate
    candidate: Candidate
    written: bool = False

    @property
    def changing(self) -> bool:
        """Whether it has anything to write."""
        return bool(self.changes or self.edits)

    @property
    def lies(self) -> AuditResult:
        """The audit of what lies there now."""
        return self.after if self.written else self.before


@mutable
class _Goal:
    """Where a package has to go: away from ``locked``, to the first of ``fixed`` that goes."""

    name: str
    locked: list[Version]
    fixed: list[Version]


@mutable
class Mended:
    """What mending came to: the candidate, edits of its manifest, what stays and why, what must hold."""

    candidate: Candidate
    edits: list[Bound]
    left: list[Left]
    constraints: list[str]


def propose_fix(
    project: Project,
    context: Context,
    *,
    environment: str | None = None,
    beyond: bool = False,
    tolerate: frozenset[str] = frozenset(),
) -> FixProposal:
    """Work out the least upgrade that clears the findings of an audit. Writes nothing.

    ``beyond``: Requirements of the project's own manifest may change, where nothing within them helps.
    ``tolerate``: As for :func:`provenv.workspace.governing.auditing.audit`.

    Raises:
        CheckFailedError: The lock is stale, or was edited. UndecidedError: There are no advisories.
        ProvenvError: As resolving says.
    """
    with candidates.opened(project, context, environment) as desk:
        before = audited(desk, desk.base, tolerate)
        mended = mend(desk, desk.base, beyond=beyond)
        after = audited(desk, mended.candidate, tolerate)
    still = {(one.subject.name, one.vulnerability.id) for one in after.findings}
    return FixProposal(
        before=before,
        after=after,
        changes=candidates.moved(desk.base, mended.candidate),
        edits=tuple(mended.edits),
        cleared=tuple(
            one for one in before.findings if (one.subject.name, one.vulnerability.id) not in still
        ),
        left=tuple(mended.left),
        base=desk.base,
        candidate=mended.candidate,
    )


def accept_fix(proposal: FixProposal, context: Context) -> FixProposal:
    """Write what was proposed: lock and manifest, all or nothing.

    Raises:
        UndecidedError: The project's files are no more those that it was worked out from.
        DiskError: The file system refused; every file is as it was.
    """
    candidates.write(context, proposal.base, proposal.candidate, "audit-fix")
    return replace(proposal, written=True)


def audited(
    desk: Desk, candidate: Candidate, tolerate: frozenset[str] = frozenset()
) -> AuditResult:
    """The audit of a candidate; ``tolerate`` are kinds of notices that do not fail."""
    project = desk.base.project
    specs = (
        project.manifest.instances(desk.environment)
        if desk.environment is not None
        else project.manifest.all_instances()
    )
    title = project.title if desk.environment is None else f"{project.title}, {desk.environment}"
    return auditing.judge_subjects(
        desk.context,
        title,
        candidates.subjects_of(desk, candidate),
        pythons=[auditing.python_of(project, spec) for spec in specs],
        tolerate=tolerate,
    )


def mend(
    desk: Desk, candidate: Candidate, *, beyond: bool, names: Collection[str] | None = None
) -> Mended:
    """Move what is hit, until nothing is any more, or nothing helps. ``names``: These alone."""
    made = Mended(candidate, [], [], [])
    goals: dict[str, _Goal] = {}
    for _ in range(_ROUNDS):
        hit = candidates.hits(desk, made.candidate)
        given_up = {one.name for one in made.left}
        fresh = [name for name in hit if name not in given_up]
        if names is not None:
            fresh = [name for name in fresh if name in names]
        if not fresh:
            break
        for name in fresh:
            goal = _goal(desk, made.candidate, name)
            if goal.fixed:
                goals[name] = goal
            else:
                made.left.append(_hopeless(hit[name]))
        _pursue(desk, made, goals, fresh, hit, beyond=beyond)
    else:
        for name, rows in candidates.hits(desk, made.candidate).items():
            if name not in {one.name for one in made.left}:
                reason = f"after {_ROUNDS} rounds it is still hit"
                made.left.append(Left(name=name, version=rows[0][0].version, reason=reason))
    _lower(desk, candidate, made, goals)
    return made


def _goal(desk: Desk, candidate: Candidate, name: str) -> _Goal:
    versions = candidate.versions()[name]
    locked = [one for one in versions if desk.against(name).hits(str(one))]
    if name not in desk.market.addresses:  # it comes from a path, an address or a repository
        return _Goal(name, versions, [])
    market = desk.offered(name)
    offered = market.above(max(locked)) if market.inconclusive is None else None
    return _Goal(name, versions, remedies(desk.against(name), [str(v) for v in locked], offered))


def _hopeless(rows: Sequence[tuple[Subject, Vulnerability]]) -> Left:
    subject = rows[0][0]
    if all(parsed(one.version) is None or not one.certain for _, one in rows):
        reason = "its versions cannot be compared"
    elif subject.direct:
        reason = "it does not come from an index"
    elif any(one.fixed for _, one in rows):
        named = sorted({text for _, one in rows for text in one.fixed})
        reason = (
            f"nothing is known to be sound that its index has ({', '.join(named)} is said to be)"
        )
    else:
        reason = "no fixed version is known"
    return Left(name=subject.name, version=subject.version, reason=reason)


def _pursue(
    desk: Desk,
    made: Mended,
    goals: dict[str, _Goal],
    fresh: Sequence[str],
    hit: dict[str, list[tuple[Subject, Vulnerability]]],
    *,
    beyond: bool,
) -> None:
    """Reach all goals together; where that fails, one after the other, the gravest first."""
    wanted = [name for name in fresh if name in goals]
    if not wanted:
        return
    try:
        _reach(desk, made, goals.values())
    except UnsatisfiableError:
        reached = [goal for name, goal in goals.items() if name not in wanted]
        for name in sorted(wanted, key=lambda one: _gravity(hit[one])):
            try:
                _reach(desk, made, [*reached, goals[name]])
                reached.append(goals[name])
            except UnsatisfiableError as error:
                left = _held(desk, made, reached, goals[name], hit[name], error)
                if beyond and left.bounds and all(one.enough for one in left.bounds):
                    made.candidate = bounds.lifted(made.candidate, left.bounds)
                    _reach(desk, made, [*reached, goals[name]])
                    made.edits += left.bounds
                    reached.append(goals[name])
                else:
                    made.left.append(left)
                    del goals[name]


def _gravity(rows: Iterable[tuple[Subject, Vulnerability]]) -> float:
    return -max(one.severity.score or 0.0 for _, one in rows)


def _reach(desk: Desk, made: Mended, goals: Iterable[_Goal]) -> None:
    wanted = list(goals)
    constraints = [text for goal in wanted for text in _constraints(desk, goal)]
    made.candidate = candidates.resolved(
        desk, made.candidate, constraints, prefer=_preferred(desk, wanted)
    )
    made.constraints = constraints


def _constraints(desk: Desk, goal: _Goal) -> list[str]:
    """From the first fixed version on, and none of those above it that are hit.

    Where several versions are locked, for platforms that differ, those that are sound may stay.
    """
    known = desk.against(goal.name)
    lowest = goal.fixed[0] if len(goal.locked) == 1 else goal.locked[0]
    offered = [one.version for one in desk.offered(goal.name).versions]
    bad = {one for one in (*offered, *goal.locked) if one >= lowest and known.hits(str(one))}
    return [f"{goal.name}>={lowest}", *(f"{goal.name}!={one}" for one in sorted(bad))]


def _preferred(desk: Desk, goals: Iterable[_Goal]) -> dict[tuple[str, str], Version]:
    found = {}
    for goal in goals:
        known = desk.against(goal.name)
        offered = [one.version for one in desk.offered(goal.name).versions]
        for version in goal.locked:
            if known.hits(str(version)):
                own = remedies(known, [str(version)], [v for v in offered if v in goal.fixed])
                found[goal.name, str(version)] = (own or goal.fixed)[0]
    return found


def _held(
    desk: Desk,
    made: Mended,
    reached: Sequence[_Goal],
    goal: _Goal,
    rows: Sequence[tuple[Subject, Vulnerability]],
    error: UnsatisfiableError,
) -> Left:
    """Why a goal cannot be reached: by the manifest's own bounds, else as the resolver explains."""
    subject = rows[0][0]
    constraints = [text for one in (*reached, goal) for text in _constraints(desk, one)]
    prefer = _preferred(desk, [*reached, goal])

    def resolve(candidate: Candidate) -> Candidate:
        found = candidates.resolved(desk, candidate, constraints, prefer=prefer)
        names = [change.name for change in candidates.moved(made.candidate, found)]
        return candidates.lowered(desk, found, names, constraints, tries=_TRIES)

    names = {goal.name, *(_root(path[0]) for one, _ in rows for path in one.paths)}
    found = bounds.in_the_way(made.candidate, names, resolve)
    if not found:
        found = bounds.stated_against(made.candidate.project, goal.name, goal.fixed[0])
    reason = (
        f"{goal.fixed[0]} is held back by {', '.join(repr(one.requirement) for one in found)}"
        if found
        else error.message
    )
    return Left(name=subject.name, version=subject.version, reason=reason, bounds=found)


def _root(requirement: str) -> str:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        return canonicalize_name(Requirement(requirement).name)
    except InvalidRequirement:
        return requirement


def _lower(desk: Desk, before: Candidate, made: Mended, goals: dict[str, _Goal]) -> None:
    """Bring down what moved further than it need: the packages around those that are mended first."""
    names = [change.name for change in candidates.moved(before, made.candidate)]
    goals_last = sorted(names, key=lambda name: name in goals)
    made.candidate = candidates.lowered(
        desk, made.candidate, goals_last, made.constraints, tries=_TRIES
    )

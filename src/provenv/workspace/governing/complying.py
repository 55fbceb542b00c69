"""Locking until the rules are kept: what they exclude is constrained away, and resolved again.

Before the first resolution stands what is certain without it: rules about packages, what the lock says
that was excluded (where it still is), and what of the locked versions the rules exclude today. Then every
lock that is made is judged, and each package that breaks a rule loses all versions that do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from provenv.audit import excluding
from provenv.audit.excluding import Excluded
from provenv.audit.policies import Policies
from provenv.core.errors import UnsatisfiableError
from provenv.core.values import replace
from provenv.model.lock import tool_table
from provenv.workspace.governing import policies as governing
from provenv.workspace.governing import telling
from provenv.workspace.governing.judging import Locks, judge_locks
from provenv.workspace.governing.offering import Work
from provenv.workspace.projects.context import Context, Project

ROUNDS = 30
"""So often is resolved at most: each round excludes something, and most need one or two."""


def comply(
    project: Project,
    context: Context,
    previous: Locks,
    resolve: Callable[[Sequence[str]], Locks],
    *,
    upgrade: bool | frozenset[str] = False,
) -> Locks:
    """Locks that keep every rule that another version can keep, with what was excluded written into them.

    ``resolve`` makes locks under constraints. ``previous`` are the locks that were there; what they say
    that was excluded is forgotten of what ``upgrade`` names (True: all). Where no policy holds, nothing is
    judged.

    Raises:
        UnsatisfiableError: Nothing is left; the message joins the resolver's reasons with the rules'.
        InputError, NetworkError: As resolving says.
    """
    policies = governing.policies_of(project, context)
    if not policies.rules:
        return resolve(())
    work = Work(project, context, policies)
    standing = work.begin(
        {} if upgrade is True else previous, frozenset() if isinstance(upgrade, bool) else upgrade
    )
    leaning = standing != work.certain
    for _ in range(ROUNDS):
        try:
            made = resolve([one.constraint for one in standing.values()])
        except UnsatisfiableError as error:
            if any(one.wider for one in standing.values()):
                standing = {name: excluding.widened(one) for name, one in standing.items()}
                continue
            if not leaning:
                telling.refuse(error, standing, previous)
            # what stood since the last lock may be about environments that have it no more
            standing, leaning = dict(work.certain), False
            continue
        work.learn(made)
        judged = judge_locks(project, context, policies, made)
        if not judged.broken:
            told = telling.told(standing, previous, judged)
            telling.tell(context, judged, told)
            mended = [one for e in standing.values() for one in e.told if work.mends_above(one)]
            telling.tell_older(context, mended, made, previous)
            return _written(made, policies, standing)
        for one in work.excluded(judged):
            known = standing.get(one.package)
            if excluding.holds(known, one):
                telling.refuse_override(one)
            standing[one.package] = excluding.joined(known, one)
    raise UnsatisfiableError(
        f"after {ROUNDS} resolutions the rules still exclude something of what is chosen",
        hint="`provenv policy explain NAME` says why; a narrower requirement leads there at once.",
        details={"excluded": excluding.as_rows(standing.values())},
    )


def _written(made: Locks, policies: Policies, standing: Mapping[str, Excluded]) -> Locks:
    """The locks, with the policy's digest and what was excluded."""
    names = {package.name for lock in made.values() for package in lock.packages}
    found = [
        one
        for one in standing.values()
        if one.package in names or any(told.version for told in one.told)
    ]
    rows = excluding.as_rows(found)
    more = {"policy-digest": policies.digest, **({"excluded": rows} if rows else {})}
    return {
        key: replace(lock, tool={**(lock.tool or {}), "provenv": {**tool_table(lock), **more}})
        for key, lock in made.items()
    }

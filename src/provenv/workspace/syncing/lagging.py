"""``outdated --policy``: what is newer than the lock, and what the rules say of it."""

from __future__ import annotations

from provenv.audit.excluding import Exclusion
from provenv.audit.verdict import Decision, Outcome
from provenv.core.errors import InputError, UsageError
from provenv.core.values import frozen
from provenv.resolve.outdated import Newest
from provenv.resolve.pages import Pages
from provenv.workspace.governing import offering, policies
from provenv.workspace.projects.context import Context, Project, read_locks
from provenv.workspace.syncing import inspection


@frozen
class Lag:
    """One package, its newer versions, and the rules.

    Attributes:
        permitted: The newest version above the locked one that no rule excludes; None where there is none.
        excluded: Why the rules do not let the latest one in; None where they do, or there is none.
        decisions: What rules say of the locked version: broken, unknown or tolerated.
    """

    newest: Newest
    permitted: str | None
    excluded: Exclusion | None
    decisions: tuple[Decision, ...]


@frozen
class LagResult:
    """All packages, and the verdict on what is locked."""

    packages: tuple[Lag, ...]
    outcome: Outcome
    doubts: tuple[str, ...]


def outdated_by_policy(project: Project, context: Context) -> LagResult:
    """What is newer than the lock, held against the policies that govern the project.

    Raises:
        UsageError: No policy holds. InputError: There is no lock, or a policy cannot be used.
        NetworkError: An index does not answer.
    """
    governing = policies.policies_of(project, context)
    if not governing.rules:
        raise UsageError(
            "no policy holds for this project",
            hint="docs/how-to/policy.md has one to begin with; `provenv outdated` needs none.",
        )
    locks = {key: file.lock for key, file in read_locks(project).items()}
    if None not in locks:
        raise InputError("is missing", file=project.lock_path(None), hint="Run `provenv lock`.")
    pages: Pages = {}
    found = inspection.outdated(project, context, pages)
    offered = offering.offered(project, context, governing, locks, pages)
    return LagResult(
        packages=tuple(_lag(one, offered) for one in found),
        outcome=offered.judged.verdict.outcome,
        doubts=offered.judged.verdict.doubts,
    )


def _lag(newest: Newest, offered: offering.Offered) -> Lag:
    bad = offered.excluded.get(newest.name, {})
    permitted = newest.latest if newest.outdated else None
    if permitted in bad:
        left = [version for version in newest.newer if version not in bad]
        permitted = left[-1] if left else None
    return Lag(
        newest=newest,
        permitted=permitted,
        excluded=bad.get(newest.latest) if newest.latest is not None and newest.outdated else None,
        decisions=tuple(
            one
            for one in offered.judged.verdict.decisions
            if (one.package, one.version) == (newest.name, newest.locked)
        ),
    )

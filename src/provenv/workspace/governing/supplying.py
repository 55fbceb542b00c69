"""What some rules ask besides: licences, which take metadata, and SBOMs. Looked up where a rule asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from packaging.pylock import Package

from provenv.audit.licences import Licence
from provenv.audit.policies import Policies
from provenv.audit.verdict import Question
from provenv.core.values import replace
from provenv.model.policy import Kind
from provenv.resolve.pages import IndexFile
from provenv.workspace.governing import sboms
from provenv.workspace.governing.described import bring_wheels, describe, describe_offers
from provenv.workspace.governing.subjects import Subject, of_package
from provenv.workspace.projects.context import Context, Project


def supplied(
    question: Question,
    project: Project,
    context: Context,
    policies: Policies,
    found: Sequence[Subject],
    lock: str | None = None,
) -> Question:
    """The question with all that the rules ask; ``found`` are the packages that its items are of.

    ``lock`` is the digest of the lock that they are of, where that may not be the project's present one.
    """
    question = with_licences(question, project, context, policies, found, lock)
    if not _asks(policies, "sbom-required", question.environments):
        return question
    said = {name: sboms.problem(project, name, found, lock) for name in question.environments}
    return replace(question, sboms=said)


def with_licences(
    question: Question,
    project: Project,
    context: Context,
    policies: Policies,
    found: Sequence[Subject],
    lock: str | None = None,
) -> Question:
    """The question with what its packages are under, as far as it is known here."""
    if not _asks(policies, "licence", question.environments):
        return question
    asked = {(item.name, item.version) for item in question.items}
    subjects = [one for one in found if (one.name, one.version) in asked]
    known = describe(project, context, subjects, lock=lock)
    items = (
        replace(item, licence=known[item.name, item.version].licence)
        if (item.name, item.version) in known
        else item
        for item in question.items
    )
    return replace(question, items=tuple(items))


def learn_licences(
    project: Project, context: Context, policies: Policies, packages: Iterable[Package]
) -> None:
    """Have here what rules about licences will ask of these packages, as far as indexes give it.

    Where one serves no metadata, the wheels: without an answer, what is locked could not be used.
    """
    if not any(rule.kind == "licence" for rule in policies.rules):
        return
    found = [of_package(one) for one in packages]
    known = describe(project, context, found, fetch=True)
    bring_wheels(
        project, context, [one for one in found if known[one.name, one.version].metadata is None]
    )


def of_offers(
    project: Project,
    context: Context,
    policies: Policies,
    subject: Subject,
    files: Sequence[IndexFile],
) -> dict[str, Licence]:
    """What the versions that an index has of a package are under, where a rule asks; by version."""
    if not any(rule.kind == "licence" for rule in policies.rules):
        return {}
    told = describe_offers(project, context, subject, files)
    return {version: one.licence for version, one in told.items()}


def watched(project: Project, policies: Policies, environment: str) -> tuple[str, ...]:
    """Files of the project that a verdict on an environment hangs on."""
    if not _asks(policies, "sbom-required", (environment,)):
        return ()
    return tuple(sboms.places(project, environment))


def _asks(policies: Policies, kind: Kind, environments: Sequence[str]) -> bool:
    return any(
        rule.kind == kind and any(map(rule.concerns, environments)) for rule in policies.rules
    )

"""What some rules ask besides: licences, which take metadata, and SBOMs. Looked up where a rule asks."""

from __future__ import annotations

from collections.abc import Sequence

from provenv.audit.policies import Policies
from provenv.audit.verdict import Question
from provenv.core.values import replace
from provenv.workspace.governing import sboms
from provenv.workspace.governing.described import describe
from provenv.workspace.governing.subjects import Subject
from provenv.workspace.projects.context import Context, Project


def supplied(
    question: Question,
    project: Project,
    context: Context,
    policies: Policies,
    found: Sequence[Subject],
    *,
    fetch: bool = False,
) -> Question:
    """The question with all that the rules ask; ``fetch``: metadata may be asked of indexes.

    ``found`` are the packages that its items are of, and perhaps more.
    """
    kinds = {rule.kind for rule in policies.rules if any(map(rule.concerns, question.environments))}
    if "licence" in kinds:
        asked = {(item.name, item.version) for item in question.items}
        subjects = [one for one in found if (one.name, one.version) in asked]
        known = describe(project, context, subjects, fetch=fetch)
        licences = {key: one.licence for key, one in known.items()}
        items = (
            replace(item, licence=licences.get((item.name, item.version)))
            for item in question.items
        )
        question = replace(question, items=tuple(items))
    if "sbom-required" in kinds:
        specs = (project.manifest.environment(name) for name in question.environments)
        said = {spec.name: sboms.problem(project, spec, found) for spec in specs}
        question = replace(question, sboms=said)
    return question

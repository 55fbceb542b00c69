"""Locks, which need not lie there yet, held against the rules for all environments."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from provenv.audit import excluding
from provenv.audit.excluding import Exclusion
from provenv.audit.policies import Policies
from provenv.audit.verdict import Question, Verdict, judge
from provenv.core.values import frozen, replace
from provenv.workspace.governing import auditing, sboms, subjects
from provenv.workspace.governing import policies as governing
from provenv.workspace.governing.subjects import Subject
from provenv.workspace.governing.supplying import with_licences
from provenv.workspace.projects.context import Context, Project, make_project, read_text

if TYPE_CHECKING:
    from packaging.pylock import Pylock

Locks = Mapping[str | None, "Pylock"]


@frozen
class Judged:
    """Locks, held against the rules; ``subjects``: the packages in them, by name and version."""

    question: Question
    verdict: Verdict
    subjects: Mapping[tuple[str, str], Subject]

    @property
    def broken(self) -> tuple[Exclusion, ...]:
        """What another version would mend. What comes from a path or a repository has no other."""
        return tuple(
            one
            for one in excluding.broken(self.verdict.decisions)
            if not self.subjects[one.package, one.version].direct
        )


def judge_locks(
    project: Project,
    context: Context,
    policies: Policies,
    locks: Locks,
    *,
    partial: bool = False,
) -> Judged:
    """Hold locks, which need not lie there yet, against the rules, for all environments.

    ``partial``: Some may be missing, as those of environments that were declared just now.
    """
    found: dict[tuple[str, str], Subject] = {}
    names: dict[str, None] = {}
    pythons = []
    for part in parts(project):
        specs = part.manifest.all_instances()
        names |= dict.fromkeys(spec.name for spec in specs)
        pythons += [auditing.python_of(part, spec) for spec in specs]
        for subject in subjects.of_pylocks(part, locks, partial=partial):
            known = found.setdefault((subject.name, subject.version), subject)
            both = dict.fromkeys((*known.environments, *subject.environments))
            found[subject.name, subject.version] = replace(known, environments=tuple(both))
    made = [python for python in pythons if python.version is not None]
    question, _ = governing.ask(context, policies, tuple(names), tuple(found.values()), made)
    question = with_licences(question, project, context, policies, tuple(found.values()))
    question = replace(question, sboms={name: sboms.unwritten(name) for name in names})
    return Judged(question=question, verdict=judge(policies, question), subjects=found)


def parts(project: Project) -> Iterator[Project]:
    """The projects whose environments the lock is for: the members, where they share one."""
    workspace = project.workspace
    if workspace is None or not workspace.spec.shared_lock:
        yield project
        return
    for folder in workspace.folders:
        path = os.path.join(folder, "pyproject.toml")
        yield make_project(folder, workspace.texts.get(path) or read_text(path), workspace)


def why_not(
    project: Project, context: Context, policies: Policies, locks: Locks, *, partial: bool = False
) -> str | None:
    """What of locks that are there the rules exclude today, in a few words; None where nothing is.

    ``partial``: These are not all that the project has.
    """
    found = judge_locks(project, context, policies, locks, partial=partial).broken
    if not found:
        return None
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"the rules exclude {found[0]}{more}"

"""``policy simulate``: what a changed policy would do to every project here. Nothing is written."""

from __future__ import annotations

import os
from typing import Literal

from provenv.audit.verdict import Decision, Outcome, Verdict, judge
from provenv.core.errors import InputError, ProvenvError, UndecidedError, UsageError
from provenv.core.values import frozen, replace
from provenv.workspace import fast
from provenv.workspace.governing import auditing, subjects
from provenv.workspace.governing import policies as governing
from provenv.workspace.governing.policies import Draft
from provenv.workspace.governing.supplying import supplied
from provenv.workspace.host import registry
from provenv.workspace.projects.context import Context, Project, project_in, read_text

Change = Literal["same", "stricter", "looser", "unusable", "unread"]
_ORDER: tuple[Outcome, ...] = ("pass", "inconclusive", "fail")


@frozen
class Simulated:
    """One project.

    Attributes:
        now, then: The verdicts; None where no policy holds.
        gone, new: Decisions that only one of the two has, ``new`` those of the changed policy.
        error: Why it cannot be told. ``change``: ``unusable`` where the changed policy cannot hold
            together with the project's own, ``unread`` where the project, or what holds today, cannot be
            read.
    """

    root: str
    title: str
    change: Change
    now: Verdict | None = None
    then: Verdict | None = None
    gone: tuple[Decision, ...] = ()
    new: tuple[Decision, ...] = ()
    error: ProvenvError | None = None


@frozen
class Simulation:
    """All of them, and in whose place the changed policy was taken."""

    draft: Draft
    projects: tuple[Simulated, ...]


def simulate(
    context: Context, file: str, *, place: str | None = None, here: Project | None = None
) -> Simulation:
    """Judge the projects of this machine, and the one at hand, by what holds and by what would hold.

    ``file`` (absolute) stands in the place of ``place``, or of the one policy that holds above projects.

    Raises:
        InputError: The file cannot be used as a policy. UsageError: It is not clear what it stands for.
    """
    draft = Draft(file=file, place=place or _place(context), text=read_text(file))
    governing.policies_of(None, context, draft)  # what is wrong with it is said once
    folders = registry.projects(context)
    if place is not None and os.path.basename(place) == fast.POLICY:
        roots = [os.path.dirname(place)]
    else:
        roots = list(folders)
        if here is not None and not here.bare and os.path.realpath(here.root) not in roots:
            roots.append(os.path.realpath(here.root))
    found = [_simulated(context, draft, root, folders.get(root, [])) for root in sorted(roots)]
    return Simulation(draft=draft, projects=tuple(found))


def _place(context: Context) -> str:
    above = fast.policies_above(context.home.root, context.environ)
    there = [path for path in above if os.path.lexists(path)]
    if len(there) > 1:
        raise UsageError(
            f"several policies hold above projects: {', '.join(there)}",
            hint="--in-place-of says which of them the file would replace.",
        )
    return there[0] if there else above[-1]


def _simulated(context: Context, draft: Draft, root: str, folders: list[str]) -> Simulated:
    title = os.path.basename(root)
    try:
        reasons = [registry.absence(folder) for folder in folders]
        lost = next((one for one in reasons if one in ("gone", "unreachable")), None)
        if lost is not None and all(reasons) and not os.path.isdir(root):
            raise UndecidedError(f"{root} is not there: {registry.ABSENCES[lost]}")
        project = project_in(root)
        title = project.title
        before = governing.policies_of(project, context)
        found = subjects.of_locks(project)
    except ProvenvError as error:
        return Simulated(root=root, title=title, change="unread", error=error)
    except OSError as error:
        wrong = UndecidedError(f"{root} cannot be read: {error.strerror or error}")
        return Simulated(root=root, title=title, change="unread", error=wrong)
    try:
        after = governing.policies_of(project, context, draft)
    except InputError as error:
        return Simulated(root=root, title=title, change="unusable", error=error)
    specs = tuple(project.manifest.all_instances())
    pythons = tuple(auditing.python_of(project, spec) for spec in specs)
    both = replace(before, rules=(*before.rules, *after.rules))
    question, _ = governing.ask(context, both, tuple(s.name for s in specs), found, pythons)
    question = supplied(question, project, context, both, found)
    now, then = ((judge(one, question) if one.rules else None) for one in (before, after))
    return Simulated(
        root=root,
        title=title,
        change=_change(now, then),
        now=now,
        then=then,
        gone=_only(now, then),
        new=_only(then, now),
    )


def _change(now: Verdict | None, then: Verdict | None) -> Change:
    before, after = (_ORDER.index(one.outcome) if one is not None else 0 for one in (now, then))
    if before == after:
        return "same"
    return "stricter" if after > before else "looser"


def _only(one: Verdict | None, other: Verdict | None) -> tuple[Decision, ...]:
    """Decisions of ``one`` that ``other`` has not: about the same, with the same weight."""
    known = {_key(decision) for decision in (other.decisions if other is not None else ())}
    decisions = one.decisions if one is not None else ()
    return tuple(decision for decision in decisions if _key(decision) not in known)


def _key(one: Decision) -> tuple[object, ...]:
    return (one.rule.id, one.subject, one.text, one.state, one.counts, one.environments, one.names)


def is_known(simulation: Simulation) -> bool:
    """Whether everything could be told."""
    return all(one.change != "unread" for one in simulation.projects)

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
from provenv.workspace.host import claims, registry
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
    above = fast.policies_above(context.home.root, context.environ)
    own = not any(map(draft.stands_for, above))
    if own and os.path.basename(draft.place) != fast.POLICY:
        raise UsageError(
            f"{draft.place} is no place of a policy",
            hint=f"Policies lie in {', '.join(above)}, and in {fast.POLICY} of a project.",
        )
    governing.read_policy(draft.file, draft.text)  # what is wrong with it is said once …
    governing.policies_of(None, context, draft)  # … and with all of them that stand above projects
    folders = registry.projects(context)
    if here is not None and not here.bare:
        folders.setdefault(os.path.realpath(here.root), [])
    found = [_simulated(context, draft, root, folders[root], own=own) for root in sorted(folders)]
    known = [one for one in found if one is not None]
    if own and not known:
        raise UsageError(f"no project that is known here has its policy in {draft.place}")
    return Simulation(draft=draft, projects=(*known, *([] if own else _unread(context))))


def _unread(context: Context) -> list[Simulated]:
    """Entries of the store that cannot be read: nobody knows which project they stand for."""
    return [
        Simulated(
            root=entry.path,
            title=os.path.basename(entry.path),
            change="unread",
            error=UndecidedError(f"the store's entry {entry.path} cannot be read"),
        )
        for entry in claims.entries(context)
        if entry.folder is None
    ]


def _place(context: Context) -> str:
    above = fast.policies_above(context.home.root, context.environ)
    there = [path for path in above if os.path.lexists(path)]
    if len(there) > 1:
        raise UsageError(
            f"several policies hold above projects: {', '.join(there)}",
            hint="--in-place-of says which of them the file would replace.",
        )
    return there[0] if there else above[-1]


def _simulated(
    context: Context, draft: Draft, root: str, folders: list[str], *, own: bool
) -> Simulated | None:
    """One project; None where the draft is of another one's policy."""
    title = os.path.basename(root)
    try:
        reasons = [registry.absence(folder) for folder in folders]
        lost = next((one for one in reasons if one in ("gone", "unreachable")), None)
        if lost is not None and not os.path.isdir(root):
            raise UndecidedError(f"{root} is not there: {registry.ABSENCES[lost]}")
        project = project_in(root)
        if own and not draft.stands_for(os.path.join(project.locker.root, fast.POLICY)):
            return None
        title = project.title
        before = governing.policies_of(project, context)
        found = subjects.of_locks(project)
    except ProvenvError as error:
        return _lost(draft, root, title, error, own=own)
    except OSError as error:
        wrong = UndecidedError(f"{root} cannot be read: {error.strerror or error}")
        return _lost(draft, root, title, wrong, own=own)
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


def _lost(
    draft: Draft, root: str, title: str, error: ProvenvError, *, own: bool
) -> Simulated | None:
    """A project of which it cannot be told; none where it cannot have that policy."""
    top = os.path.dirname(os.path.realpath(draft.place))
    if own and not f"{os.path.realpath(root)}/".startswith(f"{top}/"):
        return None
    return Simulated(root=root, title=title, change="unread", error=error)


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

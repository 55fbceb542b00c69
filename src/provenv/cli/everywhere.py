"""``--all``: one command for every member of a workspace, several of them at once.

Each member is worked on in a process of its own (:mod:`provenv.workspace.host.parallel`). What fails does
not stop the others; it is named at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, many, seconds
from provenv.cli.rows import Rows
from provenv.cli.targets import Answer, Target, Tell, attempt, entry, instances
from provenv.core.errors import InputError, ProvenvError, UsageError
from provenv.core.events import Emit, Noted
from provenv.workspace.projects.context import Project, open_folder

if TYPE_CHECKING:
    from provenv.cli.session import Session
    from provenv.workspace.host.parallel import Job
    from provenv.workspace.projects.members import Workspace

Short = Callable[[str, "str | None"], "Answer | None"]
Entry = dict[str, Any]  # one of the `results` of `provenv.VERB-many/1`, and `short` beside it


def for_all(
    session: Session,
    verb: str,
    act: Callable[[Target], Answer],
    *,
    tell: Tell = "report",
    whole: bool = False,
    short: Short | None = None,
    first: Callable[[Session], None] | None = None,
) -> int:
    """Do ``act`` for every member, and tell all of it.

    ``whole``: it is about a project as a whole, not about environments. ``short`` may answer for a
    member's folder and the one environment that is meant, before the member's manifest is read.
    ``first`` is what must be done before where the members share a lock; it stops everything where it
    fails.

    Returns:
        The highest exit code.

    Raises:
        UsageError: There is no workspace, or one member was chosen.
        InputError: The workspace has no members.
    """
    workspace = _workspace(session)
    for note in workspace.notes:
        session.progress(Noted(message=note))
    session.progress.close()
    started = time.monotonic()
    if first is not None and session.opened.shared is not None:
        _first(session, first)
    if whole and session.opened.shared is not None:  # all members are one thing to lock
        roots, labels = [workspace.root], ["workspace"]
        jobs = [_job(session, act, lambda: session.opened, whole=True)]
    else:
        roots = list(workspace.folders)
        labels = [workspace.labels[folder] for folder in roots]
        jobs = [
            _shorter(session, root, short, _job(session, act, _opener(session, root), whole=whole))
            for root in roots
        ]
    found = _run(session, labels, roots, jobs, told=tell == "report")
    code: int = max(entry["exit_code"] for own in found for entry in own)
    if session.options.json:
        flat = [{k: v for k, v in e.items() if k != "short"} for own in found for e in own]
        session.answer(f"{verb}-many", lambda: {"results": flat}, lambda screen: None)  # noqa: ARG005
        return code
    if tell == "report" or not session.options.quiet:
        screen = session.talk if tell == "report" else session.out
        _draw(screen, labels, found, time.monotonic() - started, told=tell == "report")
    _draw_errors(session, labels, found)
    return code


def _run(
    session: Session,
    labels: Sequence[str],
    roots: Sequence[str],
    jobs: Sequence[Job],
    *,
    told: bool,
) -> list[list[Entry]]:
    """Do the jobs, and show how they go on."""
    # 13 ms, and most calls are about one project
    from provenv.workspace.host.parallel import run_all

    rows = Rows(
        labels,
        session.alarm,
        quiet=session.options.quiet or session.options.json,
        verbose=session.options.verbose,
        told=told,
    )

    def done(number: int, result: list[Entry] | ProvenvError) -> None:
        rows.done(number, _shorts(_entries(roots[number], result)))

    try:
        found = run_all(jobs, hear=rows.hear, begun=rows.begun, done=done)
    finally:
        rows.close()
    return [_entries(root, result) for root, result in zip(roots, found, strict=True)]


def _workspace(session: Session) -> Workspace:
    if session.options.member is not None:
        raise UsageError("--all is every member, --member one of them: give one of the two")
    workspace = session.opened.workspace
    if workspace is None:
        raise UsageError(
            f"{session.opened.root} is in no workspace, whose members --all is about",
            hint="Declare one in [tool.provenv.workspace], with `members`.",
        )
    if not workspace.folders:
        raise InputError(
            "the workspace has no members",
            file=workspace.manifest_path,
            key="tool.provenv.workspace.projects.members",
            hint="; ".join(workspace.notes) or "Name their folders there.",
        )
    return workspace


def _first(session: Session, first: Callable[[Session], None]) -> None:
    from provenv.workspace.host.parallel import run_all

    def job(emit: Emit) -> None:
        session.rewire(emit)
        first(session)

    (result,) = run_all(
        [job],
        hear=lambda number, event: session.progress(event),  # noqa: ARG005
        begun=lambda number: None,  # noqa: ARG005
        done=lambda number, result: None,  # noqa: ARG005
    )
    session.progress.close()
    if isinstance(result, ProvenvError):
        raise result


def _opener(session: Session, root: str) -> Callable[[], Project]:
    opened = session.opened
    assert opened.workspace is not None
    return partial(open_folder, opened.workspace, root, opened.shared)


def _shorter(session: Session, root: str, short: Short | None, job: Job) -> Job:
    """``job``, but where one environment is meant, and ``short`` has an answer for it.

    Of several, some names may mean the same or many: :func:`instances` tells, and needs the manifest.
    """
    name, *others = session.options.environments or (None,)
    if short is None or others:
        return job

    def shorter(emit: Emit) -> list[Entry]:
        session.rewire(emit)
        said = short(root, name)
        return [_told(root, said.environment, said)] if said is not None else list(job(emit))

    return shorter


def _job(
    session: Session, act: Callable[[Target], Answer], open_: Callable[[], Project], *, whole: bool
) -> Job:
    """What a worker process does for one member: every environment that is meant, in turn."""

    def job(emit: Emit) -> list[Entry]:
        session.rewire(emit)
        project = open_()
        if whole:
            said = attempt(act, Target(project=project, environment=None))
            return [_told(project.root, None, said)]
        names = session.options.environments or (None,)
        found = instances(Target(project=project, environment=name) for name in names)
        return [_told(project.root, target.name, attempt(act, target)) for target in found]

    return job


def _told(root: str, environment: str | None, said: Answer | ProvenvError) -> Entry:
    short = "failed" if isinstance(said, ProvenvError) else said.short
    return {**entry(root, environment, said), "short": short}


def _entries(root: str, result: list[Entry] | ProvenvError) -> list[Entry]:
    return [_told(root, None, result)] if isinstance(result, ProvenvError) else result


def _shorts(entries: Sequence[Entry]) -> list[tuple[str, int]]:
    """A line for each environment of a member, named where there are several, with its exit code."""
    several = len(entries) > 1
    return [
        (f"{e['environment']}: {e['short']}" if several else e["short"], e["exit_code"])
        for e in entries
    ]


def _draw(
    screen: Screen,
    labels: Sequence[str],
    entries: Sequence[Sequence[Entry]],
    took: float,
    *,
    told: bool,
) -> None:
    """The table, unless its lines were told while the work went on; and the sum of it."""
    if screen.watched or not told:
        screen.table(
            [
                (screen.paint("strong", label), screen.paint("good" if code == 0 else "bad", text))
                for label, own in zip(labels, entries, strict=True)
                for text, code in _shorts(own)
            ]
        )
    if len(labels) == 1:
        return
    bad = [
        label
        for label, own in zip(labels, entries, strict=True)
        if any(e["exit_code"] for e in own)
    ]
    count = many(len(labels), "member")
    time_ = screen.paint("dim", f"in {seconds(took)}")
    if bad:
        not_ = screen.paint("bad", f"not {', '.join(bad)}")
        screen.line(f"{len(labels) - len(bad)} of {count} {time_}; {not_}")
    else:
        screen.line(f"{screen.paint('good', 'all')} of {count} {time_}")


def _draw_errors(
    session: Session, labels: Sequence[str], entries: Sequence[Sequence[Entry]]
) -> None:
    for label, own in zip(labels, entries, strict=True):
        for error in [e["error"] for e in own if e["error"] is not None]:
            safe = error["details"].get("safe")
            session.alarm.error(f"{label}: {error['message']}", error["hint"], safe)

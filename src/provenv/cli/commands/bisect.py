"""``provenv bisect``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, many, seconds, short_path
from provenv.cli.options import time_limit
from provenv.cli.session import Session
from provenv.core.errors import UsageError
from provenv.core.values import as_dict

if TYPE_CHECKING:
    from provenv.workspace.projects.context import Project
    from provenv.workspace.testing.culprits import BisectResult, Breakage, Culprit
    from provenv.workspace.testing.trail import BisectTask, Step

DESCRIPTION = """\
Find the dependency that broke a command: the smallest set of changes between two locks that turns good into
bad, and the first bad release. The command says by its exit code how it is: 0 good, 125 skip, else bad.
Exit code 0 where it is found, 3 where it cannot be told apart."""
EXAMPLES = (
    (
        "provenv bisect --good 12 --bad 15 -- pytest -x tests/test_orders.py",
        "between two generations",
    ),
    ("provenv bisect --good v1.4 --bad HEAD -- pytest -q", "between two commits of the lock"),
    ("provenv bisect --good 2026-11-01 --bad pylock.toml -- python check.py", "a date, a file"),
    (
        "provenv bisect --over python --good 3.9 --bad 3.13 -- pytest -x",
        "the Pythons of this machine",
    ),
    ("provenv bisect --continue", "after Ctrl-C"),
)
ENVIRONMENT = True
FOUND, UNDECIDED = 0, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    end = "a generation's number, a lock file, a date or a git revision"
    parser.add_argument("--good", metavar="END", help=f"where it worked: {end}")
    parser.add_argument("--bad", metavar="END", help="where it does not")
    parser.add_argument("--python", metavar="REQUEST", help="interpreter, as for sync")
    parser.add_argument(
        "--over",
        metavar="WHAT",
        choices=("packages", "python"),
        default="packages",
        help="packages, or python: then each END is an interpreter as for sync",
    )
    parser.add_argument(
        "--install",
        action="store_true",
        help="with --over python: install those between that are not here",
    )
    parser.add_argument(
        "--repeat",
        metavar="N",
        type=int,
        default=1,
        help="run each N times; what differs is skipped",
    )
    parser.add_argument(
        "--timeout", metavar="TIME", type=time_limit, help="end the command after so long: 90s, 10m"
    )
    parser.add_argument(
        "--continue", dest="resume", action="store_true", help="go on with the last one"
    )
    parser.add_argument("words", nargs="...", metavar="CMD", help="the command and its arguments")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.testing.bisecting import bisect, bisect_on

    if args.resume:
        _refuse_more(args, session)
        result = bisect_on(_project(session), session.context)
    else:
        project = _project(session)
        result = bisect(project, session.context, _task(args, session, project))
    session.answer("bisect", lambda: data(result), lambda screen: text(result, screen))
    return FOUND if result.told else UNDECIDED


def _refuse_more(args: argparse.Namespace, session: Session) -> None:
    more = args.good or args.bad or args.python or args.timeout or args.install or session.words
    if more or args.repeat != 1 or args.over != "packages" or session.options.environment:
        raise UsageError(
            "--continue goes on with what was asked for: it takes nothing besides",
            hint="Without --continue a new bisection begins.",
        )


def _project(session: Session) -> Project:
    """The project here; or this folder as one, for two locks of other tools."""
    from provenv.workspace.projects.context import find_root, project_in

    here = os.getcwd()
    if session.options.member is None and find_root(here) is None:
        return project_in(here)
    return session.project


def _task(args: argparse.Namespace, session: Session, project: Project) -> BisectTask:
    from provenv.workspace.testing.trail import BisectTask

    missing = [f"--{name}" for name in ("good", "bad") if not getattr(args, name)]
    if missing or not session.words:
        what = [*missing, *([] if session.words else ["a command"])]
        raise UsageError(
            f"bisect needs {' and '.join(what)}",
            hint="For example: `provenv bisect --good 12 --bad 15 -- pytest -x`.",
        )
    if args.install and args.over != "python":
        raise UsageError("--install installs Pythons: it needs --over python")
    if args.repeat < 1:
        raise UsageError(f"--repeat {args.repeat}: at least once")
    spec = project.manifest.environment(session.options.environment)
    return BisectTask(
        good=_end(args.good, args, session),
        bad=_end(args.bad, args, session),
        command=session.words,
        environment=spec.name,
        python=session.request(args.python),
        repeat=args.repeat,
        timeout=args.timeout,
        over=args.over,
        install=args.install,
    )


def _end(end: str, args: argparse.Namespace, session: Session) -> str:
    """A file as a whole path; everything else as it is."""
    if args.over == "python":
        return str(session.request(end))
    return os.path.abspath(end) if not end.isdecimal() and os.path.isfile(end) else end


def text(result: BisectResult, screen: Screen) -> None:
    for number, breakage in enumerate(result.breakages):
        if number:
            screen.line("and for another reason:")
        _breakage(result, breakage, screen)
    if not result.told:
        for step in result.steps:
            if step.answer == "skip":
                screen.line(screen.paint("dim", f"skipped  {step.what}: {step.why}"))
    if result.more:
        listed = ", ".join(result.more[:6]) + (" …" if len(result.more) > 6 else "")
        screen.line(f"could be installed, and lie between: {listed}; --install does it")
    if result.whole is False:
        said = "the bad end is bad without all that, too: bisect again when that is held back"
        screen.line(screen.paint("warn", said))
    elif result.whole is None and result.told and result.over == "packages":
        screen.line("whether the bad end is good without that could not be tried")
    took = f"{many(result.runs, 'run')} of the command"
    took += f" over {many(len(result.changes), 'change')}" if result.changes else ""
    took += f", {seconds(result.seconds)}"
    screen.line(screen.paint("dim", f"{took}; logs in {short_path(result.folder)}/logs"))


def _breakage(result: BisectResult, breakage: Breakage, screen: Screen) -> None:
    paint = screen.paint
    screen.line(paint("good" if breakage.told else "warn", breakage.sentence))
    if not breakage.alike and len(result.breakages) > 1:
        screen.line(paint("warn", "it does not fail as the bad end does: look at the logs of both"))
    for culprit in breakage.culprits:
        if culprit.unknown is not None:
            said = f"{culprit.name}: its releases were not looked at: {culprit.unknown}"
            screen.line(said)
        if culprit.changelog is not None:
            screen.line(f"what changed in {culprit.name}: {culprit.changelog}")
    held = " or ".join(f'"{one.constraint}"' for one in breakage.culprits if one.constraint)
    if result.over == "python":
        held = held.replace('"python', 'requires-python = "')
    if held:
        screen.line(f"to hold it back: {held}")


def data(result: BisectResult) -> dict[str, Any]:
    return {
        "told": result.told,
        "sentence": result.sentence,
        "over": result.over,
        "good": result.good,
        "bad": result.bad,
        "environment": result.environment,
        "python": result.python,
        "command": list(result.command),
        "changes": [as_dict(one) for one in result.changes],
        "followers": [as_dict(one) for one in result.followers],
        "breakages": [breakage_data(one) for one in result.breakages],
        "whole": result.whole,
        "more": list(result.more),
        "steps": [step_data(one) for one in result.steps],
        "runs": result.runs,
        "seconds": result.seconds,
        "folder": result.folder,
    }


def breakage_data(one: Breakage) -> dict[str, Any]:
    """One breakage."""
    return {
        **as_dict(one),
        "culprits": [culprit_data(culprit) for culprit in one.culprits],
        "needed": [as_dict(change) for change in one.needed],
        "remaining": [[as_dict(change) for change in group] for group in one.remaining],
    }


def culprit_data(one: Culprit) -> dict[str, Any]:
    """One culprit."""
    return {
        **as_dict(one),
        "together": [as_dict(other) for other in one.together],
        "skipped": list(one.skipped),
    }


def step_data(step: Step) -> dict[str, Any]:
    """One step."""
    kept = ("number", "kind", "what", "answer", "runs", "code", "seconds", "reason", "line", "log")
    return {**{name: getattr(step, name) for name in kept}, "key": list(step.key)}

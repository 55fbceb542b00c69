"""``provenv policy simulate``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from provenv.cli.commands.policy_check import decision_data
from provenv.cli.draw import Screen, many
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.audit.verdict import Decision, Verdict
    from provenv.workspace.governing.simulating import Simulated, Simulation

DESCRIPTION = """\
What a changed policy would do to every project that has an environment on this machine, and to the one
at hand: the verdict now and then, and what would be decided otherwise. Offline; nothing is written. Exit
code 3 where a project cannot be read."""
EXAMPLES = (
    ("provenv policy simulate draft.toml", "in place of the policy above all projects"),
    ("provenv policy simulate draft.toml --in-place-of provenv-policy.toml", "of this project's"),
)
_STYLES = {"same": "dim", "stricter": "warn", "looser": "warn", "unusable": "bad", "unread": "bad"}
_SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the changed policy")
    parser.add_argument(
        "--in-place-of",
        metavar="PATH",
        help="the policy that it would replace, there or not; unless given, the one above projects",
    )


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.governing.simulating import is_known, simulate
    from provenv.workspace.projects.context import find_root

    here = session.opened if find_root(os.getcwd()) is not None else None
    place = os.path.abspath(args.in_place_of) if args.in_place_of is not None else None
    result = simulate(session.context, os.path.abspath(args.file), place=place, here=here)
    session.verdict("policy-simulate", lambda: data(result), lambda screen: text(result, screen))
    return 0 if is_known(result) else 3


def text(result: Simulation, screen: Screen) -> None:
    rows = [_row(one) for one in result.projects]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for one, (change, title, verdicts) in zip(result.projects, rows, strict=True):
        said = screen.paint(_STYLES[one.change], change.ljust(widths[0]))
        place = screen.paint("dim", one.root)
        screen.line(f"{said}  {title.ljust(widths[1])}  {verdicts.ljust(widths[2])}  {place}")
        if one.error is not None:
            screen.block(one.error.message, "    ")
        moved = [("+", decision) for decision in one.new] + [("-", d) for d in one.gone]
        for sign, decision in moved[:_SHOWN]:
            screen.line(f"    {sign} {_said(decision)}")
        if len(moved) > _SHOWN:
            screen.line(screen.paint("dim", f"    and {len(moved) - _SHOWN} more (--json)"))
    counts = {change: sum(one.change == change for one in result.projects) for change in _STYLES}
    told = ", ".join(f"{count} {change}" for change, count in counts.items() if count)
    projects = many(len(result.projects), "project")
    draft = f"{result.draft.file} in place of {result.draft.place}"
    screen.line(f"{projects}{f': {told}' if told else ''} {screen.paint('dim', f'({draft})')}")


def _row(one: Simulated) -> tuple[str, str, str]:
    if one.error is not None:
        return (one.change, one.title, "")
    return (one.change, one.title, f"{_outcome(one.now)} → {_outcome(one.then)}")


def _outcome(verdict: Verdict | None) -> str:
    return verdict.outcome if verdict is not None else "no policy"


def _said(one: Decision) -> str:
    weight = "" if one.counts else " (does not count)"
    return f"{one.rule.id}: {one.subject}: {one.text} [{', '.join(one.environments)}]{weight}"


def data(result: Simulation) -> dict[str, Any]:
    return {
        "file": result.draft.file,
        "in_place_of": result.draft.place,
        "projects": [
            {
                "project": one.title,
                "root": one.root,
                "change": one.change,
                "now": one.now.outcome if one.now is not None else None,
                "then": one.then.outcome if one.then is not None else None,
                "new": [decision_data(decision) for decision in one.new],
                "gone": [decision_data(decision) for decision in one.gone],
                "error": one.error.data() if one.error is not None else None,
            }
            for one in result.projects
        ],
    }

"""``provenv policy test``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, many
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.governing.cases import CaseResult

DESCRIPTION = """\
Judge a table of made-up packages by the policies that hold here, and compare: a policy is
code, and can be wrong. Exit code 1 where a case comes out otherwise than is expected."""
EXAMPLES = (("provenv policy test policy-cases.toml", "each [[case]] of the file"),)
PROJECT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="TOML with [[case]] tables")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.governing.cases import run_cases
    from provenv.workspace.governing.policies import policies_of
    from provenv.workspace.projects.context import find_root

    project = session.opened if find_root(os.getcwd()) is not None else None
    results = run_cases(policies_of(project, session.context), os.path.abspath(args.file))
    session.verdict("policy-test", lambda: data(results), lambda screen: text(results, screen))
    return 0 if all(one.ok for one in results) else 1


def text(results: Sequence[CaseResult], screen: Screen) -> None:
    for one in results:
        state = screen.paint("good", "ok") if one.ok else screen.paint("bad", "wrong")
        said = f"{one.verdict.outcome} ({', '.join(one.rules) or 'no rule'})"
        wanted = "" if one.ok else f", expected {one.case.expect}"
        if not one.ok and one.case.rules is not None:
            wanted += f" ({', '.join(one.case.rules) or 'no rule'})"
        screen.line(f"{state}  {one.case.name}: {said}{wanted}")
    wrong = sum(not one.ok for one in results)
    screen.line(f"{many(len(results), 'case')}, {wrong} wrong")


def data(results: Sequence[CaseResult]) -> dict[str, Any]:
    return {
        "cases": [
            {
                "name": one.case.name,
                "ok": one.ok,
                "expected": one.case.expect,
                "verdict": one.verdict.outcome,
                "rules": list(one.rules),
            }
            for one in results
        ]
    }

"""``provenv why``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.model.graph import GraphRoot
    from provenv.workspace.syncing.inspection import WhyResult

DESCRIPTION = """\
Why a package is in an environment: every requirement of the project that leads to it, each with a
shortest path. Read from the lock alone, offline. Exit code 1 where it is not there."""
EXAMPLES = (
    ("provenv why idna", "in the default environment"),
    ("provenv why -e prod idna", "in another one"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of the package")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.syncing.inspection import why

    target = session.target
    result = why(target.project, session.context, args.name, environment=target.environment)
    session.answer("why", lambda: data(result), lambda screen: text(result, screen))
    return 0


def text(result: WhyResult, screen: Screen) -> None:
    paint = screen.paint
    name = f"{paint('strong', result.name)} {result.version or '(local)'}"
    if not result.paths:
        screen.line(f"{name} is in {result.environment}, and nothing in the lock leads to it")
        return
    screen.line(f"{name} is in {result.environment} because of")
    for path in result.paths:
        steps = " → ".join((path.root.requirement, *path.names[1:]))
        screen.line(f"  {steps}  {paint('dim', f'({_place(path.root)})')}")


def _place(root: GraphRoot) -> str:
    return "project.dependencies" if root.kind == "project" else f"{root.kind} {root.name}"


def data(result: WhyResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "version": result.version or None,
        "environment": result.environment,
        "paths": [
            {
                "kind": path.root.kind,
                "group": path.root.name or None,
                "requirement": path.root.requirement,
                "names": list(path.names),
            }
            for path in result.paths
        ],
    }

"""``provenv ci``."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, short_path
from provenv.cli.session import Session
from provenv.templates.pipelines import SYSTEMS

if TYPE_CHECKING:
    from provenv.workspace.projects.handing import Handed

DESCRIPTION = """\
Write a pipeline for a CI system: the store kept between runs, a matrix over the declared Pythons,
`sync --locked`, the tests, and a check of what is released. A file that somebody changed is left
alone."""
EXAMPLES = (
    ("provenv ci github", "writes .github/workflows/ci.yml"),
    ("provenv ci gitlab --stdout", "only shows it"),
)
PROJECT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("system", choices=tuple(SYSTEMS), metavar="SYSTEM", help=", ".join(SYSTEMS))
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE instead")
    parser.add_argument("--stdout", action="store_true", help="write nothing, print the pipeline")
    parser.add_argument("--force", action="store_true", help="set a changed file aside")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.exchange.pipelines import pipeline, write_pipeline

    today = datetime.now(UTC).date()
    if args.stdout:
        made = pipeline(session.project, args.system, today=today)
        session.answer(
            "ci",
            lambda: {
                "system": args.system,
                "path": None,
                "done": "shown",
                "aside": None,
                "text": made,
            },
            lambda screen: screen.line(made.rstrip("\n")),
        )
        return 0
    output = None if args.output is None else os.path.abspath(args.output)
    result = write_pipeline(
        session.project, args.system, today=today, output=output, force=args.force
    )
    session.report("ci", lambda: data(args.system, result), lambda screen: text(result, screen))
    return 0


def text(result: Handed, screen: Screen) -> None:
    where = short_path(result.path)
    if result.aside is not None:
        screen.line(f"set aside as {short_path(result.aside)}: what was there before")
    if result.done == "same":
        screen.line(f"nothing to do: {where} is as it should be")
    else:
        screen.line(f"{screen.paint('good', result.done)} {where}")


def data(system: str, result: Handed) -> dict[str, Any]:
    return {
        "system": system,
        "path": result.path,
        "done": result.done,
        "aside": result.aside,
        "text": None,
    }

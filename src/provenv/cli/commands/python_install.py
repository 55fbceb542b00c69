"""``provenv python install``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, seconds
from provenv.cli.pythons import add_mirror, managed_data, mirror, project_at_hand
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.host.installing import PythonInstalled

DESCRIPTION = """\
Install Pythons that uv manages, in the folder that it and provenv share. Where one that meets the
request is there, nothing is done."""
EXAMPLES = (
    ("provenv python install 3.13 pypy3.11", "the newest of each"),
    ("provenv python install 3.13 --offline --mirror file:///srv/pythons", "from a folder"),
)
PROJECT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("requests", nargs="+", metavar="REQUEST", help="3.12, 3.12.1, pypy3.11")
    parser.add_argument("--reinstall", action="store_true", help="also where it is installed")
    add_mirror(parser)


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.host.installing import install_pythons

    results = install_pythons(
        session.context,
        args.requests,
        project=project_at_hand(session),
        mirror=mirror(args.mirror),
        again=args.reinstall,
    )
    session.report(
        "python-install",
        lambda: data(results),
        lambda screen: text(results, screen),
    )
    return 0


def text(results: Sequence[PythonInstalled], screen: Screen) -> None:
    for result in results:
        name = f"{result.implementation} {result.version}"
        if result.made:
            took = screen.paint("dim", f"in {seconds(result.seconds)}")
            screen.line(f"{screen.paint('good', 'installed')} {name} {took}  {result.path}")
        else:
            screen.line(f"{name} is there: {result.path}")


def data(results: Sequence[PythonInstalled]) -> dict[str, Any]:
    return {
        "pythons": [
            {
                "request": result.request,
                **managed_data(result),
                "made": result.made,
                "seconds": round(result.seconds, 4),
            }
            for result in results
        ]
    }

"""``provenv python uninstall``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, short_path
from provenv.cli.pythons import managed_data
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.host.installing import PythonRemoved

DESCRIPTION = """\
Remove Pythons that uv manages; never pyenv's, conda's or the system's. Refuses, with exit code 1, where
environments use them."""
EXAMPLES = (
    ("provenv python uninstall 3.12", "every 3.12 that uv manages"),
    ("provenv python uninstall 3.12.1 --force", "also where environments use it"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("requests", nargs="+", metavar="REQUEST", help="3.12, 3.12.1, pypy3.11")
    parser.add_argument("--force", action="store_true", help="also where environments use it")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.host.installing import uninstall_pythons

    results = uninstall_pythons(session.context, args.requests, force=args.force)
    session.report(
        "python-uninstall",
        lambda: data(results),
        lambda screen: text(results, screen),
    )
    return 0


def text(results: Sequence[PythonRemoved], screen: Screen) -> None:
    for result in results:
        screen.line(
            f"{screen.paint('good', 'removed')} {result.implementation} {result.version}  "
            f"{screen.paint('dim', result.path)}"
        )
        for folder in result.used_by:
            screen.line(f"  {short_path(folder)} has no interpreter now; `provenv sync` mends it")


def data(results: Sequence[PythonRemoved]) -> dict[str, Any]:
    return {
        "pythons": [
            {
                **managed_data(result),
                "used_by": list(result.used_by),
            }
            for result in results
        ]
    }

"""``provenv disallow``."""

from __future__ import annotations

import argparse
import os

from provenv.cli.commands import allow
from provenv.cli.session import Session

DESCRIPTION = """\
Take back what `provenv allow` gave: an environment that the hook activated is left at the next prompt."""
EXAMPLES = (
    ("provenv disallow", "the project here"),
    ("provenv disallow ~/old/shop", "another, also one that is not there any more"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", metavar="DIR", help="a folder of the project")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.projects.trust import disallow

    result = disallow(session.context, os.path.abspath(args.folder or os.getcwd()))
    session.report(
        "disallow", lambda: allow.data(result), lambda screen: allow.text(result, screen)
    )
    return 0

"""``provenv python find``."""

from __future__ import annotations

import argparse
import os

from provenv.cli.pythons import interpreter_data, project_at_hand
from provenv.cli.session import Session

DESCRIPTION = """\
Print the path of the interpreter that a request means. Exit code 1 where none here meets it."""
EXAMPLES = (
    ("provenv python find", "the one that a new environment of the project gets"),
    ("provenv python find '>=3.11,<3.13'", "the one that would be taken for this"),
)
PROJECT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "request",
        nargs="?",
        metavar="REQUEST",
        help="3.12, '>=3.11,<3.13', cpython3.13t, pypy, a path (default: what the project gets)",
    )


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.host.pythons import find_python

    found = find_python(
        session.context,
        session.request(args.request),
        project=project_at_hand(session),
        folder=os.getcwd(),
    )
    session.answer(
        "python-find", lambda: interpreter_data(found), lambda s: s.line(found.executable)
    )
    return 0

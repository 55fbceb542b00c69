"""``provenv run``."""

from __future__ import annotations

import argparse

from provenv.cli import entering
from provenv.cli.session import Session
from provenv.core.errors import UsageError

DESCRIPTION = """\
Sync the environment if needed, then become the command: its signals, exit code, terminal and
input are its own. Everything from the first word that is no option belongs to the command."""
EXAMPLES = (
    ("provenv run python app.py", "or `provenv run app.py`"),
    ("provenv run -e test pytest -x", "in another environment"),
    ("provenv run -e test@3.12 pytest", "in one of several Pythons"),
    ("provenv run -- mypy --strict src", "-- ends provenv's options"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    entering.add_arguments(parser)
    parser.add_argument("words", nargs="...", metavar="CMD", help="the command and its arguments")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.run import start

    if not session.words:
        raise UsageError("run needs a command", hint="For example: `provenv run python`.")
    folder, number = entering.enter(args, session)
    session.progress.close()
    start(folder, number, session.words, session.environ)

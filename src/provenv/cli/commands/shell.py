"""``provenv shell``."""

from __future__ import annotations

import argparse
import os

from provenv.cli import entering
from provenv.cli.session import Session
from provenv.core.errors import UsageError

DESCRIPTION = """\
Sync the environment if needed, then become a shell in it: the rc files are read as always, the prompt
names the environment, and `exit` (or `deactivate`) leaves it. The exit code is the shell's."""
EXAMPLES = (
    ("provenv shell", "the shell that this is called from"),
    ("provenv shell -e test --shell fish", "another environment, another shell"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shell", metavar="SHELL", help="name or path of the shell")
    entering.add_arguments(parser)


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace import subshell

    if session.options.json:
        raise UsageError("a shell is no document: no --json", hint="`provenv activate` has one.")
    shell, program = subshell.asked_or_found(args.shell, session.environ, os.getppid())
    target = session.target
    spec = target.project.manifest.environment(target.environment)
    subshell.refuse_nested(target.project.folder(spec), session.environ)
    folder, _ = entering.enter(args, session)
    session.progress.close()
    before = session.environ.get("VIRTUAL_ENV")
    if before not in (None, "", folder):
        session.talk.line(f"{before} is left for as long as this shell runs")
    subshell.become(shell, program, folder, session.environ)

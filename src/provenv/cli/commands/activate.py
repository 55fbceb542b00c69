"""``provenv activate``."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from provenv.cli import entering
from provenv.cli.session import Session

DESCRIPTION = """\
Sync the environment if needed, and write to standard output what the shell must evaluate to enter it;
`deactivate` leaves it. Everything else is said on standard error."""
EXAMPLES = (
    ('eval "$(provenv activate)"', "bash, zsh, sh"),
    ("provenv activate -e test | source", "fish, in another environment"),
    ("eval `provenv activate --shell tcsh`", "tcsh"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shell", metavar="SHELL", help="for this shell (default: the one here)")
    entering.add_arguments(parser)


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace import subshell

    shell, _ = subshell.asked_or_found(args.shell, session.environ, os.getppid())
    folder, _ = entering.enter(args, session)
    code = subshell.code(shell, folder)
    name = session.target.name
    session.answer("activate", lambda: data(name, folder, shell, code), lambda _: write_code(code))
    return 0


def write_code(code: str) -> None:
    """Code goes out as it is: a path may hold bytes that the terminal's encoding has no place for."""
    sys.stdout.flush()
    sys.stdout.buffer.write(os.fsencode(code) + b"\n")
    sys.stdout.buffer.flush()


def data(environment: str, folder: str, shell: str, code: str) -> dict[str, Any]:
    return {"environment": environment, "folder": folder, "shell": shell, "code": code}

"""``provenv hook``."""

from __future__ import annotations

import argparse

from provenv.cli.commands.activate import write_code
from provenv.cli.session import Session
from provenv.shells.texts import HOOKED, hook

DESCRIPTION = """\
Write code for a shell's rc file. With it, entering the folder of a project activates the project's
default environment, if it was made and `provenv allow` was given; leaving the folder deactivates it."""
EXAMPLES = (
    ('eval "$(provenv hook bash)"', "at the end of ~/.bashrc"),
    ('eval "$(provenv hook zsh)"', "at the end of ~/.zshrc"),
    ("provenv hook fish | source", "in ~/.config/fish/config.fish"),
    ("provenv hook pwsh | Out-String | Invoke-Expression", "in $PROFILE"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=HOOKED, metavar="SHELL", help=", ".join(HOOKED))


def run(args: argparse.Namespace, session: Session) -> int:
    code = hook(args.shell, session.context.home.allowed).rstrip("\n")
    session.answer("hook", lambda: {"shell": args.shell, "code": code}, lambda _: write_code(code))
    return 0

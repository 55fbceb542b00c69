"""``provenv completion``."""

from __future__ import annotations

import argparse

from provenv.cli.session import Session

DESCRIPTION = """\
Write a completion script for a shell to standard output."""
EXAMPLES = (
    ("provenv completion bash > ~/.local/share/bash-completion/completions/provenv", "bash"),
    ("provenv completion zsh > ~/.zfunc/_provenv", "zsh, with ~/.zfunc in fpath"),
    ("provenv completion tcsh > ~/.provenv.tcsh", "tcsh, sourced from ~/.tcshrc"),
)
SHELLS = ("bash", "zsh", "tcsh")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))


def run(args: argparse.Namespace, session: Session) -> int:
    import shtab

    from provenv.cli.parser import make_parser, subparsers

    parser = make_parser()
    subparsers(parser)  # fills them
    script = shtab.complete(parser, shell=args.shell)
    session.answer(
        "completion",
        lambda: {"shell": args.shell, "script": script},
        lambda screen: screen.line(script),
    )
    return 0

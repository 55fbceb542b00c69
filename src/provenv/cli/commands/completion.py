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

    from provenv.cli.parser import make_parser, with_subparsers

    parser = make_parser()
    for command in with_subparsers(parser):
        for action in command._actions:  # noqa: SLF001  # argparse has no public way to ask
            if action.dest == "command":
                action.help = None  # hidden from the help, which lists them in groups
            elif action.dest in ("directory", "folder"):
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]  # shtab reads it
            elif action.dest == "words":
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    script = shtab.complete(parser, shell=args.shell)
    session.answer(
        "completion",
        lambda: {"shell": args.shell, "script": script},
        lambda screen: screen.line(script),
    )
    return 0

"""``provenv evidence checkpoint``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from provenv.cli.commands.evidence_show import project_of
from provenv.cli.draw import Screen, many, short_path
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.assuring.evidence import Anchored

DESCRIPTION = """\
Sign how long the evidence log is and how it ends. Whoever can write the log cannot make it look longer,
shorter or other than it was signed, as long as the key and the checkpoints are out of their reach:
--checkpoints names a folder on another machine. A log that was changed is not signed."""
EXAMPLES = (
    ("provenv evidence checkpoint", "with the only key of this machine"),
    ("provenv evidence checkpoint --key audit --checkpoints /mnt/audit", "kept elsewhere"),
)
PROJECT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_key(parser)
    parser.add_argument("--checkpoints", metavar="DIR", help="where to keep it (the home folder)")


def add_key(parser: argparse.ArgumentParser) -> None:
    """``--key``."""
    parser.add_argument("--key", metavar="KEY", help="a key of this machine by its name, or a file")


def key_of(args: argparse.Namespace) -> str | None:
    """The key that is asked for: by its name, or by its whole path."""
    asked: str | None = args.key
    return os.path.abspath(asked) if asked and (os.sep in asked or os.path.isfile(asked)) else asked


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.assuring.evidence import checkpoint

    folder = None if args.checkpoints is None else os.path.abspath(args.checkpoints)
    made = checkpoint(project_of(session), session.context, key=key_of(args), folder=folder)
    session.report("evidence-checkpoint", lambda: data(made), lambda screen: text(made, screen))
    return 0


def text(made: Anchored, screen: Screen) -> None:
    count = many(made.checkpoint.size, "record")
    screen.line(f"{screen.paint('good', 'signed')} {count} by {made.key.label or made.key.id[:12]}")
    screen.line(screen.paint("dim", f"  {short_path(made.file)}"))


def data(made: Anchored) -> dict[str, Any]:
    one = made.checkpoint
    return {
        "file": made.file,
        "log": one.log,
        "records": one.size,
        "head": one.head,
        "time": one.time,
        "key": made.key.id,
    }

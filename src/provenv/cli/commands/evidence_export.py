"""``provenv evidence export``."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from provenv.cli.commands.evidence_checkpoint import add_key, key_of
from provenv.cli.commands.evidence_show import project_of
from provenv.cli.draw import Screen, many, short_path
from provenv.cli.session import Session
from provenv.core.errors import UsageError

if TYPE_CHECKING:
    from provenv.workspace.assuring.evidence import Exported

DESCRIPTION = """\
Verdicts for the tools of others: in-toto Statements with SLSA's Verification Summary, each in a signed DSSE
envelope, one a line. Their subjects are the locks and the generations that were made of them."""
EXAMPLES = (
    ("provenv evidence export --output verdicts.intoto.jsonl", "all of them"),
    ("provenv evidence export --latest", "the last one, on standard output"),
)
PROJECT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("in-toto",), default="in-toto", help="in-toto")
    parser.add_argument(
        "--latest", action="store_true", help="the last verdict on a lock of the project alone"
    )
    parser.add_argument("--output", metavar="FILE", help="write it there, not to standard output")
    add_key(parser)


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.assuring.evidence import export

    if session.options.json and args.output is None:
        raise UsageError("--json says what was written: it goes with --output FILE")
    made = export(project_of(session), session.context, key=key_of(args), latest=args.latest)
    lines = "".join(one.as_text() for one in made.envelopes)
    if args.output is None:
        session.progress.close()
        sys.stdout.write(lines)
        return 0
    from provenv.core.files import write_atomic

    path = os.path.abspath(args.output)
    write_atomic(path, lines.encode())
    session.report("evidence-export", lambda: data(made, path), lambda s: text(made, path, s))
    return 0


def text(made: Exported, path: str, screen: Screen) -> None:
    count = many(len(made.envelopes), "statement")
    screen.line(f"{screen.paint('good', 'written')} {count} to {short_path(path)}")


def data(made: Exported, path: str) -> dict[str, Any]:
    return {"file": path, "statements": len(made.envelopes), "key": made.key.id}

"""``provenv evidence seal``."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from provenv.cli.commands.evidence_show import project_of
from provenv.cli.draw import Screen, many, short_path
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.evidence.log import Sealed

DESCRIPTION = """\
Put records that are older than a limit away, as one compressed file beside the log whose digest a new
record names. Nothing is deleted: `provenv evidence verify` and `show` read sealed records as all others."""
EXAMPLES = (("provenv evidence seal --older-than 400d", "what is older than 400 days"),)
PROJECT = True
_LONGEST = timedelta(days=36_500)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--older-than", required=True, type=_age, metavar="AGE",
                        help="30d, 52w; the newest record always stays")  # fmt: skip


def _age(text: str) -> timedelta:
    from provenv.model.amounts import age

    try:
        return min(timedelta(seconds=age(text)), _LONGEST)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.assuring.evidence import seal

    made = seal(project_of(session), session.context, older=args.older_than)
    session.report("evidence-seal", lambda: data(made), lambda screen: text(made, screen))
    return 0


def text(made: Sealed | None, screen: Screen) -> None:
    if made is None:
        screen.line("nothing to seal: no record is older")
        return
    count = many(made.last - made.first + 1, "record")
    screen.line(f"{screen.paint('good', 'sealed')} {count} in {short_path(made.file)}")


def data(made: Sealed | None) -> dict[str, Any]:
    return {
        "sealed": made is not None,
        "file": None if made is None else made.file,
        "sha256": None if made is None else made.sha256,
        "first": None if made is None else made.first,
        "last": None if made is None else made.last,
    }

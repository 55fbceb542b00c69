"""What ``add`` and ``remove`` share: where a requirement stands, and how the result is told."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli import syncing
from provenv.cli.changes import LIMIT, changes_data, draw_changes
from provenv.cli.draw import Screen
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.syncing.edit import EditResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--group", metavar="NAME", help="in this dependency group")
    where.add_argument("--optional", metavar="EXTRA", help="in this extra")
    parser.add_argument("--no-sync", action="store_true", help="lock, and leave the environment")


def report(verb: str, said: str, what: Sequence[str], result: EditResult, session: Session) -> None:
    """Tell what was written, what moved in the lock, and what became of the environment."""

    def text(screen: Screen) -> None:
        joint = "to" if verb == "add" else "from"
        screen.prose(screen.paint("good", said), f"{', '.join(what)} {joint} {result.place}")
        limit = None if session.options.verbose else LIMIT
        if result.sync is None:
            draw_changes(result.changes, screen, limit=limit)
        else:
            syncing.text(result.sync, screen, verbose=session.options.verbose)

    session.report(verb, lambda: data(result), text)


def data(result: EditResult) -> dict[str, Any]:
    return {
        "requirements": list(result.requirements),
        "place": result.place,
        "changes": changes_data(result.changes),
        "sync": syncing.data(result.sync) if result.sync is not None else None,
    }

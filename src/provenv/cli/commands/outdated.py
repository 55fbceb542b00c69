"""``provenv outdated``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, many
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.resolve.outdated import Newest

DESCRIPTION = """\
What is newer than the lock: the newest version that pyproject.toml allows, and the newest there
is. Exit code 3 where an index did not say for some package."""
EXAMPLES = (
    ("provenv outdated", "what could be upgraded"),
    ("provenv lock --upgrade-package NAME", "then upgrades one"),
)
PROJECT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="list what is up to date, too")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.syncing.inspection import outdated

    found = outdated(session.project, session.context)
    session.answer(
        "outdated",
        lambda: data(found),
        lambda screen: text(found, screen, everything=args.all),
    )
    return 3 if any(item.inconclusive for item in found) else 0


def text(found: Sequence[Newest], screen: Screen, *, everything: bool = False) -> None:
    paint = screen.paint
    shown = [item for item in found if everything or item.outdated or item.inconclusive]
    rows = [
        (item.name, item.locked, _allowed(item, screen), _latest(item, screen)) for item in shown
    ]
    if rows:
        screen.table(rows, head=("package", "locked", "allowed", "latest"))
    if not any(item.outdated for item in found):
        known = sum(item.inconclusive is None for item in found)
        screen.line(f"{paint('good', 'up to date')}: {many(known, 'package')}")


def _allowed(item: Newest, screen: Screen) -> str:
    if item.allowed is None:
        return "-"
    return screen.paint("good", item.allowed) if item.allowed != item.locked else item.allowed


def _latest(item: Newest, screen: Screen) -> str:
    if item.latest is None:
        return screen.paint("warn", f"unknown: {item.inconclusive}")
    held = item.outdated and item.latest != item.allowed
    return screen.paint("warn", item.latest) if held else item.latest


def data(found: Sequence[Newest]) -> dict[str, Any]:
    return {
        "packages": [
            {
                "name": item.name,
                "locked": item.locked,
                "allowed": item.allowed,
                "latest": item.latest,
                "outdated": item.outdated,
                "index": item.index,
                "inconclusive": item.inconclusive,
            }
            for item in found
        ]
    }

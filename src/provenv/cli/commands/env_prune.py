"""``provenv env prune``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, many, short_path
from provenv.cli.session import Session
from provenv.model import amounts

if TYPE_CHECKING:
    from provenv.workspace.named.pruning import Leftover, PruneResult

DESCRIPTION = """\
Remove what nobody can use any more: the store's links to environments that are gone, environments that
were never finished, and those that their project no longer declares. What a process runs in stays, and
so does every file that provenv did not make. Asks first; exit code 1 where the answer is no."""
EXAMPLES = (
    ("provenv env prune --dry-run", "only say what would go"),
    ("provenv env prune --older-than 90d --yes", "also what nobody used for 90 days; do not ask"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--older-than", type=_days, metavar="AGE", help="also those unused for so long: 90d, 12w"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _days(text: str) -> float:
    try:
        return amounts.age(text) / 86400
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.cli.asking import confirm
    from provenv.workspace.named.pruning import find_leftovers, prune

    found = find_leftovers(session.context, unused_days=args.older_than)
    if args.dry_run:
        session.answer("env-prune", lambda: data(found), lambda screen: text(found, screen))
        return 0
    if found.count:
        if not args.yes and not session.options.json:
            _draw(found.links, found.removed, session.alarm)
        confirm(session, f"Remove {_gone(found)}?", yes=args.yes)
    done = prune(session.context, found)
    session.report("env-prune", lambda: data(done), lambda screen: text(done, screen))
    return 0


def text(result: PruneResult, screen: Screen) -> None:
    paint = screen.paint
    _draw(result.links, result.removed, screen)
    for item in result.kept:
        screen.line(paint("dim", f"  kept: {short_path(item.listed.folder)}: {item.reason}"))
    for path in result.left:
        screen.line(f"  {paint('warn', 'left')} {short_path(path)}: provenv did not make it")
    if not result.count:
        screen.line("nothing to prune")
        return
    done = "would remove" if result.dry_run else paint("good", "removed")
    screen.line(f"{done} {_gone(result)}")
    if result.removed and not result.dry_run:
        screen.line(paint("dim", "`provenv gc` frees what they held of the store"))


def _draw(links: Sequence[Leftover], removed: Sequence[Leftover], screen: Screen) -> None:
    for item in (*links, *removed):
        what = "link" if item.link else f"{item.listed.name or '?'}"
        path = short_path(item.listed.folder)
        screen.line(f"  {screen.paint('bad', '-')} {what:8} {path}: {item.reason}")


def _gone(result: PruneResult) -> str:
    parts = [
        many(len(result.removed), "environment") if result.removed else "",
        many(len(result.links), "link") if result.links else "",
    ]
    return " and ".join(part for part in parts if part) or "nothing"


def data(result: PruneResult) -> dict[str, Any]:
    return {
        "dry_run": result.dry_run,
        "links": [_item(item) for item in result.links],
        "removed": [_item(item) for item in result.removed],
        "kept": [_item(item) for item in result.kept],
        "left": list(result.left),
    }


def _item(item: Leftover) -> dict[str, Any]:
    return {
        "name": item.listed.name,
        "project": item.listed.project,
        "folder": item.listed.folder,
        "state": item.listed.state,
        "reason": item.reason,
    }

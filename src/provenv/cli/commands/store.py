"""``provenv store path|list|gc``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, many, seconds, short_path, size
from provenv.cli.options import add_common
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.proving.storage import GcResult, StoredItem

DESCRIPTION = """\
What all projects share: every wheel once, unpacked and verified. `gc` keeps every current
generation, the last N others, and what a running process uses."""
EXAMPLES = (
    ("provenv store path", "where it is"),
    ("provenv store list", "what lies there, how large, who holds it"),
    ("provenv store gc --dry-run", "what nobody needs any more"),
)
HELPS = {
    "path": "where the store is",
    "list": "what lies there, how large it is, who holds it",
    "gc": "remove what nothing needs",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
    for name, text in HELPS.items():
        below = actions.add_parser(name, help=text, description=f"{text.capitalize()}.")
        if name == "gc":
            below.add_argument(
                "--keep", type=_count, metavar="N", help="former generations to keep (5)"
            )
            below.add_argument("--dry-run", action="store_true", help="only say what would go")
        add_common(below)


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of generations")
    return int(text)


def run(args: argparse.Namespace, session: Session) -> int:
    return {"path": _path, "list": _list, "gc": _gc}[args.action](args, session)


def _path(args: argparse.Namespace, session: Session) -> int:  # noqa: ARG001  # every action's shape
    home = session.context.home.root
    store = os.path.join(home, "store")
    session.answer("store-path", lambda: {"home": home, "store": store}, lambda s: s.line(store))
    return 0


def _list(args: argparse.Namespace, session: Session) -> int:  # noqa: ARG001  # every action's shape
    from provenv.workspace.proving.storage import list_store

    items = list_store(session.context)
    session.answer("store-list", lambda: list_data(items), lambda s: list_text(items, s))
    return 0


def list_text(items: Sequence[StoredItem], screen: Screen) -> None:
    rows = [
        (
            item.name,
            item.version,
            f"{size(item.size):>7}",
            screen.paint("dim", item.sha256[:8]),
            ", ".join(map(short_path, item.holders)) or screen.paint("dim", "nobody"),
        )
        for item in items
    ]
    screen.table(rows, head=("package", "version", "   size", "sha256", "held by"))
    total = sum(item.size for item in items)
    screen.line(screen.paint("dim", f"{many(len(items), 'package')}, {size(total)}"))


def list_data(items: Sequence[StoredItem]) -> dict[str, Any]:
    return {
        "objects": [
            {
                "sha256": item.sha256,
                "name": item.name,
                "version": item.version,
                "size": item.size,
                "held_by": list(item.holders),
            }
            for item in items
        ],
        "size": sum(item.size for item in items),
    }


def _gc(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.proving.storage import gc

    result = gc(session.context, keep=args.keep, dry_run=args.dry_run)
    tell = session.answer if args.dry_run else session.report
    tell("store-gc", lambda: gc_data(result), lambda screen: gc_text(result, screen))
    return 0


def gc_text(result: GcResult, screen: Screen) -> None:
    paint = screen.paint
    for folder, number in result.generations:
        screen.line(f"  {paint('bad', '-')} {short_path(folder)}, generation {number}")
    for folder, number in result.in_use:
        screen.line(paint("dim", f"  kept, in use: {short_path(folder)}, generation {number}"))
    for folder, number in result.edited:
        screen.line(paint("dim", f"  kept, edited: {short_path(folder)}, generation {number}"))
    for folder in result.missing:
        screen.line(paint("dim", f"  not there any more: {short_path(folder)}"))
    done = "would remove" if result.dry_run else paint("good", "removed")
    gone = f"{many(len(result.generations), 'generation')}, {many(result.objects, 'package')}"
    took = paint("dim", f"in {seconds(result.seconds)}")
    screen.line(f"{done} {gone} ({size(result.freed)}) {took}; {result.kept:,} stay")


def gc_data(result: GcResult) -> dict[str, Any]:
    return {
        "dry_run": result.dry_run,
        "generations": _generations(result.generations),
        "objects": result.objects,
        "freed": result.freed,
        "kept": result.kept,
        "in_use": _generations(result.in_use),
        "edited": _generations(result.edited),
        "missing": list(result.missing),
        "seconds": round(result.seconds, 4),
    }


def _generations(pairs: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"folder": folder, "generation": number} for folder, number in pairs]

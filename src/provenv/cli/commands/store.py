"""``provenv store path|list|gc``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from provenv.cli.commands import gc
from provenv.cli.draw import Screen, many, short_path, size
from provenv.cli.options import add_common
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.proving.storage import Storage

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
            gc.add_arguments(below)
        add_common(below)


def run(args: argparse.Namespace, session: Session) -> int:
    return {"path": _path, "list": _list, "gc": gc.run}[args.action](args, session)


def _path(args: argparse.Namespace, session: Session) -> int:  # noqa: ARG001  # every action's shape
    home = session.context.home.root
    store = os.path.join(home, "store")
    session.answer("store-path", lambda: {"home": home, "store": store}, lambda s: s.line(store))
    return 0


def _list(args: argparse.Namespace, session: Session) -> int:  # noqa: ARG001  # every action's shape
    from provenv.workspace.proving.storage import look_into_store

    found = look_into_store(session.context)
    session.answer("store-list", lambda: list_data(found), lambda s: list_text(found, s))
    return 0


def list_text(found: Storage, screen: Screen) -> None:
    rows = [
        (
            item.name,
            item.version,
            f"{size(item.disk):>7}",
            screen.paint("dim", item.sha256[:8]),
            ", ".join(map(short_path, item.holders)) or screen.paint("dim", "nobody"),
        )
        for item in found.items
    ]
    screen.table(rows, head=("package", "version", "   size", "sha256", "held by"))
    screen.line(screen.paint("dim", many(len(found.items), "package")))
    gc.size_text(found.size, screen)


def list_data(found: Storage) -> dict[str, Any]:
    return {
        "objects": [
            {
                "sha256": item.sha256,
                "name": item.name,
                "version": item.version,
                "size": item.size,
                "disk": item.disk,
                "held_by": list(item.holders),
            }
            for item in found.items
        ],
        "size": sum(item.size for item in found.items),
        "disk": gc.size_data(found.size),
    }

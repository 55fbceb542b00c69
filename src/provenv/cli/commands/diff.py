"""``provenv diff``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from provenv.cli.changes import changes_data, draw_changes
from provenv.cli.draw import Screen
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.history import DiffResult

DESCRIPTION = """\
What differs between two generations: by default between the one in use before and the current
one."""
EXAMPLES = (
    ("provenv diff", "what the last change changed"),
    ("provenv diff 3 5", "between two generations"),
    ("provenv diff 3", "from generation 3 to the current one"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", nargs="?", type=int, metavar="A", help="a generation's number")
    parser.add_argument("after", nargs="?", type=int, metavar="B", help="another (the current one)")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.history import diff

    target = session.target
    result = diff(target.project, args.before, args.after, environment=target.environment)
    session.answer("diff", lambda: data(result), lambda screen: text(result, screen))
    return 0


def text(result: DiffResult, screen: Screen) -> None:
    screen.line(screen.paint("strong", f"generation {result.before} → {result.after}"))
    differs = False
    for title, (before, after) in (("Python", result.python), ("link mode", result.link_mode)):
        if before != after:
            differs = True
            screen.line(f"  {screen.paint('warn', '~')} {title} {before} → {after}")
    draw_changes(result.changes, screen)
    if not differs and not result.changes:
        screen.line("  no difference")


def data(result: DiffResult) -> dict[str, Any]:
    return {
        "before": result.before,
        "after": result.after,
        "changes": changes_data(result.changes),
        "python": {"before": result.python[0], "after": result.python[1]},
        "link_mode": {"before": result.link_mode[0], "after": result.link_mode[1]},
    }

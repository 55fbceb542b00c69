"""``provenv rollback``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from provenv.cli.changes import LIMIT, changes_data, draw_changes
from provenv.cli.draw import Screen, seconds
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.syncing.history import RollbackResult

DESCRIPTION = """\
Go back to an earlier generation: at once, offline, with the lock and the requirements in
pyproject.toml as they were then (comments and everything else stay)."""
EXAMPLES = (
    ("provenv rollback", "to the one in use before; twice: forth again"),
    ("provenv rollback --to 3", "to generation 3 (see `provenv history`)"),
    ("provenv rollback --environment-only", "leave pyproject.toml and the lock alone"),
    ("provenv rollback --despite-policy 'site is down'", "to what a policy refuses today"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", type=int, metavar="N", help="the generation's number")
    parser.add_argument(
        "--environment-only", action="store_true", help="leave the project's files alone"
    )
    parser.add_argument(
        "--despite-policy",
        metavar="REASON",
        help="go back to what a policy refuses; it may be used for a day, and the reason is recorded",
    )


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.syncing.history import rollback

    target = session.target
    result = rollback(
        target.project,
        session.context,
        environment=target.environment,
        to=args.to,
        environment_only=args.environment_only,
        despite=args.despite_policy,
    )
    limit = None if session.options.verbose else LIMIT
    session.report("rollback", lambda: data(result), lambda screen: text(result, screen, limit))
    return 0


def text(result: RollbackResult, screen: Screen, limit: int | None = LIMIT) -> None:
    name = screen.paint("strong", result.environment)
    number = screen.paint("good", f"generation {result.generation}")
    took = screen.paint("dim", f"in {seconds(result.seconds)}")
    screen.line(f"{name}: back at {number} {took}")
    draw_changes(result.changes, screen, limit=limit)
    if result.restored:
        screen.line(f"restored {', '.join(result.restored)}")


def data(result: RollbackResult) -> dict[str, Any]:
    return {
        "environment": result.environment,
        "folder": result.folder,
        "generation": result.generation,
        "previous": result.previous,
        "changes": changes_data(result.changes),
        "restored": list(result.restored),
        "seconds": round(result.seconds, 4),
    }

"""``provenv python upgrade``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, many, short_path
from provenv.cli.pythons import add_mirror, mirror
from provenv.cli.session import Session
from provenv.core.errors import UsageError

if TYPE_CHECKING:
    from provenv.workspace.syncing.upgrading import PythonMove

DESCRIPTION = """\
Move environments to the newest patch release of their Python that is here: those of the project, or one
with -e. The packages stay as they are, and `provenv rollback` goes back."""
EXAMPLES = (
    ("provenv python upgrade --dry-run", "which environments would move"),
    ("provenv python upgrade --all", "all environments on this machine"),
    ("provenv python upgrade 3.13 --install", "install a newer 3.13 first, where there is one"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "request", nargs="?", metavar="REQUEST", help="only environments with such a Python"
    )
    parser.add_argument("--all", action="store_true", help="of all projects on this machine")
    parser.add_argument(
        "--install", action="store_true", help="install a newer patch release where there is one"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would move")
    add_mirror(parser)


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.cli import targets
    from provenv.workspace.syncing import upgrading

    named = bool(session.options.environments)
    if args.all and named:
        raise UsageError("--all means every environment: no --environment")
    chosen = None
    if named:
        chosen = [
            (target.project, target.project.manifest.environment(target.environment))
            for target in targets.several(session)
        ]
    elif not args.all:
        chosen = upgrading.made(session.project)
    moves = upgrading.upgrade_pythons(
        session.context,
        chosen,
        request=args.request,
        install=args.install,
        mirror=mirror(args.mirror),
        dry_run=args.dry_run,
    )
    tell = session.answer if args.dry_run else session.report
    tell(
        "python-upgrade",
        lambda: data(moves, dry_run=args.dry_run),
        lambda screen: text(moves, screen),
    )
    return max((move.exit_code for move in moves), default=0)


def text(moves: Sequence[PythonMove], screen: Screen) -> None:
    paint = screen.paint
    for move in moves:
        where = short_path(move.root or move.folder)
        name = move.environment if where == "." else f"{where}, {move.environment}"
        if move.state in ("moved", "would-move"):
            made = f"generation {move.generation}" if move.generation else "would move"
            said = f"{move.before} → {paint('good', move.after)}  {made}"
        elif move.state == "newest":
            said = f"{move.before} is the newest here"
        else:
            style = "bad" if move.state == "failed" else "warn"
            said = f"{move.before} {paint(style, 'stays')}: {move.reason}"
        screen.line(f"{name}: {said}")
    moved = sum(move.state in ("moved", "would-move") for move in moves)
    if any(move.generation for move in moves):
        screen.line(paint("dim", "`provenv rollback` goes back"))
    if not moves:
        screen.line("no environment has such a Python")
    elif not moved:
        screen.line(paint("dim", f"nothing to do for {many(len(moves), 'environment')}"))


def data(moves: Sequence[PythonMove], *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "environments": [
            {
                "root": move.root,
                "environment": move.environment,
                "folder": move.folder,
                "before": move.before,
                "after": move.after,
                "executable": move.executable or None,
                "generation": move.generation,
                "state": move.state,
                "reason": move.reason,
                "exit_code": move.exit_code,
            }
            for move in moves
        ],
    }

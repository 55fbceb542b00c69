"""``provenv lock``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from provenv.cli.changes import LIMIT, changes_data, draw_changes
from provenv.cli.draw import Screen, many, seconds
from provenv.cli.session import Session
from provenv.core.errors import UsageError

if TYPE_CHECKING:
    from provenv.workspace.locking import LockResult

DESCRIPTION = """\
Decide every version: pyproject.toml → pylock.toml (PEP 751), for all environments and platforms.
What is locked stays where it is, unless it must move or is to be upgraded."""
EXAMPLES = (
    ("provenv lock", "after editing pyproject.toml"),
    ("provenv lock --check", "in CI: exit 1 where the lock is stale"),
    ("provenv lock --upgrade --dry-run", "what an upgrade would move"),
    ("provenv lock --upgrade-package django", "upgrade one package"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="only say whether the lock is stale")
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would move, write nothing"
    )
    parser.add_argument("--upgrade", action="store_true", help="forget all locked versions")
    parser.add_argument(
        "--upgrade-package",
        action="append",
        default=[],
        metavar="NAME",
        help="forget the locked version of NAME; can be repeated",
    )
    parser.add_argument("--python", metavar="REQUEST", help="interpreter to ask about metadata")


def run(args: argparse.Namespace, session: Session) -> int:
    from packaging.utils import canonicalize_name

    from provenv.workspace.locking import lock

    if args.check and (args.upgrade or args.upgrade_package or args.dry_run):
        raise UsageError("--check asks about the lock as it is: it goes with no other option")
    names = frozenset(canonicalize_name(name) for name in args.upgrade_package)
    result = lock(
        session.project,
        session.context,
        upgrade=args.upgrade or names,
        check=args.check,
        dry_run=args.dry_run,
        python=session.request(args.python),
    )
    tell = session.answer if args.dry_run else session.report
    limit = None if session.options.verbose or args.dry_run else LIMIT
    tell("lock", lambda: data(result), lambda screen: text(result, screen, limit=limit))
    return 0


def text(result: LockResult, screen: Screen, *, limit: int | None) -> None:
    name = screen.paint("strong", ", ".join(result.files))
    packages = many(result.packages, "package")
    if not result.changed:
        screen.line(f"{name}: nothing to do: {packages}")
        return
    done = screen.paint("good", "locked") if result.written else "would lock"
    took = screen.paint("dim", f"in {seconds(result.seconds)}")
    screen.line(f"{name}: {done} {packages} {took}")
    draw_changes(result.changes, screen, limit=limit)


def data(result: LockResult) -> dict[str, Any]:
    return {
        "changed": result.changed,
        "written": result.written,
        "files": list(result.files),
        "packages": result.packages,
        "changes": changes_data(result.changes),
        "seconds": round(result.seconds, 4),
    }

"""``provenv remove``."""

from __future__ import annotations

import argparse

from provenv.cli import editing
from provenv.cli.session import Session

DESCRIPTION = """\
Take requirements out of pyproject.toml (comments and order stay), lock, and sync. Where anything
fails, every file is as it was."""
EXAMPLES = (
    ("provenv remove httpx", "from the project's dependencies"),
    ("provenv remove --group test pytest", "from a dependency group"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="NAME", help="what to remove")
    editing.add_arguments(parser)


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.syncing.edit import remove

    target = session.target
    result = remove(
        target.project,
        session.context,
        args.names,
        group=args.group,
        optional=args.optional,
        synced=not args.no_sync,
        environment=target.environment,
    )
    editing.report("remove", "removed", args.names, result, session)
    return 0

"""``provenv add``."""

from __future__ import annotations

import argparse

from provenv.cli import editing
from provenv.cli.session import Session

DESCRIPTION = """\
Write requirements into pyproject.toml (comments and order stay), lock, and sync. Where anything
fails, every file is as it was. A name without a version gets the locked version as lower bound."""
EXAMPLES = (
    ("provenv add httpx", "the newest version that fits"),
    ("provenv add 'django>=5,<6' 'uvicorn[standard]'", "with bounds, with an extra"),
    ("provenv add --group test pytest", "to a dependency group"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "requirements", nargs="+", metavar="REQUIREMENT", help="what to add, as in PEP 508"
    )
    editing.add_arguments(parser)


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.syncing.edit import add

    target = session.target
    result = add(
        target.project,
        session.context,
        args.requirements,
        group=args.group,
        optional=args.optional,
        synced=not args.no_sync,
        environment=target.environment,
    )
    editing.report("add", "added", result.requirements, result, session)
    return 0

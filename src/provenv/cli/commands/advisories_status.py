"""``provenv advisories status``."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from provenv.cli.advising import facts_data
from provenv.cli.draw import Screen, ago, many
from provenv.cli.session import Session

DESCRIPTION = """\
Which advisories are here, from where, how old, and the digest that verdicts name. Exit code 3 where
there are none."""
EXAMPLES = (("provenv advisories status --json", "for a monitor"),)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # it takes none


def run(args: argparse.Namespace, session: Session) -> int:  # noqa: ARG001  # every action's shape
    from provenv.workspace.governing.advisories import age, read_status

    facts = read_status(session.context)
    now = datetime.now(UTC)

    def text(screen: Screen) -> None:
        screen.line(
            f"{many(facts.records, 'advisory', 'advisories')} about {many(facts.packages, 'package')}"
        )
        screen.line(
            f"  fetched    {facts.imported} ({ago(facts.imported, now)}) from {facts.source}"
        )
        screen.line(f"  newest     {facts.newest}")
        screen.line(f"  exploited  {facts.exploited or 'not here (--kev)'}")
        screen.line(f"  EPSS       {facts.likely or 'not here (--epss)'}")
        screen.line(f"  digest     {facts.digest}")

    session.answer("advisories-status", lambda: facts_data(facts, age(facts, now)), text)
    return 0

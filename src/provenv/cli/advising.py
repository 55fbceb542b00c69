"""What the commands about advisories share: how the data is told, as text and as JSON."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, ago, many
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.audit.database import Facts
    from provenv.audit.releases import Spoken
    from provenv.workspace.governing.advisories import Update
    from provenv.workspace.governing.releases import Inquiry


def add_force(parser: argparse.ArgumentParser) -> None:
    """``--force``: data that looks like a step back."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="also data that is older, or much smaller, than what is here",
    )


def told(session: Session, verb: str, done: Update, *, asked: Inquiry | None = None) -> None:
    """Report an import or an update; ``asked``: what came of asking indexes."""

    def text(screen: Screen) -> None:
        facts = done.facts
        what = many(facts.records, "advisory", "advisories")
        if done.already:
            screen.line(f"nothing new: {what}")
        else:
            _moved(screen, done, what)
        if asked is not None:
            news = f"{asked.changed} with news" if asked.changed else "nothing new"
            screen.line(f"indexes asked about {many(asked.asked, 'package')}: {news}")

    def data() -> dict[str, Any]:
        return {
            "added": done.added,
            "changed": done.changed,
            "removed": done.removed,
            "advisories": facts_data(done.facts, None),
            "indexes": None if asked is None else inquiry_data(asked),
        }

    session.report(verb, data, text)


def inquiry_data(asked: Inquiry) -> dict[str, Any]:
    """What came of asking indexes."""
    return {
        "asked": asked.asked,
        "changed": asked.changed,
        "silent": asked.silent,
        "failed": [{"index": index, "reason": reason} for index, reason in asked.failed],
    }


def _moved(screen: Screen, done: Update, what: str) -> None:
    moved = f"{done.added} new, {done.changed} changed, {done.removed} gone"
    about = many(done.facts.packages, "package")
    screen.line(f"{screen.paint('good', what)} about {about}: {moved}")


def facts_data(facts: Facts, age: timedelta | None) -> dict[str, Any]:
    """The data about the data."""
    made = {
        "digest": facts.digest,
        "imported": facts.imported,
        "source": facts.source,
        "newest": facts.newest,
        "records": facts.records,
        "packages": facts.packages,
        "exploited": facts.exploited,
        "likely": facts.likely,
    }
    return made if age is None else {**made, "age_seconds": int(age.total_seconds())}


def indexes_data(spoken: Spoken) -> dict[str, Any]:
    """What is known from indexes, and since when."""
    return {
        "known": spoken.known,
        "of": spoken.of,
        "oldest": moment(spoken.oldest),
        "digest": spoken.digest,
    }


def indexes_words(spoken: Spoken, now: datetime) -> str:
    """The same in a few words, for the end of a line; nothing where nothing comes from an index."""
    if spoken.oldest is None:
        return "; indexes never asked" if spoken.of else ""
    when = ago(spoken.oldest.isoformat(), now)
    lacking = spoken.of - spoken.known
    return f"; indexes asked {when}" + (f", not about {lacking} of {spoken.of}" if lacking else "")


def moment(when: datetime | None) -> str | None:
    """A time as JSON has it."""
    return when.isoformat(timespec="seconds") if when is not None else None

"""``provenv outdated``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, many
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.resolve.outdated import Newest
    from provenv.workspace.syncing.lagging import Lag, LagResult

DESCRIPTION = """\
What is newer than the lock: the newest version that pyproject.toml allows, and the newest there
is. Exit code 3 where an index did not say for some package.

--policy also says what the rules say of the locked version and of the newest, and which newer version
they let in. Exit code 1 where a locked one breaks a rule."""
EXAMPLES = (
    ("provenv outdated", "what could be upgraded"),
    ("provenv outdated --policy", "and what the rules let in"),
    ("provenv lock --upgrade-package NAME", "then upgrades one"),
)
PROJECT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="list what is up to date, too")
    parser.add_argument("--policy", action="store_true", help="hold it against the rules")


def run(args: argparse.Namespace, session: Session) -> int:
    if args.policy:
        return _by_policy(args, session)
    from provenv.workspace.syncing.inspection import outdated

    found = outdated(session.project, session.context)
    session.answer(
        "outdated",
        lambda: data(found),
        lambda screen: text(found, screen, everything=args.all),
    )
    return 3 if any(item.inconclusive for item in found) else 0


def _by_policy(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.syncing.lagging import outdated_by_policy

    result = outdated_by_policy(session.project, session.context)
    session.answer(
        "outdated-policy",
        lambda: policy_data(result),
        lambda screen: policy_text(result, screen, everything=args.all),
    )
    if result.outcome == "fail":
        return 1
    unsaid = any(one.newest.inconclusive for one in result.packages)
    return 3 if unsaid or result.outcome == "inconclusive" else 0


def policy_text(result: LagResult, screen: Screen, *, everything: bool = False) -> None:
    """The table with what the rules let in, and below each row what they say."""
    paint = screen.paint
    shown = [
        one
        for one in result.packages
        if everything or one.newest.outdated or one.newest.inconclusive or one.decisions
    ]
    if shown:
        screen.table(
            [
                (
                    one.newest.name,
                    one.newest.locked,
                    _allowed(one.newest, screen),
                    one.permitted or "-",
                    _latest(one.newest, screen),
                )
                for one in shown
            ],
            head=("package", "locked", "allowed", "permitted", "latest"),
            below=[list(_said(one, screen)) for one in shown],
        )
    for doubt in result.doubts:
        screen.line(f"{paint('warn', 'inconclusive')}  {doubt}")
    styles = {"pass": "good", "fail": "bad", "inconclusive": "warn"}
    verdict = paint(styles[result.outcome], result.outcome)
    screen.line(f"{verdict}: {many(len(result.packages), 'package')} against the rules")


def _said(one: Lag, screen: Screen) -> Iterator[str]:
    for decision in one.decisions:
        state = "waived" if decision.waiver is not None else decision.state
        style = "bad" if decision.counts and state == "broken" else "warn"
        yield f"{screen.paint(style, state)} {decision.rule.id}: {decision.text}"
    if one.excluded is not None:
        yield f"{one.newest.latest} is excluded by {one.excluded.rule}: {one.excluded.why}"


def policy_data(result: LagResult) -> dict[str, Any]:
    """As ``provenv.outdated-policy/1``."""
    return {
        "verdict": result.outcome,
        "packages": [
            {
                **row,
                "permitted": one.permitted,
                "excluded": None
                if one.excluded is None
                else {"rule": one.excluded.rule, "why": one.excluded.why},
                "decisions": [
                    {
                        "rule": decision.rule.id,
                        "state": decision.state,
                        "counts": decision.counts,
                        "text": decision.text,
                    }
                    for decision in one.decisions
                ],
            }
            for one, row in zip(
                result.packages,
                data([one.newest for one in result.packages])["packages"],
                strict=True,
            )
        ],
        "doubts": list(result.doubts),
    }


def text(found: Sequence[Newest], screen: Screen, *, everything: bool = False) -> None:
    paint = screen.paint
    shown = [item for item in found if everything or item.outdated or item.inconclusive]
    rows = [
        (item.name, item.locked, _allowed(item, screen), _latest(item, screen)) for item in shown
    ]
    if rows:
        screen.table(rows, head=("package", "locked", "allowed", "latest"))
    if not any(item.outdated for item in found):
        known = sum(item.inconclusive is None for item in found)
        screen.line(f"{paint('good', 'up to date')}: {many(known, 'package')}")


def _allowed(item: Newest, screen: Screen) -> str:
    if item.allowed is None:
        return "-"
    return screen.paint("good", item.allowed) if item.allowed != item.locked else item.allowed


def _latest(item: Newest, screen: Screen) -> str:
    if item.latest is None:
        return screen.paint("warn", f"unknown: {item.inconclusive}")
    held = item.outdated and item.latest != item.allowed
    return screen.paint("warn", item.latest) if held else item.latest


def data(found: Sequence[Newest]) -> dict[str, Any]:
    return {
        "packages": [
            {
                "name": item.name,
                "locked": item.locked,
                "allowed": item.allowed,
                "latest": item.latest,
                "outdated": item.outdated,
                "index": item.index,
                "inconclusive": item.inconclusive,
            }
            for item in found
        ]
    }

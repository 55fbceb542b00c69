"""``provenv isolation``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, many, short_path
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.examining.isolation import IsolationResult

DESCRIPTION = """\
Prove that an environment is closed. Its interpreter is run with this shell's variables, and again
without them, and says where it looks: itself, its prefix, every entry of sys.path, where pip
installs, what its scripts start, the user site. Each answer is printed with the claim that it
proves. Exit code 1 where one fails."""
EXAMPLES = (
    ("provenv isolation", "of the default environment"),
    ("provenv isolation -q -e prod || exit 1", "by exit code"),
)
ENVIRONMENT = True
_STYLES = {"pass": "good", "fail": "bad", "declared": "warn"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(args: argparse.Namespace, session: Session) -> int:  # noqa: ARG001  # every command's shape
    from provenv.cli.targets import Answer, Target, for_each
    from provenv.workspace.examining.isolation import isolation

    def act(target: Target) -> Answer:
        result = isolation(
            target.project, session.context, start=os.getcwd(), environment=target.environment
        )
        return Answer(
            code=0 if result.ok else 1,
            data=lambda: data(result),
            text=lambda screen: text(result, screen),
        )

    return for_each(session, "isolation", act, tell="verdict")


def text(result: IsolationResult, screen: Screen) -> None:
    paint = screen.paint
    rows = [
        (
            paint(_STYLES[claim.verdict], claim.verdict),
            paint("strong", claim.about),
            claim.claim,
            paint("dim", short_path(claim.evidence)),
        )
        for claim in result.claims
    ]
    screen.table(rows, head=("verdict", "what", "claim", "evidence"))
    failed = sum(claim.verdict == "fail" for claim in result.claims)
    where = f"{result.environment} {paint('dim', short_path(result.folder))}"
    if failed:
        count = f"{many(failed, 'claim')} of {len(result.claims)}"
        verb = "fails" if failed == 1 else "fail"
        screen.line(f"{paint('bad', 'not isolated')}: {count} {verb} for {where}")
    else:
        screen.line(
            f"{paint('good', 'isolated')}: {many(len(result.claims), 'claim')} hold for {where}"
        )


def data(result: IsolationResult) -> dict[str, Any]:
    return {
        "ok": result.ok,
        "environment": result.environment,
        "folder": result.folder,
        "python": result.python or None,
        "claims": [
            {
                "about": claim.about,
                "claim": claim.claim,
                "evidence": claim.evidence,
                "verdict": claim.verdict,
            }
            for claim in result.claims
        ],
    }

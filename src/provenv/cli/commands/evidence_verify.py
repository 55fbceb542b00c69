"""``provenv evidence verify``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from provenv.cli.commands.evidence_show import project_of
from provenv.cli.draw import Screen, many, printable
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.evidence.checking import Check

DESCRIPTION = """\
Whether the evidence log is the one that was written: each record against the one before it, and all of them
against the checkpoints that were signed. Exit code 1 where something was changed; 3 where it cannot be
told, above all where no checkpoint anchors the last records."""
EXAMPLES = (
    ("provenv evidence verify", "with the keys of this machine and of the organisation"),
    ("provenv evidence verify --key audit.pub --checkpoints /mnt/audit", "as an auditor does"),
)
PROJECT = True
_CODES = {"pass": 0, "fail": 1, "inconclusive": 3}
_STYLES = {"pass": "good", "fail": "bad", "inconclusive": "warn"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", action="append", default=[], metavar="PUB",
                        help="trust this public key and no other; can be repeated")  # fmt: skip
    parser.add_argument("--checkpoints", metavar="DIR", help="where the checkpoints are kept")
    parser.add_argument("--accept", action="append", default=[], type=int, metavar="N",
                        help="record N, written with a clock set back, was looked into")  # fmt: skip


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.assuring.evidence import verify

    result = verify(
        project_of(session),
        session.context,
        keys_given=[os.path.abspath(path) for path in args.key],
        folder=None if args.checkpoints is None else os.path.abspath(args.checkpoints),
        accepted=args.accept,
    )
    session.verdict("evidence-verify", lambda: data(result), lambda screen: text(result, screen))
    return _CODES[result.outcome]


def text(result: Check, screen: Screen) -> None:
    for one in result.findings:
        style = "warn" if one.doubt else "bad"
        screen.prose(f"{screen.paint(style, one.problem)}:", printable(one.text))
    for sequence, mark in result.marks:
        if mark == "torn":
            said = f"before record {sequence} a line is torn, and the record says so"
            screen.line(screen.paint("dim", said))
    held = f"{result.anchored} of {many(result.records, 'record')} anchored"
    signed = many(len(result.checkpoints), "checkpoint")
    outcome = screen.paint(_STYLES[result.outcome], result.outcome)
    screen.line(
        f"{outcome}: {held} by {signed} {screen.paint('dim', f'(head {result.head[:12]})')}"
    )


def data(result: Check) -> dict[str, Any]:
    return {
        "verdict": result.outcome,
        "log": result.log or None,
        "records": result.records,
        "head": result.head or None,
        "anchored": result.anchored,
        "findings": [
            {"problem": one.problem, "text": one.text, "record": one.sequence, "doubt": one.doubt}
            for one in result.findings
        ],
        "checkpoints": [
            {
                "size": one.size,
                "head": one.head,
                "time": one.time,
                "key": key.id,
                "label": key.label,
            }
            for one, key in result.checkpoints
        ],
        "marks": [{"record": sequence, "mark": mark} for sequence, mark in result.marks],
    }

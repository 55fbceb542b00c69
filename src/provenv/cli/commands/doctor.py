"""``provenv doctor``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, many, printable, seconds, short_path
from provenv.cli.session import Session
from provenv.core.errors import UsageError

if TYPE_CHECKING:
    from provenv.doctor.rule import Rule
    from provenv.model.finding import Finding, Place
    from provenv.workspace.examining.doctor import DoctorResult

DESCRIPTION = """\
Look for the common mistakes: in the project, in git, in this shell, in the environments, in the
store. Each finding has a number, says what was seen and why it hurts, and names the command that
mends it. Exit code 1 while an error remains. Works outside of projects, too."""
EXAMPLES = (
    ("provenv doctor", "what is wrong here"),
    ("provenv doctor --fix", "mend what can be mended safely"),
    ("provenv doctor --only PV1 --ignore PV113", "some findings only"),
    ("provenv doctor --explain PV104", "what a number means"),
    ("provenv doctor --sarif doctor.sarif", "for a code host or an editor"),
)
ENVIRONMENT = True
_STYLES = {"error": "error", "warning": "warning", "note": "hint"}
_HEADS = {"error": "errors", "warning": "warnings", "note": "notes"}
_PLACES = 5
_INDENT = "       "


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fix", action="store_true", help="mend what can be mended safely")
    parser.add_argument("--only", action="append", type=_codes, default=[], metavar="CODES",
                        help="look for these only: PV101,PV2")  # fmt: skip
    parser.add_argument("--ignore", action="append", type=_codes, default=[], metavar="CODES",
                        help="do not look for these")  # fmt: skip
    parser.add_argument("--sarif", metavar="FILE", help="write SARIF 2.1.0; - is standard output")
    parser.add_argument("--explain", metavar="CODE", help="say what a finding means, and end")


def _codes(text: str) -> list[str]:
    return [code for code in text.replace(",", " ").split() if code]


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.examining import doctor as use_case

    if args.explain is not None:
        rule = use_case.explain(args.explain)
        session.answer("doctor-rule", lambda: rule_data(rule), lambda screen: explain(rule, screen))
        return 0
    if args.sarif == "-" and session.options.json:
        raise UsageError("--sarif - and --json both write to standard output")
    root, names = _environments(session)
    result = use_case.diagnose(
        session.context,
        start=os.getcwd(),
        root=root,
        environments=names,
        only=[code for codes in args.only for code in codes],
        ignore=[code for codes in args.ignore for code in codes],
        fix=args.fix,
    )
    document = use_case.as_sarif(result) if args.sarif is not None else None
    if document is not None and args.sarif != "-":
        from provenv.core.files import write_atomic

        write_atomic(args.sarif, json.dumps(document, indent=2).encode() + b"\n")
    if document is not None and args.sarif == "-":
        session.progress.close()
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        limit = None if session.options.verbose else _PLACES
        session.verdict("doctor", lambda: data(result), lambda screen: text(result, screen, limit))
    return 0 if result.ok else 1


def _environments(session: Session) -> tuple[str | None, list[str]]:
    """Which project, and which of its environments are meant; None and nothing without ``-e``.

    Raises:
        UsageError: There is none of this name, or they lie in several projects.
    """
    if not session.options.environments:
        return None, []
    from provenv.cli.targets import several

    targets = several(session)
    roots = {target.project.root for target in targets}
    if len(roots) > 1:
        raise UsageError(
            f"these environments lie in {len(roots)} projects", hint="Give those of one of them."
        )
    return roots.pop(), [target.name for target in targets]


def text(result: DoctorResult, screen: Screen, limit: int | None = _PLACES) -> None:
    paint = screen.paint
    for item in result.mended:
        if item.failed is None:
            screen.line(f"{paint('good', 'mended')} {item.code}  {item.text}")
        else:
            screen.line(f"{paint('bad', 'not mended')} {item.code}  {item.text}: {item.failed}")
    if result.mended:
        screen.line()
    for weight, group in groupby(result.findings, key=lambda finding: finding.weight):
        screen.line(paint(_STYLES[weight], _HEADS[weight]))
        for _, same in groupby(group, key=lambda finding: finding.code):
            _draw(list(same), screen, limit)
    screen.line(_summary(result, screen))


def _draw(findings: Sequence[Finding], screen: Screen, limit: int | None) -> None:
    """All findings of one code and weight: the title and the reason once, what was seen one by one."""
    first, paint = findings[0], screen.paint
    screen.line(f"{paint(_STYLES[first.weight], first.code)}  {paint('strong', first.title)}")
    for finding in findings:
        screen.block(printable(finding.seen), _INDENT)
        _draw_places(finding.places, screen, limit)
        if finding.mend is not None:
            screen.line(f"{_INDENT}{paint('dim', '$')} {paint('name', printable(finding.mend))}")
    screen.block(f"{first.why} {first.advice or ''}", _INDENT, style="dim")
    screen.line()


def _draw_places(places: Sequence[Place], screen: Screen, limit: int | None) -> None:
    shown = places if limit is None or len(places) <= limit + 1 else places[:limit]
    for place in shown:
        screen.line(f"{_INDENT}  {_place(place)}")
    if len(shown) < len(places):
        more = f"… and {len(places) - len(shown)} more (--verbose)"
        screen.line(f"{_INDENT}  {screen.paint('dim', more)}")


def _place(place: Place) -> str:
    return printable(short_path(place.file)) + (f":{place.line}" if place.line is not None else "")


def _summary(result: DoctorResult, screen: Screen) -> str:
    paint = screen.paint
    took = paint("dim", f"in {seconds(result.seconds)}")
    left = ""
    if result.ignored:
        left = paint("dim", f"; left out as declared: {', '.join(sorted(result.ignored))}")
    if not result.findings:
        where = "" if result.root else " (no project here: shell and machine only)"
        return f"{paint('good', 'nothing found')}{where} {took}{left}"
    parts = []
    for weight, style in (("error", "bad"), ("warning", "warn"), ("note", "dim")):
        number = sum(finding.weight == weight for finding in result.findings)
        if number:
            parts.append(paint(style, many(number, weight)))
    fixable = sum(finding.fixable for finding in result.findings)
    hint = f"; `provenv doctor --fix` mends {fixable}" if fixable and not result.mended else ""
    return f"{', '.join(parts)} {took}{hint}{left}"


def data(result: DoctorResult) -> dict[str, Any]:
    return {
        "ok": result.ok,
        "root": result.root,
        "findings": [
            {
                "code": finding.code,
                "weight": finding.weight,
                "title": finding.title,
                "seen": finding.seen,
                "why": finding.why,
                "mend": finding.mend,
                "advice": finding.advice,
                "places": [{"file": place.file, "line": place.line} for place in finding.places],
                "fixable": finding.fixable,
            }
            for finding in result.findings
        ],
        "ignored": [{"code": code, "reason": why} for code, why in sorted(result.ignored.items())],
        "mended": [
            {"code": item.code, "text": item.text, "failed": item.failed} for item in result.mended
        ],
        "seconds": round(result.seconds, 4),
    }


def explain(rule: Rule, screen: Screen) -> None:
    paint = screen.paint
    screen.line(f"{paint(_STYLES[rule.weight], rule.code)}  {paint('strong', rule.title)}")
    for label, said in (
        ("weight", rule.weight),
        ("seen", rule.sees),
        ("why", rule.why),
        ("to mend", rule.advice),
        ("--fix", "mends it" if rule.fix else "leaves it to you"),
    ):
        screen.line(f"{_INDENT}{paint('dim', label)}")
        screen.block(said, f"{_INDENT}  ")


def rule_data(rule: Rule) -> dict[str, Any]:
    return {
        "code": rule.code,
        "title": rule.title,
        "weight": rule.weight,
        "seen": rule.sees,
        "why": rule.why,
        "advice": rule.advice,
        "fixable": rule.fix is not None,
    }

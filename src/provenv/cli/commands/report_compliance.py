"""``provenv report compliance``."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, short_path
from provenv.cli.session import Session
from provenv.core.errors import UsageError

if TYPE_CHECKING:
    from provenv.workspace.assuring.compliance import Compliance

DESCRIPTION = """\
A page that an auditor can read: what is installed where, what is known against it and for how long,
exceptions with their owners, the policy and when it changed, who changed what, whether the evidence log is
whole, and which control of PCI DSS, HIPAA and SOC 2 each part serves. It says how things stand, and judges
nothing: exit code 0."""
EXAMPLES = (
    (
        "provenv report compliance --output report.html",
        "one page, with charts, that needs no network",
    ),
    ("provenv report compliance --output report.md", "as Markdown"),
    ("provenv report compliance", "as Markdown, on standard output"),
)
PROJECT = True
_ENDINGS = (".html", ".htm", ".md")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", metavar="FILE", help="where to: .html or .md (standard output)")
    parser.add_argument("--key", action="append", default=[], metavar="PUB",
                        help="trust this public key and no other; can be repeated")  # fmt: skip
    parser.add_argument("--checkpoints", metavar="DIR", help="where the checkpoints are kept")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.assuring.compliance import gather
    from provenv.workspace.assuring.pages import as_html, as_markdown

    if args.output is not None and not args.output.endswith(_ENDINGS):
        raise UsageError(
            f"{args.output!r} ends neither in .html nor in .md, which says what to write"
        )
    report = gather(
        session.project,
        session.context,
        keys=[os.path.abspath(path) for path in args.key],
        checkpoints=None if args.checkpoints is None else os.path.abspath(args.checkpoints),
    )
    if args.output is None:
        if session.options.json:
            session.answer("report-compliance", lambda: data(report, None), lambda _: None)
            return 0
        session.progress.close()
        sys.stdout.write(as_markdown(report))
        return 0
    from provenv.core.files import write_atomic

    path = os.path.abspath(args.output)
    made = as_markdown(report) if path.endswith(".md") else as_html(report)
    write_atomic(path, made.encode())
    session.report("report-compliance", lambda: data(report, path), lambda s: text(path, s))
    return 0


def text(path: str, screen: Screen) -> None:
    screen.line(f"{screen.paint('good', 'written')} {short_path(path)}")


def data(report: Compliance, path: str | None) -> dict[str, Any]:
    check, checked = report.check, report.checked
    return {
        "file": path,
        "project": report.title,
        "made": report.made,
        "verdict": None if checked is None else checked.verdict.outcome,
        "policy": None if checked is None else checked.verdict.policy,
        "audit": None if report.audit is None else report.audit.verdict,
        "evidence": None if check is None else check.outcome,
        "environments": [
            {
                "name": one.environment,
                "generation": one.generation,
                "python": one.python,
                "packages": [
                    {
                        "name": name,
                        "version": version,
                        "licence": report.licences.get((name, version)),
                    }
                    for name, version in one.packages
                ],
            }
            for one in report.inventory
        ],
        "findings": [
            {
                "package": one.found.vulnerability.package,
                "version": one.found.vulnerability.version,
                "id": one.found.vulnerability.id,
                "severity": one.found.vulnerability.severity.level,
                "days": one.days,
                "limit": one.limit,
                "state": one.state,
            }
            for one in report.findings
        ],
        "waivers": [
            {
                "waiver": waiver.title,
                "owner": waiver.owner,
                "expires": str(waiver.expires),
                "state": state,
            }
            for waiver, state in report.waivers
        ],
    }

"""``provenv audit``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

from provenv.cli import asking
from provenv.cli.advising import facts_data, indexes_data, indexes_words, moment
from provenv.cli.draw import Screen, ago, many, printable
from provenv.cli.session import Session, json_text
from provenv.core.errors import UsageError

if TYPE_CHECKING:
    from provenv.workspace.assuring.machine import MachineAudit, ProjectAudit
    from provenv.workspace.governing.answering import Before
    from provenv.workspace.governing.auditing import AuditResult, Found, Notice
    from provenv.workspace.projects.context import Project

DESCRIPTION = """\
What is known against the packages of a project: of its locks, for every environment and platform; of
an environment as it really is; of another tool's lock, or an SBOM. Answered offline, from the
advisories of this machine and what indexes said when they were asked. Exit code 1 where something is known,
3 where it cannot be told.

--fix works out the least upgrade that clears the findings, by really resolving it, shows it, and locks
it where the answer is yes."""
EXAMPLES = (
    ("provenv audit", "all environments of this project"),
    ("provenv audit -e prod", "one of them"),
    ("provenv audit --installed", "what really lies in the environment"),
    ("provenv audit poetry.lock", "a lock of another tool, or an SBOM"),
    ("provenv audit --all", "every project of this machine"),
    ("provenv audit --fix", "and what would mend it"),
    ("provenv audit --refresh", "ask the indexes first: yanked? archived? quarantined?"),
    ("provenv audit --format sarif --output audit.sarif", "for a code host"),
    ("provenv audit --format vex --output vex.json", "for whoever gets your SBOM"),
)
ENVIRONMENT = True
_FORMATS = ("text", "sarif", "junit", "vex")
ADVERSE = ("yanked", "removed", "quarantined", "archived", "deprecated", "python-eol")
_CODES = {"pass": 0, "fail": 1, "inconclusive": 3}
_VERDICTS = {"pass": "good", "fail": "bad", "inconclusive": "warn"}
_STYLES = {"critical": "error", "high": "error", "medium": "warning", "low": "warning"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", metavar="PATH",
                        help="a lock of another tool, an SBOM (JSON), a virtual environment")  # fmt: skip
    parser.add_argument("--installed", action="store_true",
                        help="what lies in the environment, not what the lock says")  # fmt: skip
    parser.add_argument("--all", action="store_true",
                        help="every project of this machine, the worst first")  # fmt: skip
    parser.add_argument("--fix", action="store_true",
                        help="propose the least upgrade that clears them, and lock it on yes")  # fmt: skip
    parser.add_argument("--beyond-bounds", action="store_true",
                        help="with --fix: where no version within them helps, change bounds in "
                        "pyproject.toml")  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="with --fix: only show it")
    parser.add_argument("--yes", action="store_true", help="with --fix: lock it without a question")
    parser.add_argument("--refresh", action="store_true",
                        help="ask the indexes of what is locked first (needs the network)")  # fmt: skip
    parser.add_argument("--tolerate", action="append", metavar="KIND", choices=ADVERSE, default=[],
                        help=f"told, and not failed for: {', '.join(ADVERSE)}")  # fmt: skip
    parser.add_argument("--format", choices=_FORMATS, default="text", help="text unless given")
    parser.add_argument("--output", metavar="FILE", help="write it there instead of to the screen")


def run(args: argparse.Namespace, session: Session) -> int:
    _check(args, session)
    if args.fix:
        return _fix(args, session)
    if args.all:
        return _all(args, session)
    root: str | None
    tolerate, own = frozenset(args.tolerate), None
    if args.path is not None:
        from provenv.workspace.assuring.foreign import audit_path

        root, path = os.getcwd(), os.path.abspath(args.path)
        result = audit_path(root, session.context, path, tolerate=tolerate)
        file = path if os.path.isfile(path) else None
    else:
        from provenv.workspace.governing import auditing

        target = session.target if session.options.environments or args.installed else None
        project = session.project if target is None else target.project
        environment = None if target is None else target.name
        whole = not (args.installed or tolerate or args.refresh or session.options.environments)
        before = _look(session, project) if whole else None
        failed = _refresh(project, session) if args.refresh else ()
        result = auditing.audit(
            project,
            session.context,
            environment=environment,
            installed=args.installed,
            tolerate=tolerate,
            besides=[f"{index} was not asked anew: {reason}" for index, reason in failed],
        )
        root, file, own = project.root, project.lock_path(None), project
        if before is not None:
            _remember(session, project, result, before)
    _tell(args, session, result, root, file, own)
    return _CODES[result.verdict]


def _look(session: Session, project: Project) -> Before | None:
    from provenv.workspace.governing import answering

    return answering.look(project, session.context, session.begun)


def _remember(session: Session, project: Project, result: AuditResult, before: Before) -> None:
    """Let the next call that asks for JSON, or nothing but the exit code, have it at once."""
    from provenv.workspace.answered import AGE
    from provenv.workspace.governing import answering

    document = data(result)
    document["advisories"]["age_seconds"] = AGE
    answer = json_text("provenv.audit/1", document)
    answering.remember(project, session.context, result, _CODES[result.verdict], answer, before)


def _refresh(project: Project, session: Session) -> Sequence[tuple[str, str]]:
    from provenv.workspace.governing.asking import refresh

    return refresh(project, session.context).failed


def _check(args: argparse.Namespace, session: Session) -> None:
    if args.path is not None and (args.installed or session.options.environments):
        raise UsageError("a path is audited as it is: neither -e nor --installed goes with it")
    alone = args.path is not None or args.installed or args.format != "text" or args.fix
    if args.all and (alone or session.options.environments):
        raise UsageError(
            "--all audits the locks of all projects: without PATH, -e, --installed, --fix and --format"
        )
    if args.fix and (args.path is not None or args.installed or args.format != "text"):
        raise UsageError(
            "--fix is about the project's own lock: without PATH, --installed and --format"
        )
    if not args.fix and (args.yes or args.dry_run or args.beyond_bounds):
        raise UsageError("--yes, --dry-run and --beyond-bounds go with --fix")
    if args.refresh and (args.path is not None or args.installed or args.all or args.fix):
        raise UsageError(
            "--refresh asks about what the project locks: no path, and not --installed, --all or --fix"
        )
    if args.format != "text" and args.output is None and session.options.json:
        raise UsageError(f"--format {args.format} and --json both write to standard output")
    if args.format == "text" and args.output is not None:
        raise UsageError("--output goes with --format sarif, junit or vex")


def _all(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.assuring.machine import audit_machine
    from provenv.workspace.projects.context import find_root

    here = session.opened if find_root(os.getcwd()) is not None else None
    found = audit_machine(session.context, here, tolerate=frozenset(args.tolerate))
    session.verdict("audit-many", lambda: data_all(found), lambda screen: text_all(found, screen))
    return _CODES[found.verdict]


def text_all(found: MachineAudit, screen: Screen) -> None:
    """One table, the worst first."""
    paint = screen.paint
    rows = [
        (
            paint(_VERDICTS[one.verdict], one.verdict),
            paint("strong", one.title),
            _short(one),
            one.root,
        )
        for one in found.projects
    ]
    screen.table(rows)
    many_ = many(len(found.projects), "project")
    screen.line(f"{paint(_VERDICTS[found.verdict], found.verdict)}: {many_} on this machine")


def _short(one: ProjectAudit) -> str:
    if one.error is not None:
        return one.error.message
    result = one.result
    assert result is not None
    hit = len({found.subject for found in result.findings})
    said = []
    if hit:
        count = many(len(result.findings), "vulnerability", "vulnerabilities")
        worst = result.findings[0].vulnerability
        said.append(f"{count} in {many(hit, 'package')}, first {worst.id} ({worst.package})")
    said += [f"{n.name} {n.version}: {n.kind}" for n in result.notices if not n.tolerated][:2]
    if result.unaudited:
        said.append(f"{many(len(result.unaudited), 'package')} cannot be told")
    said += result.doubts[:1]
    return "; ".join(said) or f"nothing known against {many(len(result.subjects), 'package')}"


def data_all(found: MachineAudit) -> dict[str, Any]:
    """The projects as of ``provenv.VERB-many/1``."""
    return {
        "results": [
            {
                "root": one.root,
                "environment": None,
                "exit_code": _CODES[one.verdict],
                "result": None if one.result is None else data(one.result),
                "error": None if one.error is None else one.error.data(),
            }
            for one in found.projects
        ]
    }


def _fix(args: argparse.Namespace, session: Session) -> int:
    from provenv.cli import mending
    from provenv.workspace.assuring.mending import accept_fix, propose_fix

    target = session.target if session.options.environments else None
    project = session.project if target is None else target.project
    proposal = propose_fix(
        project,
        session.context,
        environment=None if target is None else target.name,
        beyond=args.beyond_bounds,
        tolerate=frozenset(args.tolerate),
    )
    if not session.options.json:
        session.verdict("audit-fix", dict, lambda screen: mending.text(proposal, screen))
    if proposal.changing and not args.dry_run:
        asking.confirm(session, mending.question(proposal), yes=args.yes)
        proposal = accept_fix(proposal, session.context)
    if session.options.json:
        session.verdict("audit-fix", lambda: mending.data(proposal), lambda screen: None)  # noqa: ARG005
    else:
        mending.ending(proposal, session.talk)
    return _CODES[proposal.lies.verdict]


def _tell(
    args: argparse.Namespace,
    session: Session,
    result: AuditResult,
    root: str,
    file: str | None,
    project: Project | None,
) -> None:
    if args.format != "text":
        from provenv.core.files import write_atomic
        from provenv.workspace.assuring import reporting
        from provenv.workspace.assuring.stating import as_vex

        documents: dict[str, Callable[[], str]] = {
            "sarif": lambda: _json(reporting.as_sarif(result, root=root, file=file)),
            "junit": lambda: reporting.as_junit(result),
            "vex": lambda: _json(as_vex(result, project, session.context)),
        }
        made = documents[args.format]()
        if args.output is None:
            session.progress.close()
            sys.stdout.write(made)
            return
        write_atomic(args.output, made.encode())
    session.verdict("audit", lambda: data(result), lambda screen: text(result, screen))


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"


def text(result: AuditResult, screen: Screen) -> None:
    paint = screen.paint
    for _, group in groupby(_by_package(result.findings), key=lambda found: found.subject):
        same = list(group)
        subject = same[0].subject
        where = f"  {paint('dim', ', '.join(subject.environments))}" if subject.environments else ""
        screen.line(f"{paint('strong', subject.name)} {subject.version}{where}")
        for path in subject.paths[:2]:
            screen.line(paint("dim", f"  {' → '.join(path)}"))
        for found in same:
            _draw(found, screen)
        screen.line()
    screen.table([_notice(one, screen) for one in result.notices])
    for subject, reason in result.unaudited:
        screen.line(f"{subject.name} {subject.version}".rstrip() + f": cannot be told: {reason}")
    for doubt in result.doubts:
        screen.line(f"{paint('warning', 'doubtful:')} {doubt}")
    screen.line(_summary(result, screen))


def _by_package(findings: Sequence[Found]) -> Iterator[Found]:
    """The gravest first, and all of one package together."""
    for subject in dict.fromkeys(found.subject for found in findings):
        yield from (found for found in findings if found.subject == subject)


def _draw(found: Found, screen: Screen) -> None:
    one, paint = found.vulnerability, screen.paint
    rated = one.severity
    level = rated.level if rated.score is None else f"{rated.level} {rated.score}"
    parts = [paint(_STYLES.get(rated.level, "dim"), level), paint("name", one.id)]
    parts += [name for name in one.names if name.startswith("CVE-") and name != one.id]
    if one.malware:
        parts.append(paint("error", "malware"))
    if one.exploited is not None:
        parts.append(paint("error", f"exploited since {one.exploited['added']}"))
    if one.likely is not None:
        parts.append(f"EPSS {one.likely:.2f}")
    if not one.certain:
        parts.append(paint("warning", "perhaps: its versions cannot be compared"))
    fixed = ", ".join(one.fixed) or "no version that is known"
    screen.line(f"  {'  '.join(parts)}  fixed in {fixed}")
    if one.summary:
        screen.block(printable(one.summary), "    ", style="dim")


def _notice(one: Notice, screen: Screen) -> tuple[str, ...]:
    kind = screen.paint("dim" if one.tolerated else "error", one.kind)
    subject = f"{one.name} {one.version}".rstrip()
    return kind, subject, ", ".join(one.environments), printable(one.text) or "no reason is given"


def _summary(result: AuditResult, screen: Screen) -> str:
    verdict = screen.paint(_VERDICTS[result.verdict], result.verdict)
    hit = len({found.subject for found in result.findings})
    if hit:
        count = many(len(result.findings), "vulnerability", "vulnerabilities")
        head = f"{count} in {many(hit, 'package')} of {len(result.subjects)}"
    else:
        head = f"nothing known against {many(len(result.subjects), 'package')}"
    kinds = Counter(one.kind for one in result.notices)
    head += "".join(f", {count} {kind}" for kind, count in sorted(kinds.items()))
    now = datetime.now(UTC)
    data = f"advisories {result.facts.digest[:12]}, {ago(result.facts.imported, now)}"
    data += indexes_words(result.spoken, now)
    return f"{verdict}: {result.audited}: {head} {screen.paint('dim', f'({data})')}"


def data(result: AuditResult) -> dict[str, Any]:
    return {
        "audited": result.audited,
        "verdict": result.verdict,
        "packages": len(result.subjects),
        "advisories": facts_data(result.facts, result.age),
        "findings": [finding_data(found) for found in result.findings],
        "notices": [notice_data(one) for one in result.notices],
        "indexes": indexes_data(result.spoken),
        "unaudited": [
            {
                "package": subject.name,
                "version": subject.version or None,
                "environments": list(subject.environments),
                "reason": reason,
            }
            for subject, reason in result.unaudited
        ],
        "doubts": list(result.doubts),
    }


def notice_data(one: Notice) -> dict[str, Any]:
    """One notice."""
    return {
        "kind": one.kind,
        "name": one.name,
        "version": one.version,
        "environments": list(one.environments),
        "text": one.text,
        "asked": moment(one.asked),
        "tolerated": one.tolerated,
    }


def finding_data(found: Found) -> dict[str, Any]:
    """One finding."""
    one = found.vulnerability
    return {
        "package": one.package,
        "version": one.version,
        "environments": list(found.subject.environments),
        "paths": [list(path) for path in found.subject.paths],
        "id": one.id,
        "names": list(one.names),
        "certain": one.certain,
        "malware": one.malware,
        "summary": one.summary,
        "severity": one.severity.level,
        "cvss": one.severity.score,
        "vector": one.severity.vector,
        "exploited": dict(one.exploited) if one.exploited is not None else None,
        "epss": one.likely,
        "fixed": list(one.fixed),
        "published": one.published,
        "modified": one.modified,
        "references": list(one.references),
    }

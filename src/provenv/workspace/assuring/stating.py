"""``audit --format vex``: findings as statements for other tools, with what the policies' waivers decide.

A waiver is no proof that something cannot be exploited. What nobody has decided is ``in_triage``; what is
waived is ``exploitable`` and will not be fixed for now, in the words of the waiver. Nothing is ever called
``not_affected``: no program can know it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time
from typing import Any

from provenv import __version__
from provenv.audit.findings import Vulnerability
from provenv.audit.policies import Policies
from provenv.audit.verdict import Decision, Item, Question, judge
from provenv.formats.vex import Affected, Analysis, Statement, Statements, vex
from provenv.model.inventory import package_url
from provenv.model.policy import Waiver
from provenv.workspace.assuring.bills import moment, purl_of
from provenv.workspace.governing.auditing import AuditResult, Found
from provenv.workspace.governing.policies import policies_of
from provenv.workspace.governing.subjects import Subject
from provenv.workspace.projects.context import Context, Project

_Key = tuple[str, str, tuple[str, ...]]


def as_vex(result: AuditResult, project: Project | None, context: Context) -> dict[str, Any]:
    """The findings as CycloneDX VEX; of a ``project`` with the waivers that hold for it.

    Raises:
        InputError: A policy cannot be used. UsageError: SOURCE_DATE_EPOCH is no time.
    """
    now = datetime.now(UTC)
    waived: dict[_Key, Waiver] = {}
    if project is not None:
        names = tuple(spec.name for spec in project.manifest.all_instances())
        waived = _waived(policies_of(project, context), result, names, now)
    return vex(
        Statements(
            title=result.audited,
            statements=[_statement(found, waived) for found in result.findings],
            tool=__version__,
            created=moment(context.environ) or now,
            notes=list(_notes(result)),
        )
    )


def _notes(result: AuditResult) -> Iterator[tuple[str, str]]:
    """What makes the answer whole or not: a document without vulnerabilities must not look clean."""
    yield "provenv:audit:verdict", result.verdict
    yield "provenv:audit:packages", str(len(result.subjects))
    yield "provenv:advisories:sha256", result.facts.digest
    for subject, reason in result.unaudited:
        yield (
            "provenv:audit:unaudited",
            f"{subject.name} {subject.version}".rstrip() + f": {reason}",
        )
    for doubt in result.doubts:
        yield "provenv:audit:doubt", doubt
    for one in result.notices:
        yield "provenv:audit:notice", f"{one.name} {one.version}: {one.kind}: {one.text}"


def _waived(
    policies: Policies, result: AuditResult, environments: tuple[str, ...], now: datetime
) -> dict[_Key, Waiver]:
    """Findings that a waiver tolerates, and that no rule refuses all the same."""
    items: dict[Subject, list[Vulnerability]] = {}
    for found in result.findings:
        items.setdefault(found.subject, []).append(found.vulnerability)
    question = Question(
        environments=environments,
        items=tuple(
            Item(
                name=subject.name,
                version=subject.version,
                environments=subject.environments or environments,
                vulnerabilities=tuple(known),
            )
            for subject, known in items.items()
        ),
        pythons=(),
        fetched=now,
        now=now,
    )
    decisions = [one for one in judge(policies, question).decisions if one.names]
    refused = {_key(one) for one in decisions if one.counts}
    return {
        _key(one): one.waiver
        for one in decisions
        if one.waiver is not None and _key(one) not in refused
    }


def _key(one: Decision) -> _Key:
    return one.package, one.version, one.names


def _statement(found: Found, waived: dict[_Key, Waiver]) -> Statement:
    one, subject = found.vulnerability, found.subject
    purl = (
        purl_of(subject.package, subject.version)
        if subject.package is not None
        else package_url(subject.name, subject.version)
    )
    fixed = f"Fixed in {', '.join(one.fixed)}." if one.fixed else "No fixed version is known."
    return Statement(
        component=Affected(
            ref=purl or f"{subject.name}@{subject.version}",
            name=subject.name,
            version=subject.version,
            purl=purl,
        ),
        id=one.id,
        names=one.names,
        analysis=_analysis(one, waived.get((subject.name, subject.version, one.names))),
        certain=one.certain,
        summary=one.summary,
        advice=fixed,
        level=one.severity.level,
        score=one.severity.score,
        vector=one.severity.vector,
        likely=one.likely,
        exploited=None if one.exploited is None else str(one.exploited["added"]),
        published=None if one.published is None else datetime.fromisoformat(one.published),
        modified=datetime.fromisoformat(one.modified),
        references=one.references,
    )


def _analysis(one: Vulnerability, waiver: Waiver | None) -> Analysis:
    if waiver is None:
        return Analysis(state="exploitable" if one.malware else "in_triage")
    who = f"Waived by {waiver.owner}, approved by {waiver.approver}, until {waiver.expires}"
    ticket = f", {waiver.ticket}" if waiver.ticket else ""
    return Analysis(
        state="exploitable",
        response="can_not_fix" if waiver.until_fixed else "will_not_fix",
        detail=f"{waiver.reason} ({who}{ticket}.)",
        since=datetime.combine(waiver.created, time(), UTC),
    )

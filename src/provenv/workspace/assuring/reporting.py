"""An audit for other programs: SARIF for code hosts and editors, JUnit XML for CI systems."""

from __future__ import annotations

from typing import Any

from provenv import __version__
from provenv.audit.findings import Vulnerability
from provenv.formats.junit import Case, junit
from provenv.formats.sarif import Kind, sarif
from provenv.model.finding import Finding, Weight
from provenv.workspace.governing.auditing import AuditResult, Found


def as_sarif(result: AuditResult, *, root: str | None, file: str | None) -> dict[str, Any]:
    """The findings as SARIF 2.1.0; ``file`` is the lock, which stands for their place."""
    known = {found.vulnerability.id: found.vulnerability for found in result.findings}
    return sarif(
        [_finding(found) for found in result.findings],
        [_kind(one) for one in known.values()],
        tool="provenv audit",
        version=__version__,
        root=root,
        manifest=file,
        scores={name: one.severity.score for name, one in known.items() if one.severity.score},
    )


def _kind(one: Vulnerability) -> Kind:
    return Kind(
        code=one.id,
        title=f"{one.package}: {one.id}",
        why=one.summary or "No summary.",
        advice=_advice(one),
        weight=_weight(one),
    )


def _finding(found: Found) -> Finding:
    one = found.vulnerability
    names = ", ".join(name for name in one.names if name != one.id)
    return Finding(
        code=one.id,
        weight=_weight(one),
        title=one.id,
        seen=f"{one.package} {one.version}: {one.id}" + (f" ({names})" if names else ""),
        why=f"{one.summary} {_advice(one)}".strip(),
    )


def _weight(one: Vulnerability) -> Weight:
    return "warning" if one.severity.level in ("medium", "low", "none") else "error"


def _advice(one: Vulnerability) -> str:
    return f"Fixed in {', '.join(one.fixed)}." if one.fixed else "No fixed version is known."


def as_junit(result: AuditResult) -> str:
    """One case for each package: failed where something is known, skipped where nobody can tell."""
    rows: dict[tuple[str, str], list[Found]] = {}
    for found in result.findings:
        rows.setdefault((found.subject.name, found.subject.version), []).append(found)
    reasons = {(subject.name, subject.version): reason for subject, reason in result.unaudited}
    cases = []
    for subject in result.subjects:
        key = subject.name, subject.version
        failures = [(found.vulnerability.id, _finding(found).why) for found in rows.get(key, ())]
        name = f"{subject.name} {subject.version}".rstrip()
        cases.append(
            Case(name=name, group="audit", failures=tuple(failures), skipped=reasons.get(key))
        )
    cases += [Case(name="advisories", group="audit", skipped=doubt) for doubt in result.doubts]
    return junit(f"audit of {result.audited}", cases)

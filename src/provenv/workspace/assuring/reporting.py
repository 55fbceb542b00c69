"""An audit for other programs: SARIF for code hosts and editors, JUnit XML for CI systems."""

from __future__ import annotations

from typing import Any

from provenv import __version__
from provenv.audit.findings import Vulnerability
from provenv.formats.junit import Case, junit
from provenv.formats.sarif import Kind, sarif
from provenv.model.finding import Finding, Weight
from provenv.workspace.governing.auditing import Adverse, AuditResult, Found, Notice


def as_sarif(result: AuditResult, *, root: str | None, file: str | None) -> dict[str, Any]:
    """The findings as SARIF 2.1.0; ``file`` is the lock, which stands for their place."""
    known = {found.vulnerability.id: found.vulnerability for found in result.findings}
    kinds = dict.fromkeys(one.kind for one in result.notices)
    return sarif(
        [*map(_finding, result.findings), *map(_noticed, result.notices)],
        [*map(_kind, known.values()), *map(_kind_of_notice, kinds)],
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


_ADVERSE: dict[Adverse, tuple[str, str, str]] = {
    "archived": (
        "the project is archived",
        "Nobody expects to publish anything more: holes that are found will stay (PEP 792).",
        "Look for what takes its place.",
    ),
    "deprecated": (
        "the project is deprecated",
        "Its maintainers say that something else has taken its place (PEP 792).",
        "Move to that.",
    ),
    "python-eol": (
        "a Python without fixes",
        "What is found in it from now on is not mended.",
        "Give the environment a later one, in pyproject.toml, and sync it.",
    ),
    "quarantined": (
        "the project is quarantined",
        "The index holds it for unsafe, as for malware, and offers nothing of it (PEP 792).",
        "Remove it, and look at what it may have done where it was installed.",
    ),
    "removed": (
        "the index does not list the version any more",
        "Malware is removed, and so are mistakes; nobody can install the lock from the index.",
        "Find out why, and lock another version.",
    ),
    "yanked": (
        "the version is yanked",
        "Its maintainers took it back: it is for those alone who have pinned it (PEP 592).",
        "`provenv lock --upgrade-package NAME` chooses another.",
    ),
}


def _kind_of_notice(kind: Adverse) -> Kind:
    title, why, advice = _ADVERSE[kind]
    return Kind(code=kind, title=title, why=why, advice=advice, weight="error")


def _noticed(one: Notice) -> Finding:
    title, why, advice = _ADVERSE[one.kind]
    said = f": {one.text}" if one.text else ""
    return Finding(
        code=one.kind,
        weight="note" if one.tolerated else "error",
        title=title,
        seen=f"{one.name} {one.version}: {one.kind}{said}",
        why=f"{why} {advice}",
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
    against: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for one in result.notices:
        if not one.tolerated:
            told = (one.kind, one.text or _ADVERSE[one.kind][0])
            against.setdefault((one.name, one.version), []).append(told)
    reasons = {(subject.name, subject.version): reason for subject, reason in result.unaudited}
    cases = []
    for subject in result.subjects:
        key = subject.name, subject.version
        failures = [(found.vulnerability.id, _finding(found).why) for found in rows.get(key, ())]
        failures += against.pop(key, ())
        name = f"{subject.name} {subject.version}".rstrip()
        cases.append(
            Case(name=name, group="audit", failures=tuple(failures), skipped=reasons.get(key))
        )
    cases += [
        Case(name=f"{name} {version}", group="audit", failures=tuple(failures))
        for (name, version), failures in against.items()
    ]
    cases += [Case(name="advisories", group="audit", skipped=doubt) for doubt in result.doubts]
    return junit(f"audit of {result.audited}", cases)

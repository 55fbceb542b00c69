"""Vulnerabilities of components, and what was decided of them: CycloneDX VEX (1.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from provenv.core.values import field, frozen
from provenv.formats.cyclonedx import ROOT, headed, tool
from provenv.model.inventory import is_address, timestamp

State = Literal["in_triage", "exploitable"]
Response = Literal["will_not_fix", "can_not_fix"]
_METHODS = {"CVSS:4": "CVSSv4", "CVSS:3.1": "CVSSv31", "CVSS:3.0": "CVSSv3"}
_SOURCES = (
    ("CVE-", "NVD", "https://nvd.nist.gov/vuln/detail/"),
    ("GHSA-", "GitHub", "https://github.com/advisories/"),
    ("", "OSV", "https://osv.dev/vulnerability/"),
)


@frozen
class Affected:
    """A component: ``ref`` is its package URL where it has one, as in an SBOM of the same lock."""

    ref: str
    name: str
    version: str
    purl: str | None


@frozen
class Analysis:
    """What was decided. ``detail``: In a person's words; ``since``: When."""

    state: State
    response: Response | None = None
    detail: str = ""
    since: datetime | None = None


@frozen
class Statement:
    """One vulnerability of one component.

    Attributes:
        id: What it is called first; ``names``: all of them.
        certain: False where nobody can say whether that version is affected.
        level, score, vector: How grave it is; None where nobody has said.
        likely: The EPSS score. ``exploited``: Since when it is (CISA KEV).
    """

    component: Affected
    id: str
    names: Sequence[str]
    analysis: Analysis
    certain: bool = True
    summary: str = ""
    advice: str = ""
    level: str = "unknown"
    score: float | None = None
    vector: str | None = None
    likely: float | None = None
    exploited: str | None = None
    published: datetime | None = None
    modified: datetime | None = None
    references: Sequence[str] = ()


@frozen
class Statements:
    """All of them. ``notes``: What else is to be known of the answer, by name; names may repeat."""

    title: str
    statements: Sequence[Statement]
    tool: str
    created: datetime
    notes: Sequence[tuple[str, str]] = field(default_factory=tuple)


def vex(given: Statements) -> dict[str, Any]:
    """The document."""
    components = {one.component.ref: one.component for one in given.statements}
    body: dict[str, Any] = {
        "metadata": {
            "tools": {"components": [tool(given.tool)]},
            "component": {"type": "application", "bom-ref": ROOT, "name": given.title},
            "properties": [{"name": name, "value": said} for name, said in given.notes],
        },
        "components": [_component(one) for _, one in sorted(components.items())],
        "vulnerabilities": [_vulnerability(one) for one in given.statements],
    }
    return headed(body, given.created)


def _component(one: Affected) -> dict[str, Any]:
    rows = {
        "type": "library",
        "bom-ref": one.ref,
        "name": one.name,
        "version": one.version,
        "purl": one.purl,
    }
    return {key: said for key, said in rows.items() if said}


def _vulnerability(one: Statement) -> dict[str, Any]:
    status = "affected" if one.certain else "unknown"
    rows: dict[str, Any] = {
        "bom-ref": f"{one.id}@{one.component.ref}",
        "id": one.id,
        "source": _source(one.id),
        "references": [{"id": n, "source": _source(n)} for n in one.names if n != one.id],
        "ratings": _ratings(one),
        "description": one.summary,
        "recommendation": one.advice,
        "advisories": [{"url": url} for url in dict.fromkeys(one.references) if is_address(url)],
        "published": None if one.published is None else timestamp(one.published),
        "updated": None if one.modified is None else timestamp(one.modified),
        "analysis": _analysis(one.analysis),
        "affects": [
            {
                "ref": one.component.ref,
                "versions": [{"version": one.component.version, "status": status}],
            }
        ],
        "properties": []
        if one.exploited is None
        else [{"name": "cisa:kev:added", "value": one.exploited}],
    }
    return {key: said for key, said in rows.items() if said}


def _source(name: str) -> dict[str, str]:
    """Who calls it so, and where it can be read."""
    _, who, url = next(row for row in _SOURCES if name.startswith(row[0]))
    return {"name": who, "url": f"{url}{name}"}


def _ratings(one: Statement) -> list[Mapping[str, Any]]:
    found: list[dict[str, Any]] = [{"severity": one.level}]
    if one.score is not None and one.vector is not None:
        method = next(
            (said for start, said in _METHODS.items() if one.vector.startswith(start)), None
        )
        found[0] = {
            "score": one.score,
            "severity": one.level,
            "method": method or "CVSSv2",
            "vector": one.vector,
        }
    if one.likely is not None:
        found.append({"source": {"name": "EPSS"}, "score": one.likely, "method": "other"})
    return list(found)


def _analysis(one: Analysis) -> dict[str, Any]:
    rows = {
        "state": one.state,
        "response": [one.response] if one.response is not None else None,
        "detail": one.detail,
        "firstIssued": None if one.since is None else timestamp(one.since),
    }
    return {key: said for key, said in rows.items() if said}

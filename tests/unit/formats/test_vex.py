"""Statements about vulnerabilities: valid, and no more certain than they are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from provenv.formats.vex import Affected, Analysis, Statement, Statements, vex
from support.sboms import valid

CORE = Affected(ref="pkg:pypi/core@1.0", name="core", version="1.0", purl="pkg:pypi/core@1.0")
LOCAL = Affected(ref="lib@1", name="lib", version="1", purl=None)
DAY = datetime(2026, 11, 22, tzinfo=UTC)
OPEN = Analysis(state="in_triage")


def said(*statements: Statement, **more: Any) -> Any:
    document = vex(Statements(title="shop", statements=statements, tool="0", created=DAY, **more))
    valid(document)
    return document


def one(component: Affected = CORE, **more: Any) -> Statement:
    fields: dict[str, Any] = {"id": "PYSEC-1", "names": ("PYSEC-1", "CVE-1"), "analysis": OPEN}
    return Statement(component=component, **{**fields, **more})


@pytest.mark.parametrize(
    ("vector", "method"),
    [
        ("CVSS:4.0/AV:N", "CVSSv4"),
        ("CVSS:3.1/AV:N", "CVSSv31"),
        ("CVSS:3.0/AV:N", "CVSSv3"),
        ("AV:N/AC:L", "CVSSv2"),
    ],
)
def test_ratings_name_their_method(vector: str, method: str) -> None:
    (row,) = said(one(level="high", score=7.5, vector=vector))["vulnerabilities"]
    rating = {"score": 7.5, "severity": "high", "method": method, "vector": vector}
    assert row["ratings"] == [rating]


def test_all_that_is_known() -> None:
    analysis = Analysis(state="exploitable", response="will_not_fix", detail="so", since=DAY)
    document = said(
        one(
            analysis=analysis, summary="bad \x00", advice="Fixed in 2.", likely=0.5, published=DAY,
            exploited="2026-01-01", modified=DAY, references=("https://a.org", "nowhere", "https://a.org"),
        ),
        one(LOCAL, certain=False),
        notes=[("n", "1"), ("n", "2")],
    )  # fmt: skip
    first, second = document["vulnerabilities"]
    assert first["source"] == {"name": "OSV", "url": "https://osv.dev/vulnerability/PYSEC-1"}
    assert [row["id"] for row in first["references"]] == ["CVE-1"]
    assert first["advisories"] == [{"url": "https://a.org"}]
    assert first["ratings"][0] == {"severity": "unknown"}
    assert first["affects"] == [
        {"ref": CORE.ref, "versions": [{"version": "1.0", "status": "affected"}]}
    ]
    assert first["analysis"]["response"] == ["will_not_fix"]
    assert second["affects"][0]["versions"][0]["status"] == "unknown"
    assert second["analysis"] == {"state": "in_triage"}
    assert {row["bom-ref"] for row in document["components"]} == {CORE.ref, LOCAL.ref}
    assert first["bom-ref"] != second["bom-ref"]


def test_nothing_is_valid_too() -> None:
    assert said(notes=[("verdict", "inconclusive")])["vulnerabilities"] == []

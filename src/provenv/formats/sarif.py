"""Findings as SARIF 2.1.0 (OASIS), as code hosts and editors read it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from provenv.core.values import frozen
from provenv.model.finding import Finding, Place, Weight

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_ROOT = "ROOT"


@frozen
class Kind:
    """What is the same in every finding of one code."""

    code: str
    title: str
    why: str
    advice: str
    weight: Weight


def sarif(
    findings: Sequence[Finding],
    kinds: Sequence[Kind],
    *,
    tool: str,
    version: str,
    root: str | None,
    manifest: str | None,
    scores: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """One run of ``tool``. Files below ``root`` are relative to it, as viewers want them.

    ``manifest`` stands for what has no place in a file. ``scores`` are CVSS scores, by code: code hosts
    read them as ``security-severity``.
    """
    used = sorted({finding.code for finding in findings})
    known = {kind.code: kind for kind in kinds}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": tool,
                "semanticVersion": version,
                "rules": [_rule(known[code], scores or {}) for code in used if code in known],
            }
        },
        "results": [_result(finding, used, root, manifest) for finding in findings],
        "columnKind": "unicodeCodePoints",
    }
    if root is not None:
        run["originalUriBaseIds"] = {_ROOT: {"uri": f"{_uri(root)}/"}}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Kind, scores: Mapping[str, float]) -> dict[str, Any]:
    score = scores.get(rule.code)
    return {
        **({} if score is None else {"properties": {"security-severity": f"{score:.1f}"}}),
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.title.replace("'", "").split()),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.advice},
        "defaultConfiguration": {"level": rule.weight},
    }


def _result(
    finding: Finding, used: Sequence[str], root: str | None, manifest: str | None
) -> dict[str, Any]:
    mend = f" Run: {finding.mend}" if finding.mend else ""
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": used.index(finding.code),
        "level": finding.weight,
        "message": {"text": f"{finding.seen}. {finding.why}{mend}"},
    }
    # GitHub shows a result where it is first seen, and leaves one without a place out
    places = finding.places or ((Place(file=manifest),) if manifest else ())
    if places:
        result["locations"] = [_location(place, root) for place in places]
    return result


def _location(place: Place, root: str | None) -> dict[str, Any]:
    artifact: dict[str, Any] = {"uri": _uri(place.file)}
    if root is not None and place.file.startswith(f"{root}/"):
        artifact = {"uri": quote(os.path.relpath(place.file, root)), "uriBaseId": _ROOT}
    location: dict[str, Any] = {"artifactLocation": artifact}
    if place.line is not None:
        location["region"] = {"startLine": place.line}
    return {"physicalLocation": location}


def _uri(path: str) -> str:
    return f"file://{quote(path)}"

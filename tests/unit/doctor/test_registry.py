"""The table of rules, how some are chosen, and what is written from it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import support
from provenv.core.errors import UsageError
from provenv.doctor.registry import RULES, THEMES, chosen, find_rule, kinds
from provenv.formats.sarif import sarif
from provenv.model.finding import WEIGHTS, Finding, Place

TOOL = {"tool": "provenv doctor", "version": "1.0.0"}
SCHEMA = Path(support.__file__).parent / "sarif-2.1.0.json"


def test_every_rule_is_whole() -> None:
    codes = [rule.code for rule in RULES]
    assert len(set(codes)) == len(codes)
    for rule in RULES:
        assert re.fullmatch(r"PV[1-5]\d\d", rule.code)
        assert rule.code[:3] in THEMES
        assert rule.weight in WEIGHTS
        assert rule.sees.endswith(".")
        for text in (rule.why, rule.advice):
            assert text.endswith("."), rule.code
        assert not rule.title.endswith(".")


def test_codes_and_the_beginnings_of_codes() -> None:
    assert chosen(["pv104"]) == {"PV104"}
    assert chosen(["PV3", "PV104"]) >= {"PV301", "PV310", "PV104"}
    assert chosen(["PV"]) == {rule.code for rule in RULES}
    assert find_rule("pv104").title == "A stale lock"
    for wrong in ("PV999", "E501", "", "P"):
        with pytest.raises(UsageError):
            chosen([wrong])
    with pytest.raises(UsageError, match="PV1044") as caught:
        find_rule("PV1044")
    assert "Did you mean PV104?" in (caught.value.hint or "")


FINDINGS = [
    Finding(
        code="PV104", weight="error", title="A stale lock", seen="it is", why="It hurts.",
        mend="provenv lock", places=(Place(file="/p/my lock.toml", line=3),),
    ),
    Finding(code="PV303", weight="warning", title="PYTHONPATH is set", seen="so", why="It hurts."),
    Finding(
        code="PV501", weight="error", title="A store", seen="so", why="It hurts.",
        places=(Place(file="/home/store"),),
    ),
]  # fmt: skip


@pytest.mark.parametrize("root", ["/p", None])
@pytest.mark.parametrize("findings", [FINDINGS, []], ids=["some", "none"])
def test_sarif_is_what_its_schema_asks_for(root: str | None, findings: list[Finding]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    document = sarif(
        findings,
        kinds(),
        tool="provenv doctor",
        version="1.0.0",
        root=root,
        manifest="/p/pyproject.toml",
    )
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))


def test_sarif_says_what_was_found() -> None:
    (run,) = sarif(
        FINDINGS,
        kinds(),
        tool="provenv doctor",
        version="1.0.0",
        root="/p",
        manifest="/p/below/pyproject.toml",
    )["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["PV104", "PV303", "PV501"]
    assert run["originalUriBaseIds"] == {"ROOT": {"uri": "file:///p/"}}
    stale, path, store = run["results"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert stale["level"] == "error"
    assert stale["message"]["text"] == "it is. It hurts. Run: provenv lock"
    assert stale["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "my%20lock.toml", "uriBaseId": "ROOT"},
                "region": {"startLine": 3},
            }
        }
    ]
    # a result without a place is not shown by code hosts: the manifest stands for the project
    assert (
        path["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        == "below/pyproject.toml"
    )
    assert store["locations"][0]["physicalLocation"]["artifactLocation"] == {
        "uri": "file:///home/store"
    }

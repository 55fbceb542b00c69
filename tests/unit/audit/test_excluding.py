"""Versions that rules exclude, as constraints for the resolver, and as rows of a lock."""

from __future__ import annotations

import re

import pytest
from packaging.requirements import Requirement

from provenv.audit.excluding import (
    Excluded,
    Exclusion,
    above,
    as_rows,
    broken,
    certain,
    constraint,
    from_rows,
    joined,
    of_versions,
    spelled,
    widened,
    without,
)
from provenv.audit.verdict import Item, Question, judge
from unit.audit.test_policies import NOW, item, known, policies, rule, waiver

VERSIONS = ("1.0", "1.1", "1.1.post1", "2.0rc1", "2.0", "2.1")


def question(*items: Item) -> Question:
    return Question(environments=("dev", "prod"), items=items, pythons=(), fetched=NOW, now=NOW)


@pytest.mark.parametrize(
    ("excluded", "wanted"),
    [
        (["1.0"], "core!=1.0"),
        (["1.0", "1.1"], "core>=1.1.post1"),
        (["1.0", "1.1", "1.1.post1"], "core>1.1.post1"),
        (["1.0", "1.1", "1.1.post1", "2.0rc1"], "core>=2.0"),
        (["2.0", "2.1"], "core!=2.0,!=2.1"),
        (["1.0", "1.1", "2.1"], "core>=1.1.post1,!=2.1"),
        (list(VERSIONS), "core>2.1"),
    ],
)
def test_a_constraint_leaves_the_others_and_those_that_are_to_come(
    excluded: list[str], wanted: str
) -> None:
    found = constraint("core", VERSIONS, excluded)
    assert found == wanted
    left = Requirement(found).specifier
    assert [v for v in VERSIONS if left.contains(v, prereleases=True)] == [
        v for v in VERSIONS if v not in excluded
    ]
    assert left.contains("2.2")


def test_above_what_is_excluded() -> None:
    assert above("core", "1.1", VERSIONS, ["1.1"]) == "core>=1.1.post1"
    assert above("core", "1.1", VERSIONS, ["1.1", "1.1.post1", "2.0"]) == "core>1.1.post1,!=2.0"
    assert above("core", "2.1", VERSIONS, ["2.1"]) == ""  # nothing is


def test_what_is_narrower_than_it_must_be_is_widened() -> None:
    told = Exclusion(package="core", version="1.1", rule="vulns", why="CVE-1")
    one = Excluded(package="core", constraint="core>1.1", told=(told,), wider="core!=1.1")
    other = Excluded(package="core", constraint="core<3", told=(told,))
    assert widened(one).constraint == "core!=1.1"
    assert widened(other) == other
    both = joined(one, other)
    assert (both.constraint, widened(both).constraint) == ("core<3,>1.1", "core!=1.1,<3")


def test_where_nobody_says_what_lies_between_versions_are_left_out_one_by_one() -> None:
    assert without("core", ["2.0", "1.0", "2004d"]) == "core!=1.0,!=2.0"


def test_no_bound_is_a_pre_release_that_the_resolver_would_then_take() -> None:
    assert constraint("core", ["1.0", "1.1", "2.0rc1", "2.0"], ["1.0", "1.1"]) == "core>1.1"


def test_versions_that_nobody_can_compare_are_left_to_the_resolver() -> None:
    assert constraint("core", ["1.0", "2004d"], ["1.0", "2004d"]) == "core!=1.0"


def test_what_counts_is_excluded_and_what_is_waived_warned_of_or_unknown_is_not() -> None:
    def out(text: str, *found: object) -> list[str]:
        verdict = judge(policies(text), question(item(*found)))  # type: ignore[arg-type]
        return [str(one) for one in broken(verdict.decisions)]

    assert out(rule("vulnerability"), known()) == ["py 1.0 by r (CVE-1)"]
    several = [known(names=(f"CVE-{number}",)) for number in range(5)]
    assert out(rule("vulnerability"), *several) == ["py 1.0 by r (CVE-0, CVE-1, CVE-2 and 2 more)"]
    assert out(rule("vulnerability", 'action = "warn"'), known()) == []
    assert out(rule("vulnerability", 'mode = "dry-run"'), known()) == []
    assert out(rule("vulnerability", "min-cvss = 7.0"), known(None)) == []
    assert out(rule("vulnerability", 'sla = { critical = "15d" }'), known()) == []
    assert out(rule("vulnerability") + waiver(), known()) == []
    assert out(rule("origin", 'hosts = ["example.org"]')) == []
    assert out(rule("package", 'deny = ["py<2"]')) == ["py 1.0 by r (py<2 is denied)"]


def test_every_version_is_judged_by_the_same_judge() -> None:
    asked = question(item(), item(version="2.0"), item(version="3.0"))
    found = of_versions(policies(rule("package", 'deny = ["py>=2,<3"]')), asked)
    assert list(found) == ["2.0"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('deny = ["evil"]', ["evil<0"]),
        ('deny = ["py<2"]', ["py>=2"]),
        ('deny = ["py==2.0"]', ["py!=2.0"]),
        ('deny = ["py==2.*", "other>1,<2"]', []),
        ('allow = ["py>=2,<3", "free"]', ["py<3,>=2"]),
        ('deny = ["evil"]\nenvironments = ["prod"]', []),
        ('deny = ["evil"]\naction = "warn"', []),
    ],
)
def test_rules_about_packages_are_known_beforehand(text: str, wanted: list[str]) -> None:
    found = certain(policies(rule("package", text)), ["dev", "prod"])
    assert [one.constraint for one in found] == wanted


def test_a_rule_of_which_something_is_waived_is_not_certain() -> None:
    text = rule("package", 'deny = ["py<2", "evil"]') + waiver(advisory=None)
    assert [one.constraint for one in certain(policies(text), ["prod"])] == ["evil<0"]


def test_rows_of_a_lock_come_back() -> None:
    told = (
        Exclusion(package="core", version="2.0", rule="vulns", why="CVE-1"),
        Exclusion(package="core", version="2.1", rule="vulns", why="CVE-2"),
    )
    one = Excluded(package="core", constraint="core!=2.0,!=2.1", told=told)
    assert from_rows({"excluded": as_rows([one])}) == (one,)
    both = joined(one, Excluded(package="core", constraint="core>1", told=told[:1]))
    assert both == Excluded(package="core", constraint="core!=2.0,!=2.1,>1", told=told)


@pytest.mark.parametrize(
    "row",
    ["core", {}, {"name": "core", "version": 1}, {"name": "core", "left": " @ https://x.org/y.whl"},
     {"name": "core", "left": "; python_version > '3'"}, {"name": "Core", "left": ">1"},
     {"name": "core", "left": "[x]>1"}],
)  # fmt: skip
def test_what_is_no_row_is_left_out(row: object) -> None:
    assert from_rows({"excluded": [row]}) == ()
    assert from_rows({"excluded": row}) == ()


def test_how_the_resolver_spells_a_constraint() -> None:
    said = "app depends on one of:\n    core<1.1\n    core>1.1,<2.0\nand so on"
    (several, whole) = spelled("core!=1.1,!=2.0")
    assert re.sub(several, "…", said) == "app depends on …\nand so on"
    assert re.fullmatch(whole, "core!=1.1,!=2.0")
    assert spelled("core>=2") == (re.escape("core>=2"),)

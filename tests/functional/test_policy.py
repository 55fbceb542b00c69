"""``policy``: files in their places, verdicts with their exit codes, and what a person is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support import Index, Project, make_sdist, make_wheel
from support.advisories import GRAVE, archive, record
from support.policies import waiver

VULNS = 'schema = 1\n[[rule]]\nid = "vulns"\nkind = "vulnerability"\nenvironments = ["prod"]\n'


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """``core`` 1.0 is vulnerable, and in every environment; locked, with advisories."""
    index.add(make_wheel(tmp_path / "w", "core", "1.0"))
    index.add(make_wheel(tmp_path / "w", "tool", "1.0"))
    project.depends("core", groups={"dev": ["tool"]})
    project.ok("lock")
    learn(project)
    return project


def learn(project: Project, **more: Any) -> None:
    ranges = [[("introduced", "0"), ("fixed", "2.0")]]
    one = record("PYSEC-1", "core", ranges=ranges, aliases=["CVE-1"], cvss=GRAVE, **more)
    path = archive(project.home / "all.zip", [one])
    project.ok("advisories", "import", str(path), "--force")


def test_without_a_policy_there_is_no_verdict(shop: Project) -> None:
    said = shop.fails(2, "policy", "check").stderr
    assert "no policy holds for this project" in said
    assert "Write a provenv-policy.toml" in said


def test_a_broken_rule_is_told_with_package_and_environment(shop: Project) -> None:
    shop.write("provenv-policy.toml", VULNS)
    said = shop.fails(1, "policy", "check").stdout
    assert said.splitlines()[0].split() == [
        "broken", "vulns", "core", "1.0", "prod", "PYSEC-1:", "critical", "9.8",
    ]  # fmt: skip
    assert "fail: shop: 1 rule, 2 packages" in said
    shop.ok("policy", "check", "-e", "dev")
    told = shop.fails(1, "policy", "check", "-e", "prod", "--json").json
    assert told["decisions"][0]["names"] == ["CVE-1", "PYSEC-1"]
    assert told["advisories"] == shop.ok("advisories", "status", "--json").json["digest"]
    assert "vulns" in shop.ok("policy", "explain", "core").stdout
    assert "nothing speaks against tool" in shop.ok("policy", "explain", "tool", "-e", "dev").stdout
    assert "from " in shop.ok("policy", "explain", "vulns").stdout
    shop.fails(2, "policy", "explain", "nothing-like-it")


def test_a_waiver_is_shown_and_passes(shop: Project) -> None:
    today = datetime.now(UTC).date()
    text = waiver(today, today + timedelta(days=7))
    shop.write("provenv-policy.toml", VULNS + text)
    said = shop.ok("policy", "check").stdout
    assert f"waived until {today + timedelta(days=7)}" in said
    assert "expiring  the waiver of vulns, core==1.0, CVE-1 ends on" in said
    shop.write("provenv-policy.toml", VULNS + text.replace("==1.0", ">1.0"))
    assert "unused  the waiver of vulns, core>1.0" in shop.fails(1, "policy", "check").stdout


def test_the_organisation_is_above_the_project(shop: Project, tmp_path: Path) -> None:
    above = tmp_path / "organisation.toml"
    above.write_text(VULNS)
    env = {"PROVENV_POLICY": str(above)}
    shop.fails(1, "policy", "check", env=env)
    shop.write(
        "provenv-policy.toml", 'schema = 1\n[[rule]]\nid = "hashes"\nkind = "hash-required"\n'
    )
    assert "2 rules" in shop.fails(1, "policy", "check", env=env).stdout
    shop.write("provenv-policy.toml", VULNS)
    said = shop.fails(2, "policy", "check", env=env).stderr
    assert "loosens what holds already" in said
    assert str(above) in said
    above.unlink()  # a policy that is asked for and not there is not no policy
    shop.fails(2, "policy", "check", env=env)


def test_the_table_in_the_manifest_and_not_both(shop: Project) -> None:
    table = '\n[tool.provenv.policy]\nschema = 1\nrule = [{ id = "v", kind = "vulnerability" }]\n'
    shop.depends("core", groups={"dev": ["tool"]}, more=table)
    rule = shop.ok("policy", "explain", "v", "--json").json["rule"]
    assert rule["origin"] == str(shop.folder / "pyproject.toml")
    shop.fails(1, "policy", "check")
    shop.ok("lock", "--check")
    shop.write("provenv-policy.toml", VULNS)
    assert "Keep one of them" in shop.fails(2, "policy", "check").stderr


def test_what_cannot_be_decided_does_not_pass(shop: Project) -> None:
    shop.write("provenv-policy.toml", VULNS + "min-cvss = 7.0\n")
    learn(shop, severity=[])
    assert "nobody has said how grave it is" in shop.fails(3, "policy", "check").stdout
    (shop.home / "provenv/advisories/current").unlink()
    assert "there are no advisories on this machine" in shop.fails(3, "policy", "check").stdout


def test_what_would_be_built_is_told(project: Project, index: Index, tmp_path: Path) -> None:
    index.add(make_sdist(tmp_path / "s", "core", "1.0"))
    project.depends("core")
    project.ok("lock")
    project.write("provenv-policy.toml", 'schema = 1\n[[rule]]\nid = "b"\nkind = "no-sdist"\n')
    assert "code of it runs when it is built" in project.fails(1, "policy", "check").stdout


def test_a_policy_is_tested(shop: Project) -> None:
    shop.write("provenv-policy.toml", VULNS + "min-cvss = 7.0\n")
    cases = """
        [[case]]
        name = "grave ones are refused in prod"
        package = "core"
        version = "1.0"
        cvss = 9.8
        expect = "fail"
        rules = ["vulns"]

        [[case]]
        name = "and not in dev"
        package = "core"
        version = "1.0"
        environment = "dev"
        cvss = 9.8
        expect = "pass"
    """
    shop.write("cases.toml", cases)
    assert shop.ok("policy", "test", "cases.toml").stdout.endswith("2 cases, 0 wrong\n")
    shop.write("cases.toml", cases.replace('expect = "pass"', 'expect = "fail"'))
    said = shop.fails(1, "policy", "test", "cases.toml").stdout
    assert "wrong  and not in dev: pass (no rule), expected fail" in said
    shop.write("cases.toml", "")
    shop.fails(2, "policy", "test", "cases.toml")
    shop.write("cases.toml", cases.replace("cvss", "cvvs"))
    assert "Did you mean `cvss`?" in shop.fails(2, "policy", "test", "cases.toml").stderr

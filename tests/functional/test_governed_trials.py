"""Trials where a policy governs: what it refuses is neither installed nor run, neither good nor bad."""

from __future__ import annotations

import base64
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from support import Index, Project, make_wheel
from support.advisories import GRAVE, archive, record

CHECK = """
import importlib.metadata, sys

there = {one.name: one.version for one in importlib.metadata.distributions()}
with open("seen/runs", "a") as stream:
    stream.write(" ".join(f"{name}={there[name]}" for name in sorted(there)) + "\\n")
sys.exit(eval(sys.argv[1], there))
"""
MATRIX = """
[tool.provenv.matrix]
command = ["python", "check.py", "lib < '{0}'"]
"""
NO_VULNERABLE = 'schema = 1\n[[rule]]\nid = "vulns"\nkind = "vulnerability"\n'


def denied(*specifiers: str) -> str:
    rule = '[[rule]]\nid = "no-{0}"\nkind = "package"\ndeny = ["{1}"]\n'
    return "schema = 1\n" + "".join(rule.format(n, one) for n, one in enumerate(specifiers))


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """Generation 1 holds releases 1.0, generation 2 the newest; lib has some in between."""
    wheels = tmp_path / "wheels"
    for name in ("p0", "p1"):
        for version in ("1.0", "2.0"):
            index.add(make_wheel(wheels, name, version))
    for version in ("1.0", "1.1", "1.2", "1.3", "1.4", "2.0"):
        index.add(make_wheel(wheels, "lib", version))
    project.write("check.py", CHECK)
    project.write("seen/.gitignore", "*\n")
    project.depends("p0==1.0", "p1==1.0", "lib==1.0")
    project.ok("sync")
    project.depends("p0", "p1", "lib")
    project.ok("lock", "--upgrade")
    project.ok("sync")
    return project


def learn(project: Project, *records: Any) -> None:
    path = archive(project.home / "all.zip", records)
    project.ok("advisories", "import", str(path), "--force")


def govern(project: Project, text: str) -> None:
    project.write("provenv-policy.toml", text)


def bisected(project: Project, code: int, rule: str) -> dict[str, Any]:
    words = ("bisect", "--good", "1", "--bad", "2", "--json", "--", "python", "check.py", rule)
    told: dict[str, Any] = project.fails(code, *words).json
    return told


def seen(project: Project) -> str:
    """What was there when the command was run, a line for each run."""
    path = project.folder / "seen/runs"
    return path.read_text() if path.exists() else ""


def skipped(told: dict[str, Any]) -> dict[str, str]:
    return {one["what"]: one["reason"] for one in told["steps"] if one["answer"] == "skip"}


def test_a_release_that_a_rule_refuses_is_skipped_and_said(shop: Project) -> None:
    learn(shop, record("PYSEC-1", "lib", versions=["1.2", "1.3"], cvss=GRAVE))
    govern(shop, NO_VULNERABLE)
    told = bisected(shop, 0, "lib >= '1.3'")
    assert told["sentence"] == "good with lib 1.1, bad from 1.2, 1.3 or 1.4, alone"
    assert told["breakages"][0]["culprits"][0]["constraint"] == "lib<=1.1"
    reasons = skipped(told)
    assert reasons.keys() == {"lib 1.2", "lib 1.3"}
    assert reasons["lib 1.2"] == "the policy refuses it: lib 1.2 by vulns (PYSEC-1)"
    assert "lib=1.2" not in seen(shop)
    assert "lib=1.3" not in seen(shop)
    assert "lib=1.4" in seen(shop)


def test_an_end_that_a_rule_refuses_is_no_ground_and_the_rule_is_named(shop: Project) -> None:
    govern(shop, denied("p0==1.0"))
    words = ("bisect", "--good", "1", "--bad", "2", "--", "python", "check.py", "lib > '1.5'")
    refused = shop.fails(3, *words)
    assert (
        "the good end, generation 1, says nothing: dev: the policy refuses it: " in refused.stderr
    )
    assert "no-0: p0 1.0" in refused.stderr
    assert seen(shop) == ""


@pytest.mark.slow
def test_what_the_rules_ask_of_a_mix_is_asked_of_its_index(
    shop: Project, index: Index, tmp_path: Path
) -> None:
    """The ends were made when no rule asked anything."""
    index.add(make_wheel(tmp_path / "wheels", "lib", "1.2"), yanked="it hurts")
    govern(shop, 'schema = 1\n[[rule]]\nid = "withdrawn"\nkind = "yanked"\n')
    told = bisected(shop, 0, "lib >= '1.3'")
    assert (
        told["sentence"] == "good with lib 1.1, bad from 1.3, alone"
    )  # what is yanked is left out
    assert skipped(told) == {}
    index.add(make_wheel(tmp_path / "wheels", "p0", "1.0"), yanked="it hurts")
    shutil.rmtree(shop.home / "provenv/cache")
    shutil.rmtree(shop.home / "provenv/indexes")
    words = ("bisect", "--good", "1", "--bad", "2", "--", "python", "check.py", "lib > '1.5'")
    refused = shop.fails(3, *words).stderr
    assert "says nothing: dev: the policy refuses it: withdrawn: p0 1.0: " in refused


SOURCE = """
import pathlib
pathlib.Path({marker!r}).touch()
raise SystemExit("built")
"""


def hostile_sdist(folder: Path, name: str, version: str, marker: Path) -> Path:
    """An sdist of which nothing is known before its build backend has run, which leaves a mark."""
    members = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "setup.py": SOURCE.format(marker=str(marker)),
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "setup"\n'
        'backend-path = ["."]\n',
    }
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as packed:
        for member, text in members.items():
            info = tarfile.TarInfo(f"{name}-{version}/{member}")
            info.size = len(text)
            packed.addfile(info, io.BytesIO(text.encode()))
    return path


@pytest.mark.slow
def test_not_even_the_metadata_of_what_is_refused_is_built(
    shop: Project, index: Index, tmp_path: Path
) -> None:
    marker = tmp_path / "built"
    index.add(hostile_sdist(tmp_path, "lib", "1.2.5", marker))
    shutil.rmtree(shop.home / "provenv/cache")  # with the pages of the index
    learn(shop, record("MAL-1", "lib", versions=["1.2.5"]))
    govern(shop, 'schema = 1\n[[rule]]\nid = "malware"\nkind = "malware"\n')
    told = bisected(shop, 0, "lib >= '1.3'")
    assert skipped(told) == {"lib 1.2.5": "the policy refuses it: lib 1.2.5 by malware (MAL-1)"}
    assert not marker.exists()
    (shop.folder / "provenv-policy.toml").unlink()
    assert "lib 1.2.5" in skipped(bisected(shop, 0, "lib >= '1.3'"))
    assert marker.exists()  # so that the test can fail


def tried(project: Project, what: str, code: int) -> dict[str, Any]:
    told: dict[str, Any] = project.fails(code, "test", what, "--json").json
    return told


@pytest.mark.slow
def test_what_a_rule_refuses_makes_no_bound_too_low(shop: Project) -> None:
    shop.depends("lib>=1.2,<2", "p0>=1.0", more=MATRIX.format("1.1"))
    learn(shop, record("PYSEC-1", "lib", versions=["1.2", "1.3"], cvss=GRAVE))
    govern(shop, NO_VULNERABLE + '[[rule]]\nid = "no-p0"\nkind = "package"\ndeny = ["p0==1.0"]\n')
    shop.ok("lock")
    lib, p0 = tried(shop, "--bounds", 3)["bounds"]
    assert (lib["oldest"], lib["below"], lib["judgement"]) == ("1.1", "1.0", "could-be-lower")
    assert lib["refused"] == ["1.2", "1.3"]
    assert (p0["oldest"], p0["judgement"], p0["offered"]) == ("2.0", "unknown", [])
    assert p0["why"].startswith("1.0 was not tried: error: Because")
    assert "'no-p0'" in p0["why"]
    text = shop.fails(3, "test", "--bounds").stdout
    assert "not tried, as a policy refuses them: lib 1.2, lib 1.3, p0 1.0" in text
    assert "inconclusive: 1 of 2 lower bounds not known" in text
    assert "lib=1.2" not in seen(shop)
    assert "p0=1.0" not in seen(shop)


@pytest.mark.slow
def test_a_bound_is_too_low_where_a_declared_version_does_not_work(shop: Project) -> None:
    shop.depends("lib>=1.0,<2", more=MATRIX.format("1.2"))
    govern(shop, denied("lib==1.2"))
    shop.ok("lock")
    (lib,) = tried(shop, "--bounds", 1)["bounds"]
    assert (lib["oldest"], lib["below"], lib["judgement"]) == ("1.3", "1.1", "too-low")
    assert (lib["refused"], lib["offered"]) == (["1.2"], ["lib<2,>=1.3"])


@pytest.mark.slow
def test_what_is_newer_and_refused_is_not_known(shop: Project) -> None:
    shop.depends("lib<1.4", "p0<2", more=MATRIX.format("1.0"))
    govern(shop, denied("lib>=1.4"))
    shop.ok("lock")
    told = tried(shop, "--ahead", 3)
    found = {(one["kind"], one["name"]): one for one in told["tried"]}
    beyond = found["beyond", "lib"]
    assert (beyond["passed"], beyond["results"][0]["state"]) == (False, "error")
    assert "'no-0'" in beyond["results"][0]["reason"]
    assert found["beyond", "p0"]["passed"] is True
    assert "lib=1.4" not in seen(shop)
    assert "lib=2.0" not in seen(shop)


def cells(project: Project, code: int, *words: str) -> dict[str, dict[str, Any]]:
    found = project.fails(code, "test", "--json", "--fresh", *words).json["cells"]
    return {one["label"]: one for one in found}


@pytest.mark.slow
def test_the_cells_of_a_matrix_hold_what_the_rules_let_in_today(shop: Project) -> None:
    shop.depends("lib>=1.1,<2", "p0>=1.0", more=MATRIX.format("1.0"))
    shop.ok("lock")
    words = ("--resolution", "highest", "--resolution", "lowest-direct")
    cells(shop, 0, *words)
    assert "lib=1.1" in seen(shop)
    learn(shop, record("PYSEC-1", "lib", versions=["1.1", "1.4"], cvss=GRAVE))
    govern(shop, NO_VULNERABLE)
    (shop.folder / "seen/runs").unlink()
    found = cells(shop, 0, *words)  # though locks are known that were made before
    assert {one["state"] for one in found.values()} == {"passed"}
    assert sorted(line.split()[0] for line in seen(shop).splitlines()) == ["lib=1.2", "lib=1.3"]
    (shop.folder / "provenv-policy.toml").unlink()
    (shop.folder / "seen/runs").unlink()
    cells(shop, 0, *words)
    assert sorted(line.split()[0] for line in seen(shop).splitlines()) == ["lib=1.1", "lib=1.4"]


@pytest.mark.slow
def test_where_the_rules_leave_nothing_a_cell_says_so(shop: Project) -> None:
    shop.depends("lib>=1.1,<2", more=MATRIX.format("1.0"))
    shop.ok("lock")
    govern(shop, denied("lib"))
    for label, words in (("test", ()), ("highest", ("--resolution", "highest"))):
        found = cells(shop, 3, *words)[label]
        assert found["state"] == "error"
        assert "no-0" in found["reason"]
    refused = shop.fails(3, "test", "--bounds").stderr
    assert "the tests could not be run with the versions of the lock" in refused
    assert "no-0: lib 1.4" in refused
    assert seen(shop) == ""


@pytest.mark.slow
def test_what_nobody_knows_is_neither_good_nor_bad(shop: Project) -> None:
    """Without advisories a rule about them cannot be decided."""
    govern(shop, NO_VULNERABLE)
    words = ("bisect", "--good", "1", "--bad", "2", "--", "python", "check.py", "lib > '1.5'")
    refused = shop.fails(3, *words).stderr
    assert "says nothing: dev: the policy cannot tell whether it may be used: " in refused
    assert seen(shop) == ""


def verdicts(project: Project) -> list[dict[str, Any]]:
    """Those that the evidence log has on the locks of cells."""
    records = project.ok("evidence", "show", "--json").json["records"]
    return [one for one in records if one["kind"] == "verdict"]


@pytest.mark.slow
def test_known_cells_that_share_an_environment_share_a_verdict(shop: Project) -> None:
    twice = """
    [tool.provenv.matrix]
    command = "python -c pass"
    python = ["3", ">=3"]
    resolution = ["locked", "lowest-direct"]
    """
    shop.depends("lib>=1.1,<2", more=twice)
    shop.ok("lock")
    govern(shop, NO_VULNERABLE)
    learn(shop, record("PYSEC-1", "p1", versions=["9"], cvss=GRAVE))
    first = shop.ok("test", "--json").json["cells"]
    assert [one["cached"] for one in first] == [False] * 4
    assert len({one["executable"] for one in first}) == 1
    before = len(verdicts(shop))
    again = shop.ok("test", "--json").json["cells"]
    assert [one["cached"] for one in again] == [True] * 4
    locks = [one["locks"]["trial/pylock.toml"] for one in verdicts(shop)[before:]]
    assert len(locks) == len(set(locks)) == 2
    learn(shop, record("PYSEC-1", "lib", versions=["1.4"], cvss=GRAVE))
    told = shop.fails(3, "test", "--json").json["cells"]
    states = {(one["resolution"], one["state"], one["cached"]) for one in told}
    assert states == {("locked", "error", False), ("lowest-direct", "passed", True)}


def test_the_last_verdict_is_about_a_lock_of_the_project(shop: Project) -> None:
    shop.ok("evidence", "key", "new", "own")
    govern(shop, denied("none<1"))
    shop.ok("policy", "check")
    shop.depends("p0", "p1", "lib", more=MATRIX.format("9"))
    shop.ok("lock")
    shop.ok("sync")
    shop.ok("test", "--resolution", "lowest-direct", "--", "true")
    verdicts = [
        one
        for one in shop.ok("evidence", "show", "--json").json["records"]
        if one["kind"] == "verdict"
    ]
    assert {"trial/pylock.toml"} in [set(one["locks"]) for one in verdicts], verdicts
    (line,) = shop.ok("evidence", "export", "--latest").stdout.splitlines()
    statement = json.loads(base64.b64decode(json.loads(line)["payload"]))
    names = [subject["name"] for subject in statement["subject"]]
    assert "pylock.toml" in names
    assert "trial/pylock.toml" not in names

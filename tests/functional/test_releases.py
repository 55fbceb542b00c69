"""What indexes say of releases: asked by those who have the network, told offline, and never guessed."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import support
from provenv.cli.commands import audit
from provenv.workspace.governing import auditing
from support import Index, Project, make_wheel
from support.advisories import archive, record
from support.pythons import pyenv_python

SCHEMA = Path(support.__file__).parent / "sarif-2.1.0.json"
OURS = {"kind": "GitHub", "repository": "octo/core", "workflow": "release.yml"}
SAME = "publisher-unchanged = true"
THEIRS = {**OURS, "repository": "other/core"}


def ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def rule(kind: str, keys: str = "") -> str:
    return f'[[rule]]\nid = "{kind}"\nkind = "{kind}"\n{keys}\n'


def govern(project: Project, *rules: str) -> None:
    project.write("provenv-policy.toml", "schema = 1\n" + "\n".join(rules))


def learn(project: Project, *records: object) -> None:
    made = [*records] or [record("PYSEC-9", "other", versions=["9"])]
    path = archive(project.home / "all.zip", made)  # type: ignore[arg-type]
    project.ok("advisories", "import", str(path), "--force")


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """``core`` 1.1 is a day old, and its index says so; ``old`` 1.0 is yanked, and its project archived."""
    index.attests = True
    wheels = tmp_path / "w"
    index.add(make_wheel(wheels, "core", "1.0"), upload_time=ago(90), publisher=OURS)
    index.add(make_wheel(wheels, "core", "1.1"), upload_time=ago(1), publisher=THEIRS)
    index.add(make_wheel(wheels, "old", "1.0"), yanked="broken on Tuesdays", publisher=OURS)
    index.add(make_wheel(wheels, "old", "3.0"), publisher=OURS)
    index.status("core", "active")
    index.status("old", "archived", "no time left")
    project.depends("core", "old==1.0")
    return project


def test_a_check_is_offline_and_tells_what_was_said(shop: Project, index: Index) -> None:
    shop.ok("lock")
    learn(shop)
    govern(
        shop,
        rule("release-age", 'min = "7d"'),
        rule("yanked"),
        rule("project-status", 'deny = ["archived"]'),
        rule("version-lag", "max-majors = 0"),
        rule("provenance", SAME),
    )
    assert "its index was never asked" in shop.fails(1, "policy", "check").stdout
    shop.fails(1, "audit", "--refresh")
    before = len(index.requests)
    told = shop.fails(1, "policy", "check", "--offline", "--json").json
    assert len(index.requests) == before
    assert (told["indexes"]["known"], told["indexes"]["of"]) == (2, 2)
    found = told["decisions"]
    assert {(one["rule"], one["subject"], one["state"]): one["text"] for one in found} == {
        ("release-age", "core 1.1", "broken"): found[0]["text"],
        ("yanked", "old 1.0", "broken"): "yanked: broken on Tuesdays",
        ("project-status", "old 1.0", "broken"): "archived: no time left",
        ("version-lag", "old 1.0", "broken"): "1 major release behind 3.0, and 0 is the most",
        ("provenance", "core 1.1", "broken"): "published by GitHub other/core release.yml; "
        "1.0 was by GitHub octo/core release.yml",
    }
    assert found[0]["text"].startswith("uploaded 2")
    assert "7 days is the least" in found[0]["text"]
    said = shop.ok("policy", "explain", "Old").stdout
    for part in (
        "status archived no time left",
        "yanked: broken on Tuesdays",
        "newest 3.0",
        "asked",
    ):
        assert part in said
    (facts,) = shop.ok("policy", "explain", "core", "--json").json["facts"]
    assert (facts["attested"], facts["files"], facts["listed"]) == (1, 1, True)
    assert facts["publishers"] == ["GitHub other/core release.yml"]
    assert facts["age_seconds"] >= 0


def test_an_audit_tells_them_and_fails(shop: Project, index: Index) -> None:
    shop.ok("lock")
    assert not index.paths("*/integrity/*")
    assert not (shop.home / "provenv/indexes").exists()  # nobody needed it
    learn(shop)
    assert "indexes never asked" in shop.ok("audit").stdout  # absent is unknown, and no finding
    shop.fails(2, "audit", "--refresh", "--offline")
    said = shop.fails(1, "audit", "--refresh").stdout
    assert "yanked    old 1.0  dev, test, staging, prod  broken on Tuesdays" in said
    assert "archived  old 1.0  dev, test, staging, prod  no time left" in said
    assert "nothing known against 2 packages, 1 archived, 1 yanked" in said
    told = shop.fails(1, "audit", "--offline", "--tolerate", "yanked", "--json").json
    assert [(one["kind"], one["tolerated"]) for one in told["notices"]] == [
        ("archived", False),
        ("yanked", True),
    ]
    assert (told["indexes"]["known"], told["indexes"]["of"]) == (2, 2)
    shop.ok("audit", "--tolerate", "yanked", "--tolerate", "archived")


@pytest.mark.slow
def test_a_governed_lock_asks(shop: Project, index: Index) -> None:
    govern(shop, rule("yanked", 'action = "warn"'), rule("provenance", f'action = "warn"\n{SAME}'))
    shop.ok("lock")
    told = shop.ok("policy", "check", "--offline", "--json").json["decisions"]
    assert {(one["rule"], one["subject"], one["state"]) for one in told} == {
        ("provenance", "core 1.1", "broken"),
        ("yanked", "old 1.0", "broken"),
    }
    before = len(index.paths("*/integrity/*"))
    shop.ok("lock", "--upgrade")
    assert len(index.paths("*/integrity/*")) == before  # what is attested stays so


@pytest.mark.slow
def test_what_has_not_changed_is_not_sent_again(shop: Project, index: Index) -> None:
    shop.ok("lock")
    learn(shop)
    shop.fails(1, "audit", "--refresh")
    index.requests.clear()
    index.remove("core-1.1-py3-none-any.whl")
    index.status("old", "quarantined", "malware")
    told = shop.fails(1, "audit", "--refresh", "--json").json
    assert [(one["kind"], one["name"]) for one in told["notices"]] == [
        ("removed", "core"),
        ("quarantined", "old"),
    ]
    assert shop.fails(1, "audit", "--json").json["indexes"]["digest"] == told["indexes"]["digest"]
    index.requests.clear()
    again = shop.fails(1, "audit", "--refresh", "--json").json["notices"]
    assert [{**one, "asked": ""} for one in again] == [
        {**one, "asked": ""} for one in told["notices"]
    ]
    assert {one.status for one in index.requests} == {304}
    # the update of advisories asks as well, in a project
    zipped = str(shop.home / "all.zip")
    done = shop.ok("advisories", "update", "--url", zipped, "--json").json["indexes"]
    assert (done["asked"], done["changed"], done["failed"]) == (2, 0, [])
    text = shop.ok("advisories", "update", "--url", zipped).stderr
    assert "indexes asked about 2 packages: nothing new" in text
    shop.write("pylock.toml", "no lock at all")
    result = shop.ok("advisories", "update", "--url", zipped, "--json")
    assert result.json["indexes"] is None
    assert "no index was asked" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("how", ["html", "cut", "garbled", "forbidden", "refused"])
def test_what_an_index_cannot_be_asked_stays_known(shop: Project, index: Index, how: str) -> None:
    shop.ok("lock")
    govern(shop, rule("yanked"))
    learn(shop)
    shop.fails(1, "audit", "--refresh")
    shop.fails(1, "policy", "check")
    for name in ("core", "old"):
        index.status(name, "deprecated")  # it has news, if only it could be asked
    if how == "html":
        index.fault("*/simple/*/", page="<html>please log in</html>")
    elif how == "cut":
        index.fault("*/simple/*/", cut=20)
    elif how == "garbled":
        index.fault("*/simple/*/", wrong=True)
    else:
        index.fault("*/simple/*/", status=403 if how == "forbidden" else 400)
    told = shop.fails(1, "audit", "--refresh", "--json")
    assert [one["kind"] for one in told.json["notices"]] == ["archived", "yanked"]
    assert "was not asked anew" in told.json["doubts"][0]
    assert "was not asked anew" in told.stderr
    words = ("--tolerate", "archived", "--tolerate", "yanked")
    shop.fails(3, "audit", "--refresh", *words)  # what was wanted could not be had
    shop.ok("audit", *words)
    assert "broken" in shop.fails(1, "policy", "check").stdout


@pytest.mark.slow
def test_an_index_that_says_nothing_is_unknown(shop: Project, index: Index) -> None:
    """HTML alone has neither times nor statuses."""
    govern(shop, rule("yanked"), rule("release-age", 'min = "7d"'))
    index.fault(
        "*/simple/core/",
        page=f'<a href="{index.file_url("core-1.0-py3-none-any.whl")}">core-1.0-py3-none-any.whl</a>',
    )
    shop.depends("core")
    shop.ok("lock")
    said = shop.fails(3, "policy", "check").stdout
    assert "its index does not speak JSON (PEP 691)" in said
    assert "nobody says when 1 of 1 file came" in said


@pytest.mark.slow
def test_a_fix_is_let_through_the_cool_down(shop: Project, index: Index) -> None:
    cooldown = rule("release-age", 'min = "7d"\nbypass = "fixes-known-vulnerability"')
    shop.depends("core")
    shop.ok("lock")
    govern(shop, cooldown)
    learn(shop)
    shop.ok("audit", "--refresh")
    shop.fails(1, "policy", "check")
    ranges = [[("introduced", "0"), ("fixed", "1.1")]]
    learn(shop, record("PYSEC-1", "Core", ranges=ranges, aliases=["CVE-1"]))
    said = shop.ok("policy", "check").stdout
    assert "let through: it fixes PYSEC-1 of 1.0" in said
    # a version that merely nobody has spoken of yet is no fix
    learn(shop, record("PYSEC-1", "core", versions=["1.0"]))
    shop.fails(1, "policy", "check")
    # nor is one that has a hole that it was to mend
    learn(
        shop, record("PYSEC-1", "core", ranges=ranges), record("PYSEC-2", "core", versions=["1.1"])
    )
    assert "let through" in shop.ok("policy", "check").stdout
    learn(shop, record("PYSEC-1", "core", versions=["1.0", "1.1"], ranges=ranges))
    shop.fails(1, "policy", "check")
    # and while locking
    learn(shop, record("PYSEC-1", "core", ranges=ranges))
    shop.ok("lock", "--upgrade")
    assert 'version = "1.1"' in shop.read("pylock.toml")
    learn(shop)
    assert "excluded: core 1.1 by release-age" in shop.ok("lock", "--upgrade").stderr
    assert 'version = "1.0"' in shop.read("pylock.toml")


@pytest.mark.slow
def test_the_notices_for_other_programs(shop: Project) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    shop.ok("lock")
    learn(shop, record("PYSEC-1", "core", versions=["1.1"]))
    words = ("audit", "--tolerate", "archived", "--format")
    document = shop.fails(1, *words, "sarif", "--refresh").json
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    (run,) = document["runs"]
    rules = [row["id"] for row in run["tool"]["driver"]["rules"]]
    found = {rules[row["ruleIndex"]]: row for row in run["results"]}
    assert {code: row["level"] for code, row in found.items()} == {
        "PYSEC-1": "error",
        "archived": "note",
        "yanked": "error",
    }
    assert all(code == row["ruleId"] for code, row in found.items())
    assert "broken on Tuesdays" in found["yanked"]["message"]["text"]
    suite = ET.fromstring(shop.fails(1, *words, "junit").stdout)[0]  # our own
    failed = {case.get("name"): case[0].get("message") for case in suite if len(case)}
    assert failed == {"core 1.1": "PYSEC-1", "old 1.0": "yanked"}


@pytest.mark.slow
def test_a_python_without_fixes_is_told(project: Project, tmp_path: Path) -> None:
    learn(project)
    site = tmp_path / "venv/lib/python3.8/site-packages"
    site.mkdir(parents=True)
    (tmp_path / "venv/pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.8.18\n")
    said = project.fails(1, "audit", str(tmp_path / "venv")).stdout
    assert "python-eol  Python 3.8.18  venv  its fixes ended on 2024-10-07" in said
    project.ok("audit", str(tmp_path / "venv"), "--tolerate", "python-eol")


@pytest.mark.slow
def test_a_project_on_a_python_without_fixes(project: Project) -> None:
    table = f'[tool.provenv.environments]\ndev = {{ python = "{pyenv_python("3.9")}" }}\n'
    head = '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = []\n'
    project.pyproject(f"{head}{table}")
    learn(project)
    project.ok("lock")
    project.ok("audit")  # nobody has made an environment yet
    project.ok("sync")
    (told,) = project.fails(1, "audit", "--json").json["notices"]
    assert (told["kind"], told["name"], told["environments"]) == ("python-eol", "Python", ["dev"])
    assert told["version"].startswith("3.9.")
    project.fails(1, "audit", "--installed")
    project.ok("audit", "-e", "prod")
    case = project.fails(1, "audit", "--format", "junit").stdout
    assert f'name="Python {told["version"]}"' in case


def test_what_is_tolerated_is_what_there_is() -> None:
    assert audit.ADVERSE == auditing.ADVERSE


def test_cases_of_policies(project: Project) -> None:
    project.depends()
    govern(
        project,
        rule("release-age", 'min = "7d"\nbypass = "fixes-known-vulnerability"'),
        rule("yanked"),
        rule("project-status", 'deny = ["archived"]\non-unknown = "ignore"'),
        rule("version-lag", "max-majors = 1"),
        rule("provenance", 'publisher-unchanged = true\non-unknown = "ignore"'),
    )
    now = 'now = 2026-11-22T00:00:00Z\nuploaded = 2026-11-01T00:00:00Z\nversion = "1.0"'
    rows = [
        (now, "pass", ""),
        (now.replace("11-01", "11-20"), "fail", "release-age"),
        (now.replace("11-01", "11-20") + '\nfixes = ["CVE-1"]', "pass", ""),
        (now.replace("uploaded = 2026-11-01T00:00:00Z", ""), "inconclusive", "release-age"),
        (f'{now}\nyanked = "so"', "fail", "yanked"),
        (f"{now}\nyanked = true", "fail", "yanked"),
        (f'{now}\nstatus = "archived"', "fail", "project-status"),
        (f'{now}\nreleases = ["2.0", "3.0", "3.1"]', "fail", "version-lag"),
        (f"{now}\nattested = false", "fail", "provenance"),
        (f'{now}\npublisher = "a"\npublisher-before = "b"', "fail", "provenance"),
        (f'{now}\npublisher = "a"\npublisher-before = "a"', "pass", ""),
    ]
    cases = [
        f'[[case]]\nname = "{n}"\npackage = "a"\n{keys}\nexpect = "{expect}"\nrules = {[r] if r else []}\n'
        for n, (keys, expect, r) in enumerate(rows)
    ]
    project.write("cases.toml", "\n".join(cases))
    assert project.ok("policy", "test", "cases.toml").stdout.endswith("11 cases, 0 wrong\n")


def test_a_lock_leaves_out_what_a_rule_denies(shop: Project, index: Index) -> None:
    """What is too young, yanked, too old or published by somebody else; and it says so."""
    govern(shop, rule("release-age", 'min = "7d"'), rule("yanked"))
    refused = shop.fails(1, "lock").stderr
    assert "old 1.0 by yanked (yanked: broken on Tuesdays)" in refused
    assert not (shop.folder / "pylock.toml").exists()
    shop.depends("core", "old")
    said = shop.ok("lock").stderr
    assert "excluded: core 1.1 by release-age (uploaded 2" in said
    assert 'version = "1.0"' in shop.read("pylock.toml")
    shop.ok("policy", "check")
    locked = shop.read("pylock.toml")
    shop.ok("lock", "--check")
    shop.ok("lock")
    assert shop.read("pylock.toml") == locked


@pytest.mark.slow
def test_what_was_too_young_is_let_in_when_it_is_older(
    shop: Project, index: Index, tmp_path: Path
) -> None:
    govern(shop, rule("release-age", 'min = "7d"'))
    shop.depends("core")
    shop.ok("lock")
    shutil.rmtree(shop.home / "provenv/indexes")  # as on another machine
    shop.ok("lock", "--check")
    shop.ok("lock", "--check", "--offline")
    index.add(make_wheel(tmp_path / "w", "core", "1.1"), upload_time=ago(8))  # a week goes by
    shop.ok("lock", "--check")
    assert 'version = "1.0"' in shop.read("pylock.toml")
    shop.ok("lock", "--upgrade")
    assert 'version = "1.1"' in shop.read("pylock.toml")


@pytest.mark.slow
def test_what_lies_in_an_environment_came_from_an_index(shop: Project) -> None:
    learn(shop)
    shop.ok("sync")
    shop.fails(1, "audit", "--refresh")
    told = shop.fails(1, "audit", "--installed", "--json").json
    assert [(one["kind"], one["version"]) for one in told["notices"]] == [
        ("archived", "1.0"),
        ("yanked", "1.0"),
    ]
    # where somebody has put another version, nobody knows where that is from
    site = next((shop.folder / ".venv/current/lib").glob("*/site-packages"))
    info = site / "old-1.0.dist-info"
    text = (info / "METADATA").read_text().replace("Version: 1.0", "Version: 0.9")
    (info / "METADATA").unlink()
    (info / "METADATA").write_text(text)
    told = shop.ok("audit", "--installed", "--json").json
    assert (told["indexes"]["known"], told["indexes"]["of"]) == (1, 1)


@pytest.mark.slow
def test_what_is_yanked_later_is_not_run_any_more(
    shop: Project, index: Index, tmp_path: Path
) -> None:
    govern(shop, rule("yanked"))
    shop.depends("core")
    learn(shop)
    shop.ok("sync")
    shop.ok("run", "--", "python", "-c", "")
    index.add(make_wheel(tmp_path / "w", "core", "1.1"), yanked="oh no", upload_time=ago(1))
    shop.ok("run", "--", "python", "-c", "")  # nobody here has heard of it
    shop.fails(1, "audit", "--refresh")
    assert "core 1.1: yanked: oh no" in shop.fails(1, "run", "--", "python", "-c", "").stderr
    said = shop.ok("lock").stderr
    assert "excluded: core 1.1 by yanked (yanked: oh no)" in said
    shop.ok("run", "--", "python", "-c", "")

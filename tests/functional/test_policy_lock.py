"""Policy while locking: what a rule excludes is not locked, and the lock says so."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support import Index, Project, make_sdist, make_wheel
from support.advisories import GRAVE, archive, record
from support.policies import waiver

VULNS = 'schema = 1\n[[rule]]\nid = "vulns"\nkind = "vulnerability"\n'


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """``app`` 1 needs any ``core``, ``app`` 2 at least 2; of ``core``, 1.1 and 2.0 are vulnerable."""
    for version in ("1.0", "1.1", "1.2", "2.0"):
        index.add(make_wheel(tmp_path / "w", "core", version))
    index.add(make_wheel(tmp_path / "w", "app", "1.0", requires=["core"]))
    index.add(make_wheel(tmp_path / "w", "app", "2.0", requires=["core>=2"]))
    learn(project, versions=["1.1", "2.0"])
    return project


def learn(project: Project, **more: Any) -> None:
    one = record("PYSEC-1", "core", aliases=["CVE-1"], cvss=GRAVE, **more)
    path = archive(project.home / "all.zip", [one])
    project.ok("advisories", "import", str(path), "--force")


def locked(project: Project) -> dict[str, str]:
    return {one["name"]: one.get("version", "") for one in read(project)["packages"]}


def read(project: Project) -> dict[str, Any]:
    return tomllib.loads(project.read("pylock.toml"))


def assert_lasting(project: Project, wish: str) -> None:
    """Twice made anew, the lock is the same to the byte."""
    before = project.read("pylock.toml")
    project.depends(wish, groups={"more": []})
    project.ok("lock")
    project.depends(wish)
    project.ok("lock")
    assert project.read("pylock.toml") == before


def test_what_a_rule_excludes_is_not_locked_and_the_lock_says_so(shop: Project) -> None:
    shop.write("provenv-policy.toml", VULNS)
    shop.depends("app")
    done = shop.ok("lock")
    assert locked(shop) == {"app": "1.0", "core": "1.2"}
    assert "excluded: core 2.0 by vulns (CVE-1)" in done.stderr
    table = read(shop)["tool"]["provenv"]
    assert table["policy-digest"] == shop.ok("policy", "check", "--json").json["policy"]["digest"]
    assert table["excluded"] == [
        {"name": "core", "version": "2.0", "rule": "vulns", "why": "CVE-1", "left": "!=1.1,!=2.0"}
    ]


@pytest.mark.slow
def test_locked_again_it_is_the_same_to_the_byte(shop: Project) -> None:
    shop.write("provenv-policy.toml", VULNS)
    shop.depends("app")
    shop.ok("lock")
    before = shop.read("pylock.toml")
    assert "nothing to do" in shop.ok("lock").stderr
    shop.ok("lock", "--check")
    assert shop.read("pylock.toml") == before
    assert_lasting(shop, "app")
    found = shop.ok("lock", "--json").json["excluded"]
    assert [(row["name"], row["version"], row["rule"]) for row in found] == [
        ("core", "2.0", "vulns")
    ]


@pytest.mark.slow
def test_explain_says_offline_what_was_not_locked(shop: Project) -> None:
    shop.write("provenv-policy.toml", VULNS)
    shop.depends("app")
    shop.ok("lock")
    said = shop.ok("policy", "explain", "core").stdout
    assert re.search(r"^not locked +core 2\.0 by vulns \(CVE-1\)$", said, re.MULTILINE)
    assert "not locked  core 2.0" in shop.ok("policy", "explain", "vulns").stdout
    told = shop.ok("policy", "explain", "core", "--json").json
    assert told["excluded"] == [{"name": "core", "version": "2.0", "rule": "vulns", "why": "CVE-1"}]


def test_where_nothing_complies_both_reasons_are_told_and_nothing_is_written(shop: Project) -> None:
    shop.depends("app>=2")
    shop.ok("lock")
    before = shop.read("pylock.toml")
    shop.write("provenv-policy.toml", VULNS)
    failed = shop.fails(1, "lock")
    assert "app>=2.0 depends on core>=2" in failed.stderr  # the resolver's reason
    assert "app>=2.0 depends on what the rule 'vulns' leaves of core" in failed.stderr
    assert "excluded: core 2.0 by vulns (CVE-1)" in failed.stderr
    assert "`provenv policy explain core`" in failed.stderr
    assert shop.read("pylock.toml") == before
    (shop.folder / "pylock.toml").unlink()
    assert "policy explain" not in shop.fails(1, "lock").stderr  # which would ask for a lock


@pytest.mark.slow
def test_nothing_is_added_that_the_rules_exclude(shop: Project) -> None:
    shop.write("provenv-policy.toml", VULNS)
    shop.depends("app")
    shop.ok("lock")
    before = shop.read("pylock.toml")
    manifest = shop.read("pyproject.toml")
    shop.fails(1, "add", "core>=2")
    assert (shop.read("pylock.toml"), shop.read("pyproject.toml")) == (before, manifest)
    shop.depends("core>=2")
    error = shop.fails(1, "lock", "--json").json["error"]
    assert error["kind"] == "unsatisfiable"
    assert error["details"]["excluded"][0]["why"] == "CVE-1"


@pytest.mark.slow
def test_a_lock_that_the_rules_refuse_today_is_made_anew(shop: Project) -> None:
    learn(shop, versions=["0.1"])
    shop.depends("app")
    shop.ok("lock")
    assert locked(shop)["core"] == "2.0"
    shop.write("provenv-policy.toml", VULNS)
    assert "nothing to do" in shop.ok("lock").stderr
    learn(shop, versions=["2.0"])
    done = shop.ok("lock")
    assert "locking: the rules exclude core 2.0 by vulns (CVE-1)" in done.stderr
    assert locked(shop)["core"] == "1.2"
    learn(shop, versions=["0.1"])  # withdrawn: what stays locked need not move
    shop.ok("lock")
    assert locked(shop)["core"] == "1.2"
    shop.ok("lock", "--upgrade")
    assert locked(shop)["core"] == "2.0"
    assert "excluded" not in read(shop)["tool"]["provenv"]


@pytest.mark.slow
def test_a_rule_for_one_environment_counts_where_the_package_is_in_it(shop: Project) -> None:
    shop.write("provenv-policy.toml", VULNS + 'environments = ["prod"]\n')
    shop.depends(groups={"dev": ["core"]})
    shop.ok("lock")
    assert locked(shop)["core"] == "2.0"
    shop.depends("core", groups={"dev": ["core"]})
    shop.ok("lock")
    assert locked(shop)["core"] == "1.2"


@pytest.mark.slow
def test_what_is_waived_or_in_time_excludes_nothing(shop: Project) -> None:
    today = datetime.now(UTC).date()
    waived = waiver(today, today + timedelta(days=7), "==2.0")
    shop.depends("core")
    shop.write("provenv-policy.toml", VULNS + waived)
    shop.ok("lock")
    assert locked(shop)["core"] == "2.0"
    published = (datetime.now(UTC) - timedelta(days=3)).strftime("%Y-%m-%dT00:00:00Z")
    learn(shop, versions=["2.0"], published=published)
    shop.write("provenv-policy.toml", VULNS + 'sla = { critical = "15d" }\n')
    shop.ok("lock", "--upgrade")
    assert locked(shop)["core"] == "2.0"
    shop.write("provenv-policy.toml", VULNS + 'sla = { critical = "2d" }\n')
    shop.ok("lock")
    assert locked(shop)["core"] == "1.2"


@pytest.mark.slow
def test_a_denied_package_is_not_even_built_for_its_metadata(
    project: Project, index: Index, tmp_path: Path
) -> None:
    index.add(make_sdist(tmp_path / "s", "evil", "1.0"))
    index.add(make_wheel(tmp_path / "w", "app", "1.0"))
    index.add(make_wheel(tmp_path / "w", "app", "2.0", requires=["evil"]))
    deny = 'schema = 1\n[[rule]]\nid = "list"\nkind = "package"\ndeny = ["evil"]\n'
    project.write("provenv-policy.toml", deny)
    project.depends("app")
    project.ok("lock")
    assert locked(project) == {"app": "1.0"}
    project.depends("app>=2")
    said = project.fails(1, "lock").stderr
    assert "app==2.0 depends on what the rule 'list' leaves of evil" in said
    assert "excluded: evil by list (evil is denied)" in said
    assert [request for request in index.requests if "evil-1.0" in request.path] == []


@pytest.mark.slow
def test_a_source_is_passed_over_for_a_version_with_a_wheel(
    project: Project, index: Index, tmp_path: Path
) -> None:
    index.add(make_wheel(tmp_path / "w", "core", "1.0"))
    index.add(make_sdist(tmp_path / "s", "core", "1.1"))
    index.add(make_sdist(tmp_path / "s", "core", "1.2"))
    project.write("provenv-policy.toml", 'schema = 1\n[[rule]]\nid = "b"\nkind = "no-sdist"\n')
    project.depends("core")
    project.ok("lock")
    assert locked(project) == {"core": "1.0"}
    assert_lasting(project, "core")


@pytest.mark.slow
def test_what_no_version_mends_is_said_and_locked(shop: Project, index: Index) -> None:
    rule = 'schema = 1\n[[rule]]\nid = "home"\nkind = "origin"\nhosts = ["files.example.org"]\n'
    shop.write("provenv-policy.toml", rule)
    shop.depends("core")
    done = shop.ok("lock")
    assert "the policy's verdict on this lock is fail: home: core 2.0: it comes from" in done.stderr
    assert "`provenv policy check`" in done.stderr
    shop.fails(1, "policy", "check")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "hint"),
    [
        (
            'kind = "origin"\nhosts = ["example.org"]',
            "No version is excluded for where it comes from. ",
        ),
        ('kind = "project-status"\ndeny = ["archived"]', "That holds for every version. "),
        ('kind = "python-eol"\nwithin = "36500d"', "Another Python mends that. "),
        ('kind = "sbom-required"', ""),
        ('kind = "licence"\nallow = ["MIT"]', "What cannot be told excludes no version. "),
        (f'kind = "signature"\n[[rule.keys]]\nkey = "ed25519:{"A" * 43}="\nowner = "x"', None),
    ],
    ids=["origin", "project-status", "python-eol", "sbom-required", "unknown", "signature"],
)
def test_the_hint_is_true_of_the_rule_that_is_still_broken(
    shop: Project, index: Index, rule: str, hint: str | None
) -> None:
    index.status("core", "archived")
    shop.depends("core")
    shop.ok("sync")
    shop.write("provenv-policy.toml", f'schema = 1\n[[rule]]\nid = "one"\n{rule}\n')
    said = shop.ok("lock", "--upgrade").stderr
    if hint is None:  # no lock is signed while it is made
        assert "verdict on this lock" not in said
    else:
        assert f"\nhint: {hint}`provenv policy check` says all of it." in said


@pytest.mark.slow
def test_a_common_lock_answers_to_the_environments_of_its_members(shop: Project) -> None:
    shop.write("provenv-policy.toml", VULNS + 'environments = ["prod"]\n')
    shop.pyproject('[tool.provenv.workspace]\nmembers = ["a", "b"]\nshared-lock = true\n')
    member = (
        '[project]\nname = "{}"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = {}\n'
    )
    shop.write("a/pyproject.toml", member.format("a", '["app"]'))
    dev = '[dependency-groups]\ndev = ["core"]\n'
    shop.write("b/pyproject.toml", member.format("b", "[]") + dev)
    shop.ok("lock")
    assert locked(shop)["core"] == "1.2"
    shop.write("a/pyproject.toml", member.format("a", "[]"))
    shop.ok("lock", "--upgrade")
    assert locked(shop)["core"] == "2.0"


@pytest.mark.slow
def test_without_the_index_versions_are_excluded_one_by_one(shop: Project, index: Index) -> None:
    shop.write("provenv-policy.toml", VULNS)
    learn(shop, versions=["1.2", "2.0"])
    shop.depends("core")
    shop.ok("lock")
    assert locked(shop)["core"] == "1.1"
    learn(shop, versions=["1.1", "1.2", "2.0"])
    shop.ok("lock", "--dry-run")  # the resolver has it all in its cache
    shop.ok("lock", "--offline")
    assert locked(shop)["core"] == "1.0"


@pytest.mark.slow
@pytest.mark.parametrize(
    "row",
    [
        '"core"',
        '{ name = "core", version = 2026-11-22, left = "!=2.0" }',
        '{ name = "core", version = "2.0", rule = "vulns", why = "x", left = " @ http://127.0.0.1/x" }',
        '{ name = "core", version = "1.0", rule = "vulns", why = "x", left = "<1.1" }',
        '{ name = "core", version = "2.0", rule = "gone", why = "x", left = "<1.1" }',
    ],
)
def test_what_somebody_wrote_into_the_lock_excludes_nothing(shop: Project, row: str) -> None:
    shop.write("provenv-policy.toml", VULNS)
    shop.depends("core")
    shop.ok("lock")
    text = re.sub(
        r"excluded = \[.*?\n\]\n",
        f"excluded = [{row}]\n",
        shop.read("pylock.toml"),
        flags=re.DOTALL,
    )
    assert row in text
    shop.write("pylock.toml", text)
    shop.ok("lock", "--json")
    shop.depends("core", groups={"more": []})
    shop.ok("lock")
    assert locked(shop)["core"] == "1.2"
    assert row not in shop.read("pylock.toml").partition("excluded = ")[2]


@pytest.mark.slow
def test_a_cool_down_takes_the_version_below_until_time_has_passed(
    project: Project, index: Index, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    for version, days in (("1.0", 90), ("1.1", 30), ("1.2", 2), ("1.3", 1)):
        uploaded = (now - timedelta(days=days)).isoformat()
        index.add(make_wheel(tmp_path / "w", "core", version), upload_time=uploaded)
    rule = 'schema = 1\n[[rule]]\nid = "cool"\nkind = "release-age"\nmin = "{}"\n'
    project.write("provenv-policy.toml", rule.format("7d"))
    project.depends("core")
    done = project.ok("lock")
    assert locked(project) == {"core": "1.1"}
    assert "excluded: core 1.3 by cool (uploaded " in done.stderr
    assert "is older than" not in done.stderr  # as it must be
    assert len(read(project)["tool"]["provenv"]["excluded"]) == 1  # and 1.2 in the same round
    assert_lasting(project, "core")
    project.ok("sync")
    project.write("provenv-policy.toml", rule.format("12h"))
    project.ok("lock", "--upgrade")
    assert locked(project) == {"core": "1.3"}


@pytest.mark.slow
def test_yanked_since_it_was_locked_is_left_by_the_next_lock(
    project: Project, index: Index, tmp_path: Path
) -> None:
    index.add(make_wheel(tmp_path / "w", "core", "1.0"))
    newest = make_wheel(tmp_path / "w", "core", "1.1")
    index.add(newest)
    project.depends("core")
    project.ok("lock")
    index.add(newest, yanked="broken on Tuesdays")
    project.write("provenv-policy.toml", 'schema = 1\n[[rule]]\nid = "y"\nkind = "yanked"\n')
    learn(project, versions=["0.1"])
    project.ok("audit", "--refresh", "--tolerate", "yanked")
    assert "locking: the rules exclude core 1.1 by y (yanked: broken" in project.ok("lock").stderr
    assert locked(project) == {"core": "1.0"}


@pytest.mark.slow
def test_locks_of_environments_in_conflict_are_judged_as_they_come(shop: Project) -> None:
    shop.write("provenv-policy.toml", VULNS)
    shop.depends("app")
    shop.ok("lock")
    groups = {"a": ["core<2"], "b": ["core>=2"]}
    more = 'conflicts = [["a", "b"]]\nenvironments = { a = { groups = ["a"] }, b = { groups = ["b"] } }'
    shop.depends(groups=groups, more=f"[tool.provenv]\n{more}\n")
    assert "excluded: core 2.0 by vulns" in shop.fails(1, "lock").stderr
    shop.write("provenv-policy.toml", VULNS + 'environments = ["a"]\n')
    shop.ok("lock")
    shop.ok("sync", "-e", "b")
    assert shop.python("import core; print(core.__version__)", environment=".venvs/b") == "2.0"
    shop.write("provenv-policy.toml", VULNS + 'environments = ["b"]\n')
    shop.ok("sync", "-e", "a")
    shop.fails(1, "sync", "-e", "b")


@pytest.mark.slow
def test_an_allow_list_is_a_bound_and_what_is_not_on_it_is_not_locked(shop: Project) -> None:
    rule = 'schema = 1\n[[rule]]\nid = "list"\nkind = "package"\nallow = {}\n'
    shop.write("provenv-policy.toml", rule.format('["app", "core<2"]'))
    shop.depends("app")
    assert "by the rule 'list': only core<2 is allowed" in shop.ok("lock").stderr
    assert locked(shop) == {"app": "1.0", "core": "1.2"}
    assert "core by list (only core<2 is allowed)" in shop.ok("policy", "explain", "core").stdout
    shop.write("provenv-policy.toml", rule.format('["app"]'))
    said = shop.fails(1, "lock").stderr
    assert "core 1.2 by list (it is not on the list of what is allowed)" in said
    assert "left of core: nothing" in said


@pytest.mark.slow
def test_what_comes_from_an_address_has_no_other_version(shop: Project, index: Index) -> None:
    shop.write("provenv-policy.toml", VULNS)
    shop.depends(f"core @ {index.file_url('core-2.0-py3-none-any.whl')}")
    said = shop.ok("lock").stderr
    assert "verdict on this lock is fail: vulns: core 2.0" in said
    assert "hint: What comes from a path, an address or a repository has no other version." in said
    shop.fails(1, "sync")
    shop.depends("core", more='[tool.uv]\noverride-dependencies = ["core==2.0"]\n')
    assert "excluded: core 2.0 by vulns" in shop.fails(1, "lock").stderr


@pytest.mark.slow
def test_a_word_in_the_manifest_is_no_policy(shop: Project) -> None:
    shop.depends("core", more='[tool.other]\npolicy = "open"\n')
    shop.ok("sync")
    assert locked(shop)["core"] == "2.0"
    assert "policy-digest" not in shop.read("pylock.toml")
    rule = '{ id = "v", kind = "vulnerability" }'
    escaped = f'"p\\u006flicy" = {{ schema = 1, rule = [{rule}] }}'
    shop.depends("core", more=f"[tool.provenv]\n{escaped}\n")
    shop.fails(1, "run", "true")


@pytest.mark.slow
@pytest.mark.parametrize("versions", [[], ["1.1"]], ids=["all of it", "one version"])
def test_what_is_known_to_be_hostile_is_not_built_when_it_is_asked_for(
    project: Project, index: Index, tmp_path: Path, versions: list[str]
) -> None:
    ranges = [] if versions else [[("introduced", "0")]]
    one = record("MAL-2026-1", "evil", versions=versions, ranges=ranges)
    path = archive(project.home / "all.zip", [one])
    project.ok("advisories", "import", str(path))
    index.add(make_wheel(tmp_path / "w", "evil", "1.0"))
    index.add(make_sdist(tmp_path / "s", "evil", "1.1"))
    rule = 'schema = 1\n[[rule]]\nid = "hostile"\nkind = "malware"\n'
    project.write("provenv-policy.toml", rule)
    project.depends("evil")
    if versions:
        done = project.ok("lock")
        assert "excluded: evil 1.1 by hostile (MAL-2026-1)" in done.stderr
        assert locked(project) == {"evil": "1.0"}
        assert_lasting(project, "evil")
    else:
        assert "excluded: evil by hostile (MAL-2026-1)" in project.fails(1, "lock").stderr
    assert not [request for request in index.requests if "evil-1.1" in request.path]


@pytest.mark.slow
def test_a_newer_version_takes_the_place_and_an_older_one_with_a_warning(
    project: Project, index: Index, tmp_path: Path
) -> None:
    for version in ("1.0", "1.1", "1.2", "2.0"):
        index.add(make_wheel(tmp_path / "w", "core", version))
    index.add(make_wheel(tmp_path / "w", "app", "1.0", requires=["core<1.2"]))
    learn(project, versions=["1.1"])
    project.depends("core<1.2")
    project.ok("lock")
    project.write("provenv-policy.toml", VULNS)
    project.depends("core<2")
    assert "is older than" not in project.ok("lock").stderr
    assert locked(project) == {"core": "1.2"}
    project.depends("core<2", "app")
    said = project.ok("lock").stderr
    assert "warning: core 1.0 complies, and is older than 1.1, which is excluded by vulns" in said
    assert locked(project)["core"] == "1.0"
    before = project.read("pylock.toml")
    project.depends("core<2", "app", groups={"more": []})
    project.ok("lock")
    project.depends("core<2", "app")
    assert "is older than" not in project.ok("lock").stderr
    assert project.read("pylock.toml") == before

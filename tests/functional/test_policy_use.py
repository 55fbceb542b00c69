"""Policy when an environment is used: no `sync` and no `run` without a verdict that holds today."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support import Index, Project, make_wheel
from support.advisories import GRAVE, archive, record
from support.policies import waiver
from support.somebody import as_somebody, closed, needs_somebody

VULNS = 'schema = 1\n[[rule]]\nid = "vulns"\nkind = "vulnerability"\n'
DENY = 'schema = 1\n[[rule]]\nid = "list"\nkind = "package"\ndeny = ["core<2"]\n'


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """``core`` 1.0 is there, and synced; 2.0 is there as well, and nothing is known of either."""
    for version in ("1.0", "2.0"):
        index.add(make_wheel(tmp_path / "w", "core", version))
    learn(project)
    project.depends("core<2")
    return project


def learn(project: Project, package: str = "other", **more: Any) -> None:
    ranges = [[("introduced", "0"), ("fixed", "2.0")]]
    one = record("PYSEC-1", package, ranges=ranges, aliases=["CVE-1"], cvss=GRAVE, **more)
    path = archive(project.home / "all.zip", [one])
    project.ok("advisories", "import", str(path), "--force")


def refuse(project: Project, *words: str, **more: Any) -> None:
    """A call is refused, and by the policy; nothing that it would have started is run."""
    assert "the policy refuses it" in project.fails(1, *words, **more).stderr, words


def test_what_is_refused_is_neither_made_nor_run_and_what_is_there_stays(shop: Project) -> None:
    shop.write("provenv-policy.toml", VULNS)
    shop.ok("sync")
    shop.ok("run", "true")
    learn(shop, "core")
    said = shop.fails(1, "run", "true").stderr
    assert "dev: the policy refuses it:\n  vulns: core 1.0: PYSEC-1: critical 9.8" in said
    assert "`provenv lock` chooses versions that comply" in said
    error = shop.fails(1, "sync", "--locked", "--json").json["error"]
    assert os.readlink(shop.folder / ".venv/current") == "generations/1"
    assert error["details"]["decisions"][0]["names"] == ["CVE-1", "PYSEC-1"]
    shop.depends("core")
    shop.ok("lock")
    shop.ok("run", "true")
    assert shop.python("import core; print(core.__version__)") == "2.0"


@pytest.mark.slow
def test_a_verdict_holds_until_what_it_was_made_from_changes(shop: Project, tmp_path: Path) -> None:
    shop.ok("sync")
    for place in (
        shop.folder / "provenv-policy.toml",
        shop.home / "provenv/policy.toml",
    ):
        place.write_text(DENY)
        refuse(shop, "run", "true")
        place.write_text(DENY.replace("<2", "<1"))
        shop.ok("run", "true")
        place.write_text(DENY)
        refuse(shop, "run", "true")
        refuse(shop, "sync")
        place.unlink()
        shop.ok("run", "true")
    named = tmp_path / "organisation.toml"
    named.write_text(DENY)
    refuse(shop, "run", "true", env={"PROVENV_POLICY": str(named)})
    shop.ok("run", "true")
    named.write_text(DENY.replace("<2", "<1"))
    for _ in range(2):
        shop.ok("run", "true", env={"PROVENV_POLICY": str(named)})
    named.unlink()
    gone = shop.fails(2, "run", "true", env={"PROVENV_POLICY": str(named)})
    assert str(named) in gone.stderr
    relative = shop.fails(2, "run", "true", env={"PROVENV_POLICY": "organisation.toml"})
    assert "organisation.toml: cannot be read" in relative.stderr
    rule = '{ id = "l", kind = "package", deny = ["core"] }'
    shop.depends("core<2", more=f"[tool.provenv]\npolicy = {{ schema = 1, rule = [{rule}] }}\n")
    refuse(shop, "run", "true")


def valid(project: Project) -> list[int]:
    """Between which seconds the verdict in the stamp holds."""
    lines = project.read(".venv/.stamp").splitlines()
    (line,) = [line for line in lines if line.startswith("valid ")]
    return [int(word) for word in line.split()[1:3]]


def shift(project: Project, seconds: int) -> None:
    """As if the clock stood elsewhere: the verdict was made then."""
    stamp = project.folder / ".venv/.stamp"
    since, until = valid(project)
    moved = f"valid {since + seconds} {until + seconds} -"
    stamp.write_text(stamp.read_text().replace(f"valid {since} {until} -", moved))


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [-90_000, 3600], ids=["too old", "the clock was set back"])
def test_where_the_clock_says_otherwise_it_is_judged_anew(shop: Project, seconds: int) -> None:
    shop.write("provenv-policy.toml", VULNS)
    shop.ok("sync")
    since, until = valid(shop)
    assert time.time() - 60 < since <= time.time()
    assert until <= since + 86_400
    shift(shop, seconds)
    shop.ok("run", "true")
    assert since <= valid(shop)[0] <= time.time()


@needs_somebody
def test_somebody_who_may_not_write_is_judged_anew(shop: Project) -> None:
    """A service that root installed starts, whenever its machine does; what is refused does not."""
    shop.write("provenv-policy.toml", VULNS)
    shop.ok("sync")
    shift(shop, -90_000)
    with closed(shop):
        for _ in range(2):
            done = as_somebody(shop, "run", "echo", "up")
            assert (done.returncode, done.stdout) == (0, "up\n"), done.stderr
    shop.write("provenv-policy.toml", DENY)
    with closed(shop):
        done = as_somebody(shop, "run", "echo", "up")
    assert (done.returncode, done.stdout) == (1, ""), done.stderr


@pytest.mark.slow
def test_a_verdict_ends_with_what_it_leans_on(shop: Project) -> None:
    published = datetime.now(UTC) - timedelta(days=15) + timedelta(hours=2)
    learn(shop, "core", published=published.strftime("%Y-%m-%dT%H:%M:%SZ"))
    shop.write("provenv-policy.toml", VULNS + 'sla = { critical = "15d" }\n')
    shop.ok("sync")
    assert abs(valid(shop)[1] - (time.time() + 7200)) < 60
    learn(shop)
    shop.write("provenv-policy.toml", VULNS.replace("1\n", '1\n[data]\nmax-age = "1h"\n', 1))
    shop.ok("sync")
    assert abs(valid(shop)[1] - (time.time() + 3600)) < 60
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    learn(shop, "core")
    waived = waiver(tomorrow - timedelta(days=1), tomorrow - timedelta(days=1))
    shop.write("provenv-policy.toml", VULNS + waived)
    shop.ok("sync")
    midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=UTC).timestamp()
    assert abs(valid(shop)[1] - midnight) <= 1


@pytest.mark.slow
def test_what_cannot_be_told_is_refused_unless_the_policy_says_otherwise(
    shop: Project, tmp_path: Path
) -> None:
    (shop.home / "provenv/advisories/current").unlink()
    shop.write("provenv-policy.toml", VULNS)
    said = shop.fails(3, "sync").stderr
    assert "dev: the policy cannot tell whether it may be used:" in said
    assert "there are no advisories on this machine" in said
    assert not (shop.folder / ".venv/current").exists()
    lenient = VULNS.replace("1\n", '1\n[data]\non-inconclusive = "warn"\n', 1)
    shop.write("provenv-policy.toml", lenient)
    assert "the policy is inconclusive about it" in shop.ok("sync").stderr
    shop.fails(3, "policy", "check")
    above = tmp_path / "organisation.toml"
    above.write_text(VULNS.replace('"vulns"', '"above"'))
    refused = shop.fails(2, "sync", env={"PROVENV_POLICY": str(above)}).stderr
    assert "loosens what holds already" in refused
    learn(shop)
    shop.write("provenv-policy.toml", VULNS)
    shop.ok("sync")


@pytest.mark.slow
def test_files_written_anew_and_another_checkout_keep_to_the_verdict(
    shop: Project, index: Index, tmp_path: Path
) -> None:
    shop.write("provenv-policy.toml", VULNS)
    shop.ok("sync")
    before = valid(shop)
    time.sleep(1.1)  # a verdict that is made anew begins later
    os.utime(shop.folder / "pyproject.toml")
    shop.ok("run", "true")
    assert valid(shop) == before  # the short way: nobody has judged it a second time
    other = Project(tmp_path / "other", home=shop.home, index_url=index.url)
    for name in ("pyproject.toml", "pylock.toml", "provenv-policy.toml"):
        (other.folder / name).write_text(shop.read(name))
    other.ok("sync")
    told = other.ok("evidence", "show", "--json").json["records"]
    assert [one["kind"] for one in told] == ["sync", "verdict", "begin"]
    learn(shop, "core")
    third = Project(tmp_path / "third", home=shop.home, index_url=index.url)
    for name in ("pyproject.toml", "pylock.toml", "provenv-policy.toml"):
        (third.folder / name).write_text(shop.read(name))
    third.fails(1, "sync")
    os.utime(shop.folder / "pyproject.toml")
    shop.fails(1, "run", "true")
    (other.folder / "provenv-policy.toml").unlink()
    other.ok("run", "true")


@pytest.mark.slow
def test_rolling_back_to_what_is_refused_needs_a_reason(shop: Project) -> None:
    shop.ok("sync")
    shop.depends("core")
    shop.ok("lock", "--upgrade")
    shop.ok("sync")
    shop.write("provenv-policy.toml", DENY)
    shop.ok("run", "true")
    for words in (("rollback",), ("rollback", "--environment-only")):
        said = shop.fails(1, *words).stderr
        assert "the policy refuses it:\n  list: core 1.0: core<2 is denied" in said
        assert "`provenv rollback --despite-policy REASON`" in said
    assert os.readlink(shop.folder / ".venv/current") == "generations/2"
    shop.fails(2, "rollback", "--despite-policy", " ")
    done = shop.ok("rollback", "--environment-only", "--despite-policy", "2.0 loses orders")
    assert "in spite of the policy (2.0 loses orders): list: core 1.0" in done.stderr
    shop.ok("run", "true")
    assert shop.python("import core; print(core.__version__)") == "1.0"
    assert "2.0 loses orders" in shop.ok("log").stdout
    learn(shop, "another")  # another verdict, and the same emergency
    assert "in spite of the policy" in shop.ok("run", "true").stderr
    assert shop.python("import core; print(core.__version__)") == "1.0"
    note = shop.folder / ".venv/.despite"
    note.write_text(note.read_text().replace('"until": ', '"until": 1'))
    shift(shop, -90_000)
    shop.fails(1, "run", "true")
    shop.fails(1, "run", "--no-sync", "true")
    shop.ok("sync")
    assert shop.python("import core; print(core.__version__)") == "2.0"


@pytest.mark.slow
def test_a_lock_of_another_tool_and_an_environment_outside_projects_are_governed(
    shop: Project, index: Index, tmp_path: Path
) -> None:
    index.add(make_wheel(tmp_path / "w", "pip", "1.0"))
    shop.write("requirements.txt", "core==1.0\n")
    for name in ("one", "two"):  # the second from a template
        shop.ok("env", "create", "--global", name, "--seed", "pip")
    policy = shop.home / "provenv/policy.toml"
    policy.write_text(DENY.replace("core<2", "pip"))
    denied = shop.fails(1, "env", "create", "--global", "three", "--seed", "pip").stderr
    assert "what the rule 'list' leaves of pip" in denied
    refuse(shop, "run", "-e", "one", "true")
    policy.write_text(DENY)
    refuse(shop, "sync", "--from", "requirements.txt")
    shop.ok("run", "-e", "one", "true")


@pytest.mark.slow
def test_an_environment_that_no_rule_is_about_needs_no_verdict(shop: Project) -> None:
    shop.ok("lock")
    shop.write("provenv-policy.toml", DENY + 'environments = ["prod"]\n')
    shop.ok("sync")
    shop.fails(1, "sync", "-e", "prod")
    shop.ok("run", "true")
    assert valid(shop)[1] > time.time() + 10**9  # only another policy changes that
    shop.write("provenv-policy.toml", DENY)
    shop.fails(1, "run", "true")

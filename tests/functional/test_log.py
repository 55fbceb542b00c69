"""``log``, and what ``status``, ``history`` and failing commands say of what did not come to its end."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support import Index, Project, make_wheel
from support.project import command

LOG = "provenv/log/operations.jsonl"


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    index.add(make_wheel(tmp_path / "w", "alpha", "1"))
    index.add(make_wheel(tmp_path / "w", "beta", "1"))
    project.depends("alpha")
    project.ok("sync")
    return project


def rows(project: Project) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (project.home / LOG).read_text().splitlines()]


def told(project: Project, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = project.ok("log", "--json", *words).json["operations"]
    return found


def test_every_change_is_one_entry_and_what_changes_nothing_is_none(shop: Project) -> None:
    (made,) = told(shop)
    assert (made["operation"], made["outcome"], made["command"]) == ("sync", "done", "provenv sync")
    assert made["environment"] == "dev"
    assert made["project"] == str(shop.folder)
    assert (made["before"]["generation"], made["after"]["generation"]) == (None, 1)
    written = (shop.home / LOG).read_bytes()
    shop.ok("run", "true")
    (shop.folder / ".venv/.stamp").unlink()
    shop.ok("sync")  # the long way, to the same end
    assert (shop.home / LOG).read_bytes() == written
    shop.ok("add", "beta")
    shop.ok("rollback")
    gone, added, _ = told(shop)
    assert (gone["operation"], added["operation"]) == ("rollback", "add")
    assert (gone["before"]["generation"], gone["after"]["generation"]) == (2, 1)
    assert (added["before"]["generation"], added["after"]["generation"]) == (1, 2)
    assert added["before"]["files"] != added["after"]["files"]
    assert shop.ok("log", "--check").stdout == "6 lines in 1 file: as written\n"
    shop.depends("alpha", "beta>0")
    failed = shop.fails(1, "sync", "--locked")
    assert failed.stderr.splitlines()[-1] == "safe: generation 1 is current and untouched"


@pytest.mark.slow
def test_questions_and_dry_runs_leave_nothing(shop: Project) -> None:
    written = (shop.home / LOG).read_bytes()
    for words in (
        ("lock",), ("lock", "--check"), ("lock", "--upgrade", "--dry-run"), ("status",), ("verify",),
        ("store", "gc", "--dry-run"), ("python", "list"), ("export",), ("history",), ("tree",),
    ):  # fmt: skip
        shop.ok(*words)
    assert (shop.home / LOG).read_bytes() == written
    shop.ok("store", "gc")
    assert told(shop)[0]["operation"] == "store-gc"
    assert told(shop)[0]["project"] is None


def test_the_short_way_writes_what_the_long_one_does(shop: Project) -> None:
    shutil.rmtree(shop.folder / ".venv")
    shop.ok("sync", env={"CI": "true", "GITHUB_ACTIONS": "1", "GITHUB_ACTOR": "octocat"})
    short, long = told(shop)
    assert short["actor"]["ci"]["actor"] == "octocat"
    for entry in (short, long):
        for key in ("id", "started", "ended", "actor"):
            assert entry.pop(key)
        for key in ("before", "after"):
            entry[key].pop("files", None)  # the first sync locked, too
    assert short == long


@pytest.mark.slow
def test_so_does_the_way_by_a_template(shop: Project) -> None:
    shop.ok("env", "create", "one", "--global")
    shop.ok("env", "create", "two", "--global")  # from the template of the first
    two, one = told(shop, "--all", "-n", "2")
    assert [entry["operation"] for entry in (two, one)] == ["env-create"] * 2
    assert two["environment"] == "two"
    assert two["after"]["generation"] == one["after"]["generation"] == 1


@pytest.mark.slow
def test_what_fails_says_what_is_safe_and_is_in_the_log(shop: Project, index: Index) -> None:
    index.fault("*/files/beta*.whl", status=404)
    failed = shop.fails(3, "add", "beta")
    safe = "generation 1 is current and untouched; pyproject.toml and pylock.toml are as they were"
    assert failed.stderr.splitlines()[-1] == f"safe: {safe}"
    shop.depends("alpha", "beta")
    shop.ok("lock")
    document = shop.fails(3, "sync", "-e", "prod", "--json").json
    assert document["error"]["details"]["safe"] == "there is no environment yet"
    sync, lock, add, _ = told(shop)
    assert [one["outcome"] for one in (sync, lock, add)] == ["failed", "done", "failed"]
    assert add["error"]["kind"] == document["error"]["kind"] == sync["error"]["kind"]
    assert "error: " in shop.ok("log", "-e", "prod").stdout


@pytest.mark.slow
def test_a_question_that_fails_has_changed_nothing(project: Project) -> None:
    project.pyproject("[project\n")
    failed = project.fails(2, "status")
    assert failed.stderr.splitlines()[-1] == "safe: nothing was changed"
    document = project.fails(2, "sync", "--nope", "--json").json
    assert document["error"]["details"]["safe"] == "nothing was changed"
    assert project.ok("log").stdout == "nothing such is in the log\n"


@pytest.mark.slow
def test_credentials_do_not_get_into_the_log(shop: Project, index: Index) -> None:
    address = index.url.replace("://", "://ada:s3cr3t@")
    shop.ok("add", "beta", "--index-url", address)
    gamma = f"gamma @ {address.partition('/simple')[0]}/gamma-1-py3-none-any.whl"
    assert shop.run("add", gamma).code != 0
    assert told(shop)[0]["outcome"] == "failed"
    assert "s3cr3t" not in (shop.home / LOG).read_text()
    assert "****" in told(shop)[0]["command"]


def killed(project: Project, *words: str, at: int = 1) -> None:
    """Run provenv, and kill it where it is about to rename something for the n-th time."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    inject = f"inject=rename:signal=KILL:when={at}"
    done = subprocess.run(
        ["strace", "-qq", "-o", str(project.home / "trace"), "-e", inject, *command(), *words],
        cwd=project.folder, env=project.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "ptrace" in done.stderr.lower():
        pytest.skip(f"strace may not trace here: {done.stderr.strip()}")
    assert done.returncode != 0, done.stderr


@pytest.mark.slow
def test_a_killed_sync_is_seen_until_a_later_one_is_done(shop: Project) -> None:
    shop.depends("alpha", "beta")
    shop.ok("lock")
    killed(shop, "sync")
    safe = "generation 1 is current and untouched"
    status = shop.fails(1, "status")
    (line,) = [line for line in status.stdout.splitlines() if line.startswith("interrupted:")]
    assert "`provenv sync`" in line
    assert line.endswith(f"was stopped; {safe}; `provenv sync` does it again")
    history = shop.ok("history").stdout.splitlines()
    assert ["sync interrupted" in line for line in history[1:]] == [True, False, False]
    assert history[2] == f"  safe: {safe}; `provenv sync` does it again"
    assert history[3].startswith("* 1")
    assert shop.ok("history", "--json").json["interrupted"][0]["outcome"] == "interrupted"
    shop.ok("sync")
    after = shop.ok("status", "--json").json
    assert after["interrupted"] is None
    assert after["agrees"]
    history = shop.ok("history").stdout.splitlines()
    assert history[1].startswith("* 2")
    assert history[3] == f"  safe: {safe}"
    assert shop.ok("log", "--check", "-q").stdout == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "files"),
    [
        (1, "pyproject.toml and pylock.toml are as they were"),
        (2, "pyproject.toml is as it was; pylock.toml was written"),
        (3, "pyproject.toml and pylock.toml were written"),
    ],
)
def test_a_killed_add_says_which_files_it_wrote(shop: Project, at: int, files: str) -> None:
    killed(shop, "add", "beta", at=at)
    (stopped,) = shop.ok("history", "--json").json["interrupted"]
    assert stopped["safe"] == (
        f"generation 1 is current and untouched; {files}; `provenv add beta` does it again"
    )
    shop.ok("add", "beta")
    assert shop.ok("status", "--json").json["interrupted"] is None


@pytest.mark.slow
def test_a_log_that_cannot_be_written_stops_no_command(shop: Project) -> None:
    log = shop.home / LOG
    log.unlink()
    log.mkdir()
    shutil.rmtree(shop.folder / ".venv")
    done = shop.ok("sync")
    assert "operations.jsonl cannot be written: Is a directory" in done.stderr
    assert "cannot read" in shop.fails(3, "log").stderr
    assert shop.fails(3, "log", "--check", "--json").json["error"]["kind"] == "disk"


@pytest.mark.parametrize(
    "words",
    [("--since", "yesterday"), ("--check", "--all")],
    ids=" ".join,
)
def test_calls_that_are_wrong(project: Project, words: tuple[str, ...]) -> None:
    project.fails(2, "log", *words)


@pytest.mark.slow
def test_the_project_need_not_be_one_that_can_be_used(shop: Project) -> None:
    shop.pyproject("[project\n")
    assert len(told(shop)) == 1
    assert len(told(shop, "--since", "1h")) == 1
    assert told(shop, "--since", "2999-01-01") == []
    elsewhere = shop.run("log", "--project", str(shop.folder), "--json", cwd=shop.home)
    assert len(elsewhere.json["operations"]) == 1
    assert (
        shop.run("log", "--json", "--project", "/nowhere", cwd=shop.home).json["operations"] == []
    )

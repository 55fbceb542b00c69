"""A project's life, as its user sees it."""

from __future__ import annotations

import json
import signal
import time

import pytest

from support import Index, Project

pytestmark = pytest.mark.usefixtures("shelf")


def test_from_init_to_gc(project: Project) -> None:
    made = project.ok("init")
    assert "made pyproject.toml, .gitignore" in made.stderr
    assert made.stdout == ""

    added = project.ok("add", "web")
    assert "added web>=1.0 to project.dependencies" in added.stderr
    assert "dev: generation 1 (Python" in added.stderr
    assert "2 packages)" in added.stderr
    assert 'dependencies = ["web>=1.0"]' in project.read("pyproject.toml")

    assert "nothing to do: 2 packages" in project.ok("lock").stderr
    assert project.ok("sync").stderr == "dev: nothing to do: generation 1\n"
    assert project.ok("run", "python", "-c", "import web; print(web.__name__)").stdout == "web\n"

    status = project.ok("status")
    assert "in sync" in status.stdout
    assert "`provenv add web`" in status.stdout

    moved = project.ok("add", "core<2")
    assert "  ~ core 2.0 → 1.0" in moved.stderr
    assert "~ core 2.0 → 1.0" in project.ok("diff").stdout
    rows = project.ok("history").stdout.splitlines()
    assert rows[1].startswith("* 2")
    assert rows[1].endswith("provenv add core<2")
    assert rows[2].startswith("  1")

    back = project.ok("rollback")
    assert "dev: back at generation 1" in back.stderr
    assert "restored pylock.toml, pyproject.toml" in back.stderr
    assert "core<2" not in project.read("pyproject.toml")
    assert project.ok("status", "-q").stdout == ""
    assert "verified" in project.ok("verify").stdout

    gone = project.ok("store", "gc", "--keep", "0", "--json").json
    assert [entry["generation"] for entry in gone["generations"]] == [2]
    assert project.ok("run", "python", "-c", "import core; print('there')").stdout == "there\n"


def test_a_project_that_asks_for_nothing(project: Project) -> None:
    project.ok("init")
    assert "dev: generation 1 (Python" in project.ok("sync").stderr
    assert project.ok("status", "--json").json["agrees"]
    assert project.ok("tree").stdout == ""
    assert "nothing to verify" in project.ok("verify").stdout
    project.ok("lock", "--check")


def test_a_rollback_over_a_replaced_requirement_is_in_sync(project: Project) -> None:
    project.depends("core>=2", "web")
    project.ok("sync")
    project.ok("add", "core<2")
    project.ok("rollback")
    project.ok("lock", "--check")
    project.ok("status", "-q")


def test_sync_says_the_same_on_both_ways(project: Project) -> None:
    project.depends("web")
    long = project.ok("sync").stderr.splitlines()[-1]
    folder = project.folder / ".venv"
    folder.rename(folder.with_name("before"))
    short = project.ok("sync").stderr.splitlines()[-1]
    assert long.split(" in ")[0] == short.split(" in ")[0]
    assert short.startswith("dev: generation 1 (Python 3.")
    assert project.ok("sync").stderr == project.ok("--color", "auto", "sync").stderr


def test_questions_about_the_graph(project: Project) -> None:
    project.depends("web", groups={"test": ["tool"]})
    project.ok("lock")
    assert project.ok("tree").stdout == "web 1.0\n  core 2.0\n"
    assert project.ok("tree", "-e", "test", "--depth", "1").stdout.splitlines() == [
        "web 1.0",
        "tool 3.1 [group test]",
    ]
    assert project.ok("tree", "--invert", "core").stdout == "core 2.0\n  web 1.0\n"
    why = project.ok("why", "Core").stdout
    assert why == "core 2.0 is in dev because of\n  web → core  (project.dependencies)\n"
    missing = project.fails(1, "why", "tool")
    assert "tool is not in environment 'dev'" in missing.stderr
    assert "not in environment 'dev': nope" in project.fails(1, "tree", "nope").stderr


def test_outdated_knows_what_is_allowed_and_what_there_is(project: Project) -> None:
    project.depends("web", "core<2")
    project.ok("lock")
    rows = [line.split() for line in project.ok("outdated").stdout.splitlines()]
    assert rows == [["package", "locked", "allowed", "latest"], ["core", "1.0", "1.0", "2.0"]]
    assert "web" in project.ok("outdated", "--all").stdout
    project.depends("web")
    project.ok("lock", "--upgrade")
    assert project.ok("outdated").stdout == "up to date: 2 packages\n"


def test_lock_check_and_dry_run_write_nothing(project: Project) -> None:
    project.depends("web")
    assert "pylock.toml is missing" in project.fails(1, "lock", "--check").stderr
    dry = project.ok("lock", "--dry-run")
    assert dry.stdout.splitlines()[1:] == ["  + core 2.0", "  + web  1.0"]
    assert not (project.folder / "pylock.toml").exists()
    project.ok("lock")
    project.ok("lock", "--check", "-q")


def test_a_stale_lock_is_refused_with_locked(project: Project) -> None:
    project.depends("web")
    project.ok("sync")
    project.depends("web", "tool")
    refused = project.fails(1, "sync", "--locked")
    assert "pyproject.toml has changed since pylock.toml was made" in refused.stderr
    assert "provenv lock" in refused.stderr
    project.fails(1, "run", "--locked", "true")
    stale = project.fails(1, "status")
    assert "the lock is stale" in stale.stdout
    assert "+ tool 3.1" in project.ok("sync").stderr


def test_offline_uses_what_is_there_and_says_what_is_not(project: Project, shelf: Index) -> None:
    project.depends("web")
    project.ok("lock")
    refused = project.fails(3, "sync", "--offline")
    assert "error:" in refused.stderr
    project.ok("sync")
    asked = len(shelf.requests)
    project.ok("sync", "--offline", "-v")
    project.ok("--offline", "sync", "-e", "prod")
    assert len(shelf.requests) == asked


def test_a_foreign_environment_is_left_or_set_aside(project: Project) -> None:
    project.depends("web")
    mine = project.write(".venv/pyvenv.cfg", "home = /usr/bin\n")
    refused = project.fails(2, "sync")
    assert ".venv was not made by provenv" in refused.stderr
    assert "--adopt" in refused.stderr
    assert mine.read_text() == "home = /usr/bin\n"
    adopted = project.ok("sync", "--adopt")
    assert "set aside as .venv.old-1" in adopted.stderr
    assert (project.folder / ".venv.old-1/pyvenv.cfg").read_text() == "home = /usr/bin\n"


def test_damage_is_named_and_replaced(project: Project) -> None:
    project.depends("web")
    project.ok("sync")
    store = json.loads(project.ok("store", "path", "--json").stdout)["store"]
    (victim,) = (
        path for path in project.home.glob("provenv/store/wheels/*/*/site/core/__init__.py")
    )
    assert str(victim).startswith(store)
    victim.chmod(0o644)
    victim.write_text("evil = True\n")
    found = project.fails(1, "verify")
    assert "changed core 2.0: site/core/__init__.py" in found.stdout
    assert "in .venv, generation 1" in found.stdout


def test_a_store_that_is_gone_is_noticed(project: Project) -> None:
    project.depends("web")
    project.ok("sync")
    store = project.home / "provenv/store/wheels"
    store.rename(store.with_name("lost"))
    for words in (("verify",), ("verify", "--all")):
        assert "the object is not in the store" in project.fails(1, *words).stdout


def test_a_failed_add_leaves_every_file_alone(project: Project) -> None:
    project.depends("web")
    project.ok("sync")
    before = project.read("pyproject.toml"), project.read("pylock.toml")
    failed = project.fails(1, "add", "core>5")
    assert "core" in failed.stderr
    assert "hint:" in failed.stderr
    assert (project.read("pyproject.toml"), project.read("pylock.toml")) == before
    project.ok("status", "-q")


def test_history_holds_no_credentials(project: Project, shelf: Index) -> None:
    shelf.protect("main", "me", "secret")
    project.depends("web")
    address = shelf.url_of("main", login="me:secret")
    project.ok("sync", "--index-url", address, env={"PROVENV_INDEX_URL": ""})
    told = project.ok("history").stdout
    assert "****@127.0.0.1" in told
    everything = [p for p in project.folder.rglob("*") if p.is_file() and p.stat().st_size < 99999]
    assert [p for p in everything if b"secret" in p.read_bytes()] == []


def test_ctrl_c_in_a_download_leaves_nothing(project: Project, shelf: Index) -> None:
    project.depends("web")
    project.ok("lock")
    shelf.fault("*/files/*.whl", hang=20)
    process = project.popen("sync")
    deadline = time.monotonic() + 20
    while not any(request.path.endswith(".whl") for request in shelf.requests):
        if (project.home / "provenv/store/tmp").exists() and any(
            (project.home / "provenv/store/tmp").iterdir()
        ):
            break
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    safe = "there is no environment yet"
    on = "and the same command goes on from here"
    assert said.splitlines()[-1] == f"interrupted; nothing is half-done, {on}: {safe}"
    assert "Traceback" not in said
    assert list((project.home / "provenv/store/tmp").iterdir()) == []
    assert not (project.folder / ".venv/current").exists()

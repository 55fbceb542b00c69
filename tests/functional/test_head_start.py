"""``test``: its first cells run before the whole program is there, where that is what it would run."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from support import Index, Project
from support.leftovers import MARK, commands, wait_for_marked

HELLO = """
[tool.provenv.matrix]
command = ["hello", "x"]
with = [{}, { name = "b" }]
"""


@pytest.fixture
def ready(project: Project, shelf: Index, tmp_path: Path) -> Project:
    """A project whose matrix of two cells has run; ``hello`` is a program on PATH."""
    del shelf
    project.env["PATH"] = f"{tmp_path}/near:{tmp_path}/far:{project.env['PATH']}"
    program(tmp_path / "far/hello", 'echo "$PROVENV_CELL $(cat said.txt)"')
    project.write("said.txt", "old\n")
    project.depends("core==1.0", more=HELLO)
    assert run(project)["first"] > 0
    # what is changed now differs in its time from what is remembered
    os.utime(project.folder / "said.txt", ns=(10**18, 10**18))
    settle()
    assert run(project, "--fresh")["first"] == 0
    return project


def settle() -> None:
    """Let what was written be older than the clock of files is coarse."""
    time.sleep(0.05)


def program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def run(project: Project, *args: str, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = project.fails(code, "test", "--json", *args).json
    return found


def parts(project: Project) -> list[Path]:
    """Logs that are not whole."""
    return list((project.home / "provenv/trials").glob("*/logs/*.part"))


def lines(found: dict[str, Any]) -> dict[str, str]:
    return {cell["label"]: cell["line"] for cell in found["cells"]}


def test_what_is_begun_gives_the_same_report(ready: Project) -> None:
    found = run(ready, "--fresh", "-j", "2")
    assert found["first"] == 0
    for cell in found["cells"]:
        assert (cell["state"], cell["code"], cell["cached"]) == ("passed", 0, False)
        assert Path(cell["log"]).read_text() == f"{cell['label']} old\n"
    assert parts(ready) == []
    entries = ready.ok("log", "--json").json["operations"]
    assert [entry["operation"] for entry in entries].count("test") == 1  # nothing was made since


def test_a_file_that_changed_is_what_it_takes_without_fresh(ready: Project) -> None:
    assert run(ready)["first"] is None  # all is known: nothing is run
    ready.write("said.txt", "new\n")
    settle()
    found = run(ready)
    assert found["first"] == 0
    assert lines(found) == {"test": "test new", "b": "b new"}
    assert [cell["cached"] for cell in run(ready)["cells"]] == [True, True]


def test_nothing_is_known_of_what_began_with_files_that_nobody_had_read(ready: Project) -> None:
    ready.write("said.txt", "new\n")
    ready.write("more.txt", "")  # whether it was there when the commands began cannot be told
    assert run(ready)["first"] == 0
    again = run(ready)
    assert [cell["cached"] for cell in again["cells"]] != [True, True]
    assert [cell["cached"] for cell in run(ready)["cells"]] == [True, True]


def test_what_failed_is_begun_whatever_has_changed(ready: Project, tmp_path: Path) -> None:
    program(tmp_path / "far/hello", 'test "$PROVENV_CELL" != b')
    assert run(ready, "--fresh", code=1)["first"] == 0
    found = run(ready, code=1)
    assert found["first"] == 0
    assert [cell["cached"] for cell in found["cells"]] == [True, False]


@pytest.mark.parametrize("what", ["manifest", "lock", "environment", "index"])
def test_where_anything_else_changed_the_whole_program_decides(ready: Project, what: str) -> None:
    if what == "manifest":
        ready.depends("core>=1.0", more=HELLO)
    elif what == "lock":
        lock = ready.folder / "pylock.toml"
        lock.write_text(lock.read_text() + "# a word\n")
    elif what == "environment":
        (place,) = (ready.home / "provenv/trials").glob("*/.venvs/*/generations/1/bin")
        (place / "more").touch()
    else:
        ready.env["PROVENV_INDEX_URL"] += "/"
    assert run(ready, "--fresh")["first"] > 0


def test_what_a_policy_may_refuse_is_not_begun(ready: Project, tmp_path: Path) -> None:
    program(tmp_path / "far/hello", "touch ran")
    ready.write(
        "provenv-policy.toml",
        'schema = 1\n[[rule]]\nid = "no-core"\nkind = "package"\ndeny = ["core<2"]\n',
    )
    run(ready, "--fresh", code=3)
    assert not (ready.folder / "ran").exists()


def test_what_lies_in_a_store_that_anybody_can_write_is_not_begun(
    ready: Project, tmp_path: Path
) -> None:
    program(tmp_path / "far/hello", "touch ran")
    (ready.home / "provenv/store").chmod(0o777)
    found = run(ready, "--fresh", code=3)
    assert [cell["state"] for cell in found["cells"]] == ["error", "error"]
    assert not (ready.folder / "ran").exists()


def test_another_program_than_would_be_run_is_ended(ready: Project, tmp_path: Path) -> None:
    ready.env[MARK] = mark = f"head-{os.getpid()}-{time.monotonic_ns()}"
    program(tmp_path / "far/hello", "echo far; setsid sleep 300 & sleep 300")
    program(tmp_path / "near/hello", 'echo "$PROVENV_CELL near"')
    found = run(ready, "--fresh", "-j", "1")
    assert lines(found) == {"test": "test near", "b": "b near"}
    assert [cell["state"] for cell in found["cells"]] == ["passed", "passed"]
    assert Path(found["cells"][0]["log"]).read_text() == "test near\n"
    assert wait_for_marked(mark, 0) == []
    assert parts(ready) == []


@pytest.mark.parametrize(
    "words", [["--fresh", "--nonsense"], ["--fresh", "--junit"], ["--fresh", "-j", "0"], ["--list"]]
)
def test_a_call_that_runs_nothing_begins_nothing(
    ready: Project, tmp_path: Path, words: list[str]
) -> None:
    program(tmp_path / "far/hello", "touch ran")
    ready.fails(0 if words == ["--list"] else 2, "test", *words)
    assert not (ready.folder / "ran").exists()


def test_a_call_that_is_refused_later_ends_what_it_began(ready: Project, tmp_path: Path) -> None:
    ready.env[MARK] = mark = f"head-{os.getpid()}-{time.monotonic_ns()}"
    program(tmp_path / "far/hello", "setsid sleep 300 & sleep 300")
    ready.fails(2, "test", "--fresh", "--junit", f"{tmp_path}/no/such/folder.xml")
    assert wait_for_marked(mark, 0) == []
    assert parts(ready) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0, 0.02, 0.06, 0.15, 0.5])
def test_nothing_outlives_a_call_that_is_ended(
    ready: Project, tmp_path: Path, number: signal.Signals, delay: float
) -> None:
    ready.env[MARK] = mark = f"head-{os.getpid()}-{time.monotonic_ns()}"
    program(tmp_path / "far/hello", "touch ran; setsid sleep 300 & sleep 300")
    with ready.popen("test", "--fresh", "-j", "2") as process:
        over = time.monotonic() + 60
        while not (ready.folder / "ran").exists() and time.monotonic() < over:
            time.sleep(0.001)
        time.sleep(delay)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert (ready.folder / "ran").exists()
    assert wait_for_marked(mark, 0) == [], commands(mark)


def test_a_note_that_was_changed_is_not_believed(ready: Project) -> None:
    (note,) = (ready.home / "provenv/plans/cells").iterdir()
    text = note.read_text()
    note.write_text(text.replace("/far/hello", "/far/other"))
    assert run(ready, "--fresh")["first"] > 0
    assert run(ready, "--fresh")["first"] == 0  # it has been written anew

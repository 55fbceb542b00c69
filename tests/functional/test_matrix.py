"""``test``: one command in many environments, and one table."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from support import Index, Project, make_wheel
from support.leftovers import MARK, wait_for_marked
from support.project import command
from support.pythons import pyenv_python

MATRIX = """
[tool.provenv.matrix]
command = ["python", "-c", "import core; print(core.__version__)"]
"""


@pytest.fixture
def ready(project: Project, shelf: Index) -> Project:
    """A project whose lock holds core 1.0, although there is 2.0."""
    del shelf
    project.depends("core==1.0", more=MATRIX)
    project.ok("lock")
    project.depends("core>=1.0", "tool", more=MATRIX)
    project.ok("lock")
    return project


def cells(project: Project, *args: str, code: int = 0) -> dict[str, dict[str, Any]]:
    """The cells of ``test --json`` by label."""
    document = project.fails(code, "test", "--json", *args).json
    return {cell["label"]: cell for cell in document["cells"]}


def test_resolutions_and_variants_differ_in_what_is_installed(ready: Project) -> None:
    ready.depends(
        "core>=1.0",
        "tool",
        more=MATRIX
        + 'resolution = ["locked", "lowest-direct", "highest"]\n'
        + 'with = [{}, { name = "old", packages = ["core<2"] }]\n'
        + 'exclude = [{ resolution = "lowest-direct", with = "old" }]\n',
    )
    lock = ready.read("pylock.toml")
    found = cells(ready)
    assert {label: cell["line"] for label, cell in found.items()} == {
        "test": "1.0",
        "old": "1.0",
        "lowest-direct": "1.0",
        "highest": "2.0",
        "highest old": "1.0",
    }
    assert ready.read("pylock.toml") == lock  # only the cells have other versions
    assert not (ready.folder / ".venvs").exists()
    listed = ready.ok("env", "list", "--json").json["environments"]
    assert [one for one in listed if one["state"] != "not-made"] == []


@pytest.mark.slow
def test_what_has_no_lower_bound_stays_as_locked_where_the_lowest_is_asked_for(
    ready: Project, tmp_path: Path, index: Index
) -> None:
    index.add(make_wheel(tmp_path / "more", "tool", "0.1", metadata="broken"))
    found = cells(ready, "--resolution", "lowest-direct", "--", "tool", "x")
    assert found["lowest-direct"]["line"] == "tool x"


def test_what_passed_is_known_until_something_changes(ready: Project) -> None:
    assert cells(ready)["test"]["cached"] is False
    assert cells(ready)["test"]["cached"] is True
    assert cells(ready, "--fresh")["test"]["cached"] is False
    ready.write("src/new.py", "x = 1\n")
    assert cells(ready)["test"]["cached"] is False
    assert cells(ready)["test"]["cached"] is True
    assert cells(ready, "--", "python", "-c", "print(5)")["test"]["line"] == "5"
    assert cells(ready)["test"]["cached"] is False  # the last result is of another command


@pytest.mark.slow
def test_what_failed_is_run_again(ready: Project) -> None:
    fail = ("--", "python", "-c", "print('no'); raise SystemExit(5)")
    found: Any = None
    for _ in range(2):
        found = cells(ready, *fail, code=1)["test"]
        assert (found["state"], found["code"], found["cached"]) == ("failed", 5, False)
    assert Path(found["log"]).read_text() == "no\n"
    assert list(cells(ready, "--last-failed")) == ["test"]
    assert cells(ready, "--last-failed") == {}
    assert "nothing failed the last time" in ready.ok("test", "--last-failed").stdout


@pytest.mark.slow
def test_tests_that_change_the_project_are_not_believed_twice(ready: Project) -> None:
    count = ("--", "sh", "-c", "date +%N >> written.txt")
    assert "written.txt changed while the cells ran" in ready.ok("test", *count).stderr
    assert cells(ready, *count)["test"]["cached"] is False


def test_a_python_that_is_nowhere_to_be_had(ready: Project) -> None:
    refused = ready.fails(2, "test", "--python", "3.77", "--python", "pypy3.66")
    assert "nowhere to be had: Python 3.77, pypy3.66" in refused.stderr
    assert "--skip-missing" in refused.stderr
    here = pyenv_python("3.13")
    found = cells(ready, "--python", "3.77", "--python", here, "--skip-missing")
    assert {label: cell["state"] for label, cell in found.items()} == {
        "3.77": "skipped",
        here: "passed",
    }
    only = ready.fails(3, "test", "--python", "3.77", "--skip-missing")
    assert "skipped" in only.stdout
    assert "pass:" not in only.stdout  # nothing that was run is nothing that is known


@pytest.mark.slow
def test_a_python_that_is_there_and_broken_is_an_error_of_its_own_cells(
    ready: Project, tmp_path: Path
) -> None:
    versions = tmp_path / "pyenv/versions/3.12.99/bin"
    versions.mkdir(parents=True)
    broken = versions / "python3.12"
    broken.write_text("#!/bin/sh\necho out of order >&2\nexit 4\n")
    broken.chmod(0o755)
    (versions / "python").symlink_to("python3.12")
    ready.env["PYENV_ROOT"] = str(tmp_path / "pyenv")
    ready.env["PATH"] = "/usr/bin:/bin"
    found = cells(ready, "--python", "3.12", "--python", pyenv_python("3.13"), code=3)
    states = [cell["state"] for cell in found.values()]
    assert states == ["error", "passed"]
    assert "out of order" in found["3.12"]["reason"] or "3.12" in found["3.12"]["reason"]


@pytest.mark.parametrize(
    ("command", "state", "said"),
    [
        (("no-such-command",), "error", "command not found: no-such-command"),
        (("./data.txt",), "error", "cannot execute ./data.txt"),
        (("sh", "-c", "kill -9 $$"), "failed", "was ended by signal 9"),
        (("elsewhere",), "error", "elsewhere is not in the environment"),
    ],
)
@pytest.mark.slow
def test_commands_that_do_not_run(
    ready: Project, tmp_path: Path, command: tuple[str, ...], state: str, said: str
) -> None:
    ready.write("data.txt", "")
    outside = tmp_path / "bin/elsewhere"
    outside.parent.mkdir()
    outside.write_text("#!/usr/bin/env python3\nprint('passed')\n")
    outside.chmod(0o755)
    ready.env["PATH"] = f"{outside.parent}:{ready.env['PATH']}"
    code = 3 if state == "error" else 1
    found = cells(ready, "--", *command, code=code)["test"]
    assert found["state"] == state
    assert said in found["reason"]


@pytest.mark.slow
def test_a_cell_that_forks_and_hangs_is_ended_with_all_that_it_started(ready: Project) -> None:
    mark = f"matrix-{os.getpid()}-{time.monotonic_ns()}"
    ready.env[MARK] = mark
    hang = "sleep 300 & setsid sleep 300 & sleep 300"
    found = cells(ready, "--timeout", "1s", "--", "sh", "-c", hang, code=1)["test"]
    assert found["state"] == "timeout"
    assert "did not end within 1 s" in found["reason"]
    assert wait_for_marked(mark, 0) == []


@pytest.mark.slow
def test_an_interrupt_ends_all_and_says_what_had_finished(ready: Project) -> None:
    mark = f"matrix-{os.getpid()}-{time.monotonic_ns()}"
    ready.env[MARK] = mark
    ready.depends("core>=1.0", "tool", more=MATRIX + 'with = [{}, { name = "b" }]\n')
    script = 'case "$PROVENV_CELL" in b) touch begun; sleep 300;; *) true;; esac'
    process = ready.popen("test", "--json", "--jobs", "1", "--", "sh", "-c", script)
    over = time.monotonic() + 60
    while not (ready.folder / "begun").exists() and time.monotonic() < over:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    document = json.loads(out)
    assert document["stopped"] == "interrupted"
    assert [cell["state"] for cell in document["cells"]] == ["passed", "cancelled"]
    assert wait_for_marked(mark, 0) == []


@pytest.mark.slow
def test_nothing_is_left_where_provenv_itself_is_killed(ready: Project) -> None:
    mark = f"matrix-{os.getpid()}-{time.monotonic_ns()}"
    ready.env[MARK] = mark
    with ready.popen("test", "--", "sh", "-c", "touch begun; sleep 300") as process:
        over = time.monotonic() + 60
        while not (ready.folder / "begun").exists() and time.monotonic() < over:
            time.sleep(0.02)
        process.kill()
    assert (ready.folder / "begun").exists()
    assert wait_for_marked(mark, 0) == []


@pytest.mark.slow
def test_the_first_failure_ends_the_rest(ready: Project) -> None:
    ready.depends("core>=1.0", "tool", more=MATRIX + 'with = [{}, { name = "b" }]\n')
    found = cells(ready, "--fail-fast", "-j", "1", "--", "sh", "-c", "exit 1", code=1)
    assert [cell["state"] for cell in found.values()] == ["failed", "cancelled"]
    assert "--fail-fast" in found["b"]["reason"]
    assert found["b"]["executable"] == found["test"]["executable"]  # so both stand in one row


@pytest.mark.slow
def test_a_lock_that_cannot_be_made_is_an_error_of_the_cells_that_share_it(ready: Project) -> None:
    more = MATRIX + 'with = [{}, { name = "bad", packages = ["core>9"] }]\n'
    ready.depends("core>=1.0", "tool", more=more)
    told = ready.fails(3, "test")
    assert "error bad" in told.stdout
    assert "core>9" in told.stdout
    assert "inconclusive: 1 passed, 1 error" in told.stdout


@pytest.mark.slow
def test_the_report_for_ci_systems(ready: Project) -> None:
    ready.depends("core>=1.0", "tool", more=MATRIX + 'with = [{}, { name = "<b>&" }]\n')
    script = 'case "$PROVENV_CELL" in *b*) echo "<script>x</script>"; exit 3;; *) true;; esac'
    ready.fails(1, "test", "--junit", "r.xml", "--html", "r.html", "--", "sh", "-c", script)
    suite = ET.fromstring(ready.read("r.xml"))[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    failure = suite.find("testcase[@name='<b>&']/failure")
    assert failure is not None
    assert "exit code 3" in str(failure.get("message"))
    page = ready.read("r.html")
    assert "<script" not in page
    assert "&lt;script&gt;x&lt;/script&gt;" in page
    assert "&lt;b&gt;&amp;" in page
    refused = ready.fails(2, "test", "--html", "nowhere/r.html")
    assert "there is no such folder" in refused.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("test",), "there is no command"),
        (("test", "-k", "nothing", "--", "true"), "no cell is called 'nothing'"),
        (("test", "-e", "nope", "--", "true"), "unknown environment 'nope'"),
        (("test", "--jobs", "0", "--", "true"), "there must be one"),
        (("test", "--timeout", "soon", "--", "true"), "is no time"),
        (("test", "--python", "what ever", "--", "true"), "what ever"),
    ],
)
def test_calls_that_are_wrong(project: Project, words: tuple[str, ...], said: str) -> None:
    project.depends()
    refused = project.fails(2, *words)
    assert said in refused.stderr
    assert not (project.folder / "pylock.toml").exists()


def test_an_empty_matrix_and_one_that_is_too_large(project: Project) -> None:
    project.depends(more="[tool.provenv.matrix]\npython = []\n")
    assert "there is no cell in this matrix" in project.fails(2, "test").stderr
    pythons = [f"3.{n}" for n in range(100)]
    variants = ", ".join(f'{{ name = "{n}" }}' for n in range(100))
    more = f"[tool.provenv.matrix]\npython = {pythons}\nwith = [{variants}]\ncommand = 'true'\n"
    project.depends(more=more)
    refused = project.fails(2, "test")
    assert "10,000 cells" in refused.stderr
    assert "--yes" in refused.stderr
    assert "10,000 cells" in project.fails(2, "test", "-k", "3.").stderr
    assert len(project.ok("test", "--list", "--json").json["cells"]) == 10_000


@pytest.mark.slow
def test_a_stale_lock_is_made_anew_unless_that_is_refused(ready: Project) -> None:
    ready.depends("core>=2.0", "tool", more=MATRIX)
    assert "has changed" in ready.fails(1, "test", "--locked").stderr
    assert cells(ready)["test"]["line"] == "2.0"


@pytest.mark.slow
def test_a_python_that_was_hurt_since_is_an_error_and_no_failure(
    project: Project, tmp_path: Path
) -> None:
    real = Path(pyenv_python("3.12")).resolve()
    home = tmp_path / "pyenv/versions" / real.parents[1].name
    library = home / "lib/python3.12"
    library.mkdir(parents=True)
    for entry in (real.parents[1] / "lib/python3.12").iterdir():
        (library / entry.name).symlink_to(entry)
    (home / "bin").mkdir()
    shutil.copy2(real, home / "bin/python3.12")
    (home / "bin/python").symlink_to("python3.12")
    project.env["PYENV_ROOT"] = str(tmp_path / "pyenv")
    project.env["PATH"] = "/usr/bin:/bin"
    more = "[tool.provenv.matrix]\npython = ['3.12']\ncommand = ['python', '-c', 'import sys']\n"
    project.depends(more=more)
    assert cells(project)["3.12"]["executable"] == str(home / "bin/python3.12")
    (library / "encodings").unlink()
    found = cells(project, "--fresh", code=3)["3.12"]
    assert found["state"] == "error"
    assert f"{home}/bin/python3.12 does not start" in found["reason"]
    assert "Fatal Python error" in found["reason"]
    (library / "encodings").symlink_to(real.parents[1] / "lib/python3.12/encodings")
    assert (
        cells(project, "--fresh", "--", "python", "-c", "1/0", code=1)["3.12"]["state"] == "failed"
    )


@pytest.mark.slow
def test_nine_pythons_at_once_and_one_of_them_fails_to_start(
    project: Project, tmp_path: Path
) -> None:
    minors = ["2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"]
    root = tmp_path / "pyenv"
    for minor in minors:
        real = Path(pyenv_python(minor)).resolve()
        home = real.parents[1]
        (root / "versions").mkdir(parents=True, exist_ok=True)
        if minor != "3.10":
            (root / "versions" / home.name).symlink_to(home)
            continue
        broken = root / "versions" / home.name / "bin"
        broken.mkdir(parents=True)
        (broken / "python3.10").write_text("#!/bin/sh\nexit 9\n")
        (broken / "python3.10").chmod(0o755)
        (broken / "python").symlink_to("python3.10")
    project.env["PYENV_ROOT"] = str(root)
    project.env["PATH"] = "/usr/bin:/bin"
    project.pyproject(
        f"""\
        [project]
        name = "shop"
        version = "0"
        requires-python = ">=2.7"
        [tool.provenv.matrix]
        python = {minors}
        command = ["python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        """
    )
    found = cells(project, code=3)
    assert found.pop("3.10")["state"] == "error"
    assert {label: cell["line"] for label, cell in found.items()} == {
        minor: minor for minor in minors if minor != "3.10"
    }
    again = cells(project, code=3)
    assert [label for label, cell in again.items() if not cell["cached"]] == ["3.10"]


@pytest.mark.slow
def test_the_table_is_one_line_a_python(ready: Project) -> None:
    told = ready.ok("test", "--resolution", "locked", "--resolution", "highest")
    first, second = told.stdout.splitlines()[:2]
    assert first.split() == ["python", "locked", "highest"]
    assert second.count("passed") == 2
    known = ready.ok("test", "--resolution", "locked", "--resolution", "highest")
    assert "2 passed (2 known from before)" in known.stdout
    assert ready.ok("test", "-q").stdout == ""


@pytest.mark.slow
def test_the_log_of_operations_has_one_entry(ready: Project) -> None:
    ready.ok("test")
    ready.ok("test")  # nothing was made
    verbs = [one["operation"] for one in ready.ok("log", "--json").json["operations"]]
    assert verbs.count("test") == 1


@pytest.mark.slow
def test_nothing_takes_the_place_of_what_a_cell_is_about(ready: Project) -> None:
    ready.write("elsewhere/core.py", "__version__ = 'of somebody else'\n")
    ready.env["PYTHONPATH"] = str(ready.folder / "elsewhere")
    assert cells(ready)["test"]["line"] == "1.0"


@pytest.mark.slow
def test_what_a_policy_denies_comes_into_no_cell(ready: Project) -> None:
    assert cells(ready)["test"]["state"] == "passed"
    ready.write(
        "provenv-policy.toml",
        'schema = 1\n[[rule]]\nid = "no-core"\nkind = "package"\ndeny = ["core<2"]\n',
    )
    for words in ((), ("--fresh",)):  # what passed before does not pass by that
        found = cells(ready, *words, code=3)["test"]
        assert found["state"] == "error"
        assert "no-core" in found["reason"]
    assert cells(ready, "--resolution", "highest")["highest"]["line"] == "2.0"


@pytest.mark.slow
def test_environments_of_cells_go_when_nobody_uses_them(ready: Project) -> None:
    assert cells(ready)["test"]["state"] == "passed"
    assert ready.ok("gc", "--json").json["trials"] == []
    (used,) = (ready.home / "provenv/trials").glob("*/.venvs/*/.used")
    ready.ok("test", "-k", "test", "--", "true")
    (log,) = used.parents[2].glob("logs/*")
    os.utime(log, (0, 0))
    ready.ok("gc")
    assert not log.exists()
    os.utime(used, (0, 0))
    assert ready.ok("gc", "--dry-run", "--json").json["trials"] == [str(used.parent)]
    gone = ready.ok("gc", "--grace", "0s", "--json").json
    assert (gone["trials"], gone["objects"]) == ([str(used.parent)], 2)
    assert list((ready.home / "provenv/trials").iterdir()) == []
    assert cells(ready)["test"]["state"] == "passed"


@pytest.mark.slow
def test_git_decides_which_files_count(ready: Project) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.example"]
    subprocess.run([*git, "init", "-q"], cwd=ready.folder, env=ready.env, check=True)
    ready.write(".gitignore", "built/\n")
    assert cells(ready)["test"]["cached"] is False
    ready.write("built/out.txt", "x")
    assert cells(ready)["test"]["cached"] is True
    ready.write("kept.txt", "x")
    assert cells(ready)["test"]["cached"] is False


@pytest.mark.slow
def test_while_somebody_watches_there_is_a_row_for_each_cell_that_runs(ready: Project) -> None:
    ready.depends("core>=1.0", "tool", more=MATRIX + 'with = [{}, { name = "b" }]\n')
    ready.ok("lock")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    script = 'echo one; sleep 1; echo "two of $PROVENV_CELL"; sleep 1'
    with subprocess.Popen(
        [*command(), "test", "--", "sh", "-c", script],
        cwd=ready.folder,
        env={**ready.env, "TERM": "xterm-256color", "NO_COLOR": ""},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        text = b""
        with contextlib.suppress(OSError):  # so the end of a terminal is told
            while data := os.read(ours, 65536):
                text += data
        assert process.wait() == 0
    os.close(ours)
    shown = text.decode()
    assert "running" in shown
    assert "two of b" in shown
    assert "0 of 2" in shown
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).splitlines()[-4:]
    assert max(map(len, last)) <= 60
    assert "2 passed" in last[-1]

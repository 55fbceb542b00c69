"""``run`` becomes the command."""

from __future__ import annotations

import signal
import subprocess

import pytest

from support import Project

pytestmark = pytest.mark.usefixtures("shelf")


@pytest.fixture
def ready(project: Project) -> Project:
    project.depends("web", "tool")
    project.ok("sync")
    return project


@pytest.mark.parametrize("before", [(), ("-v",)], ids=["short way", "long way"])
def test_arguments_exit_code_and_input_are_the_commands(
    ready: Project, before: tuple[str, ...]
) -> None:
    told = ready.ok(*before, "run", "tool", "--json", "-q", "--", "-e", "x")
    assert told.stdout == "tool --json -q -- -e x\n"
    assert ready.run(*before, "run", "--", "sh", "-c", "exit 7").code == 7
    echoed = ready.run(*before, "run", "python", "-c", "print(input())", input="hello\n")
    assert echoed.stdout == "hello\n"


def test_a_signal_reaches_the_command(ready: Project) -> None:
    code = "import time; print('up', flush=True); time.sleep(60)"
    process = ready.popen("run", "python", "-c", code)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM


def test_what_cannot_be_started(ready: Project) -> None:
    missing = ready.fails(127, "run", "no-such-command")
    assert "command not found: no-such-command" in missing.stderr
    ready.write("data.txt", "no program\n")
    assert "cannot execute" in ready.fails(126, "run", "./data.txt").stderr
    assert "run needs a command" in ready.fails(2, "run").stderr


def test_it_syncs_first_and_says_so_on_standard_error(project: Project) -> None:
    project.depends("tool")
    told = project.ok("run", "tool")
    assert told.stdout == "tool\n"
    assert "dev: generation 1" in told.stderr
    project.depends("web")
    assert project.ok("run", "--no-sync", "tool").stdout == "tool\n"
    project.fails(127, "run", "tool")


def test_a_closed_pipe_is_no_error(ready: Project) -> None:
    from support.project import command

    words = [*command(), "completion", "bash"]
    process = subprocess.Popen(
        words, cwd=ready.folder, env=ready.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(20) == 141


def test_as_it_is_without_its_interpreter_it_does_not_fall_to_another(ready: Project) -> None:
    link = ready.folder / ".venv/current/bin/python"
    link.unlink()
    link.symlink_to("/nowhere/python3")
    told = ready.fails(126, "run", "--no-sync", "python", "-V").stderr
    assert "the interpreter of this environment is gone: /nowhere/python3" in told

"""Standard streams that are closed, or lead to a full disk: that is said, and work goes on."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from support import Project
from support.project import command

FULL = Path("/dev/full")


def run(
    project: Project, arguments: list[str], redirection: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run provenv by way of a shell that redirects."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *command(), *arguments],
        cwd=project.folder, env={**project.env, **more}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["store", "path", "--json"]], ids=" ".join)
def test_output_to_a_full_disk_is_not_lost_in_silence(
    project: Project, arguments: list[str]
) -> None:
    done = run(project, arguments, ">/dev/full")
    assert done.returncode == 3, done
    assert done.stderr.startswith("error: writing standard output: /dev/full: No space left"), done
    assert done.stderr.count("error:") == 1


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
def test_what_is_said_beside_the_work_does_not_stop_it(project: Project) -> None:
    project.depends()
    done = run(project, ["sync"], "2>/dev/full")
    assert done.returncode == 0, done
    assert (project.folder / ".venv/current").is_symlink()
    assert run(project, ["sync"], "2>/dev/full").returncode == 0


def test_closed_streams_lead_nowhere(project: Project) -> None:
    project.depends()
    done = run(project, ["lock"], "<&- >&- 2>&-")
    assert done.returncode == 0, done
    assert "[[packages]]" not in project.read("pylock.toml")
    assert project.read("pylock.toml").startswith("# Made by provenv")
    assert os.listdir(project.folder).count("pylock.toml") == 1
    done = run(project, ["store", "path"], "2>&- <&-")
    assert done.stdout.strip() == str(project.home / "provenv/store"), done

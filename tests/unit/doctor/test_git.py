"""Environments in repositories: PV201–PV204. All of these are real ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from provenv.core.events import Event, Warned
from unit.doctor.helpers import Patient, fake_environment, places

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def venv_with_packages(folder: Path) -> Path:
    fake_environment(folder)
    (folder / "lib/python3.12/site-packages/big.py").write_bytes(bytes(range(256)) * 40)
    return folder


def test_an_environment_in_the_index(patient: Patient) -> None:
    patient.project.depends()
    patient.git("init", "-q")
    venv_with_packages(patient.folder / "env")
    patient.git("add", "-A")
    finding = patient.one("PV201")
    assert finding.weight == "error"
    assert finding.seen.startswith("env is committed: 5 files, ")
    assert finding.seen.endswith(" kB")
    assert finding.mend == "git rm -r --cached --quiet env"
    assert patient.seen("PV202") == []


def test_an_environment_in_the_history_of_any_branch(patient: Patient) -> None:
    patient.project.depends()
    patient.git("init", "-q", "-b", "main")
    patient.git("add", "pyproject.toml")
    patient.git("commit", "-qm", "first")
    patient.git("checkout", "-qb", "other")
    venv_with_packages(patient.folder / "tools/my env")
    patient.git("add", "-A")
    patient.git("commit", "-qm", "oops")
    patient.git("checkout", "-q", "main")
    finding = patient.one("PV202")
    assert finding.seen.startswith(
        "tools/my env is not there any more, but in the history: 5 files"
    )
    assert finding.mend == "git filter-repo --invert-paths --path 'tools/my env'"
    assert patient.seen("PV201") == []


def test_an_environment_that_is_not_ignored(patient: Patient) -> None:
    patient.project.depends()
    patient.git("init", "-q")
    fake_environment(patient.folder / "venv")
    fake_environment(patient.folder / ".env-3.12")
    found = patient.seen("PV203")
    assert sorted(places(f, patient.folder)[0] for f in found) == [".env-3.12", "venv"]
    result = patient.look(only=("PV203",), fix=True)
    assert result.findings == ()
    assert [item.failed for item in result.mended] == [None, None]
    assert sorted(patient.project.read(".gitignore").splitlines()) == ["/.env-3.12/", "/venv/"]


def test_a_fix_keeps_what_gitignore_says(patient: Patient) -> None:
    patient.project.depends()
    patient.git("init", "-q")
    fake_environment(patient.folder / "venv")
    patient.project.write(".gitignore", "# mine\n*.pyc").write_text("# mine\n*.pyc")
    patient.look(only=("PV203",), fix=True)
    assert patient.project.read(".gitignore") == "# mine\n*.pyc\n/venv/\n"


def test_our_own_environments_are_ignored_by_themselves(patient: Patient) -> None:
    patient.project.depends()
    patient.git("init", "-q")
    patient.sync()
    patient.sync("prod")
    assert patient.look(only=("PV2",)).findings == ()


def test_a_lock_that_is_ignored(patient: Patient) -> None:
    patient.project.depends()
    patient.git("init", "-q")
    patient.sync()
    patient.project.write(".gitignore", "*.toml\n")
    patient.git("add", "-f", "pyproject.toml")
    assert [f.seen for f in patient.seen("PV204")] == ["git ignores pylock.toml"]


def test_a_project_below_the_repository(patient: Patient) -> None:
    patient.project.depends()
    top = patient.folder.parent
    patient.git("init", "-q", str(top))
    venv_with_packages(patient.folder / "env")
    patient.git("add", "-A", ".")
    assert patient.one("PV201").mend == "git rm -r --cached --quiet env"
    patient.git("commit", "-qm", "oops")
    patient.git("rm", "-rq", "--cached", "env")
    patient.git("commit", "-qm", "away")
    shutil.rmtree(patient.folder / "env")
    assert patient.one("PV202").seen.startswith(f"{patient.folder.name}/env is not there")


def test_no_program_of_the_repository_is_run(patient: Patient, tmp_path: Path) -> None:
    patient.project.depends()
    patient.git("init", "-q")
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    trap.chmod(0o755)
    patient.git("config", "core.fsmonitor", str(trap))
    fake_environment(patient.folder / "venv")
    assert len(patient.seen("PV203")) == 1
    assert not (tmp_path / "ran").exists()


def test_a_repository_that_git_refuses_is_said(patient: Patient) -> None:
    patient.project.depends()
    patient.git("init", "-q")
    (patient.folder / ".git/HEAD").write_text("rubbish\n")
    heard: list[Event] = []
    patient.look(emit=heard.append)
    assert [e.message for e in heard if isinstance(e, Warned)] == [
        "git was not asked about everything: it refuses this repository"
    ]


def test_without_a_repository_or_without_git_there_is_nothing_to_say(patient: Patient) -> None:
    patient.project.depends()
    fake_environment(patient.folder / "venv")
    assert patient.seen("PV203") == []
    patient.git("init", "-q")
    (patient.tools / "git").unlink()
    assert patient.seen("PV203") == []

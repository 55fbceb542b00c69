"""Questions to git about a repository; nothing in it is changed, and no other one is asked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from provenv.tools.git import Git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits of `inside/lock`; the first of them is tagged."""
    folder = tmp_path / "repository"
    (folder / "inside").mkdir(parents=True)
    run(folder, "init", "-q", "-b", "main")
    for day, text in (("2026-01-05", "one"), ("2026-02-05", "two")):
        (folder / "inside/lock").write_text(text)
        run(folder, "add", "-A")
        run(folder, "commit", "-q", "-m", day, day=day)
        if text == "one":
            run(folder, "tag", "first")
    return folder


def run(folder: Path, *words: str, day: str = "2026-01-01") -> None:
    who = ["-c", "user.name=ana", "-c", "user.email=ana@example.org"]
    moment = f"{day}T10:00:00Z"
    environ = {**os.environ, "GIT_COMMITTER_DATE": moment, "GIT_AUTHOR_DATE": moment}
    subprocess.run(["git", *who, *words], cwd=folder, env=environ, check=True)


def test_revisions_files_and_dates(repository: Path) -> None:
    git = Git(str(repository / "inside"), os.environ)
    first, last = git.commit("first"), git.commit("HEAD")
    assert first is not None
    assert last is not None
    assert first.time.startswith("2026-01-05T10:00:00")
    assert git.commit(first.short) == git.commit("HEAD~1") == first
    assert (git.read(first, "lock"), git.read(last, "lock")) == ("one", "two")
    assert git.read(first, "nothing") is None
    assert git.read(first, str(repository / "inside/lock")) is None
    assert git.before("2026-02-01T00:00:00+00:00", "lock") == first
    assert git.before("2026-01-01T00:00:00+00:00", "lock") is None


@pytest.mark.parametrize(
    "odd", ["nothing", "--all", "-1", "first..main", "HEAD:inside/lock", "", "HEAD~9"]
)
def test_what_is_no_revision(repository: Path, odd: str) -> None:
    assert Git(str(repository), os.environ).commit(odd) is None


def test_only_the_repository_around_the_folder_is_asked(repository: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    environ = {**os.environ, "GIT_DIR": str(repository / ".git"), "GIT_CEILING_DIRECTORIES": ""}
    assert Git(str(outside), environ).commit("HEAD") is None
    nowhere = Git(str(repository), {"PATH": str(outside)})
    assert not nowhere.there
    assert nowhere.commit("HEAD") is None

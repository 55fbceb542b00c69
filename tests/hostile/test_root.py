"""root at work in somebody else's project: what it makes there is theirs, what it shares is its own."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import Index, Project, make_wheel

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can work for somebody else")

SOMEBODY = 12345


@pytest.fixture
def theirs(tmp_path: Path, index: Index) -> Iterator[Project]:
    """Somebody else's project, where they can reach it; root's store is where it always is."""
    for name in ("alpha", "beta"):
        index.add(make_wheel(tmp_path / "w", name, "1"))
    folder = Path(tempfile.mkdtemp(prefix="provenv-theirs-"))
    project = Project(folder, home=tmp_path / "home", index_url=index.url)
    manifest = project.depends("alpha")
    for path in (folder, manifest):
        os.chown(path, SOMEBODY, SOMEBODY)
    yield project
    shutil.rmtree(folder, ignore_errors=True)


def as_them(project: Project, script: str) -> None:
    done = subprocess.run(
        ["sh", "-euc", script], cwd=project.folder, user=SOMEBODY, group=SOMEBODY, extra_groups=[],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_what_root_makes_in_their_project_is_theirs(theirs: Project) -> None:
    told = theirs.ok("sync").stderr
    assert "warning" not in told or "closed to others" in told  # where the tests' own folder is
    theirs.ok("add", "beta")
    theirs.ok("rollback")
    kept = [
        path.relative_to(theirs.folder)
        for path in theirs.folder.rglob("*")
        if path.lstat().st_uid != SOMEBODY
        and (stat.S_ISDIR(path.lstat().st_mode) or path.lstat().st_nlink == 1)
    ]
    assert [str(path) for path in kept if path.name != ".stamp"] == []
    as_them(theirs, "for file in .lock .log .used; do : >>.venv/$file; done; : >>pylock.toml")
    as_them(theirs, "rm -r .venv pylock.toml pyproject.toml; test -z $(ls -A)")


def test_what_is_not_theirs_alone_changes_no_hands(theirs: Project, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("root's")
    theirs.ok("sync")
    os.link(other, theirs.folder / ".venv/linked")
    (theirs.folder / ".venv/symlink").symlink_to(other)
    theirs.ok("add", "beta")
    assert other.stat().st_uid == 0
    everything = (theirs.home / "provenv").rglob("*")
    assert {path.lstat().st_uid for path in everything if path.exists()} == {0}


def test_root_is_told_of_what_is_closed_to_them(theirs: Project) -> None:
    """As a call with sudo makes it: what it leads to lies in root's own home."""
    said = "cannot use this environment"
    folder = theirs.folder
    warned = theirs.ok("sync").stderr
    assert f"user {SOMEBODY}, whose project this is, {said}: it leads into /" in warned
    shutil.rmtree(folder / ".venv")
    assert said in theirs.ok("sync").stderr, "the short way tells it as well"
    assert said not in theirs.ok("sync").stderr, "once"
    os.chown(folder, 0, 0)
    shutil.rmtree(folder / ".venv")
    assert said not in theirs.ok("sync").stderr

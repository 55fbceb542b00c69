"""Which files of a project decide on its tests, and that they are read no more often than they must."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from provenv.model.layout import HomeLayout
from provenv.workspace.projects.context import Context, Project, make_project
from provenv.workspace.testing.cells import trials_folder
from provenv.workspace.testing.inputs import Files, read_files


@pytest.fixture
def context(home: HomeLayout) -> Context:
    return Context(home=home, environ={"PATH": os.environ["PATH"]}, user_home="/nowhere")


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    root = tmp_path / "shop"
    root.mkdir()
    for name in ("a.py", "tests/test_a.py", ".venv/pyvenv.cfg", ".venv/x.py", "env/pyvenv.cfg"):
        write(root / name, "text")
    for name in ("__pycache__/a.pyc", "old.pyc", ".coverage", ".pytest_cache/x", "env/lib/x.py"):
        write(root / name, "text")
    return make_project(str(root), "")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def read(project: Project, context: Context) -> Files:
    return read_files(project, [], context)


def test_environments_and_caches_are_passed_over(shop: Project, context: Context) -> None:
    assert sorted(read(shop, context).contents) == ["a.py", "tests/test_a.py"]


def test_every_change_is_noticed(shop: Project, context: Context) -> None:
    before = read(shop, context)
    assert read(shop, context).digest == before.digest
    root = Path(shop.root)
    write(root / "a.py", "other")
    (root / "tests/test_a.py").chmod(0o755)
    (root / "link").symlink_to("a.py")
    after = read(shop, context)
    assert before.changed(after) == ["a.py", "link", "tests/test_a.py"]
    (root / "link").unlink()
    (root / "link").symlink_to("tests")
    assert after.changed(read(shop, context)) == ["link"]
    (root / "link").unlink()
    assert "link" not in read(shop, context).contents


def test_what_is_as_it_was_is_not_read_again(
    shop: Project, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = time.time() + 60  # what has just been written is read again
    monkeypatch.setattr("provenv.workspace.testing.inputs.time.time", lambda: later)
    known = read(shop, context)
    (kept,) = Path(context.home.trials).glob("*/files.json")
    kept.write_text(kept.read_text().replace(known.contents["a.py"], "as noted"))
    assert read(shop, context).contents["a.py"] == "as noted"
    file = Path(shop.root) / "a.py"
    status = file.stat()
    with file.open("r+") as stream:
        stream.write("TEXT")  # as long as before, and its time is put back
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert read(shop, context).contents["a.py"] not in ("as noted", known.contents["a.py"])


def test_a_file_that_has_just_been_written_is_read_again(shop: Project, context: Context) -> None:
    read(shop, context)
    assert list(Path(context.home.trials).glob("*/files.json")) == []  # nothing is old enough


def test_git_knows_what_is_ignored(shop: Project, context: Context) -> None:
    root = Path(shop.root)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    write(root / ".gitignore", "*.pyc\n.venv/\nenv/\n.coverage\n.pytest_cache/\nbuilt/\n")
    write(root / "built/x", "x")
    write(root / "odd name\n.txt", "x")
    assert sorted(read(shop, context).contents) == [
        ".gitignore", "a.py", "odd name\n.txt", "tests/test_a.py",
    ]  # fmt: skip


def test_a_broken_note_costs_time_and_nothing_else(shop: Project, context: Context) -> None:
    before = read(shop, context).digest
    kept = Path(trials_folder(shop, context)) / "files.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    for text in ("", "[]", "{", json.dumps({f"{shop.root}/a.py": 3})):
        kept.write_text(text)
        assert read(shop, context).digest == before

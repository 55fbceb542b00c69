"""The short way does what the long one does, and nothing where there is any doubt."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from support import Index, Project, make_wheel


@pytest.fixture
def synced(project: Project, index: Index, tmp_path: Path) -> Project:
    for name in ("alpha", "beta"):
        index.add(make_wheel(tmp_path / "wheels", name, "1.0"))
    project.depends("alpha")
    project.ok("sync")
    return project


def generations(project: Project) -> list[str]:
    return sorted(os.listdir(project.folder / ".venv" / "generations"))


def rewrite(path: Path) -> None:
    text = path.read_text()
    path.unlink()
    path.write_text(text)


def test_files_that_were_only_written_anew_change_nothing(synced: Project, index: Index) -> None:
    stamp = (synced.folder / ".venv" / ".stamp").read_text()
    rewrite(synced.folder / "pyproject.toml")
    rewrite(synced.folder / "pylock.toml")
    shutil.move(str(synced.home / "provenv" / "interpreters.json"), str(synced.home / "gone"))
    asked = len(index.requests)
    assert "nothing to do: generation 1" in synced.ok("sync").stderr
    assert not (synced.home / "provenv" / "interpreters.json").exists()  # the long way would ask
    assert (synced.folder / ".venv" / ".stamp").read_text() != stamp
    assert len(index.requests) == asked
    assert generations(synced) == ["1"]


def test_a_changed_manifest_is_not_taken_for_the_old_one(synced: Project) -> None:
    synced.depends("alpha", "beta")
    synced.ok("sync")
    assert synced.python("import beta; print(beta.__version__)") == "1.0"
    synced.depends("alpha")
    synced.ok("sync")
    assert "beta" not in synced.ok("tree").stdout
    assert generations(synced) == ["1", "2", "3"]


def test_what_was_installed_by_others_is_seen_although_the_files_are_new(synced: Project) -> None:
    rewrite(synced.folder / "pylock.toml")
    site = next((synced.folder / ".venv" / "lib").glob("python*/site-packages"))
    (site / "foreign.py").write_text("")
    assert "generation 2" in synced.ok("sync").stderr
    assert not (
        next((synced.folder / ".venv" / "lib").glob("python*/site-packages")) / "foreign.py"
    ).exists()


def test_a_second_checkout_and_a_removed_environment_take_the_known_plan(
    synced: Project, index: Index, tmp_path: Path
) -> None:
    other = Project(tmp_path / "other", home=synced.home, index_url=index.url)
    for name in ("pyproject.toml", "pylock.toml"):
        shutil.copy(synced.folder / name, other.folder / name)
    asked = len(index.requests)
    assert "generation 1" in other.ok("sync").stderr
    other.ok("verify")
    shutil.rmtree(other.folder / ".venv")
    other.ok("run", "python", "-c", "import alpha")
    assert len(index.requests) == asked
    assert other.ok("status", "--json").json["agrees"]


def test_a_known_plan_is_not_linked_from_a_damaged_store(
    synced: Project, index: Index, tmp_path: Path
) -> None:
    site = next((synced.folder / ".venv" / "lib").glob("python*/site-packages"))
    package = (site / "alpha").resolve()
    package.chmod(0o755)
    (package / "foreign.py").write_text("")
    other = Project(tmp_path / "other", home=synced.home, index_url=index.url)
    for name in ("pyproject.toml", "pylock.toml"):
        shutil.copy(synced.folder / name, other.folder / name)
    assert "set aside" in other.ok("sync").stderr
    other.ok("verify")
    assert not (package / "foreign.py").exists()


def test_another_interpreter_of_the_same_path_is_noticed(synced: Project) -> None:
    python = synced.folder / "fake-python"
    python.write_text("")
    stamp = synced.folder / ".venv" / ".stamp"
    lines = [line for line in stamp.read_text().splitlines() if "/bin/python" not in line]
    stamp.write_text("\n".join([*lines, f"1 2 3 {python}"]) + "\n")
    rewrite(synced.folder / "pylock.toml")
    assert "nothing to do" in synced.ok("sync").stderr  # the long way, which writes a true stamp
    assert str(python) not in stamp.read_text()


def test_what_is_asked_for_on_the_command_line_is_part_of_the_question(
    synced: Project, index: Index, tmp_path: Path
) -> None:
    python = synced.python("import sys; print(sys.version.split()[0])")
    options = ("--python", python, "--link-mode", "copy")
    assert "generation 2" in synced.ok("sync", *options).stderr
    assert "nothing to do: generation 2" in synced.ok("sync", *options).stderr
    assert "nothing to do: generation 2" in synced.ok("sync").stderr  # what is there is kept
    assert "generation 3" in synced.ok("sync", "--link-mode", "linked").stderr
    other = Project(tmp_path / "other", home=synced.home, index_url=index.url)
    for name in ("pyproject.toml", "pylock.toml"):
        shutil.copy(synced.folder / name, other.folder / name)
    other.ok("sync", *options)
    assert other.ok("status", "--json").json["generation"]["link_mode"] == "copy"
    assert other.fails(1, "sync", "--python", "2.6").stderr.count("2.6") > 0

"""The short way does what the long one does, and nothing where there is any doubt."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
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


@pytest.fixture
def locks(synced: Project) -> Callable[[str], None]:
    """Puts one of two states of the project in place, as a checkout does: both were synced once."""
    kept: dict[str, list[tuple[str, str]]] = {}
    for name, wanted in (("one", ["alpha"]), ("two", ["alpha", "beta"])):
        synced.depends(*wanted)
        synced.ok("sync")
        files = ("pyproject.toml", "pylock.toml")
        kept[name] = [(file, (synced.folder / file).read_text()) for file in files]

    def put(name: str) -> None:
        for file, text in kept[name]:
            (synced.folder / file).unlink()
            (synced.folder / file).write_text(text)

    return put


def short(project: Project, *args: str) -> str:
    """What ``sync`` said, which must not have asked any interpreter: the long way does."""
    probed = project.home / "provenv" / "interpreters.json"
    probed.unlink(missing_ok=True)
    said = project.ok("sync", *args).stderr
    assert not probed.exists()
    return said


def test_going_to_and_fro_between_two_locks(synced: Project, locks: Callable[[str], None]) -> None:
    locks("one")
    assert short(synced).splitlines()[1:] == ["  - beta 1.0"]
    synced.ok("verify")
    locks("two")
    first, second = short(synced).splitlines()
    assert first.startswith("dev: generation 4 (Python ")
    assert second == "  + beta 1.0"
    assert synced.python("import beta; print(beta.__version__)") == "1.0"
    told = synced.ok("history", "--json").json["generations"]
    assert [row["number"] for row in told] == [1, 2, 3, 4]
    assert synced.ok("status", "--json").json["agrees"]
    synced.ok("rollback")
    assert generations(synced) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("how", ["installed", "copied", "held", "killed", "edited"])
def test_between_two_locks_the_long_way_looks_where_there_is_doubt(
    synced: Project, locks: Callable[[str], None], how: str
) -> None:
    environment = synced.folder / ".venv"
    if how == "copied":
        synced.ok("sync", "--link-mode", "copy")
    elif how == "held":
        synced.ok("rollback", "--environment-only")
    elif how == "edited":
        synced.ok("env", "edit", "alpha")
        site = next((environment / "lib").glob("python*/site-packages"))
        (site / "alpha" / "__init__.py").write_text("__version__ = 'mine'\n")
    locks("one")
    if how == "installed":
        site = next((environment / "lib").glob("python*/site-packages"))
        (site / "foreign.py").write_text("")
    elif how == "killed":
        (environment / "generations" / ".new-1").mkdir()
    said = synced.ok("sync").stderr
    if how == "installed":
        assert "undone: " in said
    elif how == "copied":
        assert synced.ok("status", "--json").json["generation"]["link_mode"] == "copy"
    elif how == "killed":
        assert all(name.isdigit() for name in generations(synced))
    elif how == "edited":
        assert synced.python("import alpha; print(alpha.__version__)") == "mine"
    else:
        assert "  - beta 1.0" not in said  # the rollback had taken it away already

"""Named environments: one for each Python, several at once, and those outside projects."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support import Index, Project

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
HERE = str(Path(sys.executable).resolve().parent)
TWO = f'python = ["{MINOR}", "cpython{MINOR}"]'  # two requests, and an interpreter for both


def declare(project: Project, *lines: str) -> None:
    project.depends(
        "web", groups={"test": ["tool"]}, more="\n[tool.provenv.environments]\n" + "\n".join(lines)
    )


@pytest.fixture
def project(project: Project) -> Project:
    """The interpreter of the tests is the first one on PATH."""
    project.env["PATH"] = f"{HERE}:{project.env['PATH']}"
    return project


@pytest.fixture
def matrix(project: Project, shelf: Index) -> Project:
    """``test`` is one environment for each of two Pythons."""
    declare(project, f"test = {{ {TWO} }}")
    project.ok("sync")
    return project


def test_several_pythons_are_one_environment_each(matrix: Project) -> None:
    done = matrix.ok("sync", "-e", "test")
    assert f"test@{MINOR}: generation 1" in done.stderr
    assert f"test@cpython{MINOR}: generation 1" in done.stderr
    assert sorted(p.name for p in (matrix.folder / ".venvs").iterdir()) == [
        f"test@{MINOR}", f"test@cpython{MINOR}",
    ]  # fmt: skip
    matrix.ok("run", "-e", f"test@cpython{MINOR}", "tool")
    told = matrix.ok("run", "-e", "test", "python", "-c", "import sys; print(sys.prefix)")
    assert f".venvs/test@{MINOR}/" in told.stdout
    assert (
        len(matrix.ok("history", "-e", f"test@cpython{MINOR}", "--json").json["generations"]) == 1
    )
    matrix.ok("verify", "-e", "test")
    matrix.ok("verify")
    assert matrix.ok("store", "gc", "--json").json["missing"] == []


def test_one_of_them_is_in_sync_the_short_way(matrix: Project) -> None:
    matrix.ok("sync", "-e", "test")
    (matrix.home / "provenv" / "interpreters.json").unlink()
    said = matrix.ok("sync", "-e", f"test@{MINOR}").stderr
    assert said == f"test@{MINOR}: nothing to do: generation 1\n"
    assert not (matrix.home / "provenv" / "interpreters.json").exists()  # the long way would ask


def test_a_known_plan_of_one_is_not_taken_for_all(matrix: Project, tmp_path: Path) -> None:
    matrix.ok("run", "-e", "test", "true")
    assert "generation 1" in matrix.ok("sync", "-e", "test").stderr
    other = Project(tmp_path / "other", home=matrix.home, index_url=None)
    other.env = matrix.env
    for name in ("pyproject.toml", "pylock.toml"):
        other.write(name, matrix.read(name))
    other.ok("sync", "-e", "test")
    assert len(list((other.folder / ".venvs").iterdir())) == 2


def test_of_several_pythons_of_the_default_environment_the_first_lies_in_venv(
    project: Project, shelf: Index
) -> None:
    declare(project, f"dev = {{ {TWO} }}")
    project.ok("lock")
    assert "generation 1" in project.ok("run", "true").stderr
    assert not (project.folder / ".venvs").exists()
    assert f"dev@cpython{MINOR}: generation 1" in project.ok("sync").stderr
    assert [p.name for p in (project.folder / ".venvs").iterdir()] == [f"dev@cpython{MINOR}"]
    results = project.ok("sync", "--json").json["results"]
    assert [r["environment"] for r in results] == [f"dev@{MINOR}", f"dev@cpython{MINOR}"]
    assert results[0]["result"]["folder"] == str(project.folder / ".venv")


def test_several_environments_in_one_call(matrix: Project) -> None:
    document = matrix.ok("sync", "-e", "dev", "-e", "test", "-e", "dev", "--json").json
    assert document["schema"] == "provenv.sync-many/1"
    names = [entry["environment"] for entry in document["results"]]
    assert names == ["dev", f"test@{MINOR}", f"test@cpython{MINOR}"]
    assert [entry["result"]["made"] for entry in document["results"]] == [False, True, True]
    told = matrix.fails(1, "status", "-e", "dev", "-e", "prod").stdout
    assert "provenv sync -e prod" in told
    assert "in sync" in told


def test_the_failure_of_one_does_not_stop_the_others(project: Project, shelf: Index) -> None:
    declare(project, 'staging = { python = "2.6" }')
    document = project.fails(1, "sync", "-e", "staging", "-e", "prod", "--json").json
    staging, prod = document["results"]
    assert (staging["exit_code"], staging["result"]) == (1, None)
    assert staging["error"]["kind"] == "unsatisfiable"
    assert (prod["exit_code"], prod["error"], prod["result"]["generation"]) == (0, None, 1)
    said = project.fails(1, "sync", "-e", "staging", "-e", "prod").stderr
    assert "error: staging: " in said
    assert "prod: nothing to do" in said


@pytest.mark.parametrize(
    "words", [("run", "true"), ("tree",), ("why", "web"), ("history",), ("rollback",), ("add", "x")]
)
def test_a_command_about_one_environment_refuses_two(
    project: Project, words: tuple[str, ...]
) -> None:
    project.depends()
    command, *rest = words
    said = project.fails(2, command, "-e", "dev", "-e", "prod", *rest).stderr
    assert "this command is about one environment, not 2: dev, prod" in said


@pytest.mark.parametrize("name", ["../x", "/x", "", ".", "..", "a/b", "test@../../x", "test@3.1"])
@pytest.mark.parametrize("command", ["sync", "status", "verify", "history", "run"])
def test_names_that_lead_elsewhere_are_refused(project: Project, command: str, name: str) -> None:
    declare(project, f"test = {{ {TWO} }}")
    words = [command, "-e", name, *(["true"] if command == "run" else [])]
    said = project.fails(2, *words).stderr
    assert said.startswith(("error: environment 'test' does not declare", "error: '", "error: ''"))
    assert sorted(p.name for p in project.folder.iterdir()) == ["pyproject.toml"]


def test_the_environments_of_several_pythons_share_a_lock_of_their_own(
    project: Project, shelf: Index
) -> None:
    project.depends(
        groups={"test": ["core==1.0"], "dev": ["core==2.0"]},
        more=f'[tool.provenv]\nconflicts = [["test", "dev"]]\n'
        f"[tool.provenv.environments]\ntest = {{ {TWO} }}\n",
    )
    project.ok("sync", "-e", "test", "-e", "dev")
    locks = sorted(p.name for p in project.folder.glob("pylock*"))
    assert locks == ["pylock.dev.toml", "pylock.test.toml", "pylock.toml"]
    code = "import core; print(core.__version__)"
    assert project.ok("run", "-e", f"test@{MINOR}", "python", "-c", code).stdout == "1.0\n"
    project.ok("sync", "-e", f"test@cpython{MINOR}", "--locked")

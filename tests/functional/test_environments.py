"""Named environments: one for each Python, several at once, and those outside projects."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support import Index, Project, make_source

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
    assert said.startswith(("error: environment 'test' does not declare", "error: '"))
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


def everything(folder: Path) -> dict[str, str]:
    """Every file of a project outside its environments."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and not path.relative_to(folder).parts[0].startswith(".venv")
    }


def roots(project: Project) -> list[str]:
    folder = project.home / "provenv" / "roots"
    return [str(path.readlink()) for path in folder.iterdir() if path.is_symlink()]


def test_create_declares_locks_and_makes(project: Project, shelf: Index) -> None:
    project.depends("web", groups={"lint": ["tool"]}, more="# the end\n")
    said = project.ok("env", "create", "docs", "--group", "lint", "--with", "core<2").stderr
    assert "declared docs in pyproject.toml" in said
    assert "docs: generation 1" in said
    text = project.read("pyproject.toml")
    assert 'docs = { groups = ["lint", "docs"] }' in text
    assert 'docs = ["core<2"]' in text
    assert "# the end" in text
    assert {"core", "tool", "web"} == set(held(project, "docs"))
    before = everything(project.folder)
    (project.home / "provenv/interpreters.json").rename(project.home / "aside")
    assert "docs: nothing to do" in project.ok("env", "create", "docs").stderr
    assert not (project.home / "provenv/interpreters.json").exists()  # the long way would ask
    (project.home / "aside").rename(project.home / "provenv/interpreters.json")
    project.ok("env", "create", "docs", "--group", "lint", "--with", "core")
    assert everything(project.folder) == before
    project.ok("lock", "--check")


def held(project: Project, name: str) -> dict[str, str]:
    generation = project.ok("status", "-e", name, "--json").json["generation"]
    return {package["name"]: package["version"] for package in generation["packages"]}


def test_create_without_a_version_writes_the_locked_one(project: Project, shelf: Index) -> None:
    project.depends("core>=1.0")
    said = project.ok("env", "create", "docs", "--with", "core", "--inherits", "prod").stderr
    assert "added core>=2.0\n" in said  # and not what stands elsewhere
    assert 'docs = ["core>=2.0"]' in project.read("pyproject.toml")
    assert 'docs = { inherits = "prod", groups = ["docs"] }' in project.read("pyproject.toml")
    project.ok("sync", "-e", "docs", "--locked")


def test_create_of_a_built_in_one_writes_nothing(project: Project, shelf: Index) -> None:
    project.depends("web")
    text = project.read("pyproject.toml")
    assert "prod: generation 1" in project.ok("env", "create", "prod").stderr
    assert project.read("pyproject.toml") == text
    assert (project.folder / ".venvs/prod/bin/python").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["../x"], 2, "'../x' is not the name of an environment"),
        ([""], 2, "'' is not the name of an environment"),
        (["a@3.12"], 2, "'a@3.12' is not the name of an environment"),
        (["x", "--group", "nope"], 2, "environment 'x' cannot be so: groups: there is no"),
        (["x", "--inherits", "nope"], 2, "there is no environment 'nope'"),
        (["x", "--python", "3.12", "--python", "3.12"], 2, "'3.12' is there twice"),
        (["x", "--python", "3.12", "--python", "../y"], 2, "'../y' cannot be part of"),
        (["x", "--python", "2.6"], 1, "2.6"),
        (["x", "--with", "a b"], 2, "'a b' is not a requirement"),
        (["x", "--with", "nowhere"], 1, "nowhere"),
        (["test", "--python", "3.1"], 2, "there already, with another python: none"),
        (["test", "--with", "core"], 2, "`provenv add --group test core` adds it"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_create_that_fails_leaves_every_file(
    project: Project, shelf: Index, words: list[str], code: int, said: str
) -> None:
    project.depends("web", more="[tool.provenv.environments]\ntest = {}\n")
    project.ok("lock")
    before = everything(project.folder)
    assert said in project.fails(code, "env", "create", *words).stderr
    assert everything(project.folder) == before
    assert not (project.folder / ".venvs").exists()


def test_create_of_several_that_fails_for_one_leaves_none(project: Project, shelf: Index) -> None:
    project.depends("web")
    before = everything(project.folder)
    project.fails(1, "env", "create", "ci", "--python", MINOR, "--python", "2.6")
    assert everything(project.folder) == before
    assert not (project.folder / ".venvs").exists()
    assert roots(project) == []


@pytest.fixture
def nowhere(project: Project, shelf: Index, tmp_path: Path) -> Project:
    """A folder without a project."""
    other = Project(tmp_path / "nowhere", home=project.home)
    other.env = project.env
    return other


def test_an_environment_outside_projects_is_found_from_anywhere(
    nowhere: Project, project: Project
) -> None:
    nowhere.ok("env", "create", "ml", "--with", "tool")
    assert list(nowhere.folder.iterdir()) == []
    assert nowhere.ok("run", "-e", "ml", "tool", "x").stdout == "tool x\n"
    project.depends("web")
    project.ok("sync")
    assert project.ok("run", "-e", "ml", "tool").stdout == "tool\n"
    assert "tool 3.1" in project.ok("tree", "-e", "ml").stdout
    assert nowhere.ok("status", "-e", "ml", "--json").json["environment"] == "ml"
    nowhere.ok("add", "-e", "ml", "core<2")
    nowhere.ok("remove", "-e", "ml", "core")
    assert len(nowhere.ok("history", "-e", "ml", "--json").json["generations"]) == 3
    nowhere.ok("rollback", "-e", "ml")
    assert "core" in held(nowhere, "ml")
    assert project.read("pyproject.toml").count("core") == 0
    folder = nowhere.ok("env", "path", "ml").stdout.strip()
    assert folder == str(project.home / "provenv/environments/ml/.venv")
    python = nowhere.ok("env", "path", "ml", "--python").stdout.strip()
    assert python == f"{folder}/bin/python"
    assert project.ok("sync", "-e", "dev", "-e", "ml", "--json").json["results"][1]["root"] == str(
        project.home / "provenv/environments/ml"
    )


def test_an_environment_of_the_project_comes_before_one_outside(
    nowhere: Project, project: Project
) -> None:
    nowhere.ok("env", "create", "ml", "--with", "tool")
    project.depends("web")
    show = ("run", "-e", "ml", "python", "-c", "import os; print(os.environ['VIRTUAL_ENV'])")
    outside = str(project.home / "provenv/environments/ml/.venv")
    assert project.ok(*show).stdout.strip() == outside
    assert project.ok(*show).stdout.strip() == outside  # by now without parsing the manifest
    project.depends("web", more="[tool.provenv.environments]\nml = {}\n")
    assert project.ok(*show).stdout.strip() == str(project.folder / ".venvs/ml")


@pytest.mark.parametrize("words", [(), ("--python", MINOR), ("--link-mode", "copy")], ids=str)
def test_a_second_one_is_what_the_first_way_would_have_made(
    nowhere: Project, words: tuple[str, ...]
) -> None:
    nowhere.ok("env", "create", "one", *words)
    home = nowhere.home / "provenv"
    (home / "interpreters.json").rename(home / "aside")
    said = nowhere.ok("env", "create", "two", *words).stderr
    assert f"two: generation 1 (Python {sys.version.split()[0]}, 0 packages)" in said
    assert not (home / "interpreters.json").exists()  # the long way would ask
    (home / "aside").rename(home / "interpreters.json")
    environment = home / "environments/two/.venv"
    assert nowhere.ok("sync", "-e", "two").stderr == "two: nothing to do: generation 1\n"
    (environment / ".stamp").unlink()
    assert nowhere.ok("sync", "-e", "two").stderr == "two: nothing to do: generation 1\n"
    nowhere.ok("verify", "-e", "two")
    assert nowhere.ok("status", "-e", "two").code == 0
    one, two = (
        (home / f"environments/{name}/.venv/generations/1/.provenv/recipe").read_text()
        for name in ("one", "two")
    )
    assert one == two
    assert "prompt = two\n" in (environment / "pyvenv.cfg").read_text()
    assert nowhere.ok("-C", str(environment.parent), "lock", "--check").code == 0


def test_another_python_of_the_same_request_is_not_taken_from_a_template(
    nowhere: Project,
) -> None:
    nowhere.ok("env", "create", "one")
    nowhere.env["PYENV_VERSION"] = "2.6"  # has a say, and there is none
    assert "pinned Python 2.6 is passed over" in nowhere.ok("env", "create", "two").stderr
    (nowhere.home / ".python-version").write_text("2.5\n")
    nowhere.env["PYENV_VERSION"] = ""
    assert "pinned Python 2.5 is passed over" in nowhere.ok("env", "create", "three").stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["../x"], 2, "'../x' is not the name of an environment"),
        (["/x"], 2, "'/x' is not the name of an environment"),
        ([""], 2, "'' is not the name of an environment"),
        (["x", "--group", "a"], 2, "--group is about a project"),
        (["x", "--no-editable"], 2, "--editable or --no-editable is about a project"),
        (["x", "--python", "2.6"], 1, "2.6"),
        (["x", "--with", "nowhere"], 1, "nowhere"),
        (["x", "--with", "core", "--python", MINOR, "--python", "2.6"], 1, "2.6"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_create_outside_that_fails_leaves_nothing(
    nowhere: Project, words: list[str], code: int, said: str
) -> None:
    assert said in nowhere.fails(code, "env", "create", *words).stderr
    folder = nowhere.home / "provenv/environments"
    assert not folder.exists() or list(folder.iterdir()) == []
    assert not (nowhere.home / "provenv/roots").exists() or roots(nowhere) == []


def test_an_environment_that_is_nowhere_is_named(nowhere: Project, project: Project) -> None:
    nowhere.ok("env", "create", "ml")
    said = nowhere.fails(2, "run", "-e", "mll", "true").stderr
    assert "Environments outside projects: ml. `provenv env create mll` makes one." in said
    project.depends()
    assert "Did you mean 'ml'?" in project.fails(2, "run", "-e", "mll", "true").stderr
    assert "does not declare" not in project.ok("run", "-e", "ml", "true").stderr


def test_remove_takes_away_what_provenv_made(matrix: Project) -> None:
    matrix.ok("sync", "-e", "test", "-e", "prod")
    text = matrix.read("pyproject.toml")
    assert "Nobody is here to ask" in matrix.fails(2, "env", "remove", "test").stderr
    matrix.ok("env", "remove", "--yes", f"test@{MINOR}")
    assert sorted(p.name for p in (matrix.folder / ".venvs").iterdir()) == [
        "prod", f"test@cpython{MINOR}",
    ]  # fmt: skip
    matrix.ok("env", "remove", "--yes", "test")
    matrix.ok("env", "remove", "--yes", "prod")
    assert not (matrix.folder / ".venvs").exists()
    assert roots(matrix) == [str(matrix.folder / ".venv")]
    assert matrix.read("pyproject.toml") == text
    assert "nothing to remove" in matrix.ok("env", "remove", "prod").stderr
    assert matrix.ok("store", "gc", "--json").json["missing"] == []
    matrix.ok("sync", "-e", "prod")


def test_remove_leaves_what_others_made(matrix: Project) -> None:
    matrix.ok("sync", "-e", "prod")
    matrix.write(".venvs/prod/notes.txt", "mine")
    said = matrix.ok("env", "remove", "--yes", "prod").stderr
    assert "left .venvs/prod/notes.txt" in said
    assert [p.name for p in (matrix.folder / ".venvs/prod").iterdir()] == ["notes.txt"]
    (matrix.folder / ".venvs/staging/bin").mkdir(parents=True)
    matrix.write(".venvs/staging/bin/python", "")
    assert "was not made by provenv" in matrix.fails(2, "env", "remove", "--yes", "staging").stderr


def test_remove_can_undeclare(project: Project, shelf: Index) -> None:
    project.depends(more='[tool.provenv.environments]\na = {}\nb = { inherits = "a" } # b\n')
    project.ok("sync", "-e", "b")
    said = project.fails(2, "env", "remove", "--yes", "--undeclare", "a").stderr
    assert "there is no environment 'a'" in said
    project.ok("env", "remove", "--yes", "--undeclare", "b")
    project.ok("env", "remove", "--yes", "--undeclare", "a")
    assert "inherits" not in project.read("pyproject.toml")
    assert (
        "is not declared"
        in project.fails(2, "env", "remove", "--yes", "--undeclare", "prod").stderr
    )


def test_remove_finds_what_is_no_longer_declared(matrix: Project) -> None:
    matrix.ok("sync", "-e", "test")
    text = matrix.read("pyproject.toml")
    matrix.depends("web")
    matrix.ok("sync", "-e", "test")
    matrix.write("pyproject.toml", text)
    matrix.ok("env", "remove", "--yes", "test")
    assert not (matrix.folder / ".venvs").exists()
    matrix.ok("sync", "-e", "test")
    matrix.depends("web")
    assert "unknown environment" not in matrix.ok("env", "remove", "--yes", f"test@{MINOR}").stderr
    assert not (matrix.folder / f".venvs/test@{MINOR}").exists()
    assert "unknown" in matrix.fails(2, "env", "remove", "--yes", "nope").stderr
    assert "not the name" in matrix.fails(2, "env", "remove", "--yes", "../shop").stderr


def test_remove_refuses_while_a_process_runs_in_it(nowhere: Project) -> None:
    nowhere.ok("env", "create", "ml")
    python = nowhere.ok("env", "path", "ml", "--python").stdout.strip()
    sleeper = subprocess.Popen(
        [python, "-c", "print(1, flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=nowhere.env, text=True,
    )  # fmt: skip
    try:
        assert sleeper.stdout is not None
        assert sleeper.stdout.readline() == "1\n"
        said = nowhere.fails(1, "env", "remove", "--yes", "ml").stderr
        assert "a process runs in generation 1 of" in said
        nowhere.ok("run", "-e", "ml", "true")
        nowhere.ok("env", "remove", "--yes", "--force", "ml")
    finally:
        sleeper.kill()
        sleeper.communicate()


def test_remove_of_one_outside_projects_takes_its_project(nowhere: Project) -> None:
    nowhere.ok("env", "create", "ml", "--with", "core")
    root = nowhere.home / "provenv/environments/ml"
    (root / "notes.txt").write_text("mine")
    (root / ".venv/more.txt").write_text("mine")
    told = nowhere.ok("env", "remove", "--yes", "ml", "--json").json
    assert told["left"] == [str(root / ".venv/more.txt"), str(root / "notes.txt")]
    assert told["files"] == ["pylock.toml", "pyproject.toml"]
    (root / ".venv/more.txt").unlink()
    (root / ".venv").rmdir()
    assert [p.name for p in root.iterdir()] == ["notes.txt"]
    assert "unknown environment 'ml'" in nowhere.fails(2, "run", "-e", "ml", "true").stderr
    assert "is no environment of provenv" in nowhere.fails(2, "env", "create", "ml").stderr
    (root / "notes.txt").unlink()
    nowhere.ok("env", "create", "ml")
    nowhere.ok("env", "remove", "--yes", "ml")
    assert not root.exists()
    assert roots(nowhere) == []


def test_path_of_one_that_is_not_made_is_no_path(project: Project) -> None:
    project.depends()
    failed = project.fails(1, "env", "path", "prod")
    assert failed.stdout == ""
    assert "`provenv sync -e prod` makes it" in failed.stderr


def test_diff_of_two_environments(project: Project, shelf: Index) -> None:
    project.depends(
        "web",
        groups={"test": ["tool"]},
        more='[tool.provenv.environments]\nstaging = { inherits = "prod" }\n',
    )
    project.ok("lock")
    assert project.ok("diff", "-e", "staging", "-e", "prod").stdout == (
        "staging → prod: nothing differs\n"
    )
    assert project.ok("diff", "-e", "prod", "-e", "test").stdout == "prod → test\n  + tool 3.1\n"
    project.ok("sync", "-e", "prod", "--link-mode", "copy")
    told = project.ok("diff", "-e", "staging", "-e", "prod").stdout
    assert told == "staging → prod\n  ~ link mode linked → copy\n"
    assert project.ok("diff", "-e", "staging", "-e", "prod", "--json").json["differs"] is True
    assert "give one -e" in project.fails(2, "diff", "-e", "staging", "-e", "prod", "1").stderr
    three = ("-e", "dev", "-e", "staging", "-e", "prod")
    assert "about one environment, not 3" in project.fails(2, "diff", *three).stderr
    assert "unknown environment 'x'" in project.fails(2, "diff", "-e", "x", "-e", "prod").stderr


def test_diff_of_two_environments_says_how_the_project_is_installed(
    project: Project, shelf: Index
) -> None:
    project.depends(
        more='[build-system]\nrequires = []\nbuild-backend = "x"\nbackend-path = ["."]\n'
    )
    project.ok("lock")
    told = project.ok("diff", "-e", "dev", "-e", "prod").stdout
    assert told == "dev → prod\n  ~ project in place → as a wheel\n"


def test_diff_where_only_one_of_two_is_made_says_nothing(project: Project) -> None:
    """The version of the project itself is its build's to say, and one of the two was not built."""
    make_source(project.folder, "shop", "1.0", requires_python=">=3.11")
    project.ok("sync", "-e", "prod")
    for order in (("staging", "prod"), ("prod", "staging")):
        told = project.ok("diff", "-e", order[0], "-e", order[1]).stdout
        assert told == f"{order[0]} → {order[1]}: nothing differs\n"


def test_two_that_create_the_same_environment_at_once(nowhere: Project) -> None:
    nowhere.ok("env", "create", "template")
    for name in ("ml", "template"):
        running = [nowhere.popen("env", "create", name) for _ in range(4)]
        ends = [(process.communicate()[1], process.returncode) for process in running]
        assert [code for _, code in ends] == [0] * 4, ends
    nowhere.ok("run", "-e", "ml", "true")
    nowhere.ok("verify", "-e", "ml")


def test_create_that_fails_leaves_no_lock_of_its_own(project: Project, shelf: Index) -> None:
    project.depends(
        groups={"test": ["core==1.0"], "dev": ["core==2.0"]},
        more='[tool.provenv]\nconflicts = [["test", "dev"]]\n',
    )
    before = everything(project.folder)
    project.fails(1, "env", "create", "old", "--group", "test", "--python", "2.6")
    assert everything(project.folder) == before
    project.ok("env", "create", "old", "--group", "test")
    assert (project.folder / "pylock.old.toml").exists()


def test_what_a_killed_create_left_is_no_obstacle(nowhere: Project) -> None:
    root = nowhere.home / "provenv/environments/ml"
    root.mkdir(parents=True)
    (root / ".pyproject.toml.4194304.0.tmp").write_text("")
    nowhere.ok("env", "create", "ml")
    assert sorted(p.name for p in root.iterdir()) == [".venv", "pylock.toml", "pyproject.toml"]

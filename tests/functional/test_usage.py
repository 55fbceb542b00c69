"""Wrong usage, and input that cannot be used: what is said, and with which exit code."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import provenv
from support import Project


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["snyc"], "Did you mean `provenv sync`?"),
        (["sync", "--lockd"], "Did you mean --locked?"),
        (["lock", "-e", "test"], "takes no --environment"),
        (["-e", "test", "store", "list"], "takes no --environment"),
        (["add"], "missing: REQUIREMENT"),
        (["add", "x", "--group", "a", "--optional", "b"], "not with --group"),
        (["sync", "--link-mode", "magic"], "none of linked, hardlink, clone, copy"),
        (["completion", "fish"], "none of bash, zsh, tcsh"),
        (["diff", "1", "2", "3"], "`diff` does not take '3'"),
        (["tree", "--depth", "0"], "not a number of levels"),
        (["lock", "--check", "--upgrade"], "goes with no other option"),
        (["verify", "--all", "-e", "dev"], "takes no --environment"),
        (["-C", "nowhere", "sync"], "--directory nowhere: No such file or directory"),
        (["sync"], "`provenv init` makes one"),
        (["store"], "missing: ACTION"),
        (["python"], "missing: ACTION"),
        (["-e", "test", "python", "list"], "`python list` is not about one environment"),
        (
            ["python", "uninstall", "3.12", "-p", "api"],
            "`python uninstall` is not about one project",
        ),
        (["env", "prune", "--dry-rn"], "Did you mean --dry-run?"),
        (["store", "list", "x"], "`store list` does not take 'x'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_exits_with_2(project: Project, words: list[str], said: str) -> None:
    result = project.fails(2, *words)
    assert said in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stdout == ""


def test_without_a_command_the_first_ones_are_shown(project: Project) -> None:
    result = project.run()
    assert result.code == 2
    assert "provenv init" in result.stderr
    assert len(result.stderr.splitlines()) < 12


def test_common_options_stand_before_or_after_the_command(project: Project) -> None:
    project.depends()
    before = project.ok("--json", "-C", str(project.folder), "store", "path")
    after = project.ok("store", "path", "-C", str(project.folder), "--json")
    assert before.json == after.json


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[project\n", "pyproject.toml:1"),
        ('[project]\nname = "x"\n[tool.provenv]\nenviroments = {}\n', "environments"),
        ('[project]\nname = "x"\ndependencies = ["a b c"]\n', "project.dependencies"),
    ],
    ids=["broken TOML", "unknown key", "no requirement"],
)
def test_a_manifest_that_cannot_be_used(project: Project, text: str, said: str) -> None:
    project.write("pyproject.toml", text)
    result = project.fails(2, "sync")
    assert said in result.stderr
    assert not (project.folder / ".venv").exists()


def test_a_home_that_cannot_be_made_is_named(project: Project) -> None:
    project.depends()
    refused = project.fails(3, "sync", env={"PROVENV_HOME": "/dev/null/home"})
    assert "cannot create /dev/null/home" in refused.stderr
    assert "PROVENV_HOME" in refused.stderr
    assert not (project.folder / ".venv").exists()


def test_what_should_not_happen_is_told_without_a_traceback(
    project: Project, tmp_path: Path
) -> None:
    project.depends()
    (tmp_path / "sitecustomize.py").write_text(
        "import provenv.workspace.syncing.inspection as room\n"
        "def status(*_, **__): raise ZeroDivisionError('oh')\n"
        "room.status = status\n"
    )
    source = str(Path(provenv.__file__).parents[1])
    env = {"PYTHONPATH": f"{tmp_path}:{source}"}
    told = project.fails(3, "status", env=env)
    assert "provenv failed where it should not: ZeroDivisionError: oh" in told.stderr
    assert "PROVENV_DEBUG=1" in told.stderr
    traced = project.run("status", env={**env, "PROVENV_DEBUG": "1"})
    assert "Traceback" in traced.stderr


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (("ro",), "rollback"),
        (("python", "up"), "upgrade"),
        (("python", "install", "--rei"), "--reinstall"),
        (("env", "prune", "--old"), "--older-than"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_completion_for_bash_completes(
    project: Project, words: tuple[str, ...], completed: str
) -> None:
    script = project.ok("completion", "bash").stdout
    before = ("provenv", *words)[-2]
    ask = (
        f"COMP_WORDS=(provenv {' '.join(words)}) COMP_CWORD={len(words)};"
        f' _shtab_provenv provenv {words[-1]} {before}; echo "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{script}\n{ask}"],
        env=project.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"{completed}\n", done.stderr


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_completion_for_other_shells_knows_the_commands(project: Project, shell: str) -> None:
    assert "rollback" in project.ok("completion", shell).stdout

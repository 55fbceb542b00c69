"""`shell` and `activate`: synced first, in real shells, with the user's rc files read."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from support import Project
from support.project import command
from support.terminal import PATH_WORD, PROMPT, PROMPT_WORD, Terminal, need, variable, write_rc

SHELLS = ("bash", "zsh", "fish", "tcsh", "dash", "ksh", "mksh", "nu")
MARK = {
    "fish": "set -gx RC_WAS read\nset -gx PATH /from/rc $PATH",
    "tcsh": "setenv RC_WAS read\nsetenv PATH /from/rc:$PATH",
    "nu": "$env.RC_WAS = 'read'\n$env.PATH = ($env.PATH | prepend '/from/rc')",
}
TYPED = {
    "bash": 'eval "$(provenv activate)"',
    "zsh": 'eval "$(provenv activate)"',
    "dash": 'eval "$(provenv activate)"',
    "ksh": 'eval "$(provenv activate)"',
    "mksh": 'eval "$(provenv activate)"',
    "fish": "provenv activate | source",
    "tcsh": "eval `provenv activate`",
}


@pytest.fixture
def shop(tmp_path: Path, project: Project) -> Project:
    """A project at an odd place, and a `provenv` on the user's PATH."""
    shop = Project(tmp_path / "it's a shop", home=project.home)
    shop.env = project.env
    shop.depends()
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    script = bin_folder / "provenv"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(command())} "$@"\n')
    script.chmod(0o755)
    shop.env["PATH"] = f"{bin_folder}:{shop.env['PATH']}"
    shop.env["ENV"] = str(shop.home / ".shrc")
    return shop


def sit(shop: Project, shell: str, *words: str) -> Terminal:
    scratch = shop.home / "scratch"
    return Terminal(shell, *words, cwd=shop.folder, env=shop.env, scratch=scratch)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_in_the_environment(shop: Project, shell: str) -> None:
    need(shell)
    write_rc(shell, shop.home, MARK.get(shell, "export RC_WAS=read\nPATH=/from/rc:$PATH"))
    with sit(shop, shell, "provenv", "shell", "--shell", shell) as terminal:
        assert terminal.ask(variable(shell, "VIRTUAL_ENV")) == f"{shop.folder}/.venv"
        path = terminal.ask(PATH_WORD.get(shell, '"$PATH"'))
        assert path.startswith(f"{shop.folder}/.venv/bin:/from/rc:")
        assert terminal.shows(f"(shop) {PROMPT}")
        assert terminal.ask(variable(shell, "RC_WAS")) == "read"
        assert terminal.ask(variable(shell, "HOME")) == str(shop.home)
        for name in ("ZDOTDIR", "_PROVENV_ACTIVATE", "_PROVENV_ENV", "_PROVENV_USER_HOME"):
            assert terminal.ask(variable(shell, name)) == ""
        terminal.type("provenv shell")
        assert terminal.shows("is a shell in")
        terminal.type("deactivate")
        assert f"{shop.folder}/.venv/bin" not in terminal.ask(PATH_WORD.get(shell, '"$PATH"'))
        terminal.type("exit 7")
        assert terminal.wait() == 7


@pytest.mark.parametrize("shell", TYPED)
def test_what_activate_prints_is_for_the_shell_that_called(shop: Project, shell: str) -> None:
    write_rc(shell, shop.home)
    shop.env["SHELL"] = "/bin/none"
    with sit(shop, shell, need(shell), *(["-i"] if shell != "tcsh" else [])) as terminal:
        path = terminal.ask(PATH_WORD.get(shell, '"$PATH"'))
        terminal.type(TYPED[shell])
        assert terminal.ask(variable(shell, "VIRTUAL_ENV")) == f"{shop.folder}/.venv"
        assert terminal.ask(PATH_WORD.get(shell, '"$PATH"')) == f"{shop.folder}/.venv/bin:{path}"
        assert terminal.shows(f"(shop) {PROMPT}")
        terminal.type("deactivate")
        assert terminal.ask(PATH_WORD.get(shell, '"$PATH"')) == path
        assert PROMPT in terminal.ask(PROMPT_WORD.get(shell, '"$PS1"'))


def test_zsh_reads_from_where_the_user_has_it(shop: Project, tmp_path: Path) -> None:
    need("zsh")
    dots = tmp_path / "dots here"
    write_rc("zsh", dots)
    (dots / ".zshenv").write_text("export ENV_WAS=read\n")
    shop.env["ZDOTDIR"] = str(dots)
    with sit(shop, "zsh", "provenv", "shell", "--shell", "zsh") as terminal:
        assert terminal.shows(f"(shop) {PROMPT}")
        assert terminal.ask('"$ENV_WAS"') == "read"
        assert terminal.ask('"$ZDOTDIR"') == str(dots)


def test_a_shell_in_another_environment_leaves_the_first(shop: Project) -> None:
    shop.ok("sync", "-q")
    with sit(shop, "bash", "bash", "--norc", "-i") as terminal:
        terminal.type(". .venv/bin/activate")
        terminal.type("provenv shell -e test --shell bash")
        assert terminal.shows(f"{shop.folder}/.venv is left for as long as this shell runs")
        assert terminal.ask('"$VIRTUAL_ENV"') == f"{shop.folder}/.venvs/test"
        assert f"{shop.folder}/.venv/bin" not in terminal.ask('"$PATH"')
        terminal.type("exit")
        assert terminal.ask('"$VIRTUAL_ENV"') == f"{shop.folder}/.venv"


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_under_a_hook(shop: Project, shell: str) -> None:
    shop.ok("sync", "-q")
    shop.ok("allow")
    hook = "provenv hook fish | source" if shell == "fish" else f'eval "$(provenv hook {shell})"'
    write_rc(shell, shop.home, hook)
    with sit(shop, shell, need(shell), "-i") as terminal:
        assert terminal.ask('"$PROVENV_HOOKED"') == f"{shop.folder}/.venv"
        terminal.type("provenv shell -e test")
        for place in (".", "/"):  # in it the environment is what was asked for, wherever one goes
            terminal.type(f"cd {place}")
            assert terminal.ask('"$VIRTUAL_ENV"') == f"{shop.folder}/.venvs/test"


def test_only_code_on_standard_output(shop: Project) -> None:
    result = shop.ok("activate", "--shell", "bash")
    assert result.stdout.count("\n") == 1
    assert "generation 1" in result.stderr
    assert shop.ok("activate", "--shell", "/bin/bash", "--no-sync").stdout == result.stdout
    named = shop.ok("activate", "-e", "test", "--shell", "fish", "--json").json
    assert named["environment"] == "test"
    assert named["folder"] == f"{shop.folder}/.venvs/test"
    assert named["code"].startswith("source ")


@pytest.mark.usefixtures("shelf")
def test_what_a_rollback_chose_stays(shop: Project) -> None:
    shop.ok("sync", "-q")
    shop.ok("add", "core", "-q")
    shop.ok("rollback", "--environment-only", "-q")
    assert shop.ok("activate", "--shell", "bash").stderr == ""
    assert os.readlink(shop.folder / ".venv/current") == "generations/1"


def test_bytes_of_a_path_that_are_no_text(project: Project, tmp_path: Path) -> None:
    odd = Project(Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd \xff")), home=project.home)
    odd.env = {**project.env, "LC_ALL": "C"}
    odd.depends()
    done = subprocess.run(
        [*command(), "activate", "--shell", "bash"],
        cwd=odd.folder, env=odd.env, capture_output=True, check=True,
    )  # fmt: skip
    code = done.stdout + b'printf "%s" "$VIRTUAL_ENV"'
    said = subprocess.run(["bash", "-c", code], env=odd.env, capture_output=True, check=True)
    assert said.stdout == os.fsencode(odd.folder) + b"/.venv"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("activate", "--shell", "elvish"), 2, "no such shell"),
        (("activate", "--no-sync"), 2, "no environment in"),
        (("activate", "--no-sync", "--locked"), 2, "--no-sync leaves"),
        (("activate", "--locked"), 1, "with --locked"),
        (("shell", "--json"), 2, "no --json"),
        (("shell", "--shell", "/nowhere/bash"), 127, "shell not found: /nowhere/bash"),
        (("hook", "tcsh"), 2, "none of bash, zsh, fish, pwsh"),
        (("activate", "-e", "../x"), 2, "'../x'"),
    ],
    ids=str,
)
def test_wrong_calls(shop: Project, words: tuple[str, ...], code: int, text: str) -> None:
    shop.env["SHELL"] = "/bin/sh"
    result = shop.fails(code, *words)
    assert text in result.stderr + result.stdout


def test_a_line_break_is_too_much_for_csh(project: Project, tmp_path: Path) -> None:
    odd = Project(tmp_path / "new\nline", home=project.home)
    odd.env = project.env
    odd.depends()
    assert "cannot hold a line break" in odd.fails(2, "activate", "--shell", "tcsh").stderr

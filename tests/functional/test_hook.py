"""The shell's hook, in real shells at a terminal: enter a folder, leave it, and nothing stays behind."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from support import Project
from support.project import command
from support.terminal import PATH_WORD, PROMPT, PROMPT_WORD, Terminal, need, variable, write_rc

HOOKS = {
    "bash": 'eval "$(provenv hook bash)"',
    "zsh": 'eval "$(provenv hook zsh)"',
    "fish": "provenv hook fish | source",
}


class Desk:
    """A user with the hook in the rc file, and projects below one folder."""

    def __init__(self, shell: str, tmp_path: Path, first: Project) -> None:
        self.shell = shell
        self.program = need(shell)
        self.top = tmp_path
        self.first = first
        bin_folder = tmp_path / "bin"
        bin_folder.mkdir()
        script = bin_folder / "provenv"
        script.write_text(f'#!/bin/sh\nexec {shlex.join(command())} "$@"\n')
        script.chmod(0o755)
        self.env = {**first.env, "PATH": f"{bin_folder}:{first.env['PATH']}"}
        write_rc(shell, first.home, HOOKS[shell])

    def project(self, folder: Path, *, made: bool = True, allowed: bool = True) -> Project:
        project = Project(folder, home=self.first.home)
        project.env = self.first.env
        project.depends()
        if made:
            project.ok("sync", "-q")
        if allowed:
            project.ok("allow")
        return project

    def sit(self, cwd: Path | None = None, *before: str) -> Terminal:
        words = [*before, self.program, "-i"]
        return Terminal(
            self.shell, *words, cwd=cwd or self.top, env=self.env, scratch=self.top / "scratch"
        )

    def active(self, terminal: Terminal) -> str:
        return terminal.ask(variable(self.shell, "VIRTUAL_ENV"))

    def path(self, terminal: Terminal) -> str:
        return terminal.ask(PATH_WORD.get(self.shell, '"$PATH"'))

    def prompt(self, terminal: Terminal) -> str:
        return terminal.ask(PROMPT_WORD.get(self.shell, '"$PS1"'))


@pytest.fixture(params=HOOKS)
def desk(request: pytest.FixtureRequest, tmp_path: Path, project: Project) -> Desk:
    return Desk(request.param, tmp_path, project)


@pytest.fixture
def shop(desk: Desk) -> Project:
    return desk.project(desk.top / "it's a $shop")


def go(terminal: Terminal, folder: Path | str) -> None:
    terminal.type(
        f"cd {shlex.quote(str(folder))}"
        if "'" not in str(folder)
        else f'cd "{folder}"'.replace("$", "\\$")
    )


def test_entering_and_leaving(desk: Desk, shop: Project) -> None:
    (shop.folder / "src").mkdir()
    with desk.sit() as terminal:
        path, prompt = desk.path(terminal), desk.prompt(terminal)
        assert prompt == PROMPT
        for _ in range(2):
            go(terminal, shop.folder)
            assert desk.active(terminal) == str(shop.folder / ".venv")
            assert desk.path(terminal) == f"{shop.folder}/.venv/bin:{path}"
            assert desk.prompt(terminal) == f"(shop) {PROMPT}"
            assert terminal.shows(f"(shop) {PROMPT}")
            go(terminal, "src")
            assert desk.active(terminal) == str(shop.folder / ".venv")
            go(terminal, "/")
            assert desk.active(terminal) == ""
            assert desk.path(terminal) == path
            assert desk.prompt(terminal) == prompt
        assert terminal.ask(variable(desk.shell, "PROVENV_HOOKED")) == ""


def test_what_the_user_puts_on_path_stays(desk: Desk, shop: Project) -> None:
    add = "set -gx PATH /mine $PATH" if desk.shell == "fish" else "PATH=/mine:$PATH"
    with desk.sit() as terminal:
        path = desk.path(terminal)
        go(terminal, shop.folder)
        terminal.type(add)
        assert desk.path(terminal) == f"/mine:{shop.folder}/.venv/bin:{path}"
        go(terminal, "/")
        assert desk.path(terminal) == f"/mine:{path}"


def test_a_folder_that_is_not_allowed(desk: Desk) -> None:
    shop = desk.project(desk.top / "shop", allowed=False)
    message = f"provenv: {shop.folder} is not allowed; run `provenv allow`"
    with desk.sit() as terminal:
        go(terminal, shop.folder)
        assert desk.active(terminal) == ""
        go(terminal, "/")
        go(terminal, shop.folder)
        assert desk.active(terminal) == ""
        assert terminal.screen.count(message) == 1
        terminal.type("provenv allow")
        assert desk.active(terminal) == str(shop.folder / ".venv")
        terminal.type("provenv disallow")
        assert desk.active(terminal) == ""


def test_what_is_to_be_allowed_is_named_where_it_is_not_plain(desk: Desk) -> None:
    shop = desk.project(desk.top / "the shop", allowed=False)
    inner = desk.project(shop.folder / "not made", made=False, allowed=False)
    with desk.sit(inner.folder) as terminal:
        assert desk.active(terminal) == ""
        name = str(shop.folder)
        quoted = f"'{name}'" if desk.shell == "fish" else name.replace(" ", "\\ ")
        assert terminal.shows(f"run `provenv allow {quoted}`")
        terminal.type(f"provenv allow {quoted}")
        assert desk.active(terminal) == f"{shop.folder}/.venv"


def test_the_name_of_a_folder_does_not_reach_the_terminal_as_it_is(desk: Desk) -> None:
    shop = desk.project(desk.top / "red\x1b[31m", allowed=False)
    with desk.sit(shop.folder) as terminal:
        assert terminal.shows("red?[31m is not allowed")


@pytest.mark.parametrize(
    "before", ["PROMPT_COMMAND=(true true)", "PROMPT_COMMAND='true;'", "set -u"]
)
def test_what_else_an_rc_file_of_bash_may_hold(
    tmp_path: Path, project: Project, before: str
) -> None:
    desk = Desk("bash", tmp_path, project)
    shop = desk.project(desk.top / "shop")
    write_rc("bash", project.home, f"{before}\n{HOOKS['bash']}\n{HOOKS['bash']}")
    with desk.sit() as terminal:
        for _ in range(2):
            go(terminal, shop.folder)
            assert desk.active(terminal) == f"{shop.folder}/.venv"
            go(terminal, "/")
            assert desk.active(terminal) == ""
        assert terminal.ask('"${PROMPT_COMMAND[*]}"').count("_provenv_hook") == 1
        assert "bash:" not in terminal.screen


def test_options_of_zsh_that_change_how_code_is_read(tmp_path: Path, project: Project) -> None:
    desk = Desk("zsh", tmp_path, project)
    shop = desk.project(desk.top / "it's a [shop]")
    options = (
        "setopt sh_word_split ksh_arrays warn_create_global no_unset glob_subst auto_cd auto_pushd"
    )
    write_rc("zsh", project.home, f"{options}\n{HOOKS['zsh']}")
    with desk.sit() as terminal:
        path = desk.path(terminal)
        for _ in range(2):
            go(terminal, shop.folder)
            assert desk.active(terminal) == f"{shop.folder}/.venv"
            go(terminal, "/")
            assert desk.path(terminal) == path
        assert "_provenv" not in terminal.screen
        assert "created globally" not in terminal.screen


def test_the_inner_project_wins(desk: Desk) -> None:
    outer = desk.project(desk.top / "outer")
    inner = desk.project(outer.folder / "libs" / "inner")
    other = desk.project(desk.top / "other")
    with desk.sit() as terminal:
        path = desk.path(terminal)
        for place, expected in (
            (outer.folder, outer), (inner.folder, inner), (outer.folder / "libs", outer),
            (other.folder, other), (inner.folder, inner),
        ):  # fmt: skip
            go(terminal, place)
            assert desk.active(terminal) == str(expected.folder / ".venv")
            assert desk.path(terminal) == f"{expected.folder}/.venv/bin:{path}"
            assert desk.prompt(terminal) == f"(shop) {PROMPT}"
        go(terminal, "/")
        assert desk.path(terminal) == path


def test_an_environment_made_and_removed_while_the_user_is_there(desk: Desk) -> None:
    shop = desk.project(desk.top / "shop", made=False)
    with desk.sit(shop.folder) as terminal:
        path = desk.path(terminal)
        assert desk.active(terminal) == ""
        terminal.type("provenv sync -q")
        assert desk.active(terminal) == str(shop.folder / ".venv")
        terminal.type("rm -rf .venv")
        assert desk.active(terminal) == ""
        assert desk.path(terminal) == path
        assert desk.prompt(terminal) == PROMPT


def test_left_by_hand_it_stays_left_until_the_folder_is(desk: Desk, shop: Project) -> None:
    inner = desk.project(shop.folder / "inner")
    with desk.sit(shop.folder) as terminal:
        assert desk.active(terminal) == str(shop.folder / ".venv")
        path = desk.path(terminal)
        terminal.type("deactivate")
        assert desk.active(terminal) == ""
        go(terminal, inner.folder)
        assert desk.active(terminal) == str(inner.folder / ".venv")
        go(terminal, shop.folder)
        assert desk.active(terminal) == ""
        go(terminal, "/")
        go(terminal, shop.folder)
        assert desk.active(terminal) == str(shop.folder / ".venv")
        assert desk.path(terminal) == path


def test_another_environment_is_left_alone(desk: Desk, shop: Project) -> None:
    other = desk.project(desk.top / "other", allowed=False)
    name = "activate.fish" if desk.shell == "fish" else "activate"
    with desk.sit() as terminal:
        terminal.type(f"source {other.folder}/.venv/bin/{name}")
        for place in (shop.folder, Path("/"), shop.folder):
            go(terminal, place)
            assert desk.active(terminal) == str(other.folder / ".venv")
        said = f"is not activated: {other.folder}/.venv is active"
        assert terminal.screen.count(said) == 1


def test_a_conda_environment_is_left_alone_and_its_base_is_none(desk: Desk, shop: Project) -> None:
    desk.env["CONDA_DEFAULT_ENV"] = "science"
    with desk.sit(shop.folder) as terminal:
        assert desk.active(terminal) == ""
        assert terminal.shows("conda's science is active")
    desk.env["CONDA_DEFAULT_ENV"] = "base"
    with desk.sit(shop.folder) as terminal:
        assert desk.active(terminal) == str(shop.folder / ".venv")


def test_a_folder_by_another_name(desk: Desk, shop: Project) -> None:
    link = desk.top / "link"
    link.symlink_to(shop.folder)
    with desk.sit(link) as terminal:
        assert desk.active(terminal) == str(link / ".venv")
    (desk.top / "moved").symlink_to(shop.folder.rename(desk.top / "elsewhere"))
    with desk.sit(desk.top / "moved") as terminal:
        assert desk.active(terminal) == ""
        assert terminal.shows("is not allowed")


def test_a_shell_inside_the_shell(desk: Desk, shop: Project) -> None:
    with desk.sit() as terminal:
        path = desk.path(terminal)
        go(terminal, shop.folder)
        terminal.type(desk.program)
        assert desk.active(terminal) == str(shop.folder / ".venv")
        assert desk.path(terminal) == f"{shop.folder}/.venv/bin:{path}"
        go(terminal, "/")
        assert desk.active(terminal) == ""
        assert desk.path(terminal) == path
        assert desk.prompt(terminal) == PROMPT
        terminal.type("exit")
        assert desk.active(terminal) == str(shop.folder / ".venv")


def test_exit_codes_pass_and_other_prompt_commands_run(desk: Desk, shop: Project) -> None:
    status = "$status" if desk.shell == "fish" else "$?"
    rc = {
        "bash": "PROMPT_COMMAND='seen=$?'",
        "zsh": "precmd () { seen=$?; }",
        "fish": "function _seen --on-event fish_prompt\n    set -g seen $status\nend",
    }
    write_rc(desk.shell, desk.first.home, f"{rc[desk.shell]}\n{HOOKS[desk.shell]}")
    with desk.sit(shop.folder) as terminal:
        terminal.type("sh -c 'exit 7'")
        assert terminal.ask(status) == "7"
        terminal.type("sh -c 'exit 6'")
        assert terminal.ask("$seen") == "6"
        assert desk.active(terminal) == str(shop.folder / ".venv")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("which", [".", ".venv"])
def test_a_folder_of_another_user(desk: Desk, shop: Project, which: str) -> None:
    os.chown(shop.folder / which, 12345, -1)
    with desk.sit(shop.folder) as terminal:
        assert desk.active(terminal) == ""
        assert terminal.shows("it belongs to another user")
    shop.ok("disallow")
    assert "belongs to another user" in shop.fails(1, "allow").stderr


def test_a_prompt_starts_no_process(desk: Desk, shop: Project) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    if subprocess.run([strace, "-qq", "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace may not trace here")
    log = desk.top / "calls"
    calls = "clone,clone3,fork,vfork,execve,openat"
    (shop.folder / "a/b/c").mkdir(parents=True)
    outside = desk.top / "some/where/else"
    outside.mkdir(parents=True)
    trace = (strace, "-f", "-qq", "-s", "200", "-e", f"trace={calls}", "-o", str(log))
    with desk.sit(shop.folder, *trace) as terminal:
        assert desk.active(terminal) == str(shop.folder / ".venv")
        places = ("a/b/c", str(outside))
        for number, place in enumerate(places):
            go(terminal, place)
            terminal.type("true")
            terminal.type(f"true > {desk.top}/start-{number}")
            for _ in range(3):
                terminal.type("true")
            terminal.type(f"true > {desk.top}/end-{number}")
            assert desk.active(terminal) == ("" if number else str(shop.folder / ".venv"))
    text = log.read_text(errors="replace")
    for number in range(len(places)):
        part = text.partition(f"start-{number}")[2].partition(f"end-{number}")[0]
        assert part, text[-2000:]
        started = [
            line
            for line in part.splitlines()
            if re.search(r"\b(clone3?|v?fork|execve)\(", line) and "CLONE_THREAD" not in line
        ]
        assert started == []


def test_the_list_of_what_is_allowed(project: Project, tmp_path: Path) -> None:
    assert project.ok("allow", "--list").stdout == ""
    assert "no pyproject.toml" in project.fails(2, "allow").stderr
    project.depends()
    odd = Project(tmp_path / "new\nline", home=project.home)
    odd.depends()
    (project.folder / "sub").mkdir()
    assert "allowed" in project.ok("allow", "sub").stderr
    assert "as before" in project.ok("allow").stderr
    project.ok("allow", str(odd.folder))
    listed = project.ok("allow", "--list", "--json").json["folders"]
    assert listed == [
        {"folder": str(folder), "exists": True} for folder in (odd.folder, project.folder)
    ]
    shutil.rmtree(odd.folder)
    assert "not there any more" in project.ok("allow", "--list").stdout
    project.ok("disallow", str(odd.folder))
    project.ok("disallow", str(odd.folder))
    project.ok("disallow", "sub")
    assert project.ok("allow", "--list").stdout == ""
    assert os.listdir(project.home / "provenv/allowed") == []
    project.fails(2, "allow", "--list", "sub")

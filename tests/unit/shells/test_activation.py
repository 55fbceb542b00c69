"""Activation scripts in real shells: odd places and names, twice, one after the other, and out again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from provenv.shells import texts
from provenv.shells.quoting import quote
from support import clean_environment
from support.terminal import PATH_WORD, PROMPT, PROMPT_WORD, Terminal, need, variable, write_rc

SHELLS = ("bash", "zsh", "dash", "ksh", "mksh", "fish", "tcsh", "nu")
STRICT = ("bash", "zsh", "dash", "ksh", "mksh")
ODD = 'it\'s a "$HOME" `id` [x]*? \\ %n %% !1 & ; ü→'


def environment(folder: Path, prompt: str = "shop") -> Path:
    """What matters to a shell of an environment of ours: its links, its scripts and a python."""
    tree = folder / "generations/1"
    (tree / "bin").mkdir(parents=True)
    (folder / "current").symlink_to("generations/1")
    (folder / "bin").symlink_to("current/bin")
    for name, text in texts.activation(prompt).items():
        (tree / "bin" / name).write_text(text)
    (tree / "bin/python").symlink_to(sys.executable)
    return folder


class Bench:
    """One shell, and a user for it."""

    def __init__(self, shell: str, tmp_path: Path) -> None:
        self.shell = shell
        self.program = need(shell)
        self.top = tmp_path
        self.home = tmp_path / "home"
        self.home.mkdir()
        self.env = clean_environment(self.home)
        self.env["ENV"] = str(self.home / ".shrc")
        write_rc(shell, self.home)

    def sit(self, cwd: Path | None = None) -> Terminal:
        words = [self.program, *(["-i"] if self.shell not in ("nu", "tcsh") else [])]
        scratch = self.top / "scratch"
        return Terminal(self.shell, *words, cwd=cwd or self.top, env=self.env, scratch=scratch)

    def enter(self, terminal: Terminal, path: str) -> None:
        """Type what a user types, ``path`` being that of the ``bin`` folder."""
        script = texts.script_of(self.shell, path.removesuffix("/bin") or ".")
        word = quote(script, self.shell)
        verb = {"fish": "source", "tcsh": "source", "nu": "overlay use"}.get(self.shell, ".")
        terminal.type(f"{verb} {word}")

    def active(self, terminal: Terminal) -> str:
        return terminal.ask(variable(self.shell, "VIRTUAL_ENV"))

    def path(self, terminal: Terminal) -> str:
        return terminal.ask(PATH_WORD.get(self.shell, '"$PATH"'))

    def prompt(self, terminal: Terminal) -> str:
        return terminal.ask(PROMPT_WORD.get(self.shell, '"$PS1"'))


@pytest.fixture(params=SHELLS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(request.param, tmp_path)


@pytest.mark.parametrize("name", ["plain", ODD, "new\nline"], ids=["plain", "odd", "line break"])
def test_in_and_out_wherever_it_lies(bench: Bench, tmp_path: Path, name: str) -> None:
    if "\n" in name and bench.shell in ("tcsh", "nu"):
        pytest.skip("cannot name it in a line")
    folder = environment(tmp_path / name / ".venv")
    with bench.sit() as terminal:
        path, prompt = bench.path(terminal), bench.prompt(terminal)
        assert PROMPT in prompt
        for _ in range(2):
            if name == "plain":
                terminal.type(texts.activate(bench.shell, str(folder)))
            else:  # as by `eval`: what is typed, an editor would read
                (tmp_path / "code").write_text(texts.activate(bench.shell, str(folder)))
                terminal.type("source ./code" if bench.shell in ("nu", "tcsh") else ". ./code")
            assert bench.active(terminal) == str(folder)
        assert bench.path(terminal) == f"{folder}/bin:{path}"
        assert bench.prompt(terminal) == f"(shop) {prompt}"
        assert terminal.ask(variable(bench.shell, "VIRTUAL_ENV_PROMPT")) == "shop"
        terminal.type("deactivate")
        assert bench.active(terminal) == ""
        assert bench.path(terminal) == path
        assert bench.prompt(terminal) == prompt
        assert terminal.ask(variable(bench.shell, "VIRTUAL_ENV_PROMPT")) == ""


def test_sourced_as_a_user_does(bench: Bench, tmp_path: Path) -> None:
    folder = environment(tmp_path / "has space" / ".venv")
    where = "(pwd)" if bench.shell == "fish" else "$env.PWD" if bench.shell == "nu" else '"`pwd`"'
    for project in (tmp_path / "has space", tmp_path / "moved"):
        if not project.exists():
            folder.parent.rename(project)
        with bench.sit(project) as terminal:
            for place in (".venv/bin", ".venv/current/bin", f"{project}/.venv/generations/1/bin"):
                bench.enter(terminal, place)
                assert bench.active(terminal) == f"{project}/.venv"
                assert terminal.ask(where) == str(project)


@pytest.mark.parametrize("name", [".venvs/current", "generations/1"])
def test_in_folders_that_are_named_as_our_own(bench: Bench, tmp_path: Path, name: str) -> None:
    folder = environment(tmp_path / name)
    with bench.sit() as terminal:
        terminal.type(texts.activate(bench.shell, str(folder)))
        assert bench.active(terminal) == str(folder)
        bench.enter(terminal, f"{folder}/current/bin")
        assert bench.active(terminal) == str(folder)
        bench.enter(terminal, f"{folder}/generations/1/bin")
        assert bench.active(terminal) == str(folder)


def test_what_a_prompt_shows_is_not_run(bench: Bench, tmp_path: Path) -> None:
    text = 'a$(touch ran) `touch ran` $HOME \\ %n %% !1 it\'s "q" ^a \\u ü'
    folder = environment(tmp_path / ".venv", text)
    with bench.sit() as terminal:
        terminal.type(texts.activate(bench.shell, str(folder)))
        assert terminal.ask(variable(bench.shell, "VIRTUAL_ENV_PROMPT")) == text
        if "ksh" in bench.shell:  # which does not show what it would expand
            text = "".join("_" if c in "\\$`!'\"" else c for c in text)
        assert terminal.shows(f"({text}) {PROMPT}")
        assert not (tmp_path / "ran").exists()


def test_what_a_prompt_shows_with_expansions_in_zsh(tmp_path: Path) -> None:
    bench = Bench("zsh", tmp_path)
    write_rc("zsh", bench.home, "setopt prompt_subst")
    test_what_a_prompt_shows_is_not_run(bench, tmp_path)


def test_a_prompt_is_one_line(tmp_path: Path) -> None:
    bench = Bench("bash", tmp_path)
    folder = environment(tmp_path / ".venv", "two\nlines\x1b[31m")
    with bench.sit() as terminal:
        terminal.type(texts.activate("bash", str(folder)))
        assert bench.prompt(terminal) == f"(two lines [31m) {PROMPT}"


def test_one_after_the_other(bench: Bench, tmp_path: Path) -> None:
    one, two = environment(tmp_path / "one", "one"), environment(tmp_path / "two", "two")
    with bench.sit() as terminal:
        path, prompt = bench.path(terminal), bench.prompt(terminal)
        terminal.type(texts.activate(bench.shell, str(one)))
        terminal.type(texts.activate(bench.shell, str(two)))
        assert bench.active(terminal) == str(two)
        assert bench.path(terminal) == f"{two}/bin:{path}"
        assert bench.prompt(terminal) == f"(two) {prompt}"
        terminal.type("deactivate")
        assert str(two) not in bench.path(terminal)
        if bench.shell != "nu":  # there an overlay lies on the other
            assert bench.path(terminal) == path
            assert bench.prompt(terminal) == prompt


def test_beside_the_standard_librarys_venv(bench: Bench, tmp_path: Path) -> None:
    scripts = {
        "bash": "activate",
        "zsh": "activate",
        "fish": "activate.fish",
        "tcsh": "activate.csh",
    }
    if bench.shell not in scripts:
        pytest.skip("venv has no script for it")
    ours, theirs = environment(tmp_path / "ours"), tmp_path / "theirs"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", theirs], check=True)
    enter = {ours: texts.activate(bench.shell, str(ours))}
    enter[theirs] = f"source {theirs}/bin/{scripts[bench.shell]}"
    for order in ((ours, theirs), (theirs, ours, theirs, ours)):
        with bench.sit() as terminal:
            path, prompt = bench.path(terminal), bench.prompt(terminal)
            for one in order:
                terminal.type(enter[one])
            assert bench.path(terminal) == f"{order[-1]}/bin:{path}"
            assert bench.prompt(terminal).count("(") == 1
            terminal.type("deactivate")
            assert bench.active(terminal) == ""
            assert bench.path(terminal) == path
            assert bench.prompt(terminal) == prompt


def test_pythonhome_comes_back(bench: Bench, tmp_path: Path) -> None:
    folder = environment(tmp_path / ".venv")
    bench.env["PYTHONHOME"] = "/some where"
    home = variable(bench.shell, "PYTHONHOME")
    with bench.sit() as terminal:
        terminal.type(texts.activate(bench.shell, str(folder)))
        assert terminal.ask(home) == ""
        terminal.type("deactivate")
        assert terminal.ask(home) == "/some where"


def test_a_prompt_that_is_not_wanted(bench: Bench, tmp_path: Path) -> None:
    folder = environment(tmp_path / ".venv")
    bench.env["VIRTUAL_ENV_DISABLE_PROMPT"] = "1"
    with bench.sit() as terminal:
        prompt = bench.prompt(terminal)
        terminal.type(texts.activate(bench.shell, str(folder)))
        assert bench.active(terminal) == str(folder)
        assert bench.prompt(terminal) == prompt
        terminal.type("deactivate")
        assert bench.prompt(terminal) == prompt


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_changed_meanwhile_stays(tmp_path: Path, shell: str) -> None:
    bench = Bench(shell, tmp_path)
    folder = environment(tmp_path / ".venv")
    fish = shell == "fish"
    with bench.sit() as terminal:
        path = bench.path(terminal)
        terminal.type(texts.activate(shell, str(folder)))
        terminal.type("set -gx PATH /a $PATH /b" if fish else "PATH=/a:$PATH:/b")
        terminal.type("function fish_prompt; printf 'new> '; end" if fish else "PS1='new> '")
        terminal.type("deactivate")
        assert bench.path(terminal) == f"/a:{path}:/b"
        assert bench.prompt(terminal) == "new> "


@pytest.mark.parametrize("shell", STRICT)
@pytest.mark.parametrize("path", ["/usr/bin:/bin", ":/usr/bin::/bin:", "/usr/bin:/bin:@"])
def test_strict_shells_and_any_path(tmp_path: Path, shell: str, path: str) -> None:
    folder = environment(tmp_path / ODD / ".venv")
    path = path.replace("@", f"{folder}/bin:/x")  # there already, further back
    code = """
        set -eu
        _provenv_script="$1/bin/activate"
        for _ in 1 2; do . "$1/bin/activate"; done
        printf '%s\\n%s\\n' "$VIRTUAL_ENV" "$PATH"
        deactivate
        printf '%s\\n%s\\n' "$PATH" "${VIRTUAL_ENV-unset} ${VIRTUAL_ENV_PROMPT-unset} ${PS1-unset}"
        set | grep -ci '^_provenv\\|^_old_virtual' || true
    """
    done = subprocess.run(
        [need(shell), "-c", code, shell, str(folder)],
        env={"HOME": str(tmp_path), "PATH": path, "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[:3] == [str(folder), f"{folder}/bin:{path}", path]
    assert lines[3].startswith("unset unset")
    assert int(lines[4]) <= 1  # `_` may hold the last word


def test_an_empty_path_gets_no_present_folder(tmp_path: Path) -> None:
    folder = environment(tmp_path / ".venv")
    code = 'PATH=; . "$1/bin/activate"; echo "$PATH"; deactivate; echo "[$PATH]"'
    done = subprocess.run(
        [need("bash"), "-c", code, "bash", folder],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == [f"{folder}/bin", "[]"]


def test_an_inherited_environment_is_not_stacked_upon(tmp_path: Path) -> None:
    one, two = environment(tmp_path / "one"), environment(tmp_path / "two")
    code = '. "$1/bin/activate"; bash -c \'. "$0/bin/activate"; echo "$PATH"\' "$2"'
    done = subprocess.run(
        [need("bash"), "-c", code, "bash", one, two],
        env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"{two}/bin:/usr/bin:/bin\n"


def test_what_a_user_made_of_cd_does_not_matter(tmp_path: Path) -> None:
    folder = environment(tmp_path / ".venv")
    for shell in ("bash", "zsh"):
        code = (
            'cd () { echo moved; builtin cd "$@"; ls; }; chpwd () { ls; }; CDPATH=/usr; '
            '. .venv/bin/activate; echo "$VIRTUAL_ENV"'
        )
        done = subprocess.run(
            [need(shell), "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
            env={"PATH": "/usr/bin:/bin", "HOME": "/nowhere"},
        )  # fmt: skip
        assert done.stdout == f"{folder}\n"


def test_where_a_shell_cannot_tell_it_says_so(tmp_path: Path) -> None:
    environment(tmp_path / ".venv")
    code = '_provenv_script=/nowhere/activate; . "$1/bin/activate" || echo "no $? ${VIRTUAL_ENV-unset}"'
    done = subprocess.run(
        [need("dash"), "-c", code, "dash", tmp_path / ".venv"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "no 1 unset\n"
    assert "does not tell where the script lies" in done.stderr


def test_a_python_that_runs_already(tmp_path: Path) -> None:
    folder = environment(tmp_path / ".venv")
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    packages = folder / "current/lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (folder / "lib").symlink_to("current/lib")
    (packages / "only_here.py").write_text("")
    code = (
        "import os, runpy, sys; runpy.run_path(sys.argv[1]); import only_here; "
        "print(sys.prefix, os.environ['VIRTUAL_ENV'], os.environ['PATH'], sys.path[0], sep='\\n')"
    )
    for place in ("bin", "generations/1/bin"):
        done = subprocess.run(
            [sys.executable, "-I", "-c", code, folder / place / "activate_this.py"],
            env={"PATH": "/bin"}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        prefix, virtual, path, first = done.stdout.splitlines()
        assert prefix == virtual == str(folder)
        assert path == f"{folder}/{place}:/bin"
        assert first == f"{folder}/lib/{version}/site-packages"


def test_shell_code_passes_shellcheck(tmp_path: Path) -> None:
    program = shutil.which("shellcheck")
    if program is None:
        pytest.skip("shellcheck is not installed")
    folder = environment(tmp_path / ".venv")
    (tmp_path / "hook.sh").write_text(texts.hook("bash", ODD))
    own = [texts.path("shell.bash"), texts.path("shell.sh")]
    done = subprocess.run(
        [program, f"{folder}/bin/activate", f"{tmp_path}/hook.sh", *own],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == ""


def test_every_script_is_in_the_package() -> None:
    folder = Path(texts.path("activate")).parent
    assert {
        name for name in os.listdir(folder) if name.lower().startswith(("activate", "deactivate"))
    } == set(texts.ACTIVATION)

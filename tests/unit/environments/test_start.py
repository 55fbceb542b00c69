"""Processes in an environment: pinned to their generation, activated and left again."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from provenv.environments import switch
from provenv.workspace import run

from .conftest import Workshop
from .test_switch import made


def test_a_process_keeps_the_generation_that_it_started_with(
    workshop: Workshop, tmp_path: Path
) -> None:
    folder = tmp_path / "has space" / ".venv"
    one = workshop.object(
        "alpha", "1.0", files={"alpha/__init__.py": "", "alpha/late.py": "v = 1\n"}
    )
    two = workshop.object(
        "alpha", "2.0", files={"alpha/__init__.py": "", "alpha/late.py": "v = 2\n"}
    )
    made(workshop, folder, one)
    child = subprocess.Popen(
        [
            folder / "bin" / "python",
            "-c",
            "print('up', flush=True); input(); import alpha.late; print(alpha.late.v)",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    made(workshop, folder, two)
    out, _ = child.communicate("\n")
    assert out == "1\n"
    after = subprocess.run(
        [folder / "bin" / "python", "-c", "import alpha.late; print(alpha.late.v)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert after.stdout == "2\n"


def test_sys_prefix_is_the_environment_and_not_the_generation(
    workshop: Workshop, tmp_path: Path
) -> None:
    folder = tmp_path / ".venv"
    made(workshop, folder, workshop.object("alpha"))
    code = "import sys; print(sys.prefix); print(sys.prefix != sys.base_prefix)"
    done = subprocess.run(
        [folder / "bin" / "python", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(folder), "True"]


def test_the_environment_of_a_command(tmp_path: Path) -> None:
    before = {
        "PATH": "/old/.venv/bin:/usr/bin",
        "VIRTUAL_ENV": "/old/.venv",
        "PYTHONHOME": "/x",
        "A": "b",
    }
    own = run.environment_for(str(tmp_path), 3, before)
    assert own["PATH"] == f"{tmp_path}/generations/3/bin:/usr/bin"
    assert own["VIRTUAL_ENV"] == str(tmp_path)
    assert own["A"] == "b"
    assert "PYTHONHOME" not in own
    assert before["PYTHONHOME"] == "/x"


@pytest.mark.parametrize("shell", ["bash", "zsh", "sh"])
def test_activation_and_deactivation_in_real_shells(
    workshop: Workshop, tmp_path: Path, shell: str
) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    folder = tmp_path / "it's here" / ".venv"
    made(workshop, folder, workshop.object("alpha"))
    enter = 'cd "$1/bin" && . ./activate' if shell == "sh" else 'cd /; . "$1/bin/activate"'
    script = f"""
        PS1='old> '; OLD="$PATH"
        {enter}
        echo "$VIRTUAL_ENV"; command -v python; echo "$PS1"
        python -c 'import sys; print(sys.prefix)'
        deactivate
        [ "$PATH" = "$OLD" ] && echo "path restored"; echo "$PS1"; echo "${{VIRTUAL_ENV-unset}}"
    """
    done = subprocess.run(
        [program, "-c", script, shell, str(folder)],
        capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        str(folder), f"{folder}/bin/python", "(shop) old> ", str(folder), "path restored", "old> ", "unset",
    ]  # fmt: skip


def test_activation_and_deactivation_in_fish(workshop: Workshop, tmp_path: Path) -> None:
    program = shutil.which("fish")
    if program is None:
        pytest.skip("fish is not installed")
    folder = tmp_path / "it's here" / ".venv"
    made(workshop, folder, workshop.object("alpha"))
    script = """
        set -l old (string join : $PATH)
        source "$argv[1]/bin/activate.fish"
        echo $VIRTUAL_ENV; command -s python
        python -c 'import sys; print(sys.prefix)'
        deactivate
        test (string join : $PATH) = "$old"; and echo "path restored"
        set -q VIRTUAL_ENV; or echo unset
        functions -q deactivate; or echo "no deactivate"
    """
    done = subprocess.run(
        [program, "--no-config", "-c", script, str(folder)],
        capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        str(folder), f"{folder}/bin/python", str(folder), "path restored", "unset", "no deactivate",
    ]  # fmt: skip


def test_an_activated_shell_follows_a_switch_and_survives_a_move(
    workshop: Workshop, tmp_path: Path
) -> None:
    folder = tmp_path / "one" / ".venv"
    made(workshop, folder, workshop.object("alpha", "1.0"))
    script = """
        . "$1/bin/activate"
        python -c 'import importlib.metadata as m; print(m.version("alpha"))'
        read line
        python -c 'import importlib.metadata as m; print(m.version("alpha"))'
    """
    child = subprocess.Popen(
        ["bash", "-c", script, "bash", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "1.0\n"
    made(workshop, folder, workshop.object("alpha", "2.0"))
    out, _ = child.communicate("\n")
    assert out == "2.0\n"
    moved = tmp_path / "two"
    (tmp_path / "one").rename(moved)
    done = subprocess.run(
        [moved / ".venv" / "bin" / "python", "-c", "import sys, alpha; print(sys.prefix)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == str(moved / ".venv")


def test_a_file_of_a_generation_through_its_real_path_activates_the_environment(
    workshop: Workshop, tmp_path: Path
) -> None:
    folder = tmp_path / ".venv"
    number = made(workshop, folder, workshop.object("alpha"))
    assert switch.current(str(folder)) == number
    real = folder / "generations" / str(number) / "bin" / "activate"
    done = subprocess.run(
        ["bash", "-c", f'. "{real}"; echo "$VIRTUAL_ENV"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(folder)

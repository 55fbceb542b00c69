"""Which program the command of a cell is."""

from __future__ import annotations

from pathlib import Path

import pytest

from provenv.core.errors import CommandError
from provenv.workspace.testing.running import found_command


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An environment with ``tool``; elsewhere on PATH programs of several kinds."""
    program(tmp_path / "env/bin/tool", "#!/env/bin/python\n")
    program(tmp_path / "env/bin/python")
    other = tmp_path / "other"
    program(other / "tool")
    program(other / "make")
    program(other / "pytest", "#!/usr/bin/env python3\n")
    program(other / "black", "#!/bin/sh\n'''exec' '/a/very/long/path/python3' \"$0\"\n")
    program(other / "python3.11")
    program(tmp_path / "shims/flake8")
    program(tmp_path / "shop/run.sh")
    (tmp_path / "shop/plain.py").write_text("")
    (tmp_path / "shop/data").write_text("")
    return tmp_path


def found(place: Path, *words: str) -> tuple[str, ...]:
    environ = {"PATH": f"{place}/env/bin:{place}/shims:{place}/other"}
    return found_command(words, environ, str(place / "shop"), str(place / "env"))


def test_the_environment_comes_first_and_others_are_welcome(place: Path) -> None:
    assert found(place, "tool", "-x") == (f"{place}/env/bin/tool", "-x")
    assert found(place, "make") == (f"{place}/other/make",)
    assert found(place, "./run.sh") == (f"{place}/shop/./run.sh",)
    assert found(place, "plain.py") == (f"{place}/env/bin/python", "plain.py")


@pytest.mark.parametrize("name", ["pytest", "black", "python3.11", "flake8"])
def test_a_python_program_from_elsewhere_would_run_with_another_python(
    place: Path, name: str
) -> None:
    with pytest.raises(CommandError, match="would run with another Python"):
        found(place, name)


def test_what_is_not_there(place: Path) -> None:
    with pytest.raises(CommandError, match="command not found: nothing"):
        found(place, "nothing")
    with pytest.raises(CommandError, match=r"cannot execute \./data"):
        found(place, "./data")

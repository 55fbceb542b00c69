"""Which interpreters of Python 2 get a prefix of their own, and of what it consists."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provenv.core.errors import UnsatisfiableError
from provenv.core.values import replace
from provenv.environments import tree
from provenv.environments.drift import find_altered, find_drift
from provenv.environments.python2 import prefix
from provenv.model.interpreter import Interpreter


def python2(
    interpreter: Interpreter, base: Path, *, implementation: str = "cpython"
) -> Interpreter:
    """One that says it is a Python 2.7 whose executable lies in ``base``."""
    executable = base / "bin/python2.7"
    executable.parent.mkdir(parents=True)
    executable.write_bytes(b"the executable")
    executable.chmod(0o755)
    return replace(
        interpreter, version="2.7.18", implementation=implementation, executable=str(executable),
        home=str(executable.parent), site_packages="lib/python2.7/site-packages",
    )  # fmt: skip


def library(base: Path) -> None:
    (base / "lib/python2.7/lib-dynload").mkdir(parents=True)
    (base / "lib/python2.7/os.py").write_text("")


def test_the_executable_is_a_copy_that_is_compared_with_the_original(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    library(tmp_path / "base")
    (tmp_path / "base/lib/libpython2.7.so.1.0").write_bytes(b"")
    found = python2(interpreter, tmp_path / "base")
    steps, files = prefix(found)
    steps = [("D", "", path) for path in ("bin", "lib", "lib/python2.7")] + steps
    plan, root = tmp_path / "plan", tmp_path / "tree"
    plan.mkdir()
    root.mkdir()
    for name, text in files.items():
        (plan / name).write_text(text)
    again = tree.parse(tree.render(steps))
    assert again == steps
    tree.make(again, str(tmp_path / "home"), str(plan), str(root))
    copy = root / "bin/python"
    assert not copy.is_symlink()
    assert copy.read_bytes() == b"the executable"
    assert os.access(copy, os.X_OK)
    assert (root / "lib/libpython2.7.so.1.0").is_symlink()

    def differs() -> list[str]:
        home = str(tmp_path / "home")
        drift = [*find_drift(steps, str(root), home), *find_altered(steps, str(root), home, {})]
        return [f"{item.kind} {item.path}" for item in drift]

    assert differs() == []
    before = copy.stat()
    copy.write_bytes(b"THE executable")
    os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert differs() == ["changed bin/python"]
    Path(found.executable).write_bytes(b"another, upgraded executable")
    assert differs() == ["changed bin/python"] * 2


@pytest.mark.parametrize(
    ("implementation", "whole", "reason"),
    [("pypy", True, "only CPython 2.7"), ("cpython", False, "its standard library is not in")],
)
def test_others_are_refused(
    interpreter: Interpreter, tmp_path: Path, implementation: str, whole: bool, reason: str
) -> None:
    if whole:
        library(tmp_path)
    found = python2(interpreter, tmp_path, implementation=implementation)
    with pytest.raises(UnsatisfiableError, match=reason):
        prefix(found)

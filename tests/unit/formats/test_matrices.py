"""Matrices of tox, nox and Hatch: what is declared is taken over, and the rest is named."""

from __future__ import annotations

import pytest

from provenv.core.errors import InputError
from provenv.formats.hatch import read_hatch
from provenv.formats.matrices import ForeignMatrix, python_of, render
from provenv.formats.nox import read_nox
from provenv.formats.tox import read_tox
from provenv.model.manifest import parse_manifest
from provenv.trials.cells import expand

TOX = """
[tox]
env_list =
    py3{9-11}-django{42,50}   # three times two
    pypy310-django42, lint
    py313-slow
    py38
[testenv]
deps =
    pytest>=7
    django42: Django>=4.2,<4.3
    !django42: Django>=5
    -r more.txt
set_env = A=b
pass_env = *
commands =
    python -m pip list
    pytest -q {posargs:tests}
[testenv:py38,py313-slow]
commands = pytest slow
"""
NOX = '''
import nox
PYTHONS = ["3.9", "3.12"]
@nox.session
def lint(session):
    session.run("ruff", "check")
@nox.session(python=PYTHONS, tags=["x"])
@nox.parametrize("django", ["4.2", "5.0"])
def tests(session, django):
    """The tests."""
    session.install("-e", ".")
    session.install("pytest", f"django~={django}.0")
    if session.posargs:
        surprise()
    session.run("pytest", "-q", *session.posargs)
'''
HATCH = """
[tool.hatch.envs.test]
dependencies = ["pytest"]
env-vars = { A = "b" }
[[tool.hatch.envs.test.matrix]]
python = ["3.10", "3.12"]
feature = ["foo", "bar"]
[[tool.hatch.envs.test.matrix]]
python = ["pypy3.10"]
feature = ["foo"]
[tool.hatch.envs.test.overrides]
matrix.feature.dependencies = [{ value = "httpx<1", if = ["foo"] }]
platform.linux.scripts = ["x"]
[tool.hatch.envs.test.scripts]
test = "pytest {args:tests}"
"""


def cells(found: ForeignMatrix) -> list[str]:
    """The cells that the rendered table leads to: none is added, none is lost."""
    spec = parse_manifest(render(found)).matrix
    assert spec is not None
    made = [
        (cell.python, cell.variant, cell.packages)
        for cell in expand(spec, environment="test", command=spec.command)
    ]
    assert {(python, variant) for python, variant, _ in made} == set(found.cells)
    assert spec.command == found.command
    return [" ".join(filter(None, (python, *packages))) for python, _, packages in made]


def test_tox() -> None:
    found = read_tox(TOX, "tox.ini")
    assert cells(found) == [
        "3.9 Django>=4.2,<4.3", "3.9 Django>=5", "3.10 Django>=4.2,<4.3", "3.10 Django>=5",
        "3.11 Django>=4.2,<4.3", "3.11 Django>=5", "pypy3.10 Django>=4.2,<4.3",
    ]  # fmt: skip
    assert found.command == ("sh", "-c", "python -m pip list && pytest -q tests")
    said = "\n".join(found.left)
    for named in ("lint, py313-slow, py38", "'pytest>=7'", "-r more.txt", "set_env"):
        assert named in said
    assert "pass_env" not in said


def test_tox_without_factors() -> None:
    found = read_tox("[tox]\nenvlist=py312,py313\n[testenv]\ncommands=pytest\n", "tox.ini")
    assert cells(found) == ["3.12", "3.13"]
    assert found.left == ()


def test_nox_is_read_and_not_run() -> None:
    found = read_nox(NOX, "noxfile.py")
    assert cells(found) == [
        "3.9 django~=4.2.0", "3.9 django~=5.0.0", "3.12 django~=4.2.0", "3.12 django~=5.0.0",
    ]  # fmt: skip
    assert found.command == ("pytest", "-q")
    said = "\n".join(found.left)
    for named in ("other sessions: lint", "line 13: if session.posargs:", "'pytest'"):
        assert named in said


def test_hatch() -> None:
    found = read_hatch(HATCH, "pyproject.toml")
    assert cells(found) == ["3.10 httpx<1", "3.10", "3.12 httpx<1", "3.12", "pypy3.10 httpx<1"]
    assert found.command == ("pytest", "tests")
    said = "\n".join(found.left)
    for named in ("pytest", "env-vars", "overrides by platform"):
        assert named in said


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("commands = pytest {env:X}", "a command with substitutions"),
        ("commands = - pytest", "exit code of this does not count"),
        ("commands = py312: pytest", "a command of some environments only"),
        ("deps = py312: x", "deps: py312: x"),
    ],
)
def test_what_tox_says_in_ways_of_its_own_is_named(text: str, left: str) -> None:
    found = read_tox(f"[tox]\nenvlist = py312\n[testenv]\n{text}\n", "tox.ini")
    assert left in "\n".join(found.left)


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (read_tox, "[tox]\nenvlist = lint", "names no environment with a Python"),
        (read_tox, f"[tox]\nenvlist = py312{'-{a,b}' * 30}", "more than 10,000 environments"),
        (read_tox, "not an ini", "cannot be read"),
        (read_nox, "def f(:", "cannot be read"),
        (read_nox, "import nox\n@nox.session(python=found())\ndef t(s): ...", "has no session"),
        (read_nox, "(" * 100_000, "cannot be read"),
        (read_hatch, "", "no environment has a matrix"),
        (read_hatch, "[[tool.hatch.envs.a.matrix]]\nx = ['1']", "names no Python"),
    ],
)
def test_what_cannot_be_taken_over(read: object, text: str, said: str) -> None:
    assert callable(read)
    with pytest.raises(InputError, match=said):
        read(text, "file")


@pytest.mark.parametrize(
    ("factor", "python"),
    [
        ("py39", "3.9"),
        ("py3.13t", "3.13t"),
        ("pypy310", "pypy3.10"),
        ("py3", "3"),
        ("django42", None),
    ],
)
def test_factors(factor: str, python: str | None) -> None:
    assert python_of(factor) == python

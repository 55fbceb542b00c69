"""Requirements as they were, in a manifest as it is."""

from __future__ import annotations

import tomllib

import pytest

from provenv.workspace.projects.specifiers import restore

NOW = """\
[project]
dependencies = [
    "a",  # first
    "django<5.1",  # mine
    # about z
    "z>=1",
    "new",
]
"""


@pytest.mark.parametrize(
    "then",
    [
        ["a", "django>=5.2", "z>=1"],
        ["a", "gone", "django>=5.2", "z>=1"],
        ["z>=1", "a"],
        ["django>=5", "a", "a; python_version < '3.12'", "z>=1"],
    ],
    ids=" ".join,
)
def test_the_order_is_that_of_then(then: list[str]) -> None:
    """The lock's digest minds the order: another one would make the restored lock stale."""
    text = restore(NOW, f"[project]\ndependencies = {then!r}\n", "pyproject.toml")
    assert tomllib.loads(text)["project"]["dependencies"] == then


def test_a_changed_requirement_keeps_its_place_and_comment() -> None:
    then = '[project]\ndependencies = ["a", "django>=5.2", "z>=1"]\n'
    assert restore(NOW, then, "pyproject.toml") == (
        '[project]\ndependencies = [\n    "a",  # first\n    "django>=5.2",  # mine\n'
        '    # about z\n    "z>=1",\n]\n'
    )

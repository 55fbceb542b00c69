"""Adding requirements: comments stay with what they are about."""

from __future__ import annotations

import pytest

from provenv.workspace.projects.specifiers import set_requirements

GROUPS = """\
[dependency-groups]
test = ["b"]  # for tests
# more of them: "c"
"""
NEXT = """
# One lock decides.

[tool.x]
y = 1
"""


@pytest.mark.parametrize("after", ["", "\n", NEXT])
def test_a_new_group_stands_with_the_others_and_not_below_what_is_said_of_the_next_table(
    after: str,
) -> None:
    new = set_requirements(GROUPS + after, "x", ["ruff>=1"], group="lint", optional=None)
    assert new == GROUPS + 'lint = ["ruff>=1"]\n' + after


def test_a_first_group_stands_below_the_head_of_its_table() -> None:
    new = set_requirements("[dependency-groups]\n" + NEXT, "x", ["a"], group="lint", optional=None)
    assert new == '[dependency-groups]\nlint = ["a"]\n' + NEXT


@pytest.mark.parametrize("indent", ["  ", "\t", "      "])
def test_a_new_line_is_indented_as_those_before(indent: str) -> None:
    text = f'[project]\ndependencies = [\n{indent}"a",  # why\n]\n'
    new = set_requirements(text, "x", ["b>=1"], group=None, optional=None)
    assert new == f'[project]\ndependencies = [\n{indent}"a",  # why\n{indent}"b>=1",\n]\n'

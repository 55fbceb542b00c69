"""Declaring an environment in a manifest, and taking it out again."""

from __future__ import annotations

import textwrap

import pytest

from provenv.core.errors import InputError
from provenv.workspace.projects.declaring import declare, declared, undeclare

FORMS = {
    "empty": "",
    "project": '[project]\nname = "x"\n',
    "inline": """
        [project]
        name = "x"

        [tool.provenv.environments]
        prod = { link-mode = "copy" } # by copy

        [tool.ruff]
        line-length = 100
    """,
    "tables": """
        [tool.provenv.environments.prod]
        link-mode = "copy"
        # the end
    """,
    "nested": '[tool.provenv]\nenvironments = { prod = { python = "3.12" } }\n',
    "dotted": '[tool.provenv]\nenvironments.prod.python = "3.12"\nkeep = 3\n[tool.ruff]\n',
    "top": "tool.provenv.keep = 3\n",
    "windows": '[project]\r\nname = "x"\r\n',
}
VALUES = [{}, {"python": ["3.12", "3.13"], "groups": ["a"], "editable": False}]


@pytest.mark.parametrize("values", VALUES, ids=["bare", "full"])
@pytest.mark.parametrize("form", FORMS)
def test_it_is_declared_and_everything_else_stays(form: str, values: dict[str, object]) -> None:
    text = textwrap.dedent(FORMS[form]).lstrip("\n")
    new = declare(text, "pyproject.toml", "ml", values)
    assert declared(new, "pyproject.toml", "ml") == values
    assert [line for line in text.splitlines() if "#" in line] == [
        line for line in new.splitlines() if "#" in line
    ]
    assert ("\r\n" in text) == ("\r\n" in new)
    back = undeclare(new, "pyproject.toml", "ml")
    assert declared(back, "pyproject.toml", "ml") is None
    assert text.rstrip("\r\n") in back


def test_the_form_of_the_others_is_kept() -> None:
    inline = declare(textwrap.dedent(FORMS["inline"]), "f", "ml", {"python": "3.12"})
    assert '# by copy\nml = { python = "3.12" }\n' in inline
    tables = declare(textwrap.dedent(FORMS["tables"]), "f", "ml", {"python": "3.12"})
    assert '\n[tool.provenv.environments.ml]\npython = "3.12"\n' in tables


def test_what_is_not_declared_cannot_be_taken_out() -> None:
    with pytest.raises(InputError, match=r"environments\.ml: is not declared"):
        undeclare("", "pyproject.toml", "ml")

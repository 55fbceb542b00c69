from __future__ import annotations

import pytest

from provenv.core import errors


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (errors.UsageError("x"), 2, "usage"),
        (errors.InputError("x"), 2, "input"),
        (errors.ForeignError("x"), 2, "foreign"),
        (errors.CheckFailedError("x"), 1, "check-failed"),
        (errors.UnsatisfiableError("x"), 1, "unsatisfiable"),
        (errors.UndecidedError("x"), 3, "undecided"),
        (errors.NetworkError("x"), 3, "network"),
        (errors.IntegrityError("x"), 3, "integrity"),
        (errors.BuildError("x"), 3, "build"),
        (errors.DiskError("x"), 3, "disk"),
    ],
)
def test_each_kind_has_its_exit_code(error: errors.ProvenvError, code: int, kind: str) -> None:
    assert (error.exit_code, error.kind) == (code, kind)


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ({}, "is bad"),
        ({"file": "a.toml"}, "a.toml: is bad"),
        ({"file": "a.toml", "line": 3}, "a.toml:3: is bad"),
        ({"file": "a.toml", "line": 3, "key": "x.y"}, "a.toml:3: x.y: is bad"),
        ({"key": "x.y"}, "x.y: is bad"),
    ],
)
def test_an_input_error_leads_to_the_place(where: dict[str, object], wanted: str) -> None:
    error = errors.InputError("is bad", **where)  # type: ignore[arg-type]  # a table of keywords
    assert error.message == str(error) == wanted
    assert error.details == where

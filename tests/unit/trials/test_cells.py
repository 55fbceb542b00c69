"""From a matrix to its cells, and from results to a verdict."""

from __future__ import annotations

import pytest

from provenv.core.errors import InputError, UsageError
from provenv.model.matrix import Exclude, MatrixSpec, Variant
from provenv.trials.cells import MANY, Cell, CellResult, State, counted, verdict

SPEC = MatrixSpec(
    python=("3.9", "3.13"),
    resolution=("locked", "highest"),
    variants=(Variant(), Variant(name="old", packages=("a<2",))),
    exclude=(Exclude(python="3.9", resolution="highest"), Exclude(variant="old", python="3.13")),
)


def cells(spec: MatrixSpec = SPEC, **more: bool) -> tuple[Cell, ...]:
    return counted(spec, environment="test", command=("pytest",), **more)


def test_what_is_excluded_is_not_there() -> None:
    assert [cell.label for cell in cells()] == ["3.9", "3.9 old", "3.13", "3.13 highest"]
    assert [cell.column for cell in cells()] == ["locked", "old", "locked", "highest"]
    assert len({cell.id for cell in cells()}) == 4


def test_a_cell_keeps_its_name_whatever_is_run_in_it() -> None:
    other = counted(SPEC, environment="test", command=("tox",), timeout=3.0)
    assert [cell.id for cell in other] == [cell.id for cell in cells()]
    assert other[0].timeout == 3.0


def test_too_many_cells_are_counted_and_refused() -> None:
    many = MatrixSpec(python=tuple(f"3.{n}" for n in range(100)), variants=_variants(100))
    with pytest.raises(UsageError, match="10,000 cells"):
        cells(many)
    assert len(cells(many, many=True)) == 10_000
    huge = MatrixSpec(python=tuple(f"3.{n}" for n in range(10_000)), variants=_variants(10_000))
    with pytest.raises(UsageError, match="100,000,000 cells"):  # without making any of them
        cells(huge)
    assert len(cells(MatrixSpec(variants=_variants(MANY)))) == MANY


def test_what_excludes_leave_counts() -> None:
    spec = MatrixSpec(
        python=("3.9", "3.13"),
        variants=_variants(MANY),
        exclude=(Exclude(python="3.9"),),
    )
    assert len(cells(spec)) == MANY


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(InputError, match="leaves no cell"):
        cells(MatrixSpec(python=("3.9",), exclude=(Exclude(python="3.9"),)))


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (["passed", "passed"], 0),
        (["passed", "skipped"], 0),
        (["skipped", "skipped"], 3),
        ([], 3),
        (["passed", "failed"], 1),
        (["passed", "timeout"], 1),
        (["failed", "error"], 1),
        (["passed", "error"], 3),
        (["passed", "cancelled"], 3),
    ],
)  # fmt: skip
def test_the_verdict_is_never_better_than_what_is_known(states: list[State], code: int) -> None:
    (cell,) = cells(MatrixSpec())
    assert verdict([CellResult(cell=cell, state=state) for state in states]) == code


def _variants(count: int) -> tuple[Variant, ...]:
    return tuple(Variant(name=str(number)) for number in range(count))

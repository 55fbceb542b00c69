"""Values: what the rest of the project relies on from them."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import provenv
from provenv.core.values import as_dict, field, field_names, frozen, mutable, replace


@frozen
class Point:
    """A value with every kind of field."""

    x: int
    y: int = 2
    names: list[str] = field(default_factory=list)
    secret: str = field(default="", repr=False)
    aside: object = field(default=None, compare=False)

    @property
    def sum(self) -> int:
        """Methods stay."""
        return self.x + self.y


@frozen
class Deep(Point):
    """One that inherits, and checks itself."""

    z: int = 3

    def __post_init__(self) -> None:
        if self.z < 0:
            raise ValueError("below")


@mutable
class Pile:
    """A record."""

    name: str
    rows: list[int] = field(default_factory=list)


def test_made_by_keywords_with_defaults() -> None:
    point = Point(x=1)
    assert (point.x, point.y, point.names, point.sum) == (1, 2, [], 3)
    assert Point(x=1).names is not point.names
    assert field_names(Point) == ("x", "y", "names", "secret", "aside")
    assert as_dict(point) == {"x": 1, "y": 2, "names": [], "secret": "", "aside": None}
    make: Any = Point
    for given, named in (((), {}), ((1,), {}), ((), {"x": 1, "w": 2})):
        with pytest.raises(TypeError, match="__init__"):
            make(*given, **named)


def test_nothing_changes_and_there_is_no_room_for_more() -> None:
    point = Point(x=1)
    with pytest.raises(AttributeError, match="Point is frozen: x"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        point.other = 2  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        del point.x
    assert not hasattr(point, "__dict__")


def test_equal_by_class_and_fields() -> None:
    assert Point(x=1, names=["a"]) == Point(x=1, names=["a"])
    assert Point(x=1) != Point(x=2)
    assert Point(x=1, aside=1) == Point(x=1, aside=2)
    assert Point(x=1) != Deep(x=1)
    plain = Deep(x=1, names=())  # type: ignore[arg-type]
    assert hash(plain) == hash(copy.copy(plain))
    assert len({plain, copy.copy(plain)}) == 1
    with pytest.raises(TypeError):
        hash(Pile("a"))


def test_repr_leaves_out_what_is_secret() -> None:
    assert repr(Point(x=1, secret="s3cret")) == "Point(x=1, y=2, names=[], aside=None)"


def test_a_class_that_inherits_has_all_fields_and_checks_itself() -> None:
    assert Deep(x=1, z=5).z == 5
    assert Deep.__slots__ == ("z",)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="below"):
        Deep(x=1, z=-1)


def test_copies_with_changes() -> None:
    assert replace(Point(x=1, y=7), x=3) == Point(x=3, y=7)
    with pytest.raises(TypeError):
        replace(Point(x=1), w=1)

    @dataclass
    class Other:
        a: int

    assert replace(Other(a=1), a=2) == Other(a=2)


def test_several_threads_make_the_first_one_at_once() -> None:
    @frozen
    class Late:
        x: int

    first = (
        Late.__init__
    )  # as a thread has it that is interrupted between looking it up and calling it
    assert Late(x=1).x == 1
    late = object.__new__(Late)
    first(late, x=2)
    assert late.x == 2


@pytest.mark.parametrize("made", [Point(x=1, names=["a"]), Deep(x=1), Pile("a", [1])])
def test_it_crosses_to_another_process(made: object) -> None:
    assert pickle.loads(pickle.dumps(made)) == made


def test_records_change_and_are_made_by_position() -> None:
    pile = Pile("a")
    pile.rows.append(1)
    pile.name = "b"
    assert pile == Pile(name="b", rows=[1])


def test_defining_values_loads_nothing_of_dataclasses() -> None:
    source = Path(provenv.__file__).parents[1]
    code = (
        f"import sys; sys.path.insert(0, {str(source)!r}); import provenv.core.values; "
        "print({'dataclasses', 'inspect'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n", done.stderr

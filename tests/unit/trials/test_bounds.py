"""Requirements with other bounds, and the search for the oldest version that works."""

from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet

from provenv.trials.ahead import beyond
from provenv.trials.bounds import begin, is_pinned, with_lower, without_lower, without_upper

NAMES = frozenset({"a"})


@pytest.mark.parametrize(
    ("text", "lower", "upper"),
    [
        ("a>=1,<3", "a<3", "a>=1"),
        ("a>1,!=1.5", "a!=1.5", "a!=1.5,>1"),
        ("a~=1.4.2", "a<1.5", "a>=1.4.2"),
        ("a~=1.4", "a<2", "a>=1.4"),
        ("a==1.4.*", "a<1.5", "a>=1.4"),
        ("a==1.4", "a", "a"),
        ('a[x]<3; python_version < "3"', 'a[x]<3; python_version < "3"', 'a[x]; python_version < "3"'),
        ("b>=1,<3", "b>=1,<3", "b>=1,<3"),
        ("A>=1", "A", "A>=1"),
        ("a @ https://h/a.whl", "a @ https://h/a.whl", "a @ https://h/a.whl"),
    ],
)  # fmt: skip
def test_one_side_of_a_requirement_is_taken_off(text: str, lower: str, upper: str) -> None:
    assert without_lower(text, NAMES) == lower
    assert without_upper(text, NAMES) == upper


def test_a_lower_bound_takes_the_place_of_another() -> None:
    assert with_lower("a~=1.4", {"a": "1.6"}) == "a<2,>=1.6"
    assert with_lower("b>=1", {"a": "1.6"}) == "b>=1"
    assert is_pinned(SpecifierSet("==1.0"))
    assert not is_pinned(SpecifierSet("==1.*"))


@pytest.mark.parametrize("oldest", range(9))
@pytest.mark.parametrize("declared", ["", ">=3", ">=8"])
def test_the_search_finds_the_oldest_that_works(oldest: int, declared: str) -> None:
    versions = [str(n) for n in range(20)]
    search = begin(versions, "8", SpecifierSet(declared))
    assert search.versions[-1] == "8"
    tries = 0
    while (place := search.next) is not None:
        search = search.told(place, works=int(search.versions[place]) >= oldest)
        tries += 1
    assert search.versions[search.good] == str(oldest)
    assert (search.bad == -1) if oldest == 0 else search.versions[search.bad] == str(oldest - 1)
    assert tries <= 5


def test_what_is_declared_is_tried_first() -> None:
    search = begin(["1.0", "1.1", "1.2", "2.0"], "3.0", SpecifierSet(">=1.2"))
    assert search.next is not None
    assert search.versions[search.next] == "1.2"


def test_what_there_is_beyond() -> None:
    versions = ["1.0", "2.0", "3.0", "3.1.dev1", "4.0rc1", "0.9"]
    steps = beyond("a", "1.0", SpecifierSet("<2.5"), versions)
    assert [(step.kind, step.after) for step in steps] == [
        ("beyond", "3.0"),
        ("pre-release", "4.0rc1"),
    ]
    assert beyond("a", "3.0", SpecifierSet(), ["1.0", "3.0"]) == []
    within = beyond("a", "1.0", SpecifierSet("<4"), ["1.0", "3.0"])
    assert within == []  # the highest that is allowed is tried together with all others


@pytest.mark.parametrize("declared", ["", ">=3", ">=8"])
@pytest.mark.parametrize("refused", [{"0"}, {"3"}, {"3", "4", "5"}, {"0", "1", "7"}])
@pytest.mark.parametrize("oldest", range(9))
def test_what_may_not_be_tried_counts_for_nothing(
    oldest: int, refused: set[str], declared: str
) -> None:
    search = begin([str(n) for n in range(8)], "8", SpecifierSet(declared))
    while (place := search.next) is not None:
        if search.versions[place] in refused:
            search = search.without(place)
        else:
            search = search.told(place, works=int(search.versions[place]) >= oldest)
    left = [n for n in range(9) if str(n) not in refused]
    assert search.versions[search.good] == str(min(n for n in left if n >= oldest))
    below = [n for n in left if n < oldest]
    assert (search.bad == -1) == (below == [])
    if below:
        assert search.versions[search.bad] == str(max(below))

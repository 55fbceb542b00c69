from __future__ import annotations

from datetime import date

import pytest

from provenv.interpreters.lifetimes import end_of_life, is_dead


def test_the_last_day_of_a_minor_version_is_known() -> None:
    assert end_of_life("3.8") == date(2024, 10, 7)
    assert end_of_life("2.7") == date(2020, 1, 1)
    assert end_of_life("3.99") is None


@pytest.mark.parametrize(
    ("minor", "today", "dead"),
    [
        ("3.10", date(2026, 10, 31), False),
        ("3.10", date(2026, 11, 1), True),
        ("3.13", date(2026, 11, 1), False),
        ("3.99", date(2099, 1, 1), False),
    ],
)
def test_it_is_dead_from_the_day_after(minor: str, today: date, dead: bool) -> None:
    assert is_dead(minor, today) is dead


def test_later_versions_live_longer() -> None:
    dates = [end_of_life(f"3.{minor}") for minor in range(1, 17)]
    assert None not in dates
    assert dates == sorted(dates, key=str)

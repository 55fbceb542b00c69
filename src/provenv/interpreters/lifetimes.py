"""Until when a CPython gets fixes: the end-of-life dates of its minor versions.

As announced in the release schedules (PEP 373 for 2.7; PEP 494 and its successors; PEP 602 for the yearly
rhythm since 3.9). A date that has been announced as a month only stands for that month's last day.
"""

from __future__ import annotations

from datetime import date

_ENDS = {
    "2.6": date(2013, 10, 29),
    "2.7": date(2020, 1, 1),
    "3.1": date(2012, 4, 9),
    "3.2": date(2016, 2, 20),
    "3.3": date(2017, 9, 29),
    "3.4": date(2019, 3, 18),
    "3.5": date(2020, 9, 30),
    "3.6": date(2021, 12, 23),
    "3.7": date(2023, 6, 27),
    "3.8": date(2024, 10, 7),
    "3.9": date(2025, 10, 31),
    "3.10": date(2026, 10, 31),
    "3.11": date(2027, 10, 31),
    "3.12": date(2028, 10, 31),
    "3.13": date(2029, 10, 31),
    "3.14": date(2030, 10, 31),
    "3.15": date(2031, 10, 31),
    "3.16": date(2032, 10, 31),
}


def end_of_life(minor: str) -> date | None:
    """The last day on which CPython ``minor`` (``3.12``) gets fixes, or None where nobody has said."""
    return _ENDS.get(minor)


def is_dead(minor: str, today: date) -> bool:
    """Whether CPython ``minor`` has got its last fix; False where that is not known."""
    end = end_of_life(minor)
    return end is not None and end < today


def living(today: date) -> tuple[str, ...]:
    """Every minor version since 3.9 that is out and gets fixes, the oldest first (PEP 602).

    A release comes out in an October, five years before its last fix.
    """
    return tuple(
        minor
        for minor, end in _ENDS.items()
        if end >= today and end.replace(year=end.year - 5) < today
    )

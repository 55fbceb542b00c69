"""Numbers and lines as people read them, the same in every message."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

_UNITS = ("B", "kB", "MB", "GB", "TB")


def size(count: float) -> str:
    """Bytes for people: ``326 MB``, decimal units as every package index uses them."""
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"


def many(count: int, what: str, plural: str | None = None) -> str:
    """``1 package``, ``2 packages``."""
    return f"{count:,} {what if count == 1 else plural or what + 's'}"


def first_line(text: str) -> str:
    """The first line of a message that says something; what a colon at its end leads to is part of it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


def length(span: timedelta) -> str:
    """``5 h``, ``12 days``: hours up to three days, then days, each begun one left out."""
    hours = int(span.total_seconds() // 3600)
    return f"{hours} h" if hours < 72 else f"{hours // 24} days"

"""Amounts as people write them: ages (``30d``) and sizes (``20G``)."""

from __future__ import annotations

import re

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_BYTES = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def age(text: str) -> float:
    """An age in seconds: a number and ``s``, ``m``, ``h``, ``d`` or ``w``; ``0`` needs no unit.

    Raises:
        ValueError: It is none.
    """
    match = re.fullmatch(r"(\d{1,9})([smhdw])", text)
    if match is None:
        if text == "0":
            return 0.0
        raise ValueError(f"{text!r} is no age; write 36h, 90d or 12w")
    return float(int(match[1]) * _SECONDS[match[2]])


def size(text: str) -> int:
    """A size in bytes: ``500M``, ``20G``, ``1.5 TB`` count in thousands, ``20GiB`` in 1,024s.

    Raises:
        ValueError: It is none.
    """
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?) ?(?:([kmgt]?)b?|([kmgt])ib)", text.lower())
    if match is None:
        raise ValueError(f"{text!r} is no size; write 500M, 20G or 20GiB")
    number, decimal, binary = match.groups()
    unit = 1024 ** _BYTES[binary] if binary else 1000 ** _BYTES[decimal or ""]
    return int(float(number) * unit)

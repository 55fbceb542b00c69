"""Damage: how an object differs from what was ingested."""

from __future__ import annotations

from typing import Literal

from provenv.core.values import frozen

Kind = Literal["changed", "missing", "added", "mode", "time"]
"""``mode``: who may write it, or whose it is. ``time``: nothing but its time, and so every look fails."""


@frozen
class Damage:
    """One difference; ``path`` is relative to the object's folder (``site/numpy/version.py``)."""

    sha256: str
    name: str
    version: str
    path: str
    kind: Kind
    detail: str = ""

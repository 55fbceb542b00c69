"""Words that several rules need: lists that are not too long, sizes, paths as one reads them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

_UNITS = ("B", "kB", "MB", "GB")


def some(names: Sequence[str], limit: int = 5) -> str:
    """``a, b, c and 4 more``."""
    if len(names) <= limit + 1:
        return ", ".join(names)
    return f"{', '.join(names[:limit])} and {len(names) - limit} more"


def size(count: float) -> str:
    """Bytes for people, in decimal units."""
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"


def many(count: int, what: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{count:,} {what if count == 1 else what + 's'}"


def below(path: str, root: str) -> str:
    """``path`` relative to ``root`` where it lies below it."""
    return os.path.relpath(path, root) if path.startswith(f"{root}/") else path


def command(*words: str) -> str:
    """A command line that can be pasted into a shell."""
    return shlex.join(words)

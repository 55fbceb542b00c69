"""Words that several rules need: lists that are not too long, numbers, paths as one reads them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from provenv.core.words import many as many
from provenv.core.words import size as size


def some(names: Sequence[str], limit: int = 5) -> str:
    """``a, b, c and 4 more``."""
    if len(names) <= limit + 1:
        return ", ".join(names)
    return f"{', '.join(names[:limit])} and {len(names) - limit} more"


def below(path: str, root: str) -> str:
    """``path`` relative to ``root`` where it lies below it."""
    return os.path.relpath(path, root) if path.startswith(f"{root}/") else path


def command(*words: str) -> str:
    """A command line that can be pasted into a shell."""
    return shlex.join(words)

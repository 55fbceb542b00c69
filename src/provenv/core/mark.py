"""A mark for temporary names that no other process has, dead or alive.

The number of a process is not enough: numbers are used again, in a container after each start, and two
containers that share a folder have the same ones. Imports nothing but ``os``.
"""

from __future__ import annotations

import os

_marks: dict[int, str] = {}  # by process: a forked one is another


def mark() -> str:
    """``PID-RANDOM``, the same for as long as this process lives."""
    pid = os.getpid()
    if pid not in _marks:
        _marks[pid] = f"{pid}-{os.urandom(4).hex()}"
    return _marks[pid]

"""How much this machine has room for at once: processors that this process may use, and free memory."""

from __future__ import annotations

import os

MEMORY = 400 * 1000**2
"""Bytes that a process is thought to need, where nobody says how many run at once."""


def cores() -> int:
    """How many processes can work at once."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def budget(count: int) -> int:
    """How many of ``count`` run at once: as many as there are processors, and as memory has room for."""
    most = min(count, cores())
    try:
        with open("/proc/meminfo", encoding="ascii") as stream:
            rows = dict(line.split(":", 1) for line in stream if ":" in line)
        free = int(rows["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError, IndexError):
        return max(1, most)
    return max(1, min(most, free // MEMORY))

"""Which start of the machine this is: what was written before it may have been lost in a power cut.

Imports nothing but ``os``.
"""

from __future__ import annotations

import os

# Seconds after which what was written is on the disk: the kernel writes back after half a minute.
SETTLED = 600.0
_PLACE = "/proc/sys/kernel/random/boot_id"


def boot_id() -> str:
    """A name for this start of the machine; ``-`` where the system gives none (not Linux)."""
    try:
        descriptor = os.open(_PLACE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return "-"
    try:
        return os.read(descriptor, 64).decode("ascii", "replace").strip() or "-"
    finally:
        os.close(descriptor)


def is_read_only(path: str) -> bool:
    """Whether nobody can write there: what a power cut may have hurt can then only be used as it is."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def earlier(folder: str) -> list[str]:
    """The files in ``folder`` that are named after other starts of the machine than this one."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    this = boot_id() if names else ""
    return sorted(name for name in names if name != this)

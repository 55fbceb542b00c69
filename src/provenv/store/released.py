"""When an object was used last that no environment holds any more.

``released`` in the home folder has one line for each object that an environment let go: seconds since
1970, and the sha256. An object with several lines counts by the latest, one with none by when it was
stored.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping

from provenv.core.errors import DiskError
from provenv.core.files import write_atomic
from provenv.model.layout import HomeLayout


def note(layout: HomeLayout, objects: Iterable[str], used: float) -> None:
    """Write down that an environment let ``objects`` (sha256) go, which were used last at ``used``.

    Where that fails, as on a full disk, they count as used when they were stored.
    """
    text = "".join(f"{used:.0f} {sha256}\n" for sha256 in sorted(objects))
    if text:
        with contextlib.suppress(OSError), open(layout.released, "ab", buffering=0) as stream:
            stream.write(text.encode())


def read(layout: HomeLayout) -> dict[str, float]:
    """When each object was used last that was let go; lines that cannot be read are left out."""
    found: dict[str, float] = {}
    try:
        with open(layout.released, encoding="ascii", errors="replace") as stream:
            for line in stream:
                time, _, sha256 = line.strip().partition(" ")
                if len(sha256) == 64 and time.isdigit():
                    found[sha256] = max(found.get(sha256, 0.0), float(time))
    except OSError:
        return {}
    return found


def keep(layout: HomeLayout, times: Mapping[str, float]) -> None:
    """Let these be all that is written down, as far as the disk allows.

    The caller holds the store's lock alone.
    """
    text = "".join(f"{time:.0f} {sha256}\n" for sha256, time in sorted(times.items()))
    if text:
        with contextlib.suppress(DiskError):
            write_atomic(layout.released, text.encode())
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(layout.released)

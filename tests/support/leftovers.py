"""Looking for processes that a test started, by a marker that all of them inherit."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

MARK = "TEST_MARK"


def marked(mark: str) -> list[int]:
    """The living processes with ``TEST_MARK=mark`` in their environment, without this one."""
    found = []
    wanted = f"{MARK}={mark}".encode()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")  # a zombie has none
        except OSError:
            continue
        if wanted in variables:
            found.append(int(folder.name))
    return found


def wait_for_marked(mark: str, count: int, *, seconds: float = 30) -> list[int]:
    """Wait until exactly ``count`` of them are there (0: until none is left); what there is in the end."""
    over = time.monotonic() + seconds
    while len(found := marked(mark)) != count and time.monotonic() < over:
        time.sleep(0.02)
    return found


def commands(mark: str) -> list[str]:
    """The command lines of those processes."""
    found = []
    for pid in marked(mark):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
            found.append(text.decode(errors="replace"))
    return found

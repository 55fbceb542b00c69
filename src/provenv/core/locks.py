"""Who holds a lock, and what a file system says that has none."""

from __future__ import annotations

import errno
import os

WITHOUT = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF})
"""What ``flock(2)`` fails with where there are no locks, or (EBADF) none on what cannot be written."""

_TABLE = "/proc/locks"


def holders(path: str, table: str = _TABLE) -> str:
    """The processes that hold the lock of a file, in words; empty where that cannot be told.

    Linux lists locks by inode (``proc_locks(5)``).
    """
    try:
        inode = os.stat(path).st_ino
        with open(table, encoding="ascii", errors="replace") as stream:
            rows = [line.split() for line in stream]
    except OSError:
        return ""
    # 1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF; with an arrow before FLOCK: one that waits
    rows = [row for row in rows if len(row) >= 6 and row[1] == "FLOCK"]
    pids = [row[4] for row in rows if row[5].rpartition(":")[2] == str(inode)]
    known = [pid for pid in dict.fromkeys(pids) if pid.isdigit() and pid != str(os.getpid())]
    if not known:
        return ""
    more = f" and {len(known) - 1} more" if len(known) > 1 else ""
    return f"process {known[0]}{_command(known[0])}{more}"


def _command(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            words = os.fsdecode(stream.read()).rstrip("\0").split("\0")
    except OSError:
        return ""
    short = " ".join(os.path.basename(word) if word.startswith("/") else word for word in words)
    shown = "".join(c if c.isprintable() else "?" for c in short)
    return f" ({shown[:60]})" if shown else ""

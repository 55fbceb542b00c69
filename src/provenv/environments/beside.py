"""A look at the store by a second process, beside whatever the first one does until it asks.

Making a tree and looking at what it links are thousands of system calls, and independent of each other; a
forked child costs half a millisecond. It only reads, so that it may be begun before anything is
locked, and nothing is lost with it. Imports nothing but ``os`` and ``time``.
"""

from __future__ import annotations

import os
import time

from provenv.environments import looking

_FEW = 8_000  # bytes of checks: below that, a second process costs more than it saves
_LONG = 1.0  # seconds

Looked = dict[str, float]
"""What a command that makes many environments has looked at, and found sound: path of checks → when."""


class Look:
    """A look at the objects that a plan links, begun now. To be asked once, or dropped.

    With ``looked``, for many environments in turn, there is no second process (as many of them are made
    at once as there are processors), and what was looked at within a second counts.
    """

    __slots__ = ("_checks", "_child", "_home", "_looked", "_reader")

    def __init__(self, plan: str, home: str, looked: Looked | None = None) -> None:
        self._checks = f"{plan}/checks"
        self._home = home
        self._looked = looked
        self._child = 0
        self._reader = -1
        if looked is None and _is_long(self._checks) and may_fork():
            self._begin()

    def _begin(self) -> None:
        """Let a second process look, where the system has one for us."""
        self._reader, writer = os.pipe()
        try:
            self._child = _fork()
            if self._child == 0:
                _answer(self._reader, writer, self._checks, self._home)
        except OSError:
            os.close(self._reader)
        finally:
            os.close(writer)

    def answer(self) -> list[str]:
        """The objects (folders relative to the home) that are not as they were stored.

        Raises:
            OSError: The checks cannot be read, or the disk fails.
            ValueError: They are not whole.
        """
        lines = self._end().split("\n")
        if lines[-1] == ".":
            return lines[:-1]
        if self._looked is None:
            return looking.damaged(
                self._checks, self._home
            )  # whoever looked was ended, or nobody did
        now = time.monotonic()
        if now - self._looked.get(self._checks, -_LONG) < _LONG:
            return []
        found = looking.damaged(self._checks, self._home)
        if not found:
            self._looked[self._checks] = now
        return found

    def drop(self) -> None:
        """Nobody asks any more."""
        if self._child:
            os.kill(self._child, 9)
        self._end()

    def _end(self) -> str:
        """All that the child says; it has ended then."""
        if not self._child:
            return ""
        child, self._child = self._child, 0
        try:
            with os.fdopen(self._reader, "rb") as stream:
                said = os.fsdecode(stream.read())
        finally:
            _, status = os.waitpid(child, 0)
        return said if status == 0 else ""


def _is_long(checks: str) -> bool:
    try:
        return os.stat(checks).st_size > _FEW
    except OSError:
        return False


def may_fork() -> bool:
    """Whether this process may be forked: not with threads, whose locks would be copied held."""
    import sys

    threading = sys.modules.get("threading")
    return hasattr(os, "fork") and (threading is None or threading.active_count() == 1)


def _fork() -> int:
    """Fork with signals held back: the parent alone is interrupted, and not inside of the fork.

    Python runs hooks there (``logging`` has one), and what a signal raises in them is lost. The child
    ends within milliseconds.
    """
    import _signal as signal  # type: ignore[import-not-found]  # `signal` would import enum: 3 ms

    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    child = -1
    try:
        child = os.fork()
    finally:
        if child != 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return child


def _answer(reader: int, writer: int, checks: str, home: str) -> None:
    """Look, say what is damaged, a dot, and end."""
    status = 1
    try:
        os.close(reader)
        said = os.fsencode("\n".join([*looking.damaged(checks, home), "."]))
        while said:
            said = said[os.write(writer, said) :]
        status = 0
    finally:
        os._exit(status)

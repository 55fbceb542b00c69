"""Supervisors: processes apart that run one command after another, and take each away with its whole tree.

What they do stands in ``_watchdog_script.py``; who asks them is :mod:`provenv.core.watchdog`, or the short
way of ``test``, for which this module imports nothing but ``os``.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # `typing` costs 5 ms to import
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

GRACE = 3.0
"""Seconds between SIGTERM and SIGKILL."""


class Supervisor:
    """A supervisor, by its two pipes. Where that for orders is closed, it ends everything, and itself."""

    __slots__ = ("life", "pid", "result")

    def __init__(self, pid: int, life: int, result: int) -> None:
        self.pid = pid
        self.life = life
        self.result = result

    def start(
        self,
        command: Sequence[str],
        *,
        cwd: str,
        environ: Mapping[str, str],
        log: str,
        timeout: float | None = None,
        grace: float = GRACE,
    ) -> None:
        """Have it run a command; it must have told how the one before has ended.

        Raises:
            OSError: It is no more.
        """
        limit = "" if timeout is None else repr(float(timeout))
        variables = [f"{name}={value}" for name, value in environ.items()]
        fields = [limit, repr(float(grace)), log, cwd, str(len(variables)), *variables, *command]
        body = b"".join(os.fsencode(word) + b"\0" for word in fields)
        left = memoryview(b"%d\n%s" % (len(body), body))
        while left:
            left = left[os.write(self.life, left) :]

    def close_orders(self) -> None:
        """Have it end everything, and itself; it still tells how."""
        life, self.life = self.life, -1
        if life >= 0:
            os.close(life)

    def let_go(self) -> None:
        """Close this process's ends of the pipes: it goes on for a fork that has them, or ends."""
        self.close_orders()
        result, self.result = self.result, -1
        if result >= 0:
            os.close(result)

    def end(self) -> None:
        """Let go of it, and wait until it is no more."""
        self.let_go()
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            return  # a fork of the process that started it: that one waits


def fork() -> Supervisor:
    """A supervisor as a fork of this process, which must have one thread; no Python is started for it.

    Raises:
        OSError: The system gives no pipe, or no process.
    """
    from provenv.core import _watchdog_script as script

    life, holding = os.pipe()
    try:
        telling, result = os.pipe()
    except OSError:
        os.close(life)
        os.close(holding)
        raise
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError:
        os.close(holding)
        os.close(telling)
        raise
    else:
        if pid == 0:
            _become(script, life, result, parent)
    finally:
        os.close(life)
        os.close(result)
    return Supervisor(pid, holding, telling)


def _become(script: object, life: int, result: int, parent: int) -> NoReturn:
    """Be the supervisor: with nothing open but what it needs, above all not the other end of LIFE."""
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for place in range(3):
            os.dup2(null, place)
        first, second = sorted((life, result))
        most = os.sysconf("SC_OPEN_MAX")
        for begin, end in ((3, first), (first + 1, second), (second + 1, most)):
            os.closerange(begin, end)
        sys.argv[1:] = [str(life), str(result), str(parent)]
        script.main()  # type: ignore[attr-defined]
    finally:
        os._exit(0)

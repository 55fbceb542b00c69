"""Commands that leave nothing behind: each under a watchdog that takes its whole tree of processes away.

A supervisor (:mod:`provenv.core.supervisor`), in a session of its own, starts the command in another one.
It ends everything that stems from the command when that has ended, when its time is over, when it is
cancelled, and when this process is no more, however that came about: it sees the end of a pipe that this
process holds. First SIGTERM, after a grace SIGKILL.

Linux: processes that called ``setsid`` and lost their parents are found all the same, as the supervisor is
who adopts them. Elsewhere (macOS) nothing adopts; what left the command's process group is not found.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Literal

from provenv.core.disk import refuse_sick
from provenv.core.errors import ProvenvError, UndecidedError
from provenv.core.files import disk_error, ensure_folder
from provenv.core.supervisor import GRACE, Supervisor, fork
from provenv.core.values import frozen

_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_watchdog_script.py")
_LOOK = 0.2  # seconds between two calls of whoever wants to look at what runs
_TAIL = 4096  # bytes at the end of a log in which its last line is looked for

How = Literal["exited", "signalled", "late", "cancelled", "unstarted", "lost"]


@frozen
class Outcome:
    """What became of a command.

    Attributes:
        how: ``exited`` and ``signalled`` by itself, ``late`` (its time was over), ``cancelled``,
            ``unstarted``, or ``lost``: its supervisor was killed, and with it the answer.
        code: The exit code, where it exited.
        signal: The number of the signal that ended it, where one did.
        seconds: From its start until it ended, or had to.
        ended: Processes that had to be ended in the end; after ``exited``, what it left behind.
        alive: Processes of it that could not be ended: another user's, or stuck in the kernel.
        reason: Why it could not be started.
    """

    how: How
    code: int | None = None
    signal: int | None = None
    seconds: float = 0.0
    ended: int = 0
    alive: int = 0
    reason: str | None = None

    @property
    def good(self) -> bool:
        """Whether it exited with 0."""
        return self.how == "exited" and self.code == 0


class Watched:
    """A command that runs. :meth:`wait` is for one thread; :meth:`cancel` may be called from any.

    A supervisor that is ``kept`` can be asked for the next command when this one has its outcome, unless
    that is ``lost``.
    """

    def __init__(
        self, supervisor: Supervisor, command: Sequence[str], cwd: str, *, kept: bool = False
    ) -> None:
        self.pid: int | None = None
        self._command = command
        self._cwd = cwd
        self._supervisor = supervisor
        self._kept = kept
        self._text = b""
        self._begun = time.monotonic()
        self._guard = threading.Lock()
        self._outcome: Outcome | None = None

    def cancel(self) -> None:
        """Have the whole tree ended, gently first; :meth:`wait` tells when it has been."""
        with self._guard, suppress(OSError):
            if self._outcome is None and self._supervisor.life >= 0:
                os.write(self._supervisor.life, b"c")

    def wait(self, timeout: float | None = None) -> Outcome | None:
        """Wait for the end, until nothing is left; None where that takes longer than ``timeout``."""
        over = None if timeout is None else time.monotonic() + timeout
        ready = select.poll()  # `select` knows no descriptors from 1024 on
        if self._outcome is None:
            ready.register(self._supervisor.result, select.POLLIN)
        while self._outcome is None:
            left = None if over is None else max(0.0, over - time.monotonic()) * 1000
            if not ready.poll(left):
                return None
            data = os.read(self._supervisor.result, 4096)
            self._text += data
            first, told, last = self._text.partition(b"\n")
            if told and first.startswith(b"started "):
                self.pid = int(first.split()[1])
            else:
                last = self._text
            if not data or last.endswith(b"\n"):
                self._end(self._read_outcome())
        return self._outcome

    def _end(self, outcome: Outcome) -> None:
        with self._guard:
            self._outcome = outcome
            if not self._kept or outcome.how == "lost":
                self._supervisor.let_go()
        if self._supervisor.life < 0:
            self._supervisor.end()

    def kill(self) -> None:
        """Cancel, and wait for the end, also where a second signal comes in between."""
        self.cancel()
        self._wait_out()

    def abandon(self) -> None:
        """Let go of it, as if this process were no more, and wait for the end."""
        with self._guard:
            self._kept = False
            if self._outcome is None:
                self._supervisor.close_orders()
        self._wait_out()

    def _wait_out(self) -> None:
        while True:
            try:
                self.wait()
            except KeyboardInterrupt:
                continue
            return

    def _read_outcome(self) -> Outcome:
        lines = self._text.decode().splitlines()
        words = lines[-1].split() if lines and self._text.endswith(b"\n") else ["started"]
        if words[0] == "started":
            self._end_group()
            return Outcome(how="lost", seconds=time.monotonic() - self._begun)
        if words[0] == "unstarted":
            return Outcome(how="unstarted", reason=self._refusal(words[5], int(words[6])))
        status = int(words[1])
        own: How = "signalled" if status < 0 else "exited"
        ways: dict[str, How] = {"late": "late", "cancelled": "cancelled", "orphaned": "cancelled"}
        how = ways.get(words[0], own)
        return Outcome(
            how=how,
            code=status if how == "exited" else None,
            signal=-status if how == "signalled" else None,
            seconds=float(words[2]),
            ended=int(words[3]),
            alive=int(words[4]),
        )

    def _end_group(self) -> None:
        """What the command's supervisor cannot end any more, as far as it is still in its group."""
        if self.pid is not None:
            with suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)

    def _refusal(self, doing: str, number: int) -> str:
        if doing == "enter":
            return f"cannot enter {self._cwd}: {os.strerror(number)}"
        if doing == "log":
            return f"cannot write its log: {os.strerror(number)}"
        if number in (errno.ENOENT, errno.ENOTDIR):
            return f"command not found: {self._command[0]}"
        return f"cannot execute {self._command[0]}: {os.strerror(number)}"


def run_watched(
    command: Sequence[str],
    *,
    cwd: str,
    environ: Mapping[str, str],
    log: str,
    anew: bool = False,
    timeout: float | None = None,
    grace: float = GRACE,
    meanwhile: Callable[[Watched], None] | None = None,
    supervisor: Supervisor | None = None,
) -> Outcome:
    """Run a command to its end and until nothing is left of it.

    Its standard output and standard error are appended to the file ``log`` as they come; with ``anew``,
    what stood there before is gone. It has no input. ``environ`` is its whole environment. ``timeout`` is
    in seconds; ``grace`` is how long a process has between SIGTERM and SIGKILL. ``meanwhile`` is called
    with what runs, at once and then five times a second. Where this call is interrupted, or ``meanwhile``
    raises, everything is ended first.
    ``supervisor`` is asked, where one is given, and can be asked again after any outcome but ``lost``;
    otherwise one is started, for which a Python starts.

    Raises:
        DiskError: The log cannot be written, or the system cannot start anything.
        UndecidedError: The supervisor cannot be started.
    """
    if any("\0" in word for word in command):
        return Outcome(how="unstarted", reason="there is a NUL in it")
    watched = watch(
        command,
        cwd=cwd,
        environ=environ,
        log=log,
        anew=anew,
        timeout=timeout,
        grace=grace,
        supervisor=supervisor,
    )
    return watch_out(watched, meanwhile)


def watch_out(watched: Watched, meanwhile: Callable[[Watched], None] | None = None) -> Outcome:
    """Wait for the end of what runs, as :func:`run_watched` does."""
    try:
        outcome: Outcome | None = None
        while outcome is None:
            if meanwhile is not None:
                meanwhile(watched)
            outcome = watched.wait(None if meanwhile is None else _LOOK)
        return outcome
    except BaseException:
        watched.kill()
        raise


def watch(
    command: Sequence[str],
    *,
    cwd: str,
    environ: Mapping[str, str],
    log: str,
    anew: bool = False,
    timeout: float | None = None,
    grace: float = GRACE,
    supervisor: Supervisor | None = None,
) -> Watched:
    """Start a command as :func:`run_watched` does. Whoever asks for that has to wait for it, or to kill it.

    Raises:
        As :func:`run_watched`.
    """
    ensure_folder(os.path.dirname(log) or os.curdir)
    try:
        with open(log, "wb" if anew else "ab"):
            pass
    except OSError as error:
        raise disk_error(error, "write", log) from error
    asked = supervisor or _started()
    watched = Watched(asked, command, cwd, kept=supervisor is not None)
    try:
        asked.start(command, cwd=cwd, environ=environ, log=log, timeout=timeout, grace=grace)
    except OSError:
        pass  # it is dead already (EPIPE), which `wait` tells: `lost`
    except BaseException:
        watched.abandon()
        raise
    return watched


def forked() -> Supervisor:
    """A supervisor that is a fork of this process, which has one thread. Whoever asks for it has to end it.

    Raises:
        DiskError, UndecidedError: The system cannot start anything.
    """
    import ctypes  # noqa: F401  # loaded once, and not by each of them

    try:
        return fork()
    except OSError as error:
        raise _refused(error, "fork") from error


class _Program(Supervisor):
    """A supervisor that is a Python of its own."""

    __slots__ = ("process",)

    def __init__(self, process: subprocess.Popen[bytes], life: int, result: int) -> None:
        super().__init__(process.pid, life, result)
        self.process = process

    def end(self) -> None:
        """Let go of it, and wait until it is no more."""
        self.let_go()
        self.process.wait()


def _started() -> Supervisor:
    pipes: list[int] = []
    try:
        pipes += os.pipe()
        pipes += os.pipe()
        life, holding, telling, result = pipes
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", _SCRIPT, str(life), str(result), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(life, result),
            start_new_session=True,
        )
    except OSError as error:
        for descriptor in pipes:
            os.close(descriptor)
        raise _refused(error, "start") from error
    os.close(life)
    os.close(result)
    return _Program(process, holding, telling)


def _refused(error: OSError, what: str) -> ProvenvError:
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return disk_error(error, what, sys.executable)
    refuse_sick(error, sys.executable, what)
    return UndecidedError(f"cannot {what} {sys.executable}: {error.strerror or error}")


def last_line(log: str) -> str:
    """The last line of a log in which anything stands; empty where there is none."""
    try:
        with open(log, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _TAIL))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
    for line in reversed(text.splitlines()):
        if shown := "".join(c for c in line if c.isprintable()).strip():
            return shown
    return ""

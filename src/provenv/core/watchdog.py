"""Commands that leave nothing behind: each under a watchdog that takes its whole tree of processes away.

A supervisor (``_watchdog_script.py``), in a session of its own, starts the command in another one. It ends
everything that stems from the command when that has ended, when its time is over, when it is cancelled,
and when this process is no more, however that came about: it sees the end of a pipe that this process
holds. First SIGTERM, after a grace SIGKILL.

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
from typing import Literal, NoReturn, Protocol

from provenv.core.disk import refuse_sick
from provenv.core.errors import UndecidedError
from provenv.core.files import disk_error, ensure_folder
from provenv.core.values import frozen

_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_watchdog_script.py")
_GRACE = 3.0
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


class _Waited(Protocol):
    """A process that can be waited for."""

    @property
    def pid(self) -> int: ...

    def wait(self) -> object: ...


class _Fork:
    """A process that was forked here."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self) -> None:
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


class Watched:
    """A command that runs. :meth:`wait` is for one thread; :meth:`cancel` may be called from any."""

    def __init__(
        self,
        supervisor: _Waited,
        life: int,
        result: int,
        command: Sequence[str],
        cwd: str,
    ) -> None:
        self.pid: int | None = None
        self._command = command
        self._cwd = cwd
        self._supervisor = supervisor
        self._life = life
        self._result = result
        self._text = b""
        self._begun = time.monotonic()
        self._guard = threading.Lock()
        self._outcome: Outcome | None = None

    def cancel(self) -> None:
        """Have the whole tree ended, gently first; :meth:`wait` tells when it has been."""
        with self._guard, suppress(OSError):
            if self._life >= 0:
                os.write(self._life, b"c")

    def wait(self, timeout: float | None = None) -> Outcome | None:
        """Wait for the end, until nothing is left; None where that takes longer than ``timeout``."""
        over = None if timeout is None else time.monotonic() + timeout
        ready = select.poll()  # `select` knows no descriptors from 1024 on
        if self._outcome is None:
            ready.register(self._result, select.POLLIN)
        while self._outcome is None:
            left = None if over is None else max(0.0, over - time.monotonic()) * 1000
            if not ready.poll(left):
                return None
            data = os.read(self._result, 4096)
            self._text += data
            if self._text.startswith(b"started ") and b"\n" in self._text:
                self.pid = int(self._text.split(b"\n", 1)[0].split()[1])
            if not data:
                self._outcome = self._read_outcome()
                self._close()
        return self._outcome

    def kill(self) -> None:
        """Cancel, and wait for the end, also where a second signal comes in between."""
        self.cancel()
        self._wait_out()

    def abandon(self) -> None:
        """Let go of it, as if this process were no more, and wait for the end."""
        with self._guard:
            if self._life >= 0:
                os.close(self._life)
                self._life = -1
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
        if number in (errno.ENOENT, errno.ENOTDIR):
            return f"command not found: {self._command[0]}"
        return f"cannot execute {self._command[0]}: {os.strerror(number)}"

    def _close(self) -> None:
        with self._guard:
            if self._life >= 0:
                os.close(self._life)
            os.close(self._result)
            self._life = self._result = -1
        self._supervisor.wait()


def run_watched(
    command: Sequence[str],
    *,
    cwd: str,
    environ: Mapping[str, str],
    log: str,
    timeout: float | None = None,
    grace: float = _GRACE,
    meanwhile: Callable[[Watched], None] | None = None,
    alone: bool = False,
) -> Outcome:
    """Run a command to its end and until nothing is left of it.

    Its standard output and standard error are appended to the file ``log`` as they come; it has no input.
    ``environ`` is its whole environment. ``timeout`` is in seconds; ``grace`` is how long a process has
    between SIGTERM and SIGKILL. ``meanwhile`` is called with what runs, at once and then five times a
    second. Where this call is interrupted, or ``meanwhile`` raises, everything is ended first.
    ``alone`` promises that this process has one thread: then its supervisor is a fork of it, and no Python
    is started for that.

    Raises:
        DiskError: The log cannot be written, or the system cannot start anything.
        UndecidedError: The supervisor cannot be started.
    """
    if any("\0" in word for word in command):
        return Outcome(how="unstarted", reason="there is a NUL in it")
    watched = watch(
        command, cwd=cwd, environ=environ, log=log, timeout=timeout, grace=grace, alone=alone
    )
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
    timeout: float | None = None,
    grace: float = _GRACE,
    alone: bool = False,
) -> Watched:
    """Start a command as :func:`run_watched` does. Whoever asks for that has to wait for it, or to kill it.

    Raises:
        As :func:`run_watched`.
    """
    ensure_folder(os.path.dirname(log) or os.curdir)
    life, holding = os.pipe()
    telling, result = os.pipe()
    try:
        start = _fork if alone else _supervisor
        supervisor = start(log, life, result)
    except BaseException:
        os.close(holding)
        os.close(telling)
        raise
    finally:
        os.close(life)
        os.close(result)
    watched = Watched(supervisor, holding, telling, command, cwd)
    try:
        _write(holding, _order(command, cwd, environ, timeout, grace))
    except OSError:
        pass  # it is dead already (EPIPE), which `wait` tells: `lost`
    except BaseException:
        watched.abandon()
        raise
    return watched


def _supervisor(log: str, life: int, result: int) -> subprocess.Popen[bytes]:
    try:
        with open(log, "ab") as stream:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", _SCRIPT, str(life), str(result), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                pass_fds=(life, result),
                start_new_session=True,
            )
    except OSError as error:
        if error.filename == log or error.errno in (errno.EMFILE, errno.ENFILE):
            raise disk_error(error, "write", log) from error
        refuse_sick(error, sys.executable, "start")
        raise UndecidedError(f"cannot start {sys.executable}: {error.strerror or error}") from error


def _fork(log: str, life: int, result: int) -> _Fork:
    """The supervisor as a fork of this process, which has one thread; it never comes back from here."""
    import ctypes  # noqa: F401  # loaded once, and not by each of them

    from provenv.core import _watchdog_script as script

    parent = os.getpid()
    try:
        with open(log, "ab") as stream:
            pid = os.fork()
            if pid == 0:
                _supervise(script.main, stream.fileno(), life, result, parent)
    except OSError as error:
        if error.filename == log or error.errno in (errno.EMFILE, errno.ENFILE):
            raise disk_error(error, "write", log) from error
        refuse_sick(error, sys.executable, "fork")
        raise UndecidedError(f"cannot fork: {error.strerror or error}") from error
    return _Fork(pid)


def _supervise(
    supervise: Callable[[], None], log: int, life: int, result: int, parent: int
) -> NoReturn:
    """Become the supervisor: with nothing open but what it needs, above all not the other end of LIFE."""
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        for place, descriptor in enumerate((null, log, log)):
            os.dup2(descriptor, place)
        first, second = sorted((life, result))
        most = os.sysconf("SC_OPEN_MAX")
        for begin, end in ((3, first), (first + 1, second), (second + 1, most)):
            os.closerange(begin, end)
        sys.argv[1:] = [str(life), str(result), str(parent)]
        supervise()
    finally:
        os._exit(0)


def _order(
    command: Sequence[str],
    cwd: str,
    environ: Mapping[str, str],
    timeout: float | None,
    grace: float,
) -> bytes:
    """What the supervisor is told: see ``_read_order`` there."""
    limit = "" if timeout is None else repr(float(timeout))
    variables = [f"{name}={value}" for name, value in environ.items()]
    fields = [limit, repr(float(grace)), cwd, str(len(variables)), *variables, *command]
    body = b"".join(os.fsencode(word) + b"\0" for word in fields)
    return b"%d\n%s" % (len(body), body)


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


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

"""Keeps commands company, one after another, and takes all of each away in the end.

``python -I -S _watchdog_script.py LIFE RESULT PARENT``, or :func:`main` in a fork: three numbers. LIFE is
the reading end of a pipe whose other end the parent holds: there comes what to do (:func:`_read_order`), a
byte where the command shall end early, and the next order; its end is where the parent is no more. RESULT
takes two lines for each command: ``started PID``, and how it ended.

On Linux this process adopts what the command's children leave behind (``PR_SET_CHILD_SUBREAPER``), so that
a process which called ``setsid`` and lost its parents is still found. Elsewhere only the command's own
process group can be ended.
"""

# ruff: noqa: BLE001, SIM105  # `contextlib` would be half of the time that it takes to start

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # `signal` would import enum
import os
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    _Order = tuple[float | None, float, bytes, str, dict[bytes, bytes], list[bytes]]

TICK = 0.5  # seconds between two looks at whether the parent is still there
SETTLE = 0.3  # seconds in which what a command left behind may end by itself
WITHOUT_PARENT = 1.0  # nobody waits for a gentle end any more
GIVE_UP = 10.0  # seconds after which what survives SIGKILL is reported as it is

_ASKING = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT)
_asked = False


def main() -> None:
    life, result, parent = (int(word) for word in sys.argv[1:4])
    for descriptor in (life, result):  # not the command's, and not its children's
        os.set_inheritable(descriptor, False)
    control = _process_control()
    adopting = control is not None and control(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
    how = ""
    while how != "orphaned":
        for number in _ASKING:  # nothing runs: there is nothing to end first
            signal.signal(number, signal.SIG_DFL)
        order = _read_order(life, parent)
        if order is None:
            return
        how = _serve(order, life, result, parent, control, adopting=adopting)


def _serve(
    order: _Order,
    life: int,
    result: int,
    parent: int,
    control: Callable[..., int] | None,
    *,
    adopting: bool,
) -> str:
    """Run one command to its end, until nothing is left of it, and tell; how it ended."""
    global _asked
    _asked = False
    for number in _ASKING:  # ended otherwise, this process would end nothing else
        signal.signal(number, _heard)
    timeout, grace, log, folder, environ, command = order
    begun = time.monotonic()
    child, refusal = _start(command, folder, environ, log, control)
    if child is None:
        _tell(result, f"unstarted 0 0.0 0 0 {refusal}\n")
        return "unstarted"
    _tell(result, f"started {child}\n")
    watch = _Watch(life, parent, child, grace, adopting=adopting)
    how = watch.until_end(begun + timeout if timeout is not None else None)
    seconds = time.monotonic() - begun
    ended, alive = watch.clear(how)
    watch.close()
    _tell(result, f"{how} {watch.status} {seconds:.3f} {ended} {alive}\n")
    return how


def _read_order(life: int, parent: int) -> _Order | None:
    """What to do: a line with the number of bytes that follow, and those, in fields that end with NUL.

    The fields: timeout (or nothing), grace, log, folder, the number of variables, these, and the command.
    None where nobody asks any more.
    """
    while not select.select([life], [], [], TICK)[0]:
        if os.getppid() != parent:  # a fork of the parent may hold the pipe open
            return None
    head = b""
    while not head.endswith(b"\n"):
        byte = os.read(life, 1)
        if not byte:
            return None
        head += byte.strip(b"c")  # the command that was to end early had ended by itself
    missing, body = int(head), b""
    while len(body) < missing:
        more = os.read(life, missing - len(body))
        if not more:
            return None
        body += more
    timeout, grace, log, folder, count, *rest = body.split(b"\0")[:-1]
    variables = rest[: int(count)]
    environ = dict(variable.split(b"=", 1) for variable in variables)
    limit = float(timeout) if timeout else None
    return limit, float(grace), log, os.fsdecode(folder), environ, rest[int(count) :]


def _heard(number: int, frame: object) -> None:  # noqa: ARG001  # the shape of a handler
    global _asked
    _asked = True


def _process_control() -> Callable[..., int] | None:
    """``prctl``, or None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        import ctypes

        control: Callable[..., int] = ctypes.CDLL(None).prctl
    except Exception:
        return None
    return control


def _start(
    command: list[bytes],
    folder: str,
    environ: dict[bytes, bytes],
    log: bytes,
    control: Callable[..., int] | None,
) -> tuple[int | None, str]:
    """Start the command in a session of its own; its number, or None and why it cannot be started.

    It has no input; what it writes is appended to ``log``.
    """
    ours = os.getpid()
    told, telling = os.pipe()
    child = os.fork()
    if child == 0:
        doing = "log"
        try:
            os.setsid()
            if control is not None:
                control(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG, SIGKILL: not without this process
                if os.getppid() != ours:
                    os._exit(127)
            for number in range(1, signal.NSIG):
                if number not in (signal.SIGKILL, signal.SIGSTOP):
                    _as_usual(number)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            written = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            os.dup2(written, 1)
            os.dup2(written, 2)
            doing = "enter"
            os.chdir(folder)
            doing = "execute"
            os.execvpe(command[0], command, environ)  # noqa: S606
        except OSError as error:
            os.write(telling, f"{doing} {error.errno}".encode())
        finally:
            os._exit(127)
    os.close(telling)
    refusal = os.read(told, 20)
    os.close(told)
    if refusal:
        os.waitpid(child, 0)
        return None, refusal.decode()
    return child, ""


def _as_usual(number: int) -> None:
    try:
        signal.signal(number, signal.SIG_DFL)
    except (OSError, ValueError):
        pass  # the C library keeps it for itself (32 and 33), and lets nobody change what they do


def _tell(result: int, line: str) -> None:
    try:
        os.write(result, line.encode())
    except OSError:
        pass  # nobody asks any more: the parent is gone, and all is ended the same


class _Watch:
    """One command, from its start until nothing is left of it."""

    def __init__(self, life: int, parent: int, child: int, grace: float, *, adopting: bool) -> None:
        self.status = 0
        self._adopting = adopting
        self._life = life
        self._parent = parent
        self._child = child
        self._grace = grace
        self._running = True
        self._childless = False
        self._bell, bell = os.pipe()
        os.set_blocking(bell, False)
        os.set_blocking(self._bell, False)
        signal.set_wakeup_fd(bell)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def close(self) -> None:
        """Hear nothing any more."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(signal.set_wakeup_fd(-1))
        os.close(self._bell)

    def until_end(self, deadline: float | None) -> str:
        """Wait until the command has ended, or has to: ``ended``, ``late``, ``cancelled``, ``orphaned``."""
        while True:
            self._reap()
            if not self._running:
                return "ended"
            wait = TICK
            if deadline is not None:
                wait = min(wait, deadline - time.monotonic())
                if wait <= 0:
                    return "late"
            if os.getppid() != self._parent:  # a fork of the parent may hold the pipe open
                return "orphaned"
            if _asked:
                return "cancelled"
            ready, _, _ = select.select([self._life, self._bell], [], [], wait)
            if self._life in ready:
                return "cancelled" if os.read(self._life, 1) else "orphaned"
            self._quiet_bell()

    def clear(self, how: str) -> tuple[int, int]:
        """End whatever is left; how many processes that were, and how many would not go."""
        if self._gone(SETTLE if how == "ended" else 0):
            return 0, 0
        seen = set(self._left())
        self._send(signal.SIGTERM, seen)
        self._send(signal.SIGCONT, seen)  # one that is stopped hears nothing else
        grace = min(self._grace, WITHOUT_PARENT) if how == "orphaned" else self._grace
        if self._gone(grace):
            return len(seen), 0
        over = time.monotonic() + GIVE_UP
        while True:
            frozen = self._freeze()
            seen |= frozen
            self._send(signal.SIGKILL, frozen)
            if self._gone(0.1):
                return len(seen), 0
            if time.monotonic() > over:
                return len(seen), len(self._left())

    def _freeze(self) -> set[int]:
        """Stop all, until none is new: what forks as fast as it is killed would go on for ever."""
        seen: set[int] = set()
        for _ in range(100):
            new = set(self._left()) - seen
            if not new:
                break
            self._send(signal.SIGSTOP, new)
            seen |= new
        return seen

    def _send(self, number: int, processes: Iterable[int]) -> None:
        for process in processes:
            try:
                os.kill(process, number)
            except OSError:
                pass  # it is gone, or somebody else's: then it is counted in the end

    def _gone(self, seconds: float) -> bool:
        """Whether nothing is left, or nothing after some seconds at most."""
        over = time.monotonic() + seconds
        pause = 0.005
        while True:
            self._reap()
            # who adopts orphans has children for as long as anything is left
            if self._childless and (self._adopting or not self._left()):
                return True
            wait = min(pause, over - time.monotonic())
            if wait <= 0:
                return False
            time.sleep(wait)
            pause = min(pause * 2, 0.1)

    def _reap(self) -> None:
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._childless = True
                return
            if process == 0:
                return
            if process == self._child:
                self._running = False
                self.status = os.waitstatus_to_exitcode(status)

    def _left(self) -> list[int]:
        """The processes that stem from the command and are not dead."""
        try:
            parents = _parents()
        except OSError:  # no /proc: the command's group is all that can be known
            return _group(self._child)
        found, look = [], [os.getpid()]
        while look:
            for process in parents.get(look.pop(), ()):
                found.append(process)
                look.append(process)
        return found

    def _quiet_bell(self) -> None:
        try:
            os.read(self._bell, 4096)
        except BlockingIOError:
            pass


def _parents() -> dict[int, list[int]]:
    """The children of each process, as far as they are alive."""
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as stream:
                words = stream.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if words[0] not in (b"Z", b"X"):
            found.setdefault(int(words[1]), []).append(int(name))
    return found


def _group(leader: int) -> list[int]:
    try:
        os.killpg(leader, 0)
    except OSError:
        return []
    return [-leader]


if __name__ == "__main__":
    main()

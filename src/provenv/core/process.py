"""Running other programs: arguments never pass a shell, output is collected, a time limit holds."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence

from provenv.core.disk import refuse_sick
from provenv.core.errors import UndecidedError
from provenv.core.values import frozen


@frozen
class Completed:
    """What a program left behind."""

    code: int
    stdout: str
    stderr: str


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | None = None,
    timeout: float | None = None,
    on_line: Callable[[str], None] | None = None,
    whole_group: bool = False,
) -> Completed:
    """Run ``command`` to its end and collect what it wrote (UTF-8, bad bytes replaced).

    ``env`` is the program's whole environment. With ``on_line``, standard output and standard error
    are one stream, handed over line by line and collected in ``stdout``. With ``whole_group``, the
    program gets a process group of its own, which ends with it when the time is over.

    Raises:
        UndecidedError: The program cannot be started, or did not end within ``timeout`` seconds.
        DiskError: The system cannot start any: too many open files, too many processes.
    """
    try:
        with subprocess.Popen(
            list(command),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if on_line else subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            process_group=0 if whole_group else None,
        ) as child:
            try:
                return _collect(child, timeout, on_line)
            except BaseException:
                if whole_group:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(child.pid, signal.SIGKILL)
                child.kill()
                raise
    except OSError as error:
        refuse_sick(error, command[0], "start")
        raise UndecidedError(
            f"cannot start {command[0]}: {error.strerror or error}",
            details={"command": list(command)},
        ) from error
    except subprocess.TimeoutExpired as error:
        raise UndecidedError(
            f"{command[0]} did not end within {timeout:g} seconds",
            details={"command": list(command)},
        ) from error


def _collect(
    child: subprocess.Popen[str], timeout: float | None, on_line: Callable[[str], None] | None
) -> Completed:
    if on_line is None:
        stdout, stderr = child.communicate(timeout=timeout)
        return Completed(code=child.returncode, stdout=stdout, stderr=stderr)
    assert child.stdout is not None
    lines: list[str] = []
    late = threading.Event()

    def stop() -> None:
        late.set()
        child.kill()

    # Reading a line has no time limit of its own: the clock ends the program, and so the reading.
    clock = threading.Timer(timeout, stop) if timeout is not None else None
    if clock is not None:
        clock.start()
    try:
        for line in child.stdout:
            lines.append(line)
            on_line(line.rstrip("\n"))
        code = child.wait()
    finally:
        if clock is not None:
            clock.cancel()
    if late.is_set():
        assert timeout is not None
        raise subprocess.TimeoutExpired(child.args, timeout)
    return Completed(code=code, stdout="".join(lines), stderr="")

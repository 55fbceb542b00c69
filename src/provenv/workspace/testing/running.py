"""Running the command of a cell: its output in a file, and all that it started ended with it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from provenv.core.disk import refuse_sick
from provenv.core.errors import CommandError
from provenv.core.files import ensure_folder
from provenv.core.values import frozen

_LOOK = 0.2
"""Seconds between two looks at what was written last."""
_GRACE = 3.0
"""Seconds that a command has after SIGTERM, before SIGKILL."""
_TAIL = 4096


@frozen
class Ended:
    """How a command ended: ``code`` is None where it was ended because its time was over."""

    code: int | None
    seconds: float
    line: str


def run_logged(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    cwd: str,
    log: str,
    timeout: float | None = None,
    wrote: Callable[[str], None] | None = None,
) -> Ended:
    """Run ``command`` to its end, with everything that it writes in the file ``log``.

    ``environ`` is its whole environment. ``wrote`` is told the last line now and then. What the command
    started and left running is ended with it.

    Raises:
        CommandError: It cannot be started.
        DiskError: The log cannot be written.
    """
    ensure_folder(os.path.dirname(log))
    started = time.monotonic()
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    except OSError as error:
        refuse_sick(error, log, "write")
        raise
    try:
        child = subprocess.Popen(
            list(command),
            env=dict(environ),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    except OSError as error:
        refuse_sick(error, command[0], "start")
        raise CommandError(
            f"cannot execute {command[0]}: {error.strerror}", hint=None, code=126
        ) from error
    finally:
        os.close(output)
    try:
        code = _wait(child, started, log, timeout, wrote)
    finally:
        _end(child)
    return Ended(code=code, seconds=time.monotonic() - started, line=last_line(log))


def _wait(
    child: subprocess.Popen[bytes],
    started: float,
    log: str,
    timeout: float | None,
    wrote: Callable[[str], None] | None,
) -> int | None:
    """The exit code; None where the time is over."""
    said = ""
    while True:
        left = None if timeout is None else started + timeout - time.monotonic()
        if left is not None and left <= 0:
            return None
        step = min(_LOOK if wrote is not None else 60.0, 60.0 if left is None else left)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(step)
        if wrote is not None and (line := last_line(log)) != said:
            said = line
            wrote(line)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End what is left of the command's session: first kindly."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def last_line(path: str) -> str:
    """The last line of a log that says something; empty where there is none."""
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _TAIL))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
    for line in reversed(text.splitlines()):
        if line.strip():
            return line.strip()
    return ""


def found_command(
    words: Sequence[str], environ: Mapping[str, str], cwd: str, own: str
) -> tuple[str, ...]:
    """The words with the first of them found: in the environment ``own``, else on ``PATH``.

    A Python program from elsewhere would run with another Python than that of the cell, and what it said
    would be about that one; it is refused. A shell, ``make`` and the like are welcome.

    Raises:
        CommandError: It is not there, cannot be executed, or is a Python program from elsewhere.
    """
    name = words[0]
    if name.endswith(".py") and os.path.isfile(os.path.join(cwd, name)):
        return (os.path.join(own, "bin", "python"), *words)
    place = os.path.join(cwd, name) if os.sep in name else name
    path = shutil.which(place, path=environ.get("PATH", os.defpath))
    if path is None:
        there = os.sep in name and os.path.exists(place)
        raise CommandError(
            f"cannot execute {name}" if there else f"command not found: {name}",
            hint="Make it executable."
            if there
            else "It is neither in the environment nor on PATH. A dependency group that the environment "
            "holds (as `test`), or `packages` of [tool.provenv.matrix], brings it.",
            code=126 if there else 127,
        )
    if not path.startswith(f"{own}/") and os.sep not in name and _is_python(path):
        raise CommandError(
            f"{name} is not in the environment, and {path} would run with another Python",
            hint=f"Add {name} to a dependency group that the environment holds (as `test`).",
            code=127,
        )
    return (path, *words[1:])


def _is_python(path: str) -> bool:
    """Whether a program is a Python, or is written in it; a pyenv shim may start either."""
    if os.path.basename(path).startswith(("python", "pypy")):
        return True
    if os.path.basename(os.path.dirname(path)) == "shims":
        return True
    try:
        with open(path, "rb") as stream:
            head = stream.read(512)
    except OSError:
        return False
    # the second line where the path of the interpreter was too long for the first
    return head.startswith(b"#!") and b"python" in b"\n".join(head.split(b"\n")[:2])

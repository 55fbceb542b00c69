"""Running the command of a cell under a watchdog, with all that it writes in a file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence

from provenv.core.errors import CommandError
from provenv.core.supervisor import Supervisor
from provenv.core.watchdog import Outcome, last_line, run_watched


def run_logged(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    cwd: str,
    log: str,
    timeout: float | None = None,
    wrote: Callable[[str], None],
    supervisor: Supervisor | None = None,
) -> Outcome:
    """Run ``command`` to its end, with everything that it writes in the file ``log``, written anew.

    ``environ`` is its whole environment. ``wrote`` is told the last line now and then. What the command
    started and left running is ended with it, and all of it where this call is interrupted.
    ``supervisor`` is asked for that, where there is one.

    Raises:
        DiskError: The log cannot be written, or the system cannot start anything.
        UndecidedError: The watchdog cannot be started.
    """
    return run_watched(
        command,
        cwd=cwd,
        environ=environ,
        log=log,
        anew=True,
        timeout=timeout,
        meanwhile=reading(log, wrote),
        supervisor=supervisor,
    )


def reading(log: str, wrote: Callable[[str], None]) -> Callable[[object], None]:
    """What, whenever it is called, tells the last line of ``log`` where that is another than before."""
    said = ""

    def look(_: object) -> None:
        nonlocal said
        if (line := last_line(log)) != said:
            said = line
            wrote(line)

    return look


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
            else "It is neither in the environment nor on PATH. Add it to a dependency group that the "
            "environment holds (as `test`).",
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

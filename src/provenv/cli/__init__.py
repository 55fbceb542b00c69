"""Floor 7: parse, call a use case, draw. One command a file; text and JSON side by side.

``main`` looks whether the call is one of the few that must cost no more than a few milliseconds, and
otherwise hands over to :mod:`provenv.cli.app`.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # `typing` costs 4 ms to import
if TYPE_CHECKING:
    from typing import NoReturn

    from provenv.workspace.begun import HeadStart


def main(argv: list[str] | None = None) -> int:
    """The entry point of the command line; returns the exit code.

    Without ``argv``, as the installed program calls it, it does not return but ends the process.
    """
    arguments = sys.argv[1:] if argv is None else argv
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _open_streams()
    code = _run(arguments)
    if argv is None:
        _end(code)
    return code


def _run(arguments: list[str]) -> int:
    head: HeadStart | None = None
    if arguments in (["--version"], ["-V"]) and _tell_version():
        return 0
    if arguments and arguments[0] in ("run", "sync", "lock", "env", "audit", "test"):
        from provenv.cli import hot

        try:
            if arguments[0] == "test":
                code, head = None, hot.head_start(arguments)
            else:
                code = hot.attempt(arguments)
        except KeyboardInterrupt as error:
            from provenv.cli import signals
            from provenv.core.errors import safe_of

            safe = safe_of(error)
            said = f"{signals.INTERRUPTED}: {safe}" if safe else signals.INTERRUPTED
            sys.stderr.write(f"{said}\n")
            code = signals.exit_code(error)
        if code is not None:
            return code
    try:
        import gc

        # importing makes many objects and no garbage: a fifth of the start
        gc.set_threshold(50_000)
        from provenv.cli.app import main as whole_program

        return whole_program(arguments, head)
    finally:
        if head is not None:
            head.end()


def _tell_version() -> bool:
    """Say the version; False where it cannot be written: the whole program says why."""
    from provenv import __version__

    try:
        print(f"provenv {__version__}", flush=True)
    except OSError:
        return False
    return True


def _end(code: int) -> NoReturn:
    """End at once: taking the interpreter down properly takes 2 to 8 ms, and has nothing to save."""
    signal = sys.modules.get("_signal")
    if signal is not None:  # all is done: a signal that comes now has nothing to interrupt
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (BrokenPipeError, ValueError):  # nobody reads on; the exit code tells
            pass
        except OSError as error:
            code = code or (_unwritten(error) if stream is sys.stdout else 0)
    os._exit(code)


def _open_streams() -> None:
    """Where the caller has closed a standard stream, let it lead nowhere.

    The next file that is opened would else get its number, and what is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            if descriptor != number:
                os.dup2(descriptor, number)
            os.set_inheritable(number, True)
            stream = open(number, "w" if number else "r", encoding="utf-8")  # noqa: SIM115  # to the end
            setattr(sys, name, stream)


def _unwritten(error: OSError) -> int:
    """Say that standard output could not be written to its end; returns the exit code."""
    from provenv.cli.draw import unwritten

    found = unwritten(error)
    from contextlib import suppress

    with suppress(OSError):
        sys.stderr.write(f"error: {found.message}\nhint: {found.hint}\n")
    return found.exit_code

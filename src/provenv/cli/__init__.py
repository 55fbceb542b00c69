"""Floor 7: parse, call a use case, draw. One command a file; text and JSON side by side.

``main`` looks whether the call is one of the few that must cost no more than a few milliseconds, and
otherwise hands over to :mod:`provenv.cli.app`.
"""

from __future__ import annotations

import os
import sys


def main(argv: list[str] | None = None) -> int:
    """The entry point of the command line; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments and arguments[0] in ("run", "sync", "lock"):
        from provenv.cli import hot

        try:
            code = hot.attempt(arguments)
        except KeyboardInterrupt:
            sys.stderr.write("interrupted; nothing is half-done\n")
            code = 130
        if code is not None:
            if (
                argv is None
            ):  # taking the interpreter down properly takes 2 ms, and has nothing to save
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
            return code
    import gc

    gc.set_threshold(50_000)  # importing makes many objects and no garbage: a fifth of the start
    from provenv.cli.app import main as whole_program

    return whole_program(arguments)

"""The calls that must cost milliseconds: ``run`` and ``sync`` in their usual forms.

Understands ``run [-e NAME] [--] CMD…`` and ``sync [-e NAME] [-q] [--locked] [--offline]``; anything
else, and any doubt, is left to the whole program by answering None. Imports nothing heavier than
``os`` (a test holds it to that).
"""

from __future__ import annotations

import gc
import os
import sys

from provenv.cli.place import command_line, home_folder
from provenv.workspace import fast

_PLAIN = ("-q", "--quiet", "--locked", "--offline")


class _Call:
    __slots__ = ("command", "environment", "quiet", "rest")

    def __init__(self, command: str) -> None:
        self.command = command
        self.environment: str | None = None
        self.quiet = False
        self.rest: list[str] = []


def attempt(arguments: list[str]) -> int | None:
    """Do the call, if it is one of those and nothing stands in the way.

    Returns:
        The exit code, or None where the whole program must decide. A started command does not
        return.
    """
    call = _parse(arguments)
    if call is None:
        return None
    gc.disable()  # this process lives for milliseconds; looking for garbage would cost some of them
    code = _attempt(call, command_line(arguments))
    if code is None:
        gc.enable()
    return code


def _attempt(call: _Call, cause: str) -> int | None:
    try:
        root = fast.find_root(os.getcwd())
        if root is None:
            return None
        home = home_folder(os.environ)
        held = call.command == "run"
        outcome = fast.in_sync(root, call.environment, home, held=held)
        if outcome is None and "PROVENV_INDEX_URL" not in os.environ:
            outcome = fast.sync_known(root, call.environment, home, os.environ, cause)
    except OSError:
        return None  # the whole program says what is wrong
    if outcome is None:
        return None
    if call.command == "run":
        return _become(outcome, call.rest)
    if not call.quiet:
        said = "made" if outcome.made else "nothing to do:"
        number = f"generation {outcome.generation}"
        print(f"{outcome.environment}: {said} {number}", file=sys.stderr)
    return 0


def _become(outcome: fast.Outcome, command: list[str]) -> int:
    from provenv.workspace import run

    try:
        run.start(outcome.folder, outcome.generation, command, os.environ)
    except Exception as error:
        from provenv.core.errors import ProvenvError

        if not isinstance(error, ProvenvError):
            raise
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_code


def _parse(arguments: list[str]) -> _Call | None:
    """The call in plain terms; None where it is not one of the usual forms."""
    call = _Call(arguments[0])
    words = iter(arguments[1:])
    for word in words:
        if word in ("-e", "--environment"):
            name = next(words, None)
            if name is None or call.environment is not None or not _is_name(name):
                return None
            call.environment = name
        elif call.command == "run" and word == "--":
            call.rest = list(words)
        elif call.command == "sync" and word in _PLAIN:
            call.quiet = call.quiet or word in ("-q", "--quiet")
        elif call.command == "run" and not word.startswith("-"):
            call.rest = [word, *words]
        else:
            return None
    if (call.command == "run") != bool(call.rest):
        return None
    return call


def _is_name(text: str) -> bool:
    return text not in ("", ".", "..") and "/" not in text and not text.startswith("-")

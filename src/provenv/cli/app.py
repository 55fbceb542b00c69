"""The whole program: parse, call one command, draw what went wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from provenv import __version__
from provenv.cli import signals
from provenv.cli.commands import load_chosen
from provenv.cli.options import Options, read_options
from provenv.cli.parser import DESCRIPTION, START, parse, split
from provenv.cli.session import Session, write_json
from provenv.core.errors import (
    NOTHING_CHANGED,
    DiskError,
    ProvenvError,
    UsageError,
    safe_of,
    say_safe,
)

if TYPE_CHECKING:
    from provenv.workspace.begun import HeadStart

_BROKEN_PIPE = 141  # as a shell reports a command that SIGPIPE ended
_INTERNAL = 3


def main(arguments: Sequence[str], head: HeadStart | None = None) -> int:
    """Run one command line; returns the exit code. A command that ``run`` starts does not return.

    ``head`` is what the short way of ``test`` has begun; whoever calls ends what is left of it.
    """
    session = Session(_early(arguments), os.environ, arguments)
    try:
        signals.take_way_out()
        session = _understand(arguments)
        session.head = head
        return _dispatch(session)
    except SystemExit as error:  # --help has been answered
        return _code(error)
    except ProvenvError as error:
        if isinstance(error, DiskError):
            error.amend(_phase(session))
        return _refused(session, error)
    except KeyboardInterrupt as error:
        _interrupted(session, safe_of(error))
        return signals.exit_code(error)
    except BrokenPipeError:
        return _unread()
    except OSError as error:
        return _disk(session, error)
    except Exception as error:  # noqa: BLE001  # whatever it is, no user is shown a traceback
        return _failed(session, error)
    finally:
        session.progress.close()


def _early(arguments: Sequence[str]) -> Options:
    """How to draw the errors of a command line that cannot be understood."""
    own, _ = split(arguments)
    return Options(json="--json" in own, quiet="-q" in own or "--quiet" in own)


def _understand(arguments: Sequence[str]) -> Session:
    args = parse(arguments)
    options = read_options(args)
    session = Session(options, os.environ, arguments, args.words)
    session.args = args
    if options.directory is not None:
        try:
            os.chdir(options.directory)
        except OSError as error:
            raise UsageError(f"--directory {options.directory}: {error.strerror}") from error
    return session


def _dispatch(session: Session) -> int:
    if session.args.version:
        _version(session)
        return 0
    if session.args.command is None:
        session.alarm.line(f"{DESCRIPTION}\n\n{START}")
        return 2
    args = session.args
    code: int = load_chosen(args.command, getattr(args, "action", None)).run(args, session)
    return code


def _version(session: Session) -> None:
    session.answer(
        "version",
        lambda: {"version": __version__},
        lambda screen: screen.line(f"provenv {__version__}"),
    )


def _code(error: SystemExit) -> int:
    return error.code if isinstance(error.code, int) else 0


def _refused(session: Session, error: ProvenvError) -> int:
    session.progress.close()
    if safe_of(error) is None:  # what changes something says so itself
        say_safe(error, NOTHING_CHANGED)
    if session.options.json:
        try:
            _error_document(error.kind, error.message, error.hint, error.details)
        except DiskError:  # standard output cannot be written: then this is all that can be said
            session.alarm.error(error.message, error.hint)
        return error.exit_code
    session.alarm.error(error.message, error.hint, _told(error))
    return error.exit_code


def _told(error: ProvenvError) -> str | None:
    """What is safe, where that is news: a call that is wrong has changed nothing."""
    safe = safe_of(error)
    return None if safe == NOTHING_CHANGED and error.kind in ("usage", "command") else safe


def _disk(session: Session, error: OSError) -> int:
    """What the file system refused where nobody expected it."""
    from provenv.core.files import unforeseen

    _trace()
    if _is_nowhere():
        gone = UsageError(
            "the folder that this was called in is gone",
            hint="Change into one that is there, or choose one with --directory.",
        )
        return _refused(session, gone)
    found = unforeseen(error)
    found.amend(_phase(session))
    return _refused(session, found)


def _is_nowhere() -> bool:
    """Whether the current folder was removed, as by a checkout in another terminal."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _phase(session: Session) -> str:
    """What was being done, where nobody knows it more closely: the command."""
    words = (getattr(session.args, name, None) for name in ("command", "action"))
    return f"`{' '.join(['provenv', *filter(None, words)])}`"


def _trace() -> None:
    if os.environ.get("PROVENV_DEBUG", "") not in ("", "0"):
        import traceback

        traceback.print_exc()


def _error_document(kind: str, message: str, hint: str | None, details: object) -> None:
    error = {"kind": kind, "message": message, "hint": hint, "details": details}
    write_json("provenv.error/1", {"error": error})


def _interrupted(session: Session, safe: str | None) -> None:
    session.progress.close()
    message = signals.INTERRUPTED
    if session.options.json:
        _error_document("interrupted", message, None, {"safe": safe} if safe else {})
    else:
        session.alarm.line(f"{message}: {safe}" if safe else message)


def _unread() -> int:
    """Nobody reads standard output any more (``provenv tree | head``): end without a word."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return _BROKEN_PIPE


def _failed(session: Session, error: Exception) -> int:
    session.progress.close()
    _trace()
    message = f"provenv failed where it should not: {type(error).__name__}: {error}"
    hint = "Please report this, with what PROVENV_DEBUG=1 and the same command print."
    safe = safe_of(error)
    if session.options.json:
        _error_document("internal", message, hint, {"safe": safe} if safe else {})
    else:
        session.alarm.error(message, hint, safe)
    return _INTERNAL

"""``provenv python pin``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, short_path
from provenv.cli.session import Session
from provenv.core.errors import UsageError

if TYPE_CHECKING:
    from provenv.workspace.host.pinning import PinResult

DESCRIPTION = """\
Write the project's .python-version, or say what it is pinned to (exit code 1 where it is not). Comments
in the file stay; what requires-python excludes is refused."""
EXAMPLES = (
    ("provenv python pin 3.13", "write .python-version"),
    ("provenv python pin", "what the project is pinned to"),
    ("provenv python pin --rm", "take the pin away"),
)
PROJECT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "requests", nargs="*", metavar="REQUEST", help="the preferred first; none: say what is"
    )
    parser.add_argument("--rm", action="store_true", help="take the pin away")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.host import pinning

    if args.rm and args.requests:
        raise UsageError("--rm takes the pin away: no REQUEST")
    if not args.rm and not args.requests:
        result = pinning.read_pin(session.project, session.context)
        session.answer("python-pin", lambda: data(result), lambda s: text(result, s))
        return 0 if result.after else 1
    if args.rm:
        result = pinning.unpin_python(session.project, session.context)
    else:
        result = pinning.pin_python(session.project, session.context, args.requests)
    session.report("python-pin", lambda: data(result), lambda s: text(result, s))
    return 0


def text(result: PinResult, screen: Screen) -> None:
    if not result.after or result.file is None:
        screen.line("not pinned")
        return
    where = screen.paint("dim", short_path(result.file))
    meant = f" → {result.path}" if result.path else ""
    screen.line(f"{' '.join(result.after)}{meant}  {where}")


def data(result: PinResult) -> dict[str, Any]:
    return {
        "file": result.file,
        "before": list(result.before),
        "after": list(result.after),
        "path": result.path,
    }

"""``provenv build``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, seconds, short_path
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.exchange.publishing import BuildResult

DESCRIPTION = """\
Build the project's sdist and wheel into dist. uv builds them, in an environment of its own, with
what comes from the project's indexes."""
EXAMPLES = (
    ("provenv build", "both, into dist"),
    ("provenv build --wheel -o /tmp/wheels", "a wheel alone, elsewhere"),
)
PROJECT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--wheel", action="store_true", help="only the wheel")
    group.add_argument("--sdist", action="store_true", help="only the sdist")
    parser.add_argument("-o", "--output", metavar="DIR", help="write to DIR (dist in the project)")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.exchange.publishing import build

    result = build(
        session.project,
        session.context,
        output=None if args.output is None else os.path.abspath(args.output),
        wheel=not args.sdist,
        sdist=not args.wheel,
    )
    session.report("build", lambda: data(result), lambda screen: text(result, screen))
    return 0


def text(result: BuildResult, screen: Screen) -> None:
    for path in result.files:
        screen.line(f"{screen.paint('good', 'built')} {short_path(path)}")
    screen.line(screen.paint("dim", f"in {seconds(result.seconds)}"))


def data(result: BuildResult) -> dict[str, Any]:
    return {
        "output": result.output,
        "files": list(result.files),
        "seconds": round(result.seconds, 4),
    }

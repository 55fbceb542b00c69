"""``provenv allow``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen
from provenv.cli.session import Session
from provenv.core.errors import UsageError

if TYPE_CHECKING:
    from provenv.workspace.projects.trust import Trusted

DESCRIPTION = """\
Let the shell's hook (`provenv hook`) activate the environment of the project that a folder lies in.
The folder is remembered by its real path, and must be yours."""
EXAMPLES = (
    ("provenv allow", "the project here"),
    ("provenv allow --list", "what is allowed"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", metavar="DIR", help="a folder of the project")
    parser.add_argument("--list", action="store_true", help="say which folders are allowed")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.projects.trust import allow, allowed_folders

    if args.list:
        if args.folder is not None:
            raise UsageError("--list is about all folders: it takes no DIR")
        folders = allowed_folders(session.context)
        session.answer("allow-list", lambda: list_data(folders), lambda s: list_text(folders, s))
        return 0
    result = allow(session.context, os.path.abspath(args.folder or os.getcwd()))
    session.report("allow", lambda: data(result), lambda screen: text(result, screen))
    return 0


def text(result: Trusted, screen: Screen) -> None:
    word = "allowed" if result.allowed else "not allowed"
    already = "" if result.changed else ", as before"
    screen.line(f"{result.folder}: {word}{already}")


def data(result: Trusted) -> dict[str, Any]:
    return {"folder": result.folder, "allowed": result.allowed, "changed": result.changed}


def list_text(folders: tuple[str, ...], screen: Screen) -> None:
    for folder in folders:
        gone = "" if os.path.isdir(folder) else f"  {screen.paint('warn', 'not there any more')}"
        screen.line(f"{folder}{gone}")


def list_data(folders: tuple[str, ...]) -> dict[str, Any]:
    return {"folders": [{"folder": f, "exists": os.path.isdir(f)} for f in folders]}

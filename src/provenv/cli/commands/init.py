"""``provenv init``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, short_path
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.syncing.edit import InitResult

DESCRIPTION = """\
Make a project: pyproject.toml and entries in .gitignore. Where they are there already, only
what is missing is added; nothing is overwritten."""
EXAMPLES = (
    ("provenv init", "in this folder, named after it"),
    ("provenv init shop", "in the folder shop, made if it is missing"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", default=".", metavar="FOLDER", help="where (here)")
    parser.add_argument("--name", metavar="NAME", help="the project's name (the folder's)")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.syncing.edit import init

    result = init(os.path.abspath(args.folder), session.context, name=args.name)
    session.report("init", lambda: data(result), lambda screen: text(result, screen))
    return 0


def text(result: InitResult, screen: Screen) -> None:
    where = "" if short_path(result.root) == "." else f" in {short_path(result.root)}"
    for verb, files in (("made", result.created), ("completed", result.completed)):
        if files:
            screen.line(f"{screen.paint('good', verb)} {', '.join(files)}{where}")
    if not result.created and not result.completed:
        screen.line(f"nothing to do: {result.name} is a project already{where}")
    else:
        screen.line(f"{result.name} asks for Python {result.requires_python}")
        screen.line(f"{screen.paint('hint', 'next:')} provenv add NAME")


def data(result: InitResult) -> dict[str, Any]:
    return {
        "root": result.root,
        "name": result.name,
        "requires_python": result.requires_python,
        "created": list(result.created),
        "completed": list(result.completed),
    }

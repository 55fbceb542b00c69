"""``provenv new``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from provenv.cli import syncing
from provenv.cli.draw import Screen, short_path
from provenv.cli.session import Session
from provenv.templates.projects import TEMPLATES

if TYPE_CHECKING:
    from provenv.workspace.exchange.new import NewResult

DESCRIPTION = """\
Lay out a new project in a folder of its own: src and tests, pyproject.toml with the four
environments, .gitignore, README, the lock and the default environment. Its tests pass at once."""
EXAMPLES = (
    ("provenv new orders --template service", "an HTTP service in the folder orders"),
    ("provenv new shop-models", "a library, imported as shop_models"),
    ("cd orders && provenv run pytest", "its tests"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="NAME", help="the folder, and the project's name")
    parser.add_argument(
        "--template",
        choices=tuple(TEMPLATES),
        default="library",
        metavar="KIND",
        help="service, library (the default) or cli",
    )
    parser.add_argument("--name", metavar="NAME", help="the project's name, where not the folder's")
    parser.add_argument("--no-sync", action="store_true", help="neither lock nor sync")
    parser.add_argument("--no-git", action="store_true", help="begin no git repository")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.exchange.new import new

    result = new(
        os.path.abspath(args.folder),
        session.context,
        template=args.template,
        name=args.name,
        synced=not args.no_sync,
        git=not args.no_git,
    )
    session.report("new", lambda: data(result), lambda screen: text(result, screen))
    if result.failure is None:
        return 0
    if not session.options.json:
        session.alarm.prose(session.alarm.paint("warn", "not locked:"), result.failure.message)
        hint = f"When that is mended: cd {short_path(result.root)} && provenv sync"
        session.alarm.prose(session.alarm.paint("hint", "hint:"), hint)
    return result.failure.exit_code


def text(result: NewResult, screen: Screen) -> None:
    where = short_path(result.root)
    screen.line(f"{screen.paint('good', 'made')} {result.name}, a {result.template}, in {where}")
    if result.repository:
        screen.line("a git repository was begun; nothing is committed")
    if result.sync is not None:
        syncing.text(result.sync, screen, verbose=False)
        change = "" if where == "." else f"cd {where} && "
        screen.line(f"{screen.paint('hint', 'next:')} {change}provenv run pytest")


def data(result: NewResult) -> dict[str, Any]:
    failure = result.failure
    return {
        "root": result.root,
        "name": result.name,
        "module": result.module,
        "template": result.template,
        "files": list(result.files),
        "repository": result.repository,
        "sync": None if result.sync is None else syncing.data(result.sync),
        "failure": None
        if failure is None
        else {"kind": failure.kind, "message": failure.message, "hint": failure.hint},
    }

"""``provenv env remove``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, short_path
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.cli.targets import Target
    from provenv.workspace.named.removing import RemoveResult

DESCRIPTION = """\
Remove an environment: its generations and the store's link to it. Of several Pythons, all, unless
NAME says which (test@3.12). What provenv did not make stays and is named; the declaration in
pyproject.toml stays unless --undeclare is given. One outside of projects goes with its project."""
EXAMPLES = (
    ("provenv env remove staging", "asks first"),
    ("provenv env remove --yes --undeclare docs", "and takes it out of pyproject.toml"),
)
PROJECT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of the environment")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--force", action="store_true", help="although a process runs in it, or it has edits"
    )
    parser.add_argument(
        "--undeclare", action="store_true", help="take it out of pyproject.toml, too"
    )


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.cli import asking
    from provenv.workspace.named.removing import candidates, remove_environment

    target, name = _target(args.name, session)
    listed = [path for _, path in candidates(target.project, name) if os.path.isdir(path)]
    if target.outside and name is None:
        listed = [target.project.root]
    if listed or args.undeclare:
        what = ", ".join(map(short_path, listed)) or "the declaration"
        asking.confirm(session, f"Remove {args.name} ({what})?", yes=args.yes)
    result = remove_environment(
        target.project, session.context, name, force=args.force, undeclared=args.undeclare
    )
    session.report(
        "env-remove", lambda: data(result), lambda screen: text(args.name, result, screen)
    )
    return 0


def _target(name: str, session: Session) -> tuple[Target, str | None]:
    """The environment, which may be one that is no longer declared: its folder tells."""
    from provenv.cli import targets
    from provenv.core.errors import UsageError
    from provenv.workspace.named.removing import candidates
    from provenv.workspace.projects.context import find_root

    try:
        target = targets.find(session, name)
    except UsageError:
        if find_root(os.getcwd()) is None:
            raise
        candidates(session.project, name)
        return targets.Target(project=session.project, environment=None), name
    return target, target.environment


def text(name: str, result: RemoveResult, screen: Screen) -> None:
    for _, folder in result.environments:
        screen.line(f"{screen.paint('good', 'removed')} {short_path(folder)}")
    if result.project is not None:
        screen.line(f"{screen.paint('good', 'removed')} {short_path(result.project)}")
    elif result.files:
        screen.line(f"{screen.paint('good', 'changed')} {', '.join(result.files)}")
    if not result.environments and not result.files:
        screen.line(f"{name}: nothing to remove: it is not made")
    for path in result.left:
        screen.line(f"{screen.paint('warn', 'left')} {short_path(path)}: provenv did not make it")


def data(result: RemoveResult) -> dict[str, Any]:
    return {
        "environments": [
            {"environment": name, "folder": folder} for name, folder in result.environments
        ],
        "project": result.project,
        "files": list(result.files),
        "left": list(result.left),
    }

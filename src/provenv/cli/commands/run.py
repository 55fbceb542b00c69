"""``provenv run``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from provenv.cli import syncing
from provenv.cli.session import Session
from provenv.core.errors import UsageError

if TYPE_CHECKING:
    from provenv.cli.targets import Target

DESCRIPTION = """\
Sync the environment if needed, then become the command: its signals, exit code, terminal and
input are its own. Everything from the first word that is no option belongs to the command."""
EXAMPLES = (
    ("provenv run python app.py", "or `provenv run app.py`"),
    ("provenv run -e test pytest -x", "in another environment"),
    ("provenv run -e test@3.12 pytest", "in one of several Pythons"),
    ("provenv run -- mypy --strict src", "-- ends provenv's options"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-sync", action="store_true", help="use the environment as it is")
    parser.add_argument("--locked", action="store_true", help="refuse a stale lock")
    parser.add_argument("--python", metavar="REQUEST", help="interpreter, as for sync")
    parser.add_argument("words", nargs="...", metavar="CMD", help="the command and its arguments")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.run import start

    if not session.words:
        raise UsageError("run needs a command", hint="For example: `provenv run python`.")
    if args.no_sync and (args.locked or args.python):
        raise UsageError("--no-sync leaves the environment as it is: no --locked, no --python")
    folder, number = _as_it_is(session) if args.no_sync else _synced(args, session)
    session.progress.close()
    start(folder, number, session.words, session.environ)


def _as_it_is(session: Session) -> tuple[str, int]:
    from provenv.environments import generations, switch

    target = session.target
    folder = target.project.folder(target.project.manifest.environment(target.environment))
    generations.refuse_foreign(folder)
    number = switch.current(folder)
    if number is None:
        raise UsageError(
            f"there is no environment in {folder} yet", hint="Without --no-sync it is made."
        )
    return folder, number


def _settled(target: Target, session: Session) -> tuple[str, int] | None:
    """After a power cut, what was in sync and is whole stays; so does what a rollback chose."""
    from provenv.core.files import locked
    from provenv.workspace import fast
    from provenv.workspace.settling import settle

    home = session.context.home
    if not fast.unsettled(home.root):
        return None
    with locked(home.lock, shared=True):
        settle(session.context)
    asked = fast.Asked(target.environment)
    outcome = fast.in_sync(target.project.root, asked, home.root, held=True)
    return None if outcome is None else (outcome.folder, outcome.generation)


def _synced(args: argparse.Namespace, session: Session) -> tuple[str, int]:
    from provenv.workspace.sync import sync

    target = session.target
    if not (args.python or args.locked):
        as_it_is = _settled(target, session)
        if as_it_is is not None:
            return as_it_is
    result = sync(
        target.project,
        session.context,
        environment=target.environment,
        python=args.python,
        locked_only=args.locked,
    )
    if result.made:  # said on standard error: standard output is the command's
        session.progress.close()
        syncing.text(result, session.talk, verbose=session.options.verbose)
    return result.folder, result.generation

"""How `run`, `shell` and `activate` come to the environment that they enter: synced first, or as it is."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from provenv.cli import syncing
from provenv.cli.session import Session
from provenv.core.errors import CommandError, UsageError

if TYPE_CHECKING:
    from provenv.cli.targets import Target


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-sync", action="store_true", help="use the environment as it is")
    parser.add_argument("--locked", action="store_true", help="refuse a stale lock")
    parser.add_argument("--python", metavar="REQUEST", help="interpreter, as for sync")


def enter(args: argparse.Namespace, session: Session) -> tuple[str, int]:
    """The environment's folder and the number of its generation; what a sync did is said.

    Raises:
        UsageError: ``--no-sync`` with options of a sync, or without an environment.
        CommandError: ``--no-sync``, and the environment's interpreter is gone.
        ProvenvError: As ``sync``.
    """
    if args.no_sync and (args.locked or args.python):
        raise UsageError("--no-sync leaves the environment as it is: no --locked, no --python")
    from provenv.environments import stamp
    from provenv.workspace.host.ownership import check_store

    check_store(session.context)
    folder, number = _as_it_is(session) if args.no_sync else _synced(args, session)
    stamp.used(folder)
    return folder, number


def _as_it_is(session: Session) -> tuple[str, int]:
    from provenv.environments import generations, switch
    from provenv.workspace.host import registry

    target = session.target
    folder = target.project.folder(target.project.manifest.environment(target.environment))
    generations.refuse_foreign(folder)
    number = switch.current(folder)
    if number is None:
        raise UsageError(
            f"there is no environment in {folder} yet", hint="Without --no-sync it is made."
        )
    lost = generations.lost_interpreter(folder, number)
    if lost is not None:  # `python` would be another one on PATH, outside of the environment
        raise CommandError(
            registry.gone(lost), hint="Without --no-sync it is repaired with another.", code=126
        )
    _refuse(target, session, folder, number)
    registry.take_note(session.context, folder, number)
    return folder, number


def _refuse(target: Target, session: Session, folder: str, number: int) -> None:
    """Refuse what a policy refuses: that nothing is synced changes nothing about what runs."""
    from provenv.workspace.projects.governed import may_be_governed

    if may_be_governed(target.project, session.context):
        from provenv.environments import generations
        from provenv.workspace.governing.freshness import require_generation

        made = generations.read_generation(folder, number)
        require_generation(target.project, session.context, folder, made)


def _synced(args: argparse.Namespace, session: Session) -> tuple[str, int]:
    from provenv.workspace.syncing.standing import standing

    target = session.target
    if not args.python:
        held = not args.locked  # what goes against the lock is not what a fresh lock says
        found = standing(target.project, session.context, target.environment, held=held)
        if found is not None:
            return found
    from provenv.workspace.syncing.sync import sync

    result = sync(
        target.project,
        session.context,
        environment=target.environment,
        python=session.request(args.python),
        locked_only=args.locked,
    )
    if result.made:  # said on standard error: standard output is the command's
        session.progress.close()
        syncing.text(result, session.talk, verbose=session.options.verbose)
    return result.folder, result.generation

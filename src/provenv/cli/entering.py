"""How `run`, `shell` and `activate` come to the environment that they enter: synced first, or as it is."""

from __future__ import annotations

import argparse
import os
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


def _settled(target: Target, session: Session) -> tuple[str, int] | None:
    """What is in sync, or what a rollback chose, stays; after a power cut, where it is whole.

    Who may not write it, as a service that root installed, uses it all the same: what would be written down
    is found out each time.
    """
    from provenv.core.files import locked
    from provenv.workspace import fast
    from provenv.workspace.proving.aftermath import require_whole, settle

    context = session.context
    home = context.home
    root = target.project.root
    folder = target.project.folder(target.project.manifest.environment(target.environment))
    writable = all(os.access(path, os.W_OK) for path in (home.lock, folder))
    if writable and fast.unsettled(home.root):
        with locked(home.lock, shared=True):
            settle(context)
    outcome = fast.in_sync(
        root,
        fast.Asked(target.environment),
        home.root,
        context.environ,
        held=True,
        any_start=not writable,
    )
    if outcome is None:
        number = _renewed(target, session, any_start=not writable)
    else:
        folder, number = outcome.folder, outcome.generation
    if number is not None and not writable:
        require_whole(context, folder, number)
    return None if number is None else (folder, number)


def _renewed(target: Target, session: Session, *, any_start: bool) -> int | None:
    """The generation that may go on being used: only a policy's verdict on it was too old."""
    from provenv.environments import stamp
    from provenv.workspace.projects.governed import may_be_governed

    spec = target.project.manifest.environment(target.environment)
    known = stamp.read(target.project.folder(spec), any_start=any_start)
    if known is None or not (
        stamp.verdict(known.signatures) or may_be_governed(target.project, session.context)
    ):
        return None
    from provenv.workspace.governing.freshness import renew

    return renew(target.project, session.context, spec, any_start=any_start)


def _synced(args: argparse.Namespace, session: Session) -> tuple[str, int]:
    from provenv.workspace.syncing.sync import sync

    target = session.target
    if not (args.python or args.locked):
        as_it_is = _settled(target, session)
        if as_it_is is not None:
            return as_it_is
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

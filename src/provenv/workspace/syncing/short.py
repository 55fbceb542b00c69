"""The short way of ``sync`` where the whole program is loaded, for ``--all``.

It does what the plain call does in milliseconds (:mod:`provenv.workspace.fast`,
:mod:`provenv.workspace.making`), and tells it as the long way does.
"""

from __future__ import annotations

import time

from provenv.core.errors import IntegrityError
from provenv.environments import generations, stamp
from provenv.environments.beside import Looked
from provenv.model.generation import Change, Generation, changes
from provenv.workspace import fast, making
from provenv.workspace.projects.context import Context
from provenv.workspace.syncing.sync import SyncResult


def sync_short(root: str, context: Context, asked: fast.Asked, looked: Looked) -> SyncResult | None:
    """Sync an environment of the project in ``root`` where nothing is to be done, or a plan is known.

    Neither manifest nor lock is parsed. ``looked`` is what the same command has looked at. None where
    the long way must be taken.
    """
    started = time.monotonic()
    home = context.home.root
    try:
        if fast.unsettled(home) or fast.is_open(home):
            return None
        outcome = _outcome(root, context, asked, looked)
        if outcome is None or (asked.environment is None and "@" in outcome.environment):
            return None  # the last: one of several Pythons, and all of them are meant
        result = _told(outcome, started)
    except (OSError, IntegrityError):
        return None  # the long way mends it, or says what is wrong
    stamp.used(outcome.folder)
    return result


def _outcome(root: str, context: Context, asked: fast.Asked, looked: Looked) -> fast.Outcome | None:
    home, environ = context.home.root, context.environ
    return (
        fast.in_sync(root, asked, home, environ, held=False)
        or fast.still_in_sync(root, asked, home, environ)
        or making.sync_known(root, asked, home, environ, context.cause, looked)
    )


def _told(outcome: fast.Outcome, started: float) -> SyncResult:
    now = generations.read_generation(outcome.folder, outcome.generation)
    previous = outcome.previous if outcome.made else outcome.generation
    moved: tuple[Change, ...] = ()
    if outcome.made:
        before: dict[str, str] = {}
        if previous is not None:
            before = _versions(generations.read_generation(outcome.folder, previous))
        moved = changes(before, _versions(now))
    return SyncResult(
        environment=outcome.environment,
        folder=outcome.folder,
        generation=outcome.generation,
        previous=previous,
        made=outcome.made,
        changes=moved,
        packages=len(now.packages),
        python=now.python,
        executable=now.executable,
        link_mode=now.link_mode,
        drift=(),
        locked=False,
        aside=None,
        edited=now.edited,
        dropped=(),
        seconds=time.monotonic() - started,
        source=now.source,
    )


def _versions(generation: Generation) -> dict[str, str]:
    return {package.name: package.version for package in generation.packages}

"""``provenv sync``."""

from __future__ import annotations

import argparse
import os

from provenv.cli import syncing
from provenv.cli.options import add_all
from provenv.cli.session import Session

DESCRIPTION = """\
Make the environment what the lock says, as a new generation that is switched to at once and
whole. Where nothing differs, nothing is made. A stale lock is made anew first."""
EXAMPLES = (
    ("provenv sync", "the default environment, in .venv"),
    ("provenv sync -e dev -e test", "two of them; of several Pythons, each"),
    ("provenv sync -e prod --locked", "as in a deployment: refuse a stale lock"),
    ("provenv sync --python 3.12", "with another interpreter"),
    ("provenv sync --all", "every member of the workspace, several at once"),
    ("provenv sync --from poetry.lock", "or uv.lock, pdm.lock, Pipfile.lock, requirements.txt"),
)
ENVIRONMENT = True
LINK_MODES = ("linked", "hardlink", "clone", "copy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from",
        dest="source",
        metavar="FILE",
        help="use this lock of another tool, now and later; pylock.toml: the project's own again",
    )
    parser.add_argument("--locked", action="store_true", help="refuse a stale lock")
    parser.add_argument(
        "--require-signature",
        action="store_true",
        help="refuse a lock that nobody signed who may (`lock --sign`)",
    )
    parser.add_argument("--python", metavar="REQUEST", help="interpreter: 3.12, pypy3.11, a path")
    parser.add_argument(
        "--link-mode", metavar="MODE", choices=LINK_MODES, help=", ".join(LINK_MODES)
    )
    parser.add_argument(
        "--adopt", action="store_true", help="set aside an environment that provenv did not make"
    )
    add_all(parser)


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.cli.everywhere import for_all
    from provenv.cli.targets import Answer, Target, for_each
    from provenv.environments.beside import Looked
    from provenv.workspace.fast import Asked
    from provenv.workspace.projects.context import find_root, project_in
    from provenv.workspace.syncing.short import sync_short
    from provenv.workspace.syncing.sync import SyncResult, sync

    verbose = session.options.verbose
    source = os.path.abspath(args.source) if args.source is not None else None
    python = session.request(args.python)
    looked: Looked = {}
    several = args.all and len(session.options.environments) > 1

    def short_act(root: str, environment: str | None) -> Answer | None:
        if source is not None or args.adopt or args.require_signature:
            return None
        asked = Asked(environment, python, args.link_mode)
        result = sync_short(root, session.context, asked, looked)
        return answer(result) if result is not None else None

    def act(target: Target) -> Answer:
        known = short_act(target.project.root, target.environment) if several else None
        return known or answer(
            sync(
                target.project,
                session.context,
                environment=target.environment,
                python=python,
                link_mode=args.link_mode,
                locked_only=args.locked,
                adopt=args.adopt,
                source=source,
                require_signature=args.require_signature,
            )
        )

    def answer(result: SyncResult) -> Answer:
        return Answer(
            code=0,
            data=lambda: syncing.data(result),
            text=lambda screen: syncing.text(result, screen, verbose=verbose),
            short=syncing.short(result),
            environment=result.environment,
        )

    if args.all:
        first = None if args.locked else _lock_first
        return for_all(session, "sync", act, short=short_act, first=first)
    if source is not None and find_root(os.getcwd()) is None:
        # a folder without a manifest is a project, too, as soon as there is a lock for it
        said = act(Target(project=project_in(os.getcwd()), environment=session.options.environment))
        session.report("sync", said.data, said.text)
        return said.code
    return for_each(session, "sync", act)


def _lock_first(session: Session) -> None:
    """Make a common lock anew before many ask for it; what each member locks by itself is its own."""
    from provenv.workspace.fast import lock_known
    from provenv.workspace.syncing.locking import lock

    context = session.context
    root = session.opened.locker.root
    if lock_known(root, context.home.root, context.environ) is None:
        lock(session.opened, context)

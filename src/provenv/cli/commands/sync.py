"""``provenv sync``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from provenv.cli import syncing
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.context import Project

DESCRIPTION = """\
Make the environment what the lock says, as a new generation that is switched to at once and
whole. Where nothing differs, nothing is made. A stale lock is made anew first."""
EXAMPLES = (
    ("provenv sync", "the default environment, in .venv"),
    ("provenv sync -e prod --locked", "as in a deployment: refuse a stale lock"),
    ("provenv sync --python 3.12", "with another interpreter"),
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
    parser.add_argument("--python", metavar="REQUEST", help="interpreter: 3.12, pypy3.11, a path")
    parser.add_argument(
        "--link-mode", metavar="MODE", choices=LINK_MODES, help=", ".join(LINK_MODES)
    )
    parser.add_argument(
        "--adopt", action="store_true", help="set aside an environment that provenv did not make"
    )


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.sync import sync

    result = sync(
        _project(args, session),
        session.context,
        environment=session.options.environment,
        python=args.python,
        link_mode=args.link_mode,
        locked_only=args.locked,
        adopt=args.adopt,
        source=os.path.abspath(args.source) if args.source is not None else None,
    )
    verbose = session.options.verbose
    session.report(
        "sync",
        lambda: syncing.data(result),
        lambda screen: syncing.text(result, screen, verbose=verbose),
    )
    return 0


def _project(args: argparse.Namespace, session: Session) -> Project:
    """The project; with ``--from``, a folder without a manifest is one, too."""
    from provenv.workspace.context import find_root, project_in

    if args.source is None:
        return session.project
    return project_in(find_root(os.getcwd()) or os.getcwd())

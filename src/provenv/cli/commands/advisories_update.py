"""``provenv advisories update``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from provenv.cli.advising import add_force, told
from provenv.cli.session import Session
from provenv.core.errors import InputError
from provenv.core.events import Warned

if TYPE_CHECKING:
    from provenv.workspace.governing.releases import Inquiry

DESCRIPTION = """\
Fetch what is new. Where the source lists its changes, only the changed records. Where anything fails,
what was here stays. In a project with a lock, the indexes are asked about what it locks as well."""
EXAMPLES = (
    ("provenv advisories update", "from the OSV project"),
    ("provenv advisories update --kev --epss", "with what is exploited, and what is likely to be"),
    ("provenv advisories update --url https://mirror.example.org/PyPI/all.zip", "from a mirror"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", metavar="URL", help="of OSV's archive for PyPI, or a path")
    parser.add_argument(
        "--kev",
        nargs="?",
        const="",
        metavar="URL",
        help="CISA's known exploited vulnerabilities too",
    )
    parser.add_argument("--epss", nargs="?", const="", metavar="URL", help="EPSS scores too")
    add_force(parser)


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.governing import advisories

    done = advisories.update(
        session.context,
        url=args.url or session.environ.get("PROVENV_ADVISORIES_URL") or advisories.OSV,
        kev=advisories.KEV if args.kev == "" else args.kev,
        epss=advisories.EPSS if args.epss == "" else args.epss,
        force=args.force,
    )
    told(session, "advisories-update", done, asked=_asked(session))
    return 0


def _asked(session: Session) -> Inquiry | None:
    """Asks the indexes of what the project at hand locks; None where there is none that can be read."""
    from provenv.workspace.governing.asking import refresh
    from provenv.workspace.projects.context import find_root

    if find_root(os.getcwd()) is None:
        return None
    try:
        project = session.opened
        if not os.path.exists(project.lock_path(None)):
            return None
        return refresh(project, session.context, "advisories-update")
    except InputError as error:  # the advisories are here, whatever is wrong with the project
        session.context.emit(Warned(message=f"no index was asked: {error.message}"))
        return None

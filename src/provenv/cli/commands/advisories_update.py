"""``provenv advisories update``."""

from __future__ import annotations

import argparse

from provenv.cli.advising import add_force, told
from provenv.cli.session import Session

DESCRIPTION = """\
Fetch what is new. Where the source lists its changes, only the changed records. Where anything fails,
what was here stays."""
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
    told(session, "advisories-update", done)
    return 0

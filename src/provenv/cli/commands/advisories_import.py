"""``provenv advisories import``."""

from __future__ import annotations

import argparse

from provenv.cli.advising import add_force, told
from provenv.cli.session import Session

DESCRIPTION = """\
Read files that were fetched elsewhere. What is not given stays as it is; where one cannot be used,
everything does."""
EXAMPLES = (
    ("provenv advisories import all.zip", "OSV's archive for PyPI"),
    ("provenv advisories import --kev known_exploited_vulnerabilities.json", "CISA's list alone"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", metavar="FILE", help="OSV's all.zip for PyPI")
    parser.add_argument(
        "--kev", metavar="FILE", help="CISA's known exploited vulnerabilities (JSON)"
    )
    parser.add_argument("--epss", metavar="FILE", help="EPSS scores (CSV, also gzipped)")
    add_force(parser)


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.governing.advisories import import_files

    done = import_files(session.context, args.file, kev=args.kev, epss=args.epss, force=args.force)
    told(session, "advisories-import", done)
    return 0

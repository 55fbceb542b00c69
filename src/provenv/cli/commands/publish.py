"""``provenv publish``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from provenv.cli import asking
from provenv.cli.draw import Screen, short_path
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.exchange.publishing import PublishResult

DESCRIPTION = """\
Upload what `build` made to an index: PyPI, or one of the project's with a publish-url. uv uploads;
credentials come as for every index, or from UV_PUBLISH_TOKEN, or from the CI system."""
EXAMPLES = (
    ("provenv publish --dry-run", "check only"),
    ("provenv publish --index company --yes", "to the index of that name, without asking"),
)
PROJECT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILE", help="what to upload (dist/*)")
    parser.add_argument("--index", metavar="NAME", help="an index of [[tool.provenv.index]] (PyPI)")
    parser.add_argument("--dry-run", action="store_true", help="check, and upload nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.exchange.publishing import destination, publish

    url = destination(session.project, args.index)
    question = f"Publish to {url}? A version cannot be uploaded twice."
    asking.confirm(session, question, yes=args.yes or args.dry_run)
    result = publish(
        session.project,
        session.context,
        files=[os.path.abspath(path) for path in args.files],
        index=args.index,
        dry_run=args.dry_run,
    )
    session.report("publish", lambda: data(result), lambda screen: text(result, screen))
    return 0


def text(result: PublishResult, screen: Screen) -> None:
    verb = "would publish" if result.dry_run else screen.paint("good", "published")
    for path in result.files:
        screen.line(f"{verb} {short_path(path)}")
    screen.line(screen.paint("dim", f"to {result.url}"))


def data(result: PublishResult) -> dict[str, Any]:
    return {"url": result.url, "files": list(result.files), "dry_run": result.dry_run}

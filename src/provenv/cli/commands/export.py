"""``provenv export``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, many, short_path
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.exchange.exporting import ExportResult

DESCRIPTION = """\
Write what an environment has by the lock in the format of another tool: to standard output, or to
a file. A file that provenv did not make is not overwritten."""
EXAMPLES = (
    ("provenv export -e prod", "requirements.txt with hashes"),
    ("provenv export -e prod --format pylock -o pylock.prod.toml", "one environment, PEP 751"),
    ("provenv export --format dockerfile -o Dockerfile", "an image that holds prod and no more"),
    ("provenv export --format constraints -o constraints.txt", "for `pip install -c`"),
)
ENVIRONMENT = True
FORMATS = ("requirements", "pylock", "constraints", "dockerfile", "devcontainer")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", metavar="FORMAT", choices=FORMATS, default=FORMATS[0], help=", ".join(FORMATS)
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="a file, or a folder for it")
    parser.add_argument("--no-hashes", action="store_true", help="leave hashes out")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.cli.targets import Answer, Target, for_each, output_of
    from provenv.workspace.exchange.exporting import export

    output = output_of(session, args.output)

    def act(target: Target) -> Answer:
        result = export(
            target.project,
            session.context,
            environment=target.environment,
            form=args.format,
            hashes=not args.no_hashes,
            output=output,
        )
        for item in result.left:
            session.talk.line(f"left out: {item.what}: {item.why}")
        return Answer(code=0, data=lambda: data(result), text=lambda screen: text(result, screen))

    return for_each(session, "export", act, tell="report" if output is not None else "answer")


def text(result: ExportResult, screen: Screen) -> None:
    if result.path is None:
        screen.line(result.text.removesuffix("\n"))
        return
    done = screen.paint("good", "wrote") if result.changed else "nothing to do:"
    screen.line(
        f"{done} {short_path(result.path)}: {many(result.packages, 'package')} of {result.environment}"
    )


def data(result: ExportResult) -> dict[str, Any]:
    return {
        "environment": result.environment,
        "format": result.format,
        "path": result.path,
        "filename": result.filename,
        "changed": result.changed,
        "packages": result.packages,
        "left": [{"what": item.what, "why": item.why} for item in result.left],
        "text": result.text,
    }

"""``provenv sbom``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, many, short_path
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.assuring.sboms import SbomResult

DESCRIPTION = """\
A software bill of materials: what an environment consists of by the lock, on every platform, or as it
really is; with hashes, licences, package URLs, who made it and what needs what. Metadata that are not on
this machine are fetched from the index, unless offline. Made again, it is the same to the byte."""
EXAMPLES = (
    ("provenv sbom -e prod", "CycloneDX 1.6, to standard output"),
    ("provenv sbom -e prod -o sbom.prod.cdx.json", "to a file, which rules can ask for"),
    ("provenv sbom --installed --format spdx", "what really lies there, SPDX 2.3"),
)
ENVIRONMENT = True
FORMATS = ("cyclonedx", "spdx")
_SHOWN = 5  # names in one line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--installed", action="store_true",
                        help="what lies in the environment, not what the lock says")  # fmt: skip
    parser.add_argument(
        "--format", metavar="FORMAT", choices=FORMATS, default=FORMATS[0], help=" or ".join(FORMATS)
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="a file, or a folder for it")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.cli.targets import Answer, Target, for_each, output_of
    from provenv.workspace.assuring.sboms import sbom

    output = output_of(session, args.output)

    def act(target: Target) -> Answer:
        result = sbom(
            target.project,
            session.context,
            environment=target.environment,
            installed=args.installed,
            form=args.format,
            output=output,
        )
        _left_open(result, session.talk)
        return Answer(code=0, data=lambda: data(result), text=lambda screen: text(result, screen))

    return for_each(session, "sbom", act, tell="report" if output is not None else "answer")


def _left_open(result: SbomResult, screen: Screen) -> None:
    """What could not be described, by the reasons."""
    reasons: dict[str, list[str]] = {}
    for what, why in result.unknown:
        reasons.setdefault(why, []).append(what)
    for why, names in reasons.items():
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        screen.prose("without metadata:", f"{', '.join(names[:_SHOWN])}{more}: {why}")


def text(result: SbomResult, screen: Screen) -> None:
    if result.path is None:
        screen.line(result.text.removesuffix("\n"))
        return
    done = screen.paint("good", "wrote") if result.changed else "nothing to do:"
    count = many(len(result.bill.components), "component")
    screen.line(f"{done} {short_path(result.path)}: {count} of {result.bill.environment}")


def data(result: SbomResult) -> dict[str, Any]:
    return {
        "environment": result.bill.environment,
        "scope": result.bill.scope,
        "format": result.format,
        "lock": result.bill.digest,
        "path": result.path,
        "filename": result.filename,
        "changed": result.changed,
        "components": len(result.bill.components),
        "unknown": [{"component": what, "reason": why} for what, why in result.unknown],
        "document": dict(result.document),
    }

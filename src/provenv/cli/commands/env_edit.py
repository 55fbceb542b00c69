"""``provenv env edit``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli.changes import LIMIT, draw_drift, drift_data
from provenv.cli.draw import Screen, many, seconds, short_path
from provenv.cli.session import Session
from provenv.core.errors import UsageError

if TYPE_CHECKING:
    from provenv.environments.edits import Edit
    from provenv.workspace.named.opening import CopyResult
    from provenv.workspace.named.patches import PatchResult

DESCRIPTION = """\
Give an environment a private, writable copy of one package, as a new generation: real files that may
be edited, which no other environment sees and the store knows nothing of. `sync` keeps the edits while
the lock has the same wheel, and says so where it has another."""
EXAMPLES = (
    ("provenv env edit httpx", "a copy of httpx in the default environment"),
    ("provenv env edit --diff httpx > httpx.patch", "what was changed, as a patch"),
    ("provenv env edit --discard httpx -e test", "back to the one in the store"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("package", metavar="PACKAGE", help="the package's name")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--discard", action="store_true", help="give the copy up, edits and all")
    what.add_argument("--diff", action="store_true", help="print what was changed, as a patch")
    parser.add_argument(
        "--generation", type=int, metavar="N", help="with --diff: in this generation"
    )


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.named import opening

    target = session.target
    if args.diff:
        return _diff(args, session)
    if args.generation is not None:
        raise UsageError("--generation is for --diff")
    act = opening.discard_edits if args.discard else opening.edit_package
    result = act(target.project, session.context, args.package, environment=target.environment)
    limit = None if session.options.verbose else LIMIT
    session.report("env-edit", lambda: data(result), lambda screen: text(result, screen, limit))
    return 0


def _diff(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.named.patches import patch

    target = session.target
    result = patch(
        target.project,
        session.context,
        args.package,
        environment=target.environment,
        generation=args.generation,
    )
    session.progress.close()
    if session.options.json:
        session.answer("env-edit-diff", lambda: diff_data(result), lambda _: None)
        return 0
    sys.stdout.flush()
    sys.stdout.buffer.write(result.text)  # as it is: a patch may hold any bytes
    sys.stdout.flush()
    for path in result.opaque:
        session.talk.line(f"{path} differs and is no text: the patch only names it")
    if not result.edits:
        session.talk.line(f"{result.package} {result.version} is as it is in the store")
    return 0


def text(result: CopyResult, screen: Screen, limit: int | None = LIMIT) -> None:
    paint = screen.paint
    package = f"{paint('strong', result.package)} {result.version}"
    number = paint("good", f"generation {result.generation}")
    took = paint("dim", f"in {seconds(result.seconds)}")
    if not result.made:
        if result.copied:
            screen.line(f"{result.environment}: {package} is a private copy already")
            _draw_places(result, screen)
        return
    if not result.copied:
        screen.line(f"{result.environment}: {number} has {package} from the store again {took}")
        if result.edits:
            _draw_edits(result.edits, screen, limit)
            back = f"`provenv rollback --to {result.previous}` brings them back"
            screen.line(f"  generation {result.previous} still has these edits; {back}")
        return
    screen.line(f"{result.environment}: {number} has a private copy of {package} {took}")
    _draw_places(result, screen)


def _draw_places(result: CopyResult, screen: Screen) -> None:
    for place in result.places:
        screen.line(f"  {short_path(os.path.join(result.folder, place))}")


def _draw_edits(edits: Sequence[Edit], screen: Screen, limit: int | None) -> None:
    screen.line(f"  {many(len(edits), 'file differs', 'files differ')} from the store")
    draw_drift(edits, screen, limit=limit)


def data(result: CopyResult) -> dict[str, Any]:
    return {
        "environment": result.environment,
        "folder": result.folder,
        "package": result.package,
        "version": result.version,
        "previous": result.previous,
        "generation": result.generation,
        "made": result.made,
        "copied": result.copied,
        "places": [os.path.join(result.folder, place) for place in result.places],
        "files": drift_data(result.edits),
        "seconds": round(result.seconds, 4),
    }


def diff_data(result: PatchResult) -> dict[str, Any]:
    return {
        "environment": result.environment,
        "package": result.package,
        "version": result.version,
        "generation": result.generation,
        "patch": result.text.decode("utf-8", "surrogateescape"),
        "files": drift_data(result.edits),
        "opaque": list(result.opaque),
    }

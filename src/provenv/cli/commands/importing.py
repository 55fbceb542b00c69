"""``provenv import``: `import` is no name for a module."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from provenv.cli.changes import LIMIT, changes_data, draw_changes
from provenv.cli.draw import Screen, many
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.exchange.importing import ImportResult

DESCRIPTION = """\
Take over what a project has from other tools: requirements are added to pyproject.toml, and the
lock gets the versions that were pinned. Nothing that is there is overwritten; what cannot be
carried over is listed. Without FILE: what is found in this folder, a lock with its manifest."""
EXAMPLES = (
    ("provenv import --dry-run", "what is found here, and what would come of it"),
    ("provenv import poetry.lock", "with [tool.poetry] of pyproject.toml"),
    ("provenv import requirements.txt requirements-dev.txt", "the second one as group `dev`"),
    ("provenv import Pipfile.lock --exact", "fail where a version cannot stay"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILE", help="what to read")
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would come, write nothing"
    )
    parser.add_argument(
        "--exact", action="store_true", help="fail where a pinned version cannot stay"
    )


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.exchange.importing import import_files

    result = import_files(
        os.getcwd(),
        session.context,
        [os.path.abspath(path) for path in args.files],
        exact=args.exact,
        dry_run=args.dry_run,
    )
    tell = session.answer if args.dry_run else session.report
    limit = None if session.options.verbose or args.dry_run else LIMIT
    tell("import", lambda: data(result), lambda screen: text(result, screen, limit))
    return 0


def text(result: ImportResult, screen: Screen, limit: int | None) -> None:
    for taken in result.taken:
        screen.line(f"read {screen.paint('strong', taken.file)}")
    if result.beside:
        screen.line(screen.paint("dim", f"not read: {', '.join(result.beside)}"))
    counts: dict[str, int] = {}
    for place, _ in result.added:
        counts[place] = counts.get(place, 0) + 1
    for place, count in counts.items():
        screen.line(f"{many(count, 'requirement')} to {place}")
    done = screen.paint("good", "wrote" if result.written else "would write")
    if result.changed:
        pinned = f", {many(result.pinned, 'version')} as pinned" if result.pinned else ""
        screen.line(
            f"{done} pyproject.toml and pylock.toml: {many(result.packages, 'package')}{pinned}"
        )
    else:
        screen.line(f"nothing to do: {many(result.packages, 'package')}")
    if result.moved:
        screen.line(screen.paint("warn", f"{many(len(result.moved), 'version')} had to move:"))
        draw_changes(result.moved, screen, limit=limit)
        for line in result.reason.splitlines():
            screen.line(f"  {line}")
    for title, names in (("pinned, and not needed", result.unneeded), ("not pinned", result.fresh)):
        if names and result.pinned:
            shown = names if limit is None else names[:limit]
            more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
            screen.line(f"{title}: {', '.join(shown)}{more}")
    if result.left:
        screen.line(screen.paint("warn", "not carried over:"))
        for item in result.left:
            screen.line(f"  {item.file}: {item.what}: {item.why}")


def data(result: ImportResult) -> dict[str, Any]:
    return {
        "root": result.root,
        "taken": [{"file": t.file, "kind": t.kind, "role": t.role} for t in result.taken],
        "not_taken": list(result.beside),
        "added": [{"place": place, "requirement": text} for place, text in result.added],
        "moved": changes_data(result.moved),
        "reason": result.reason,
        "not_needed": list(result.unneeded),
        "not_pinned": list(result.fresh),
        "left": [{"file": i.file, "what": i.what, "why": i.why} for i in result.left],
        "changed": result.changed,
        "written": result.written,
        "packages": result.packages,
        "pinned": result.pinned,
    }

"""``provenv env list``."""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, many, size, visible
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.named.inventory import Inventory, Listed

DESCRIPTION = """\
Every environment on this machine, by project: its Python, how many packages, when it was used last, and
how it stands. Those that nobody can use any more are among them; `provenv env prune` removes what
is left of them."""
EXAMPLES = (
    ("provenv env list", "all of this machine"),
    ("provenv env list --project", "those of this project, also those not made yet"),
    ("provenv env list --no-sizes", "at once, without what they take"),
)
_STYLES = {"current": "good", "not-made": "dim", "held": "warn", "stale": "warn"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", action="store_true", help="those of the project at hand")
    parser.add_argument("--no-sizes", action="store_true", help="do not look at every file")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.named.inventory import list_environments

    project = session.project if args.project else None
    found = list_environments(session.context, project=project, measure=not args.no_sizes)
    session.answer("env-list", lambda: data(found), lambda screen: text(found, screen))
    return 0


def text(found: Inventory, screen: Screen) -> None:
    if not found.environments:
        screen.line("there is no environment on this machine yet; `provenv sync` makes one")
        return
    measured = found.own is not None
    head = ["environment", "path", "python", "packages", *(["own", "shared"] if measured else [])]
    head += ["used", "state"]
    rows = [_row(item, screen, measured=measured) for item in found.environments]
    widths = _widths([head, *rows])
    if screen.width is not None and sum(widths) + 2 * len(widths) > screen.width:
        for row in (head, *rows):  # .venvs/NAME says what the name says
            del row[1]
        widths = _widths([head, *rows])
    widths.pop()
    screen.table([[screen.paint("dim", cell) for cell in _padded(head, widths)]], indent="  ")
    pairs = zip(found.environments, rows, strict=True)
    for (project, root), group in itertools.groupby(pairs, lambda p: (p[0].project, p[0].root)):
        screen.line(f"{screen.paint('strong', project)}  {screen.paint('dim', root)}")
        for item, row in group:
            _draw(item, _padded(row, widths), screen)
    line = many(len(found.environments), "environment")
    if found.own is not None:
        line += f"; {size(found.own)} of their own, {size(found.shared or 0)} shared"
    screen.line(screen.paint("dim", line))


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(visible, column)) for column in zip(*rows, strict=True)]


def _draw(item: Listed, row: list[str], screen: Screen) -> None:
    """One environment; what is to be said of it stands on a line of its own where it does not fit."""
    detail = item.detail or ""
    line = "  " + "  ".join(row)
    if screen.width is None or visible(line) + len(detail) + 2 <= screen.width:
        screen.line(f"{line}: {detail}" if detail else line)
        return
    screen.line(line)
    if detail:
        screen.line(screen.paint("dim", f"    {screen.fit(detail, 4)}"))


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """The row with every cell but the last as wide as its column: the groups stand in line."""
    cells = [cell + " " * (width - visible(cell)) for cell, width in zip(row, widths, strict=False)]
    return [*cells, row[-1]]


def _row(item: Listed, screen: Screen, *, measured: bool) -> list[str]:
    paint = screen.paint
    state = paint(_STYLES.get(item.state, "bad"), item.state.replace("-", " "))
    sizes = [_size(item.own), _size(item.shared)] if measured else []
    count = "-" if item.packages is None else f"{item.packages:,}"
    used = screen.when(item.used) if item.used else "-"
    path = os.path.relpath(item.folder, item.root)
    return [item.name or "?", path, item.python or "-", count, *sizes, used, state]


def _size(count: int | None) -> str:
    return "-" if count is None else size(count)


def data(found: Inventory) -> dict[str, Any]:
    return {
        "environments": [
            {
                "name": item.name,
                "project": item.project,
                "root": item.root,
                "folder": item.folder,
                "state": item.state,
                "detail": item.detail,
                "generation": item.generation,
                "python": item.python,
                "executable": item.executable,
                "packages": item.packages,
                "own": item.own,
                "shared": item.shared,
                "used": item.used,
            }
            for item in found.environments
        ],
        "own": found.own,
        "shared": found.shared,
    }

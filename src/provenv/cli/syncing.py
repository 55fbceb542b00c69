"""How the result of a sync is told, by ``sync`` itself and by those that sync on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from provenv.cli.changes import LIMIT, changes_data, draw_changes, draw_drift, drift_data
from provenv.cli.draw import Screen, many, seconds, short_path

if TYPE_CHECKING:
    from provenv.workspace.syncing.sync import SyncResult


def text(result: SyncResult, screen: Screen, *, verbose: bool = False) -> None:
    """One line, then what changed. :mod:`hot` says the same on its way."""
    limit = None if verbose else LIMIT
    if result.aside is not None:
        screen.line(f"set aside as {short_path(result.aside)}: what was there before")
    if not result.made:
        screen.line(f"{result.environment}: nothing to do: generation {result.generation}")
        return
    name = screen.paint("strong", result.environment)
    number = screen.paint("good", f"generation {result.generation}")
    origin = f" from {result.source}" if result.source is not None else ""
    facts = f"(Python {result.python}, {many(result.packages, 'package')}{origin})"
    took = screen.paint("dim", f"in {seconds(result.seconds)}")
    screen.line(f"{name}: {number} {facts} {took}")
    if result.drift:
        screen.line(f"  undone: {many(len(result.drift), 'change')} made by others")
        draw_drift(result.drift, screen, limit=limit)
    if result.edited:
        kept = "private copy" if len(result.edited) == 1 else "private copies"
        screen.line(f"  with the {kept} of {', '.join(result.edited)}")
    if result.previous is not None or verbose:
        draw_changes(result.changes, screen, limit=limit)


def short(result: SyncResult) -> str:
    """The same in a few words."""
    if not result.made:
        return f"nothing to do: generation {result.generation}"
    facts = f"Python {result.python}, {many(result.packages, 'package')}"
    return f"generation {result.generation} ({facts})"


def data(result: SyncResult) -> dict[str, Any]:
    return {
        "environment": result.environment,
        "folder": result.folder,
        "generation": result.generation,
        "previous": result.previous,
        "made": result.made,
        "changes": changes_data(result.changes),
        "packages": result.packages,
        "python": result.python,
        "executable": result.executable,
        "link_mode": result.link_mode,
        "drift": drift_data(result.drift),
        "locked": result.locked,
        "aside": result.aside,
        "source": result.source,
        "edited": list(result.edited),
        "dropped": list(result.dropped),
        "seconds": round(result.seconds, 4),
    }

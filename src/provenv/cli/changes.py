"""Changes of a set of distributions: ``+ name 1.2``, ``- name 1.0``, ``~ name 1.0 → 1.2``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, many

if TYPE_CHECKING:
    from provenv.environments.drift import Drift
    from provenv.model.generation import Change
    from provenv.workspace.proving.copies import PrivateCopy

LIMIT = 20
"""How many lines a list has that was not asked for."""


def draw_changes(changes: Sequence[Change], screen: Screen, *, limit: int | None = None) -> None:
    """One line a change, indented; at most ``limit``, then how many more there are."""
    shown = changes if limit is None or len(changes) <= limit + 1 else changes[:limit]
    width = max((len(change.name) for change in shown), default=0)
    for change in shown:
        screen.line(f"  {_line(change, screen, width)}")
    if len(shown) < len(changes):
        screen.line(screen.paint("dim", f"  and {len(changes) - len(shown)} more (-v lists them)"))


def _line(change: Change, screen: Screen, width: int) -> str:
    name = f"{change.name:{width}}"
    if change.before is None:
        return f"{screen.paint('good', '+')} {name} {change.after or '(local)'}"
    if change.after is None:
        return f"{screen.paint('bad', '-')} {name} {screen.paint('dim', change.before)}"
    before = screen.paint("dim", f"{change.before or '(local)'} →")
    return f"{screen.paint('warn', '~')} {name} {before} {change.after or '(local)'}"


def summary(changes: Sequence[Change], screen: Screen) -> str:
    """``+3 -1 ~2``, without what there is none of; empty where nothing changed."""
    counts = (
        ("+", "good", sum(change.before is None for change in changes)),
        ("-", "bad", sum(change.after is None for change in changes)),
        ("~", "warn", sum(None not in (change.before, change.after) for change in changes)),
    )
    return " ".join(screen.paint(style, f"{sign}{count}") for sign, style, count in counts if count)


def changes_data(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """As JSON: ``before`` and ``after`` are null where the distribution is not there."""
    return [
        {"name": change.name, "before": change.before, "after": change.after} for change in changes
    ]


def drift_data(drift: Sequence[Drift]) -> list[dict[str, Any]]:
    """As JSON: paths in a generation that are not as they were made."""
    return [{"path": item.path, "kind": item.kind} for item in drift]


def draw_drift(drift: Sequence[Drift], screen: Screen, *, limit: int | None = LIMIT) -> None:
    """One line a path."""
    for item in drift[:limit]:
        screen.line(f"  {screen.paint('warn', f'{item.kind:8}')} {item.path}")
    if limit is not None and len(drift) > limit:
        screen.line(screen.paint("dim", f"  and {len(drift) - limit} more (-v lists them)"))


def edited_line(copy: PrivateCopy) -> str:
    """A private copy in a few words."""
    differ = many(len(copy.edits), "file differs", "files differ")
    return f"{copy.name}, {differ} from the store"


def copy_data(copy: PrivateCopy) -> dict[str, Any]:
    """As JSON: a private copy and what was changed in it."""
    return {"package": copy.name, "version": copy.version, "files": drift_data(copy.edits)}

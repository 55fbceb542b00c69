"""``provenv history``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli.changes import changes_data, draw_changes, summary
from provenv.cli.draw import Screen
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.model.generation import Generation
    from provenv.workspace.syncing.history import HistoryEntry

DESCRIPTION = """\
Every generation of an environment that is still there, the newest first: when it was made, from
which lock, by which command, and what it changed. The current one is marked *."""
EXAMPLES = (
    ("provenv history", "of the default environment"),
    ("provenv history -v", "with every change"),
    ("provenv rollback --to 3", "go back to one of them"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(args: argparse.Namespace, session: Session) -> int:  # noqa: ARG001  # every command's shape
    from provenv.workspace.host.registry import attend
    from provenv.workspace.syncing.history import history

    target, options = session.target, session.options
    attend(target.project, session.context, target.environment)
    entries = history(target.project, environment=target.environment)
    name = target.name
    session.answer(
        "history",
        lambda: data(name, entries),
        lambda screen: text(name, entries, screen, verbose=options.verbose),
    )
    return 0


def text(
    name: str, entries: Sequence[HistoryEntry], screen: Screen, *, verbose: bool = False
) -> None:
    if not entries:
        screen.line(f"{name} has no generation yet; `provenv sync` makes one")
        return
    newest = list(reversed(entries))
    if not verbose:
        head = ("  #", "made", "python", "packages", "changes", "lock", "by")
        screen.table([_row(entry, screen) for entry in newest], head=head)
        return
    for entry in newest:
        screen.line("  ".join(_row(entry, screen)))
        draw_changes(entry.changes, screen)


def _row(entry: HistoryEntry, screen: Screen) -> tuple[str, ...]:
    generation = entry.generation
    number = f"{'*' if entry.current else ' '} {generation.number}"
    return (
        screen.paint("good", number) if entry.current else number,
        screen.when(generation.created),
        generation.python,
        str(len(generation.packages)),
        " ".join((summary(entry.changes, screen) or "none", *_edited(generation, screen))),
        screen.paint("dim", generation.lock_digest[:8]),
        generation.cause,
    )


def _edited(generation: Generation, screen: Screen) -> Sequence[str]:
    """The mark of a generation with private copies."""
    names = ", ".join(generation.edited)
    return (screen.paint("warn", f"(edited: {names})"),) if names else ()


def data(name: str, entries: Sequence[HistoryEntry]) -> dict[str, Any]:
    return {
        "environment": name,
        "generations": [
            {
                "number": entry.generation.number,
                "current": entry.current,
                "created": entry.generation.created,
                "cause": entry.generation.cause,
                "python": entry.generation.python,
                "executable": entry.generation.executable,
                "link_mode": entry.generation.link_mode,
                "lock_digest": entry.generation.lock_digest,
                "manifest_digest": entry.generation.manifest_digest,
                "packages": len(entry.generation.packages),
                "edited": list(entry.generation.edited),
                "changes": changes_data(entry.changes),
            }
            for entry in entries
        ],
    }

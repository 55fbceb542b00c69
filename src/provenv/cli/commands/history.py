"""``provenv history``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli.changes import changes_data, draw_changes, summary
from provenv.cli.commands.log import operation_data
from provenv.cli.draw import Screen, printable
from provenv.cli.session import Session
from provenv.workspace.operations.reading import LoggedOperation

if TYPE_CHECKING:
    from provenv.model.generation import Generation
    from provenv.workspace.syncing.history import HistoryEntry

DESCRIPTION = """\
Every generation of an environment that is still there, the newest first: when it was made, from
which lock, by which command, and what it changed. The current one is marked *. Between them stands
what was interrupted, and what is safe."""
EXAMPLES = (
    ("provenv history", "of the default environment"),
    ("provenv history -v", "with every change"),
    ("provenv rollback --to 3", "go back to one of them"),
)
ENVIRONMENT = True
_TO_THE_SECOND = len("2026-11-22T12:00:00")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(args: argparse.Namespace, session: Session) -> int:  # noqa: ARG001  # every command's shape
    from provenv.workspace.host.registry import attend
    from provenv.workspace.syncing.history import history, interrupted

    target, options = session.target, session.options
    attend(target.project, session.context, target.environment)
    entries = history(target.project, environment=target.environment)
    stopped = interrupted(target.project, session.context, environment=target.environment)
    name = target.name
    session.answer(
        "history",
        lambda: data(name, entries, stopped),
        lambda screen: text(name, entries, stopped, screen, verbose=options.verbose),
    )
    return 0


def text(
    name: str,
    entries: Sequence[HistoryEntry],
    stopped: Sequence[LoggedOperation],
    screen: Screen,
    *,
    verbose: bool = False,
) -> None:
    if not entries:
        screen.line(f"{name} has no generation yet; `provenv sync` makes one")
    newest = _in_place(list(reversed(entries)), stopped)
    if not verbose:
        rows = [_row(item, screen) for item in newest]
        head = ("  #", "made", "python", "packages", "changes", "lock", "by") if entries else ()
        screen.table(rows, head=head, below=[_safe(item, screen) for item in newest])
        return
    for item in newest:
        screen.line("  ".join(filter(None, _row(item, screen))))
        for line in _safe(item, screen):
            screen.prose(" ", line)
        if not isinstance(item, LoggedOperation):
            draw_changes(item.changes, screen)


def _in_place(
    newest: Sequence[HistoryEntry], stopped: Sequence[LoggedOperation]
) -> list[HistoryEntry | LoggedOperation]:
    """What was interrupted between the generations, by the times that they have."""
    waiting = list(stopped)
    found: list[HistoryEntry | LoggedOperation] = []
    for entry in newest:
        while waiting and _is_later(waiting[0], entry.generation):
            found.append(waiting.pop(0))
        found.append(entry)
    return [*found, *waiting]


def _is_later(stopped: LoggedOperation, made: Generation) -> bool:
    """Whether an operation began after a generation was made; in one second, by what it found."""
    began, created = stopped.started[:_TO_THE_SECOND], made.created[:_TO_THE_SECOND]
    if began != created:
        return began > created
    number: int | None = stopped.before.get("generation")
    return (number or 0) >= made.number


def _safe(item: HistoryEntry | LoggedOperation, screen: Screen) -> list[str]:
    if not isinstance(item, LoggedOperation) or item.safe is None:
        return []
    return [f"{screen.paint('safe', 'safe:')} {printable(item.safe)}"]


def _row(entry: HistoryEntry | LoggedOperation, screen: Screen) -> tuple[str, ...]:
    if isinstance(entry, LoggedOperation):
        stopped = screen.paint("warn", f"{entry.operation} interrupted")
        return ("  !", screen.when(entry.started), "", "", stopped, "", printable(entry.command))
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


def data(
    name: str, entries: Sequence[HistoryEntry], stopped: Sequence[LoggedOperation]
) -> dict[str, Any]:
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
        "interrupted": [operation_data(one) for one in stopped],
    }

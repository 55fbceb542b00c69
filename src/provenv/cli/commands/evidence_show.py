"""``provenv evidence show``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, many, printable
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.evidence.records import Record
    from provenv.workspace.assuring.evidence import Shown
    from provenv.workspace.projects.context import Project

DESCRIPTION = """\
The records of this project's evidence log, the newest first. Whether they are those that were written,
`provenv evidence verify` says."""
EXAMPLES = (
    ("provenv evidence show", "the last 20"),
    ("provenv evidence show -n 0 --json", "all of them, with everything that they say"),
)
PROJECT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", type=_count, default=20, metavar="N", dest="limit",
                        help="so many (20); 0: all of them")  # fmt: skip


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of records")
    return int(text)


def project_of(session: Session) -> Project:
    """The project whose log is meant; where members share a lock, its log is that of all of them.

    Raises:
        InputError, UsageError: As :attr:`Session.project`.
    """
    return session.opened if session.opened.shared is not None else session.project


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.assuring.evidence import show

    shown = show(project_of(session), session.context, limit=args.limit or None)
    session.answer("evidence-show", lambda: data(shown), lambda screen: text(shown, screen))
    return 0


def text(shown: Shown, screen: Screen) -> None:
    head = ("record", "when", "kind", "what", "by", "command")
    from provenv.evidence.records import of_several

    several = of_several(shown.records)
    rows = [_row(one, screen, several=several) for one in shown.records]
    screen.table(rows, head=head if rows else ())
    if not shown.records:
        screen.line(f"nothing is in the evidence log {shown.folder}")
    if shown.more:
        screen.line(screen.paint("dim", "there are older ones: `-n 0` shows all"))
    if not shown.on:
        said = "nothing is recorded: neither [tool.provenv.evidence] nor a policy asks for it"
        screen.line(screen.paint("dim", said))


def _row(one: Record, screen: Screen, *, several: bool) -> tuple[str, ...]:
    entry = one.entry
    odd = f" ({', '.join(one.marks)})" if one.marks else ""
    return (
        f"{one.sequence:>6}",
        screen.when(entry.time),
        entry.kind + screen.paint("warn", odd),
        printable(what(one, several=several)),
        printable(str(entry.actor.get("user") or entry.actor.get("uid") or "")),
        printable(entry.command.removeprefix("provenv ")),
    )


def what(one: Record, *, several: bool) -> str:
    """What a record is about, in a few words; nothing where somebody else wrote it."""
    try:
        return _what(one, several=several)
    except (AttributeError, TypeError):
        return ""


def _what(one: Record, *, several: bool) -> str:
    from provenv.evidence.records import place

    entry = one.entry
    said, subject = entry.details, entry.subject
    if entry.kind in ("sync", "rollback"):
        return f"{place(one, several=several)}: {said.get('previous') or '–'} → {subject.get('generation')}"
    if entry.kind == "lock":
        moved = many(len(said.get("changes", ())), "change")
        return "taken back" if said.get("taken-back") else moved
    if entry.kind == "verdict":
        return f"{said.get('outcome')}: {', '.join(map(str, said.get('environments', ())))}"
    if entry.kind == "waiver":
        waiver = said.get("waiver", {})
        return f"{said.get('what')}: {waiver.get('rule')}, {waiver.get('package')}"
    if entry.kind in ("sign", "checkpoint"):
        return f"key {str(said.get('key'))[:12]}"
    if entry.kind == "seal":
        return f"records {said.get('first')} to {said.get('last')}"
    return ""


def data(shown: Shown) -> dict[str, Any]:
    return {
        "folder": shown.folder,
        "recording": shown.on,
        "records": [record_data(one) for one in shown.records],
        "more": shown.more,
    }


def record_data(one: Record) -> dict[str, Any]:
    """One record."""
    entry = one.entry
    return {
        "sequence": one.sequence,
        "time": entry.time,
        "kind": entry.kind,
        "actor": dict(entry.actor),
        "command": entry.command,
        "subject": dict(entry.subject),
        "policy": entry.policy,
        "advisories": entry.advisories,
        "locks": dict(entry.locks),
        "details": dict(entry.details),
        "marks": list(one.marks),
        "digest": one.digest,
        "previous": one.previous,
        "log": one.log,
    }

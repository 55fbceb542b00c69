"""``provenv log``."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, many, printable, short_path
from provenv.cli.session import Session
from provenv.core.errors import UsageError

if TYPE_CHECKING:
    from provenv.workspace.operations.reading import LogCheck, LoggedOperation, LogResult

DESCRIPTION = """\
What was done here, the newest first: when, by whom, with which command, and how it ended. In a project:
what was about it, and about this machine as a whole. What was interrupted says what is safe. With
--check: whether every line is as it was written; exit code 1 where one is not."""
EXAMPLES = (
    ("provenv log", "the last 20 operations on this project"),
    ("provenv log --all --since 2d", "on every project, of two days"),
    ("provenv log -e prod -n 1 --json", "the last one on an environment, for a program"),
    ("provenv log --check", "whether somebody changed the log"),
)
ENVIRONMENT = True
_SPANS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_STYLES = {"done": "good", "failed": "bad", "interrupted": "warn", "running": "name"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-n",
        type=_count,
        default=20,
        metavar="N",
        dest="limit",
        help="so many (20); 0: all of them",
    )
    parser.add_argument(
        "--since", type=_since, metavar="WHEN", help="since then: 90m, 12h, 3d, 2w, or 2026-11-22"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--project", metavar="DIR", help="of the project in this folder")
    where.add_argument("--all", action="store_true", help="of every project on this machine")
    parser.add_argument("--check", action="store_true", help="compare every line with its hash")


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of operations")
    return int(text)


def _since(text: str) -> str:
    """A time in UTC as the log's lines have it; times without a zone are local ones."""
    span = re.fullmatch(r"(\d{1,5})([mhdw])", text)
    try:
        if span is not None:
            then = datetime.now(UTC) - timedelta(**{_SPANS[span[2]]: int(span[1])})
        else:
            then = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; write 12h, 3d or 2026-11-22T12:00"
        ) from error
    return then.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.operations import reading

    if args.check:
        if args.all or args.project or args.since or session.options.environments:
            raise UsageError("--check is about the whole log: it goes with no other option")
        checked = reading.check(session.context)
        session.verdict("log-check", lambda: check_data(checked), lambda s: check_text(checked, s))
        return 0 if checked.ok else 1
    result = reading.log(
        session.context,
        project=None if args.all else _project(args.project),
        environment=session.options.environment,
        since=args.since,
        limit=args.limit or None,
    )
    verbose = session.options.verbose
    session.answer("log", lambda: data(result), lambda s: text(result, s, verbose=verbose))
    return 0


def _project(named: str | None) -> str | None:
    """The folder of the project that is meant; its manifest need not be one that can be used."""
    from provenv.workspace.projects.context import find_root

    if named is None:
        return find_root(os.getcwd())
    root = find_root(os.path.abspath(named))
    return root or os.path.abspath(named)  # also of a project that is not there any more


def text(result: LogResult, screen: Screen, *, verbose: bool = False) -> None:
    if not result.operations:
        screen.line("nothing such is in the log")
    head = ("when", "outcome", "where", "before → after", "by", "command")
    screen.table(
        [_row(one, screen) for one in result.operations],
        head=head if result.operations else (),
        below=[_notes(one, screen, verbose=verbose) for one in result.operations],
    )
    if result.unreadable:
        places = ", ".join(f"{short_path(file)}:{number}" for file, number in result.unreadable)
        count = many(len(result.unreadable), "line")
        screen.line(screen.paint("warn", f"{count} not whole, as after a power cut: {places}"))
    if result.more:
        screen.line(screen.paint("dim", "there are older ones: `-n 0` shows all"))


def _row(one: LoggedOperation, screen: Screen) -> tuple[str, ...]:
    return (
        screen.when(one.started),
        screen.paint(_STYLES.get(one.outcome, "dim"), one.outcome),
        printable(_where(one, screen)),
        _change(one),
        printable(_who(one.actor)),
        printable(one.command.removeprefix("provenv ")),
    )


def _where(one: LoggedOperation, screen: Screen) -> str:
    """The project and the environment; a person sees the name of the project's folder alone."""
    if one.project is None:
        return "this machine"
    project = os.path.basename(one.project) if screen.watched else short_path(one.project)
    return f"{project} {one.environment}" if one.environment else project


def _change(one: LoggedOperation) -> str:
    """The generation or the lock, before and after."""
    before, after = one.before, one.after or {}
    was = before.get("generation")
    now = after.get("generation", was)
    if was != now:
        return f"{was or '-'} → {now or '-'}"
    old, new = _digest(before), _digest(after)
    if new and old != new:
        return f"{old} → {new}"
    return str(was) if was is not None else ""


def _digest(state: Mapping[str, Any]) -> str:
    """The first lock among the files, by the start of its digest."""
    files: Mapping[str, str | None] = state.get("files") or {}
    locks = [
        digest for name, digest in files.items() if os.path.basename(name).startswith("pylock.")
    ]
    return ((locks[0] or "")[:8] or "-") if locks else ""


def _who(actor: Mapping[str, Any]) -> str:
    ci = actor.get("ci")
    if isinstance(ci, dict):
        system = str(ci.get("system"))
        return f"{ci['actor']} ({system})" if ci.get("actor") else system
    user = str(actor["user"] or actor["uid"])
    if actor.get("sudo"):
        user = f"{actor['sudo']} as {user}"
    return user if actor["host"] == os.uname().nodename else f"{user}@{actor['host']}"


def _notes(one: LoggedOperation, screen: Screen, *, verbose: bool) -> list[str]:
    """What is said below an operation: what is safe, and why it failed."""
    found = []
    if one.safe is not None:
        found.append(f"{screen.paint('safe', 'safe:')} {printable(one.safe)}")
    elif one.outcome == "unknown":
        found.append(screen.paint("dim", "it began in another container or on another machine"))
    if one.error is not None and one.outcome == "failed":
        message = str(one.error.get("message"))
        first = message if verbose else message.partition("\n")[0]
        found.append(f"{screen.paint('error', 'error:')} {printable(first)}")
    return found


def data(result: LogResult) -> dict[str, Any]:
    return {
        "file": result.file,
        "operations": [operation_data(one) for one in result.operations],
        "unreadable": _places(result.unreadable),
        "more": result.more,
    }


def operation_data(one: LoggedOperation) -> dict[str, Any]:
    """One operation, as `log`, `history` and `status` tell it."""
    return {
        "id": one.id,
        "operation": one.operation,
        "command": one.command,
        "project": one.project,
        "environment": one.environment,
        "folder": one.folder,
        "started": one.started,
        "ended": one.ended,
        "actor": dict(one.actor),
        "before": dict(one.before),
        "after": dict(one.after) if one.after is not None else None,
        "outcome": one.outcome,
        "error": dict(one.error) if one.error is not None else None,
        "safe": one.safe,
    }


def check_text(result: LogCheck, screen: Screen) -> None:
    for file, number in result.broken:
        bad = screen.paint("bad", "changed")
        screen.line(f"{short_path(file)}:{number}: {bad}, or the line before it")
    for file, number in result.unreadable:
        screen.line(f"{short_path(file)}:{number}: not whole, as after a power cut")
    said = (
        screen.paint("good", "as written") if result.ok else screen.paint("bad", "not as written")
    )
    loose = f"; {result.loose} not chained" if result.loose else ""
    screen.line(f"{many(result.lines, 'line')} in {many(result.files, 'file')}: {said}{loose}")


def check_data(result: LogCheck) -> dict[str, Any]:
    return {
        "file": result.file,
        "ok": result.ok,
        "files": result.files,
        "lines": result.lines,
        "broken": _places(result.broken),
        "loose": result.loose,
        "unreadable": _places(result.unreadable),
    }


def _places(found: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"file": file, "line": number} for file, number in found]

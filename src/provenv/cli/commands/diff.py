"""``provenv diff``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from provenv.cli.changes import LIMIT, changes_data, draw_changes
from provenv.cli.draw import Screen
from provenv.cli.session import Session
from provenv.core.errors import UsageError

if TYPE_CHECKING:
    from provenv.workspace.syncing.comparing import CompareResult, Side
    from provenv.workspace.syncing.history import DiffResult

DESCRIPTION = """\
What differs between two generations: by default between the one in use before and the current
one. With two environments: where they differ as the lock wants them, made or not."""
EXAMPLES = (
    ("provenv diff", "what the last change changed"),
    ("provenv diff 3 5", "between two generations"),
    ("provenv diff 3", "from generation 3 to the current one"),
    ("provenv diff -e staging -e prod", "between two environments"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", nargs="?", type=int, metavar="A", help="a generation's number")
    parser.add_argument("after", nargs="?", type=int, metavar="B", help="another (the current one)")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.host.registry import attend
    from provenv.workspace.syncing.history import diff

    if len(session.options.environments) == 2:
        return _environments(args, session)
    target = session.target
    attend(target.project, session.context, target.environment)
    result = diff(target.project, args.before, args.after, environment=target.environment)
    session.answer("diff", lambda: data(result), lambda screen: text(result, screen))
    return 0


def _environments(args: argparse.Namespace, session: Session) -> int:
    from provenv.cli import targets
    from provenv.workspace.syncing.comparing import compare_environments

    if args.before is not None:
        raise UsageError("generations are numbered within one environment: give one -e")
    one, two = (targets.find(session, name) for name in session.options.environments)
    result = compare_environments(
        (one.project, one.environment), (two.project, two.environment), session.context
    )
    limit = None if session.options.verbose else LIMIT
    session.answer(
        "diff-environments",
        lambda: environments_data(result),
        lambda screen: environments_text(result, screen, limit),
    )
    return 0


def environments_text(result: CompareResult, screen: Screen, limit: int | None = LIMIT) -> None:
    before, after = result.before, result.after
    names = f"{before.environment} → {after.environment}"
    if not result.differs:
        screen.line(f"{screen.paint('strong', names)}: nothing differs")
        return
    screen.line(screen.paint("strong", names))
    for title, one, two in (
        ("Python", before.python, after.python),
        ("link mode", before.link_mode, after.link_mode),
        ("project", _installed(before.editable), _installed(after.editable)),
    ):
        if one != two:
            screen.line(f"  {screen.paint('warn', '~')} {title} {one} → {two}")
    draw_changes(result.changes, screen, limit=limit)


def _installed(editable: bool | None) -> str:
    return "not installed" if editable is None else "in place" if editable else "as a wheel"


def environments_data(result: CompareResult) -> dict[str, Any]:
    return {
        "before": _side(result.before),
        "after": _side(result.after),
        "differs": result.differs,
        "changes": changes_data(result.changes),
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "environment": side.environment,
        "root": side.root,
        "python": side.python,
        "executable": side.executable,
        "link_mode": side.link_mode,
        "editable": side.editable,
        "packages": len(side.packages),
    }


def text(result: DiffResult, screen: Screen) -> None:
    screen.line(screen.paint("strong", f"generation {result.before} → {result.after}"))
    differs = False
    for title, (before, after) in (("Python", result.python), ("link mode", result.link_mode)):
        if before != after:
            differs = True
            screen.line(f"  {screen.paint('warn', '~')} {title} {before} → {after}")
    draw_changes(result.changes, screen)
    if not differs and not result.changes:
        screen.line("  no difference")


def data(result: DiffResult) -> dict[str, Any]:
    return {
        "before": result.before,
        "after": result.after,
        "changes": changes_data(result.changes),
        "python": {"before": result.python[0], "after": result.python[1]},
        "link_mode": {"before": result.link_mode[0], "after": result.link_mode[1]},
    }

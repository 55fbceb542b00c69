"""``provenv status``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from provenv.cli.changes import (
    LIMIT,
    changes_data,
    copy_data,
    draw_changes,
    draw_drift,
    drift_data,
    edited_line,
)
from provenv.cli.commands.log import operation_data
from provenv.cli.draw import Screen, printable, short_path
from provenv.cli.options import add_all
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.operations.reading import LoggedOperation
    from provenv.workspace.syncing.inspection import StatusResult

DESCRIPTION = """\
What is current, and whether pyproject.toml, the lock and the environment agree. Exit code 0 where
they do, 1 where they do not."""
EXAMPLES = (
    ("provenv status", "of the default environment"),
    ("provenv status -e test -e prod", "of two of them"),
    ("provenv status --all", "of every member of the workspace"),
    ("provenv status -q -e prod || provenv sync -e prod", "by exit code"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_all(parser)


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.cli.everywhere import for_all
    from provenv.cli.targets import Answer, Target, for_each
    from provenv.workspace.syncing.inspection import status

    limit = None if session.options.verbose else LIMIT

    def act(target: Target) -> Answer:
        result = status(target.project, session.context, environment=target.environment)
        return Answer(
            code=0 if result.agrees else 1,
            data=lambda: data(result),
            text=lambda screen: text(result, screen, limit, target.option),
            short=", ".join(result.reasons) or "in sync",
        )

    if args.all:
        return for_all(session, "status", act, tell="verdict")
    return for_each(session, "status", act, tell="verdict")


def text(result: StatusResult, screen: Screen, limit: int | None = LIMIT, option: str = "") -> None:
    paint = screen.paint
    generation = result.generation
    rows = [
        ("project", f"{paint('strong', result.project)}  {paint('dim', result.root)}"),
        ("environment", f"{paint('strong', result.environment)}  {_dim_path(result, screen)}"),
    ]
    if generation is not None:
        made = f"{screen.when(generation.created)} by `{generation.cause}`"
        rows += [
            ("generation", f"{generation.number}  {paint('dim', made)}"),
            ("python", f"{generation.python}  {paint('dim', generation.executable)}"),
            ("packages", f"{len(generation.packages)}  {paint('dim', generation.link_mode)}"),
        ]
    else:
        rows.append(("generation", paint("warn", result.broken or "none yet")))
    rows.append(("lock", _lock(result, screen)))
    rows += [("edited", paint("warn", edited_line(copy))) for copy in result.edited]
    rows.append(("state", _state(result, screen)))
    screen.table([(paint("dim", key), value) for key, value in rows])
    if result.interrupted is not None:
        screen.prose(paint("warn", "interrupted:"), _interrupted(result.interrupted, screen))
    draw_changes(result.pending, screen, limit=limit)
    draw_drift(result.drift, screen, limit=limit)
    for copy in result.edited if limit is None else ():
        draw_drift(copy.edits, screen, limit=None)
    if result.refused:
        screen.line(
            f"{paint('hint', 'hint:')} nothing is installed from this lock: {result.refused}\n"
            "`provenv lock --check` says more."
        )
    elif not result.agrees:
        screen.line(f"{paint('hint', 'hint:')} `provenv sync{option}` brings them together.")


def _interrupted(one: LoggedOperation, screen: Screen) -> str:
    """What happened, and what is safe."""
    return printable(f"`{one.command}`, begun {screen.when(one.started)}, was stopped; {one.safe}")


def _dim_path(result: StatusResult, screen: Screen) -> str:
    return screen.paint("dim", short_path(result.folder))


def _lock(result: StatusResult, screen: Screen) -> str:
    if result.source is not None:
        return f"from {result.source}"
    return screen.paint("warn", result.stale) if result.stale else "answers pyproject.toml"


def _state(result: StatusResult, screen: Screen) -> str:
    reasons = result.reasons
    return screen.paint("warn", ", ".join(reasons)) if reasons else screen.paint("good", "in sync")


def data(result: StatusResult) -> dict[str, Any]:
    generation = result.generation
    return {
        "project": result.project,
        "root": result.root,
        "environment": result.environment,
        "folder": result.folder,
        "agrees": result.agrees,
        "stale": result.stale,
        "refused": result.refused,
        "source": result.source,
        "broken": result.broken,
        "generation": None
        if generation is None
        else {
            "number": generation.number,
            "created": generation.created,
            "cause": generation.cause,
            "python": generation.python,
            "executable": generation.executable,
            "link_mode": generation.link_mode,
            "lock_digest": generation.lock_digest,
            "manifest_digest": generation.manifest_digest,
            "packages": [
                {
                    "name": package.name,
                    "version": package.version,
                    "sha256": package.sha256,
                    "editable": package.editable,
                }
                for package in generation.packages
            ],
        },
        "pending": changes_data(result.pending),
        "drift": drift_data(result.drift),
        "edited": [copy_data(copy) for copy in result.edited],
        "interrupted": operation_data(result.interrupted) if result.interrupted else None,
    }

"""``provenv repair``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, many, seconds, short_path, visible
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.projects.context import Project
    from provenv.workspace.proving.repair import Repaired, RepairedEnvironment, RepairResult

DESCRIPTION = """\
Verify, and mend what is damaged where it lies: from another copy on this machine, else from the
wheel that a lock names. Every generation that held a damaged file gets the mended one. Nothing is
switched. Exit code 1 where something could not be mended."""
EXAMPLES = (
    ("provenv repair", "all environments of this project"),
    ("provenv repair --all", "the whole store, and every environment that it knows"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="the whole store, every environment")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.cli.checking import run_check
    from provenv.cli.targets import Answer
    from provenv.workspace.proving.repair import repair

    def check(project: Project | None, environment: str | None) -> Answer:
        result = repair(session.context, project=project, environment=environment)
        return Answer(
            code=0 if result.ok else 1,
            data=lambda: data(result),
            text=lambda screen: text(result, screen),
        )

    return run_check(args, session, "repair", check)


def text(result: RepairResult, screen: Screen) -> None:
    paint = screen.paint
    took = paint("dim", f"in {seconds(result.seconds)}")
    compared = many(result.checked, "package")
    if result.ok and not result.objects and not result.paths:
        screen.line(f"{paint('good', 'nothing to repair')}: {compared} {took}")
        return
    if result.objects:
        screen.table(
            [_row(item, screen) for item in result.objects],
            head=("package", "from here", "fetched", "byte code", ""),
        )
    for item in result.objects:
        for reason in item.left:
            screen.prose(paint("bad", "left"), f"{item.name} {item.version}: {reason}")
        for place in item.aside:
            screen.line(f"set aside as {short_path(place)}: it did not belong there")
    for folder, number, path, why in result.left:
        where = f"{short_path(folder)}, generation {number}"
        screen.prose(paint("bad", "left"), f"{where}: {path}{': ' if path else ''}{why}")
    if result.environments:
        screen.line()
        _draw_environments(result.environments, screen)
    hurt = sum(bool(item.left) for item in result.environments)
    whole = many(result.looked_at - hurt, "environment")
    if result.ok:
        screen.line(f"{paint('good', 'repaired')}: {whole} as they were made {took}")
        return
    screen.line(
        f"{paint('bad', 'not repaired')}: {hurt:,} of {many(result.looked_at, 'environment')} {took}"
    )
    screen.line(
        f"{paint('hint', 'hint:')} `provenv sync` there makes a new generation from the lock."
    )


def _row(item: Repaired, screen: Screen) -> list[str]:
    said = screen.paint("bad", "not whole") if item.left else screen.paint("good", "whole")
    counts = [str(number) for number in (item.copied, item.fetched, item.removed)]
    return [f"{item.name} {item.version}", *counts, said]


def _draw_environments(items: Sequence[RepairedEnvironment], screen: Screen) -> None:
    """A row for each; where the terminal is narrow, folders lose their beginning."""
    rows = [_environment(item, screen) for item in items]
    widths = [max(visible(row[column]) for row in rows) for column in range(1, 4)]
    widths[1] = max(widths[1], len("put right"))
    room = (screen.width or sys.maxsize) - sum(widths[:2]) - min(widths[2], 24) - 6
    for row in rows:
        if len(row[0]) > room:
            row[0] = "…" + row[0][-max(room - 1, 12) :]
    screen.table(rows, head=("environment", "state", "put right", "left"))


def _environment(item: RepairedEnvironment, screen: Screen) -> list[str]:
    state = screen.paint("bad", "not whole") if item.left else screen.paint("good", "whole")
    right = [many(len(item.packages), "package")] if item.packages else []
    right += [many(item.paths, "path")] if item.paths else []
    left = ", ".join(dict.fromkeys(reason.partition(": ")[0] for reason in item.left))
    return [short_path(item.folder), state, ", ".join(right) or "-", left]


def data(result: RepairResult) -> dict[str, Any]:
    return {
        "ok": result.ok,
        "checked": result.checked,
        "objects": [
            {
                "sha256": item.sha256,
                "name": item.name,
                "version": item.version,
                "copied": item.copied,
                "fetched": item.fetched,
                "aside": list(item.aside),
                "left": list(item.left),
                "removed": item.removed,
            }
            for item in result.objects
        ],
        "environments": [
            {
                "folder": item.folder,
                "generations": list(item.generations),
                "packages": list(item.packages),
                "paths": item.paths,
                "left": list(item.left),
            }
            for item in result.environments
        ],
        "looked_at": result.looked_at,
        "paths": [
            {"folder": folder, "generation": number, "path": path}
            for folder, number, path in result.paths
        ],
        "left": [
            {"folder": folder, "generation": number, "path": path, "reason": why}
            for folder, number, path, why in result.left
        ],
        "seconds": round(result.seconds, 4),
    }

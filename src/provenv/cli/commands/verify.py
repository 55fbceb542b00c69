"""``provenv verify``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli.changes import copy_data, edited_line
from provenv.cli.draw import Screen, many, seconds, short_path, size
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.environments.drift import Drift
    from provenv.workspace.projects.context import Project
    from provenv.workspace.proving.verification import Hit, VerifyResult

DESCRIPTION = """\
Compare every file with its hash: of the project's environments, of one of them, or of the whole
store. Names the files, packages and environments that are hit. Exit code 1 where something
differs."""
EXAMPLES = (
    ("provenv verify", "all environments of this project"),
    ("provenv verify -e prod", "one of them"),
    ("provenv verify --all", "the whole store, and all environments that it knows"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="the whole store; needs no project")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.cli.checking import run_check
    from provenv.cli.targets import Answer
    from provenv.workspace.proving.verification import verify

    def check(project: Project | None, environment: str | None) -> Answer:
        result = verify(session.context, project=project, environment=environment)
        return Answer(
            code=0 if result.ok else 1,
            data=lambda: data(result),
            text=lambda screen: text(result, screen),
        )

    return run_check(args, session, "verify", check)


def text(result: VerifyResult, screen: Screen) -> None:
    paint = screen.paint
    for hit in result.hits:
        _draw_hit(hit, screen)
    for folder, item in result.drift:
        screen.line(f"{paint('bad', item.kind)} {short_path(folder)}: {item.path}")
    for folder, item in result.former:
        where = f"{short_path(folder)}, former generation {item.generation}"
        screen.line(f"{paint('warn', item.kind)} {where}: {item.path}")
    for folder, copy in result.edited:
        screen.line(f"{paint('warn', 'edited')} {short_path(folder)}: {edited_line(copy)}")
    for folder, executable in result.lost:
        screen.line(f"{paint('bad', 'interpreter gone')} {short_path(folder)}: {executable}")
    for reason in result.unreadable:
        screen.line(f"{paint('bad', 'unreadable')} {reason}")
    for folder in result.open:
        screen.line(
            f"{paint('warn', 'not verified')} {short_path(folder)} also sees what is installed for its "
            "interpreter (system-site-packages)"
        )
    if result.unjudged:
        screen.line(
            f"{paint('warn', 'not verified')} {many(len(result.unjudged), 'file')} beside byte code: other "
            "tools keep them there, or no Python here reads them"
        )
    compared = (
        f"{many(result.files, 'file')} of {many(result.objects, 'package')} ({size(result.size)})"
    )
    took = paint("dim", f"in {seconds(result.seconds)}")
    if result.former:
        screen.line(
            f"{paint('hint', 'hint:')} `provenv repair` puts former generations right, for a rollback."
        )
    if result.ok and not result.objects:
        screen.line("nothing to verify: no environment holds a package")
        return
    if result.ok:
        screen.line(f"{paint('good', 'verified')}: {compared} {took}")
        return
    count = len(result.hits) + len(result.drift) + len(result.unreadable) + len(result.lost)
    screen.line(f"{paint('bad', 'not as it was made')}: {count} of {compared} {took}")
    screen.line(
        f"{paint('hint', 'hint:')} `provenv repair` mends it; `provenv sync` makes a new generation."
    )


def _draw_hit(hit: Hit, screen: Screen) -> None:
    damage = hit.damage
    what = f"{damage.name} {damage.version}" if damage.version != "?" else damage.sha256[:16]
    detail = screen.paint("dim", f"  {damage.detail}") if damage.detail else ""
    path = f": {damage.path}" if damage.path else ""
    screen.line(f"{screen.paint('bad', damage.kind)} {screen.paint('strong', what)}{path}{detail}")
    for holder in hit.generations:
        folder, _, number = holder.rpartition(":")
        screen.line(screen.paint("dim", f"  in {short_path(folder)}, generation {number}"))


def data(result: VerifyResult) -> dict[str, Any]:
    return {
        "ok": result.ok,
        "objects": result.objects,
        "files": result.files,
        "size": result.size,
        "damage": [
            {
                "sha256": hit.damage.sha256,
                "name": hit.damage.name,
                "version": hit.damage.version,
                "path": hit.damage.path,
                "kind": hit.damage.kind,
                "detail": hit.damage.detail,
                "held_by": [_holder(text) for text in hit.generations],
            }
            for hit in result.hits
        ],
        "drift": _drift(result.drift),
        "former": _drift(result.former),
        "unreadable": list(result.unreadable),
        "edited": [{"folder": folder, **copy_data(copy)} for folder, copy in result.edited],
        "lost": [{"folder": folder, "executable": path} for folder, path in result.lost],
        "open": list(result.open),
        "compiled": result.compiled,
        "unjudged": list(result.unjudged),
        "seconds": round(result.seconds, 4),
    }


def _drift(rows: Sequence[tuple[str, Drift]]) -> list[dict[str, Any]]:
    return [
        {"folder": folder, "generation": item.generation, "path": item.path, "kind": item.kind}
        for folder, item in rows
    ]


def _holder(text: str) -> dict[str, Any]:
    folder, _, number = text.rpartition(":")
    return {"folder": folder, "generation": int(number)}

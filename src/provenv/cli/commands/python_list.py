"""``provenv python list``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, short_path
from provenv.cli.pythons import add_mirror, interpreter_data, mirror, project_at_hand
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.interpreters.builds import Build
    from provenv.model.interpreter import Interpreter
    from provenv.workspace.host.pythons import Installed, PythonList

DESCRIPTION = """\
What is installed: which Python, whose, how many environments use it, and what selects it. Then what
looks like an interpreter and cannot be used, with the reason, and what can be installed."""
EXAMPLES = (
    ("provenv python list '>=3.12'", "only those"),
    (
        "provenv python list --installable --all",
        "every build that can be installed, with its address",
    ),
)
PROJECT = True
_LIMIT = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("request", nargs="?", metavar="REQUEST", help="only what meets it")
    parser.add_argument(
        "--all", action="store_true", help="every build that can be installed, also old ones"
    )
    parser.add_argument(
        "--installable", action="store_true", help="only what can be installed, with its address"
    )
    add_mirror(parser)


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.host.pythons import list_pythons

    found = list_pythons(
        session.context,
        project=project_at_hand(session),
        folder=os.getcwd(),
        request=session.request(args.request),
        every=args.all,
        mirror=mirror(args.mirror),
    )
    only = args.installable
    session.answer(
        "python-list",
        lambda: data(found),
        lambda screen: (
            installable_text(found, screen)
            if only
            else text(found, screen, limit=None if session.options.verbose else _LIMIT)
        ),
    )
    return 0


def text(found: PythonList, screen: Screen, limit: int | None = _LIMIT) -> None:
    rows = [_row(one, screen) for one in found.installed]
    if rows:
        screen.table(rows, head=("python", "from", "environments", "chosen by", "path"))
    else:
        screen.line("no interpreter here is that")
    if found.unusable:
        screen.line()
        screen.line(screen.paint("warn", "cannot be used:"))
        for line in _unusable(found):
            screen.line(f"  {line}")
    screen.line()
    if found.installable is None:
        screen.line(f"what can be installed is not known: {found.unknown}")
        return
    names = [_title(build) for build in found.installable]
    shown = names[:limit]
    rest = f", and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    listed = f"{', '.join(shown)}{rest}" if names else "nothing"
    screen.line(f"{screen.paint('dim', 'can be installed:')} {listed}")


def _unusable(found: PythonList) -> list[str]:
    """A line for each; pyenv's shims, of which there is one a version, in one line a folder."""
    lines = [f"{one.path}: {one.reason}" for one in found.unusable if one.kind != "shim"]
    shims: dict[str, list[str]] = {}
    for one in found.unusable:
        if one.kind == "shim":
            folder, _, name = one.path.rpartition("/")
            shims.setdefault(folder, []).append(name)
    for folder, names in shims.items():
        listed = ", ".join(names)
        lines.append(f"{folder}: pyenv's shims of versions that it does not select: {listed}")
    return lines


def _row(one: Installed, screen: Screen) -> tuple[str, ...]:
    name = _title(one.interpreter)
    if one.dead:
        name += screen.paint("warn", f"  no fixes since {one.end_of_life}")
    return (
        name,
        one.interpreter.source,
        str(len(one.used_by) or screen.paint("dim", "-")),
        ", ".join(one.selected_by) or screen.paint("dim", "-"),
        short_path(one.interpreter.executable),
    )


def _title(one: Interpreter | Build) -> str:
    name = "" if one.implementation == "cpython" else f"{one.implementation} "
    return f"{name}{one.version}{'t' if one.free_threaded else ''}"


def installable_text(found: PythonList, screen: Screen) -> None:
    if found.installable is None:
        screen.line(f"what can be installed is not known: {found.unknown}")
        return
    rows = [(_title(build), screen.paint("dim", build.url)) for build in found.installable]
    screen.table(rows, head=("python", "from"))


def data(found: PythonList) -> dict[str, Any]:
    return {
        "installed": [
            {
                **interpreter_data(one.interpreter),
                "selected_by": list(one.selected_by),
                "used_by": list(one.used_by),
                "end_of_life": one.end_of_life.isoformat() if one.end_of_life else None,
                "dead": one.dead,
            }
            for one in found.installed
        ],
        "unusable": [
            {"path": one.path, "source": one.source, "kind": one.kind, "reason": one.reason}
            for one in found.unusable
        ],
        "installable": None
        if found.installable is None
        else [
            {
                "key": build.key,
                "version": build.version,
                "implementation": build.implementation,
                "free_threaded": build.free_threaded,
                "url": build.url,
            }
            for build in found.installable
        ],
        "unknown": found.unknown,
    }

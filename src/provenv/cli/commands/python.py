"""``provenv python list|find|install|uninstall|pin|upgrade``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen, many, seconds, short_path
from provenv.cli.options import add_common, add_environment
from provenv.cli.session import Session
from provenv.core.errors import UsageError

if TYPE_CHECKING:
    from provenv.interpreters.builds import Build
    from provenv.model.interpreter import Interpreter
    from provenv.workspace.context import Project
    from provenv.workspace.installing import PythonInstalled, PythonRemoved
    from provenv.workspace.pinning import PinResult
    from provenv.workspace.pythons import Installed, PythonList
    from provenv.workspace.upgrading import PythonMove

DESCRIPTION = """\
The Pythons of this machine: pyenv's (each of its versions), uv's, conda's, asdf's and mise's, the
system's and those on PATH. Installing is done by uv, in the folder that it and provenv share."""
EXAMPLES = (
    ("provenv python list", "what is here, who uses it, and what can be installed"),
    ("provenv python find '>=3.11,<3.13'", "the path of the one that would be taken"),
    ("provenv python install 3.13 pypy3.11", "install the newest of each"),
    ("provenv python pin 3.13", "write .python-version"),
    ("provenv python upgrade --all", "move all environments to the newest patch release"),
)
ENVIRONMENT = True
HELPS = {
    "list": "what is installed, who uses it, and what can be installed",
    "find": "the path of the interpreter that a request means",
    "install": "install Pythons that uv manages",
    "uninstall": "remove Pythons that uv manages",
    "pin": "write the project's .python-version, or say what it is pinned to",
    "upgrade": "move environments to the newest patch release of their Python",
}
_LIMIT = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
    for name, text in HELPS.items():
        below = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        _ARGUMENTS[name](below)
        add_common(below)


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("request", nargs="?", metavar="REQUEST", help="only what meets it")
    parser.add_argument(
        "--all", action="store_true", help="every build that can be installed, also old ones"
    )
    parser.add_argument(
        "--installable", action="store_true", help="only what can be installed, with its address"
    )
    _mirror_argument(parser)


def _find_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "request",
        nargs="?",
        metavar="REQUEST",
        help="3.12, '>=3.11,<3.13', cpython3.13t, pypy, a path (default: what the project gets)",
    )


def _install_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("requests", nargs="+", metavar="REQUEST", help="3.12, 3.12.1, pypy3.11")
    parser.add_argument("--reinstall", action="store_true", help="also where it is installed")
    _mirror_argument(parser)


def _uninstall_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("requests", nargs="+", metavar="REQUEST", help="3.12, 3.12.1, pypy3.11")
    parser.add_argument("--force", action="store_true", help="also where environments use it")


def _pin_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "requests", nargs="*", metavar="REQUEST", help="the preferred first; none: say what is"
    )
    parser.add_argument("--rm", action="store_true", help="take the pin away")


def _upgrade_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "request", nargs="?", metavar="REQUEST", help="only environments with such a Python"
    )
    parser.add_argument("--all", action="store_true", help="of all projects on this machine")
    parser.add_argument(
        "--install", action="store_true", help="install a newer patch release where there is one"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would move")
    _mirror_argument(parser)
    add_environment(parser)


def _mirror_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mirror",
        metavar="URL",
        help="take builds from this folder, or a list of them (….json); file:// works offline",
    )


_ARGUMENTS = {
    "list": _list_arguments,
    "find": _find_arguments,
    "install": _install_arguments,
    "uninstall": _uninstall_arguments,
    "pin": _pin_arguments,
    "upgrade": _upgrade_arguments,
}


def run(args: argparse.Namespace, session: Session) -> int:
    if session.options.environments and args.action != "upgrade":
        raise UsageError(
            f"`python {args.action}` is not about one environment: it takes no --environment"
        )
    actions = {
        "list": _list, "find": _find, "install": _install,
        "uninstall": _uninstall, "pin": _pin, "upgrade": _upgrade,
    }  # fmt: skip
    return actions[args.action](args, session)


def _project(session: Session) -> Project | None:
    """The project at hand; None outside of projects."""
    from provenv.workspace.context import find_root

    return session.opened if find_root(os.getcwd()) is not None else None


def _mirror(text: str | None) -> str | None:
    """The mirror, a relative path made one from the working directory."""
    return text if text is None or "://" in text else os.path.abspath(text)


def _list(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.pythons import list_pythons

    found = list_pythons(
        session.context,
        project=_project(session),
        folder=os.getcwd(),
        request=session.request(args.request),
        every=args.all,
        mirror=_mirror(args.mirror),
    )
    only = args.installable
    session.answer(
        "python-list",
        lambda: list_data(found),
        lambda screen: (
            installable_text(found, screen)
            if only
            else list_text(found, screen, limit=None if session.options.verbose else _LIMIT)
        ),
    )
    return 0


def list_text(found: PythonList, screen: Screen, limit: int | None = _LIMIT) -> None:
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


def list_data(found: PythonList) -> dict[str, Any]:
    return {
        "installed": [
            {
                **_interpreter(one.interpreter),
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


def _interpreter(one: Interpreter) -> dict[str, Any]:
    return {
        "path": one.executable,
        "version": one.version,
        "implementation": one.implementation,
        "free_threaded": one.free_threaded,
        "source": one.source,
    }


def _find(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.pythons import find_python

    found = find_python(
        session.context,
        session.request(args.request),
        project=_project(session),
        folder=os.getcwd(),
    )
    session.answer("python-find", lambda: _interpreter(found), lambda s: s.line(found.executable))
    return 0


def _install(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.installing import install_pythons

    results = install_pythons(
        session.context,
        args.requests,
        project=_project(session),
        mirror=_mirror(args.mirror),
        again=args.reinstall,
    )
    session.report(
        "python-install",
        lambda: install_data(results),
        lambda screen: install_text(results, screen),
    )
    return 0


def install_text(results: Sequence[PythonInstalled], screen: Screen) -> None:
    for result in results:
        name = f"{result.implementation} {result.version}"
        if result.made:
            took = screen.paint("dim", f"in {seconds(result.seconds)}")
            screen.line(f"{screen.paint('good', 'installed')} {name} {took}  {result.path}")
        else:
            screen.line(f"{name} is there: {result.path}")


def install_data(results: Sequence[PythonInstalled]) -> dict[str, Any]:
    return {
        "pythons": [
            {
                "request": result.request,
                "key": result.key,
                "version": result.version,
                "implementation": result.implementation,
                "path": result.path,
                "made": result.made,
                "seconds": round(result.seconds, 4),
            }
            for result in results
        ]
    }


def _uninstall(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.installing import uninstall_pythons

    results = uninstall_pythons(session.context, args.requests, force=args.force)
    session.report(
        "python-uninstall",
        lambda: uninstall_data(results),
        lambda screen: uninstall_text(results, screen),
    )
    return 0


def uninstall_text(results: Sequence[PythonRemoved], screen: Screen) -> None:
    for result in results:
        screen.line(
            f"{screen.paint('good', 'removed')} {result.implementation} {result.version}  "
            f"{screen.paint('dim', result.path)}"
        )
        for folder in result.used_by:
            screen.line(f"  {short_path(folder)} has no interpreter now; `provenv sync` mends it")


def uninstall_data(results: Sequence[PythonRemoved]) -> dict[str, Any]:
    return {
        "pythons": [
            {
                "key": result.key,
                "version": result.version,
                "implementation": result.implementation,
                "path": result.path,
                "used_by": list(result.used_by),
            }
            for result in results
        ]
    }


def _pin(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace import pinning

    if args.rm and args.requests:
        raise UsageError("--rm takes the pin away: no REQUEST")
    if not args.rm and not args.requests:
        result = pinning.read_pin(session.project, session.context)
        session.answer("python-pin", lambda: pin_data(result), lambda s: pin_text(result, s))
        return 0 if result.after else 1
    if args.rm:
        result = pinning.unpin_python(session.project, session.context)
    else:
        result = pinning.pin_python(session.project, session.context, args.requests)
    session.report("python-pin", lambda: pin_data(result), lambda s: pin_text(result, s))
    return 0


def pin_text(result: PinResult, screen: Screen) -> None:
    if not result.after or result.file is None:
        screen.line("not pinned")
        return
    where = screen.paint("dim", short_path(result.file))
    meant = f" → {result.path}" if result.path else ""
    screen.line(f"{' '.join(result.after)}{meant}  {where}")


def pin_data(result: PinResult) -> dict[str, Any]:
    return {
        "file": result.file,
        "before": list(result.before),
        "after": list(result.after),
        "path": result.path,
    }


def _upgrade(args: argparse.Namespace, session: Session) -> int:
    from provenv.cli import targets
    from provenv.workspace import upgrading

    named = bool(session.options.environments)
    if args.all and named:
        raise UsageError("--all means every environment: no --environment")
    chosen = None
    if named:
        chosen = [
            (target.project, target.project.manifest.environment(target.environment))
            for target in targets.several(session)
        ]
    elif not args.all:
        chosen = upgrading.made(session.project)
    moves = upgrading.upgrade_pythons(
        session.context,
        chosen,
        request=args.request,
        install=args.install,
        mirror=_mirror(args.mirror),
        dry_run=args.dry_run,
    )
    tell = session.answer if args.dry_run else session.report
    tell(
        "python-upgrade",
        lambda: upgrade_data(moves, dry_run=args.dry_run),
        lambda screen: upgrade_text(moves, screen),
    )
    return max((move.exit_code for move in moves), default=0)


def upgrade_text(moves: Sequence[PythonMove], screen: Screen) -> None:
    paint = screen.paint
    for move in moves:
        where = short_path(move.root or move.folder)
        name = move.environment if where == "." else f"{where}, {move.environment}"
        if move.state in ("moved", "would-move"):
            made = f"generation {move.generation}" if move.generation else "would move"
            said = f"{move.before} → {paint('good', move.after)}  {made}"
        elif move.state == "newest":
            said = f"{move.before} is the newest here"
        else:
            style = "bad" if move.state == "failed" else "warn"
            said = f"{move.before} {paint(style, 'stays')}: {move.reason}"
        screen.line(f"{name}: {said}")
    moved = sum(move.state in ("moved", "would-move") for move in moves)
    if any(move.generation for move in moves):
        screen.line(paint("dim", "`provenv rollback` goes back"))
    if not moves:
        screen.line("no environment has such a Python")
    elif not moved:
        screen.line(paint("dim", f"nothing to do for {many(len(moves), 'environment')}"))


def upgrade_data(moves: Sequence[PythonMove], *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "environments": [
            {
                "root": move.root,
                "environment": move.environment,
                "folder": move.folder,
                "before": move.before,
                "after": move.after,
                "executable": move.executable or None,
                "generation": move.generation,
                "state": move.state,
                "reason": move.reason,
                "exit_code": move.exit_code,
            }
            for move in moves
        ],
    }

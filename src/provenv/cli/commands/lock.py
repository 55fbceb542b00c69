"""``provenv lock``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from provenv.cli.changes import LIMIT, changes_data, draw_changes
from provenv.cli.commands.evidence_checkpoint import key_of
from provenv.cli.draw import Screen, many, seconds
from provenv.cli.options import add_all
from provenv.cli.session import Session
from provenv.core.errors import InputError, ProvenvError, UsageError
from provenv.core.events import Noted

if TYPE_CHECKING:
    from provenv.workspace.governing.signing import Signed
    from provenv.workspace.projects.context import Project
    from provenv.workspace.projects.members import Workspace
    from provenv.workspace.syncing.locking import LockResult

DESCRIPTION = """\
Decide every version: pyproject.toml → pylock.toml (PEP 751), for all environments and platforms.
What is locked stays where it is, unless it must move or is to be upgraded."""
EXAMPLES = (
    ("provenv lock", "after editing pyproject.toml"),
    ("provenv lock --check", "in CI: exit 1 where the lock is stale, edited or rewritten"),
    ("provenv lock --upgrade --dry-run", "what an upgrade would move"),
    ("provenv lock --upgrade-package django", "upgrade one package"),
    ("provenv lock --sign", "and sign it, as policies may want it"),
    ("provenv lock --all", "every member of the workspace, several at once"),
)
PROJECT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; say whether the lock is what the manifest and the indexes lead to",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would move, write nothing"
    )
    parser.add_argument("--upgrade", action="store_true", help="forget all locked versions")
    parser.add_argument(
        "--upgrade-package",
        action="append",
        default=[],
        metavar="NAME",
        help="forget the locked version of NAME; can be repeated",
    )
    parser.add_argument("--python", metavar="REQUEST", help="interpreter to ask about metadata")
    parser.add_argument(
        "--sign", action="store_true", help="sign the lock, made anew where it is stale"
    )
    parser.add_argument(
        "--key", metavar="KEY", help="with this key: its name on this machine, or a file"
    )
    add_all(parser)


def run(args: argparse.Namespace, session: Session) -> int:
    from packaging.utils import canonicalize_name

    from provenv.cli.everywhere import for_all
    from provenv.cli.targets import Answer, Target
    from provenv.workspace.syncing.locking import lock

    if args.check and (args.upgrade or args.upgrade_package or args.dry_run):
        raise UsageError("--check asks about the lock as it is: it goes with no other option")
    if (args.check or args.dry_run) and args.sign:
        raise UsageError(
            "what is not written is not signed: --sign goes with neither --check nor --dry-run"
        )
    if args.key is not None and not args.sign:
        raise UsageError("--key says whose signature: it goes with --sign")
    if args.sign:
        from provenv.workspace.governing.signing import read_key

        read_key(session.context, key_of(args))  # before anything is locked for it
    names = frozenset(canonicalize_name(name) for name in args.upgrade_package)
    limit = None if session.options.verbose or args.dry_run else LIMIT

    def act(target: Target) -> Answer:
        own = _locked(target.project) if args.all and names else None
        wanted = names if own is None else names & own
        result = lock(
            target.project,
            session.context,
            upgrade=args.upgrade or wanted,
            check=args.check,
            dry_run=args.dry_run,
            python=session.request(args.python),
        )
        signed = _signed(target.project, session, key_of(args)) if args.sign else None
        return Answer(
            code=0,
            data=lambda: data(result, signed),
            text=lambda screen: text(result, screen, limit=limit, signed=signed),
            short=short(result),
        )

    if args.all:
        if names and session.opened.workspace is not None:
            _refuse_unknown(session.opened.workspace, names)
        return for_all(session, "lock", act, whole=True)
    project = session.opened if session.opened.shared is not None else session.project
    for note in project.workspace.notes if project.workspace is not None else ():
        session.progress(Noted(message=note))
    answer = act(Target(project=project, environment=None))
    tell = session.answer if args.dry_run else session.report
    tell("lock", answer.data, answer.text)
    return 0


def _signed(project: Project, session: Session, key: str | None) -> Signed:
    from provenv.workspace.governing.signing import sign
    from provenv.workspace.projects.context import as_it_is

    return sign(as_it_is(project), session.context, key)


def _locked(project: Project) -> frozenset[str] | None:
    """What the project has locked; None where it has no lock, or none that can be read."""
    from provenv.workspace.projects.context import read_locks

    try:
        locks = read_locks(project)
    except InputError:  # as `lock` will say
        return None
    if None not in locks:
        return None
    return frozenset(package.name for file in locks.values() for package in file.lock.packages)


def _refuse_unknown(workspace: Workspace, names: frozenset[str]) -> None:
    """Refuse a name that no member has locked: not each of them must have it."""
    from provenv.workspace.projects.context import open_folder

    left = names
    for folder in workspace.folders:
        try:
            own = _locked(open_folder(workspace, folder))
        except ProvenvError:  # the member's own, and it stops no other
            own = None
        if own is None:
            return
        left -= own
    if left:
        raise UsageError(
            f"in the lock of no member: {', '.join(sorted(left))}",
            hint="`provenv tree` lists what a member has locked.",
        )


def short(result: LockResult) -> str:
    """What was done in a few words."""
    packages = many(result.packages, "package")
    if not result.changed:
        return f"nothing to do: {packages}"
    return f"{'locked' if result.written else 'would lock'} {packages}"


def text(
    result: LockResult, screen: Screen, *, limit: int | None, signed: Signed | None = None
) -> None:
    _text(result, screen, limit=limit)
    if signed is not None:
        by = signed.key.label or signed.key.id[:12]
        screen.line(f"{screen.paint('good', 'signed')} by {by}: {', '.join(signed.files)}")


def _text(result: LockResult, screen: Screen, *, limit: int | None) -> None:
    name = screen.paint("strong", ", ".join(result.files))
    packages = many(result.packages, "package")
    if not result.changed:
        held = ", as the manifest and the indexes have them" if result.compared else ""
        screen.line(f"{name}: nothing to do: {packages}{held}")
        return
    done = screen.paint("good", "locked") if result.written else "would lock"
    took = screen.paint("dim", f"in {seconds(result.seconds)}")
    screen.line(f"{name}: {done} {packages} {took}")
    draw_changes(result.changes, screen, limit=limit)


def data(result: LockResult, signed: Signed | None = None) -> dict[str, Any]:
    return {
        "changed": result.changed,
        "written": result.written,
        "files": list(result.files),
        "packages": result.packages,
        "changes": changes_data(result.changes),
        "compared": result.compared,
        "signed": None if signed is None else {"key": signed.key.id, "files": list(signed.files)},
        "excluded": [dict(row) for row in result.excluded],
        "seconds": round(result.seconds, 4),
    }

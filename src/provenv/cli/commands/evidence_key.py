"""``provenv evidence key``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli.draw import Screen
from provenv.cli.session import Session
from provenv.core.errors import UsageError

if TYPE_CHECKING:
    from provenv.evidence.keys import PublicKey

DESCRIPTION = """\
Ed25519 keys that sign checkpoints, verdicts and locks, in the home folder. `new` makes one: NAME.key,
which only you may read, and NAME.pub, for those who check. A line `ed25519:…` goes into a policy."""
EXAMPLES = (
    ("provenv evidence key new audit", "make one"),
    ("provenv evidence key list", "those of this machine"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", choices=("new", "list"), metavar="new|list", help="make one, or list them"
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="what the new one is called")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.assuring.evidence import new_key
    from provenv.workspace.governing.signing import own

    if (args.what == "new") != (args.name is not None):
        raise UsageError(
            "a new key needs a name" if args.what == "new" else "`key list` takes no name",
            hint="`provenv evidence key new NAME`.",
        )
    if args.what == "new":
        keys: Sequence[PublicKey] = (new_key(session.context, args.name),)
        session.report(
            "evidence-key", lambda: data(keys, session), lambda s: text(keys, session, s)
        )
        return 0
    keys = own(session.context)
    session.answer("evidence-key", lambda: data(keys, session), lambda s: text(keys, session, s))
    return 0


def text(keys: Sequence[PublicKey], session: Session, screen: Screen) -> None:
    for key in keys:
        screen.line(f"{screen.paint('strong', key.label)}  {key.text}")
        screen.line(screen.paint("dim", f"  {key.id}"))
    if not keys:
        screen.line(f"no key in {session.context.home.keys}")


def data(keys: Sequence[PublicKey], session: Session) -> dict[str, Any]:
    return {
        "folder": session.context.home.keys,
        "keys": [{"name": key.label, "id": key.id, "public": key.text} for key in keys],
    }

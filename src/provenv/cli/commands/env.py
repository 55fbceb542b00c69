"""``provenv env list|prune|edit``: each verb is a module of its own, ``env_list`` and so on."""

from __future__ import annotations

import argparse
import importlib
from typing import Any, cast

from provenv.cli.session import Session

DESCRIPTION = """\
Environments as a whole: which there are on this machine, which of them nobody needs any more, and a
private copy of one package to edit."""
EXAMPLES = (
    ("provenv env list", "every environment on this machine"),
    ("provenv env list --project", "those of this project, also those not made yet"),
    ("provenv env prune --dry-run", "what is left over"),
    ("provenv env edit httpx", "a copy of httpx that may be edited"),
)
ENVIRONMENT = True
HELPS = {
    "list": "every environment on this machine, or of this project",
    "prune": "remove what is left of environments that nobody needs any more",
    "edit": "give an environment a private copy of one package, to edit it",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions: Any = parser.add_subparsers(
        dest="action", metavar="ACTION", required=True, title="actions"
    )
    for name, text in HELPS.items():
        actions.add_parser(name, help=text, module=f"env_{name}")


def run(args: argparse.Namespace, session: Session) -> int:
    verb = importlib.import_module(f"provenv.cli.commands.env_{args.action}")
    return cast("int", verb.run(args, session))

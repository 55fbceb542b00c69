"""``provenv env path``."""

from __future__ import annotations

import argparse
import os
from typing import Any

from provenv.cli.session import Session
from provenv.cli.targets import Target
from provenv.core.errors import CheckFailedError

DESCRIPTION = """\
Print the folder of an environment. Exit code 1 where it is not made yet. Of several Pythons, the
first is meant."""
EXAMPLES = (
    ('cd "$(provenv env path ml)"', "its folder"),
    ("provenv env path test@3.12 --python", "its interpreter, for an editor"),
)
PROJECT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="the default environment without it"
    )
    parser.add_argument("--python", action="store_true", help="the path of its python instead")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.cli import targets
    from provenv.workspace.host.registry import attend

    target = targets.find(session, args.name)
    attend(target.project, session.context, target.environment)
    found = data(target)
    if not os.path.lexists(os.path.join(found["folder"], "current")):
        raise CheckFailedError(
            f"environment {target.name!r} is not made yet: {found['folder']}",
            hint=f"`provenv sync{target.option}` makes it.",
            details=found,
        )
    path = found["python" if args.python else "folder"]
    session.answer("env-path", lambda: found, lambda screen: screen.line(path))
    return 0


def data(target: Target) -> dict[str, Any]:
    folder = target.project.folder(target.project.manifest.environment(target.environment))
    return {
        "environment": target.name,
        "root": target.project.root,
        "folder": folder,
        "python": os.path.join(folder, "bin", "python"),
    }

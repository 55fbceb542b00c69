"""Checks of the store and of what is linked from it: of named environments, of a project's, of all."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from provenv.cli.session import Session
from provenv.cli.targets import Answer, for_each
from provenv.core.errors import UsageError
from provenv.workspace.projects.context import Project

# The project, or None for the whole store; the environment's name, or None for all of the project's.
Check = Callable[[Project | None, str | None], Answer]


def run_check(args: argparse.Namespace, session: Session, verb: str, check: Check) -> int:
    """Do ``check`` for what ``-e`` and ``--all`` ask for, and tell its verdict; returns the exit code.

    Raises:
        UsageError: Both were given.
    """
    if session.options.environments:
        if args.all:
            raise UsageError("--all is about every environment: it takes no --environment")
        return for_each(
            session, verb, lambda target: check(target.project, target.name), tell="verdict"
        )
    answer = check(None if args.all else session.project, None)
    session.verdict(verb, answer.data, answer.text)
    return answer.code

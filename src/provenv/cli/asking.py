"""Asking the person at the terminal before something is taken away."""

from __future__ import annotations

import sys

from provenv.cli.session import Session
from provenv.core.errors import CheckFailedError, UsageError


def confirm(session: Session, question: str, *, yes: bool) -> None:
    """Go on only where ``--yes`` was given, or a person says so.

    Raises:
        UsageError: There is nobody to ask, and no ``--yes``.
        CheckFailedError: The answer is no.
    """
    if yes:
        return
    if session.options.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{question} Nobody is here to ask.", hint="--yes says so.")
    session.progress.close()
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CheckFailedError("nothing was changed")

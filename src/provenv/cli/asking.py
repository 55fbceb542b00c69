"""Asking a person before something is removed."""

from __future__ import annotations

import sys

from provenv.cli.session import Session
from provenv.core.errors import UsageError


def agreed(session: Session, question: str) -> bool:
    """Whether a person says yes; anything else is no.

    Raises:
        UsageError: Nobody is there to be asked.
    """
    session.progress.close()
    if session.options.json or not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is there to be asked", hint="--yes says yes.")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")

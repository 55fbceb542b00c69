"""What several actions of ``python`` share: the mirror, the project at hand, JSON of one Python."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.model.interpreter import Interpreter
    from provenv.workspace.host.installing import PythonInstalled, PythonRemoved
    from provenv.workspace.projects.context import Project


def add_mirror(parser: argparse.ArgumentParser) -> None:
    """``--mirror``: where builds come from."""
    parser.add_argument(
        "--mirror",
        metavar="URL",
        help="take builds from this folder, or a list of them (….json); file:// works offline",
    )


def mirror(text: str | None) -> str | None:
    """The mirror, a relative path made one from the working directory."""
    return text if text is None or "://" in text else os.path.abspath(text)


def project_at_hand(session: Session) -> Project | None:
    """The project of the working directory; None outside of projects."""
    from provenv.workspace.projects.context import find_root

    return session.opened if find_root(os.getcwd()) is not None else None


def interpreter_data(one: Interpreter) -> dict[str, Any]:
    """An interpreter that is here."""
    return {
        "path": one.executable,
        "version": one.version,
        "implementation": one.implementation,
        "free_threaded": one.free_threaded,
        "source": one.source,
    }


def managed_data(one: PythonInstalled | PythonRemoved) -> dict[str, Any]:
    """A Python that uv manages, brought or removed."""
    return {
        "key": one.key,
        "version": one.version,
        "implementation": one.implementation,
        "path": one.path,
    }

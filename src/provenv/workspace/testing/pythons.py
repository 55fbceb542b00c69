"""The interpreters of a matrix: found, nowhere to be had, or there and broken, which is not the same."""

from __future__ import annotations

import os
from collections.abc import Iterable

from provenv.core.errors import ProvenvError, UndecidedError, UnsatisfiableError
from provenv.core.events import silent
from provenv.core.values import frozen, replace
from provenv.interpreters import Search, absolute_request, probe, read_request
from provenv.interpreters.discovery import candidates
from provenv.interpreters.requests import Request
from provenv.model.interpreter import Interpreter
from provenv.trials.cells import Cell
from provenv.workspace.host import access
from provenv.workspace.projects.context import Context, Project
from provenv.workspace.testing.cells import find_interpreter


@frozen
class Distant:
    """What was asked for is on another machine."""

    version: str
    implementation: str


@frozen
class Missing:
    """Nothing here is what was asked for, or the project does not allow it."""

    request: str
    reason: str
    hint: str | None = None


@frozen
class Broken:
    """What was asked for is here, and does not start or answer."""

    request: str
    reason: str
    hint: str | None = None


def look_for(
    cells: Iterable[Cell], project: Project, context: Context
) -> dict[str, Interpreter | Missing | Broken]:
    """By request, the interpreter that it leads to here.

    Raises:
        UsageError: One is no request that provenv knows.
    """
    found: dict[str, Interpreter | Missing | Broken] = {}
    quiet = replace(context, emit=silent)  # what is broken is said of the cells that are hit
    for cell in cells:
        if cell.python not in found:
            found[cell.python] = _look(cell, project, quiet)
    return found


def _look(cell: Cell, project: Project, context: Context) -> Interpreter | Missing | Broken:
    try:
        return find_interpreter(cell, project, context)
    except UnsatisfiableError as error:
        search = access.search(context, project.root)
        reason = _why_broken(cell, error, project, search, context)
        if reason is not None:
            return Broken(
                request=cell.python,
                reason=reason,
                hint="Mend or remove that Python; `provenv python list` tells what answers.",
            )
        request = cell.python or "that the project allows"
        return Missing(request=request, reason=in_short(error.message), hint=error.hint)


def in_short(message: str) -> str:
    """Why no Python was found, in one line, without the list of those that there are."""
    return message.splitlines()[0].removesuffix("; found:")


def _why_broken(
    cell: Cell, error: UnsatisfiableError, project: Project, search: Search, context: Context
) -> str | None:
    """What a Python that is there says instead of answering; None where none is there."""
    if isinstance(error.__cause__, UndecidedError):
        return error.__cause__.message
    if not cell.python:
        return None
    request: Request = read_request(absolute_request(cell.python, project.root), search)
    if request.path is not None:
        return None
    for candidate in candidates(search):
        named = len(candidate.hint.release) >= min(2, len(request.release) or 2)
        if not (named and request.may_match(candidate.hint)):
            continue
        try:
            probe(
                candidate.executable,
                source=candidate.source,
                cache=context.home.interpreters,
                trusting=True,
            )
        except ProvenvError as refusal:
            return f"{os.path.basename(candidate.path)}: {refusal.message}"
    return None

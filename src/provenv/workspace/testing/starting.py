"""What the short way of ``test`` begins is taken over, and what it needs the next time written down."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence

from provenv.core.errors import ProvenvError
from provenv.environments import stamp
from provenv.model.interpreter import Interpreter
from provenv.trials.cells import Cell
from provenv.workspace import begun
from provenv.workspace.begun import Begun, HeadStart, Place
from provenv.workspace.projects.context import Context, Project
from provenv.workspace.projects.governed import may_be_governed
from provenv.workspace.syncing.apart import Apart
from provenv.workspace.testing import results
from provenv.workspace.testing.cells import cell_environ, environment_folder, spec_of
from provenv.workspace.testing.inputs import Files
from provenv.workspace.testing.resolutions import NEWEST_FOR, Resolved
from provenv.workspace.testing.running import found_command

_FOR = 30 * 86400


def taken(head: HeadStart, cells: Sequence[Cell]) -> list[Begun | None]:
    """For each of ``cells``, the next to be run, the command that runs already; all others are ended."""
    ids = [cell.id for cell in cells]
    head.end(but=ids)
    return [head.cells.get(one) for one in ids]


def write_down(
    work: Iterable[tuple[Cell, Interpreter, Resolved, bool]],
    files: Files,
    project: Project,
    context: Context,
) -> None:
    """Keep where the environments of cells lie, and what they run; True with those that did not pass."""
    if may_be_governed(project, context):
        return
    places: list[Place] = []
    until = time.time() + _FOR
    for cell, interpreter, resolved, due in work:
        if cell.resolution == "highest":
            until = min(until, time.time() + NEWEST_FOR)
        place = _place(cell, interpreter, resolved, context, due=due)
        if place is None or len(places) == begun.MOST:
            break
        places.append(place)
    with contextlib.suppress(OSError):  # it costs time later on, and nothing else
        begun.remember(
            project.root,
            context.home.root,
            context.environ,
            places,
            sorted(files.contents),
            int(until),
        )


def _place(
    cell: Cell, interpreter: Interpreter, resolved: Resolved, context: Context, *, due: bool
) -> Place | None:
    project = resolved.project
    spec = spec_of(cell, project)
    folder = environment_folder(spec, resolved.lock, project, context, interpreter)
    known = stamp.read(folder)
    if known is None:
        return None
    made = Apart(folder=folder, generation=int(known.current.rpartition("/")[2]), made=False)
    environ = cell_environ(cell, made, context)
    try:
        words = found_command(cell.command, environ, project.root, f"{folder}/{known.current}")
    except ProvenvError:
        return None
    log = results.log_path(cell, project, context)
    return Place(
        cell.id, cell.label, folder, known.current, known.asked, log, cell.timeout, words, due=due
    )

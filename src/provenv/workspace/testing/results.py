"""The last result of every cell, as it is kept for the next time."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from typing import Any

from provenv.core import digest
from provenv.core.errors import ProvenvError
from provenv.core.files import ensure_folder
from provenv.core.values import as_dict, replace
from provenv.environments import stamp
from provenv.model.interpreter import Interpreter
from provenv.trials.cells import STATES, Cell, CellResult
from provenv.workspace.projects.context import Context, Project
from provenv.workspace.testing.cells import is_allowed, spec_of, trials_folder
from provenv.workspace.testing.pythons import Distant
from provenv.workspace.testing.resolutions import Resolved

_FORMAT = 1


def inputs_of(
    cell: Cell, interpreter: Interpreter | Distant, resolved: Resolved, files: str
) -> str:
    """A digest of all that decides on a cell's result, as far as provenv can know it.

    Lock, interpreter, environment, command and the project's files. Environment variables, the network,
    the clock and what else the tests look at are not among it.
    """
    spec = spec_of(cell, resolved.project)
    python: list[object] = [interpreter.implementation, interpreter.version]
    if isinstance(interpreter, Interpreter):
        python = [
            interpreter.executable,
            interpreter.version,
            interpreter.size,
            interpreter.mtime_ns,
        ]
    return digest.of_json(
        [
            _FORMAT,
            resolved.lock.digest,
            python,
            [spec.name, list(spec.lock_groups), list(spec.extras)],
            [spec.editable, spec.link_mode, spec.system_site_packages],
            list(cell.command),
            files,
        ]
    )


def log_path(cell: Cell, project: Project, context: Context) -> str:
    """Where all that a cell's command writes is kept until the next time."""
    return os.path.join(trials_folder(project, context), "logs", f"{cell.id}.log")


def _path(cell: Cell, project: Project, context: Context) -> str:
    return os.path.join(trials_folder(project, context), "results", f"{cell.id}.json")


def remember(result: CellResult, project: Project, context: Context) -> None:
    """Keep a result. Where that cannot be done, the cell is run again the next time."""
    data = {k: v for k, v in as_dict(result).items() if k not in ("cell", "cached")}
    text = json.dumps({"format": _FORMAT, "label": result.cell.label, **data})
    path = _path(result.cell, project, context)
    with contextlib.suppress(OSError, ProvenvError):
        ensure_folder(os.path.dirname(path))
        stamp.replace(path, text)  # not synced to the disk: it can be had again


def recall(cell: Cell, project: Project, context: Context) -> CellResult | None:
    """The last result of a cell; None where there is none that can be read."""
    try:
        with open(_path(cell, project, context), "rb") as stream:
            data: Any = json.load(stream)
        if data.pop("format") != _FORMAT or data["state"] not in STATES:
            return None
        del data["label"]
        return CellResult(cell=cell, **data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def served(
    cell: Cell,
    inputs: str,
    interpreter: Interpreter | Distant,
    resolved: Resolved,
    project: Project,
    context: Context,
    judged: dict[str, bool],
) -> CellResult | None:
    """The last result where it was a good one, and nothing that decides on it has changed since.

    What policies refuse today does not pass because it passed before (``judged``: :func:`is_allowed`).
    """
    last = recall(cell, project, context)
    if last is None or last.state != "passed" or not inputs or last.inputs != inputs:
        return None
    if isinstance(interpreter, Interpreter):
        spec = spec_of(cell, resolved.project)
        if not is_allowed(spec, resolved.lock, resolved.project, context, interpreter, judged):
            return None
    return replace(last, cached=True)


def failed_last(cells: Sequence[Cell], project: Project, context: Context) -> tuple[Cell, ...]:
    """Those cells that did not pass the last time that they were run."""
    found = []
    for cell in cells:
        last = recall(cell, project, context)
        if last is not None and last.state != "passed":
            found.append(cell)
    return tuple(found)

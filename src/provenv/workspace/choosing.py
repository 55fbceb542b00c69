"""Which interpreter an environment gets: what is asked for, else the one it has, else the best.

Where the one it has is gone, another of the same minor version goes before the best.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from provenv.core.errors import IntegrityError, UnsatisfiableError, UsageError
from provenv.environments import generations, switch
from provenv.interpreters import find, parse_request, probe
from provenv.model.interpreter import Interpreter
from provenv.model.manifest import EnvironmentSpec
from provenv.workspace import machine
from provenv.workspace.context import Context, Project


def choose_interpreter(
    project: Project, context: Context, spec: EnvironmentSpec, folder: str, request: str | None
) -> Interpreter:
    """The interpreter for an environment: what is asked for, else the one it has, else the best."""
    number = switch.current(folder)
    if number is not None and not request:
        kept = _kept(project, context, spec, folder, number)
        if kept is not None:
            return kept
        if generations.lost_interpreter(folder, number) is not None:
            alike = _same_minor(project, context, spec, folder, number)
            if alike is not None:
                return alike
    return default_interpreter(project, context, (request,) if request else spec.python)


def default_interpreter(project: Project, context: Context, requests: Sequence[str]) -> Interpreter:
    """The interpreter that a new environment gets."""
    return find(
        requests,
        project.manifest.requires_python,
        machine.search(context, project.root),
        cache=context.home.interpreters,
        emit=context.emit,
    )


def _kept(
    project: Project, context: Context, spec: EnvironmentSpec, folder: str, number: int
) -> Interpreter | None:
    """The interpreter of the present generation, where it still is what the manifest asks for."""
    try:
        executable = generations.read_generation(folder, number).executable
    except IntegrityError:
        return None
    if not os.path.exists(executable):
        return None
    interpreter = probe(executable, source="environment", cache=context.home.interpreters)
    return interpreter if _fits(project, context, spec, interpreter) else None


def _same_minor(
    project: Project, context: Context, spec: EnvironmentSpec, folder: str, number: int
) -> Interpreter | None:
    """An interpreter like the vanished one: of its implementation, minor version and kind of threads.

    They stand in the name of the folder in ``lib``: ``python3.13t``, ``pypy3.10``.
    """
    try:
        names = os.listdir(f"{folder}/generations/{number}/lib")
        request = next(name for name in sorted(names) if name.startswith(("python", "pypy")))
        if request.startswith("python"):
            request = f"c{request}"
        found = default_interpreter(project, context, (request,))
    except (OSError, StopIteration, UnsatisfiableError, UsageError):
        return None
    return found if _fits(project, context, spec, found) else None


def _fits(
    project: Project, context: Context, spec: EnvironmentSpec, interpreter: Interpreter
) -> bool:
    """Whether an interpreter is what the manifest asks for, or the pins where it does not."""
    if not interpreter.satisfies(project.manifest.requires_python):
        return False
    asked = spec.python or machine.search(context, project.root).pins
    wanted = [parse_request(text) for text in asked]
    return not wanted or any(request.matches(interpreter) for request in wanted)

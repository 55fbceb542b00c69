"""Which interpreter an environment gets: what is asked for, else the one it has, else the best."""

from __future__ import annotations

import os
from collections.abc import Sequence

from provenv.core.errors import IntegrityError
from provenv.core.events import Warned
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
        context.emit(
            Warned(
                message=f"the interpreter of this environment is gone: {executable}",
                hint="Another one that fits is used.",
            )
        )
        return None
    interpreter = probe(executable, source="environment", cache=context.home.interpreters)
    if not interpreter.satisfies(project.manifest.requires_python):
        return None
    asked = spec.python or machine.search(context, project.root).pins
    wanted = [parse_request(text) for text in asked]
    fits = not wanted or any(request.matches(interpreter) for request in wanted)
    return interpreter if fits else None

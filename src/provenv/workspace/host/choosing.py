"""Which interpreter an environment gets: what is asked for, else the one it has, else the best.

Where the one it has is gone, another of the same minor version goes before the best.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from provenv.core.errors import IntegrityError, UndecidedError, UnsatisfiableError, UsageError
from provenv.core.events import Warned
from provenv.core.values import replace
from provenv.environments import generations, switch
from provenv.interpreters import Search, absolute_request, find, installed_beside, meets, probe
from provenv.model.interpreter import Interpreter
from provenv.model.manifest import EnvironmentSpec
from provenv.workspace.host import access, shelves
from provenv.workspace.projects.context import Context, Project


def choose_interpreter(
    project: Project, context: Context, spec: EnvironmentSpec, folder: str, request: str | None
) -> Interpreter:
    """The interpreter for an environment: what is asked for, else the one it has, else the best.

    Where the one that it had is gone, another one of the same minor version goes before all others: what
    the same version manager (pyenv, uv, asdf, mise) keeps, then what PATH has.
    """
    number = switch.current(folder)
    if number is not None and not request:
        kept = _present(context, folder, number)
        if kept is None:
            kept = _same_minor(project, context, folder, number)
        if kept is not None and _wanted(project, context, spec, kept):
            return kept
    return default_interpreter(project, context, (request,) if request else spec.python)


def default_interpreter(
    project: Project, context: Context, requests: Sequence[str], *, like: str | None = None
) -> Interpreter:
    """The interpreter that a new environment gets.

    Those of the version manager that the executable ``like`` came from go before all others.

    Raises:
        UnsatisfiableError: Nothing here fits; the hint says whether something that does can be installed.
    """
    search = access.search(context, project.root)
    if like is not None:
        search = replace(search, extra=installed_beside(like, search))
    try:
        return find(
            [absolute_request(text, project.root) for text in requests],
            project.manifest.requires_python,
            search,
            cache=context.home.interpreters,
            emit=context.emit,
        )
    except UnsatisfiableError as error:
        if "found" in error.details and (hint := shelves.advice(project, context, requests)):
            error.hint = hint
        raise


def _present(context: Context, folder: str, number: int) -> Interpreter | None:
    """The interpreter of a generation, where it is still there and answers."""
    try:
        made = generations.read_generation(folder, number)
        if not os.path.exists(made.executable):
            return None
        return probe(made.executable, source="environment", cache=context.home.interpreters)
    except IntegrityError:
        return None
    except UndecidedError as error:
        context.emit(Warned(message=error.message, hint="Another one that fits is used."))
        return None


def _same_minor(project: Project, context: Context, folder: str, number: int) -> Interpreter | None:
    """An interpreter like the vanished one: of its implementation, minor version and kind of threads.

    They stand in the name of the folder in ``lib``: ``python3.13t``, ``pypy3.10``.
    """
    try:
        names = os.listdir(f"{folder}/generations/{number}/lib")
        request = next(name for name in sorted(names) if name.startswith(("python", "pypy")))
        if request.startswith("python"):
            request = f"c{request}"
        lost = generations.lost_interpreter(folder, number)
        return default_interpreter(project, context, (request,), like=lost)
    except (OSError, StopIteration, UnsatisfiableError, UsageError):
        return None


def _wanted(
    project: Project, context: Context, spec: EnvironmentSpec, interpreter: Interpreter
) -> bool:
    """Whether an interpreter is what the manifest, or else a pin, asks for."""
    if not interpreter.satisfies(project.manifest.requires_python):
        return False
    search = access.search(context, project.root)
    if spec.python:
        asked = [absolute_request(text, project.root) for text in spec.python]
        return any(meets(text, interpreter, search) for text in asked)
    return not search.pins or any(_meets_pin(pin, interpreter, search) for pin in search.pins)


def _meets_pin(pin: str, interpreter: Interpreter, search: Search) -> bool:
    try:
        return meets(pin, interpreter, search)
    except UsageError:
        return False  # the name of something that is not here: whoever chooses anew says so

"""How an environment is linked: as asked for, as declared, as it is; as far as its interpreter goes."""

from __future__ import annotations

from provenv.core.errors import IntegrityError
from provenv.core.events import Noted
from provenv.environments import generations, python2, switch
from provenv.model.interpreter import Interpreter
from provenv.model.manifest import LINK_MODES, EnvironmentSpec
from provenv.workspace.projects.context import Context


def chosen_mode(
    context: Context,
    spec: EnvironmentSpec,
    folder: str,
    interpreter: Interpreter,
    asked: str | None,
) -> str:
    """The link mode: as asked for, as declared, as it is, or linked; as far as the interpreter goes."""
    mode = asked or spec.link_mode or _present_mode(folder) or LINK_MODES[0]
    mode = link_mode_for(interpreter, mode)
    if mode != asked == "linked":
        context.emit(Noted(message=f"files are linked, not folders: {python2.WHY_NO_FOLDERS}"))
    return mode


def link_mode_for(interpreter: Interpreter, mode: str) -> str:
    """``mode``, or ``hardlink`` where no folder can be linked (:mod:`python2`)."""
    return "hardlink" if mode == "linked" and python2.is_python2(interpreter.version) else mode


def _present_mode(folder: str) -> str | None:
    number = switch.current(folder)
    if number is None:
        return None
    try:
        present = generations.read_generation(folder, number)
    except IntegrityError:
        return None
    if present.link_mode == "hardlink" and python2.is_python2(present.python):
        return None  # its interpreter's choice, not a person's
    return present.link_mode

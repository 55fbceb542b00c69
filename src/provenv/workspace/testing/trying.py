"""One step of a bisection: a lock is made an environment, the command is run in it, and says good or bad.

Exit codes are those of ``git bisect run``: 0 is good, 125 says nothing, everything else is bad.
"""

from __future__ import annotations

from collections.abc import Sequence

from provenv.core.errors import CommandError, UndecidedError, UsageError
from provenv.core.events import Event, ItemStarted, Noted, PhaseFinished, PhaseStarted
from provenv.core.values import frozen, replace
from provenv.core.words import many
from provenv.model.interpreter import Interpreter
from provenv.model.layout import base_name
from provenv.trials.bisecting import Answer, LineSearch, Search, Tries
from provenv.trials.cells import Cell, CellResult
from provenv.workspace.projects.context import Context, LockFile, Project
from provenv.workspace.testing.cells import run_cell
from provenv.workspace.testing.trail import Step, Trail

_SKIP = 125
_NOT_STARTED = (126, 127)
_ENDED_BY_OTHERS = {-1: "SIGHUP", -2: "SIGINT", -9: "SIGKILL", -15: "SIGTERM"}
"""Signals that come from outside: a program that breaks ends by others (SIGSEGV, SIGABRT)."""


@frozen
class Trying:
    """What all steps of a bisection have in common."""

    project: Project
    context: Context
    trail: Trail
    cell: Cell
    interpreter: Interpreter

    def step(
        self,
        kind: str,
        key: tuple[str, ...],
        what: str,
        lock: LockFile,
        *,
        interpreter: Interpreter | None = None,
        search: Search | LineSearch | None = None,
    ) -> Step:
        """What comes of a lock; what was seen before is not run again. ``search`` is told.

        Raises:
            CommandError: The command is not there, or cannot be started.
        """
        known = self.trail.find(kind, key)
        if known is not None:
            return _told(known, search)
        place = interpreter or self.interpreter
        digest = f"{lock.digest} {place.executable}"
        same = next((one for one in self.trail.steps if one.lock == digest and one.runs), None)
        if same is not None:
            step = replace(same, kind=kind, what=what, key=key, runs=0, seconds=0.0)
        else:
            step = self._run(
                Step(number=0, kind=kind, what=what, key=key, answer="skip"), lock, place
            )
            step = replace(step, lock=digest)
        return self._said(step, search)

    def skip(
        self,
        kind: str,
        key: tuple[str, ...],
        what: str,
        reason: str,
        search: Search | LineSearch | None = None,
    ) -> Step:
        """What cannot be tried at all; ``search`` is told."""
        known = self.trail.find(kind, key)
        if known is not None:
            return _told(known, search)
        step = Step(number=0, kind=kind, what=what, key=key, answer="skip", reason=reason)
        return self._said(step, search)

    def _said(self, step: Step, search: Search | LineSearch | None) -> Step:
        step = _told(self.trail.add(step), search)
        why = f": {step.why}" if step.reason else ""
        took = f", {step.seconds:.1f} s" if step.runs else ""
        more = ""
        if search is not None and search.estimate:
            more = f"; {search.left} left, about {many(search.estimate, 'more run', 'more runs')}"
        said = {"good": "good", "bad": "bad", "skip": "skipped"}[step.answer]
        self.context.emit(Noted(message=f"{step.number:>3}  {step.what}: {said}{why}{took}{more}"))
        return step

    def _run(self, step: Step, lock: LockFile, interpreter: Interpreter) -> Step:
        tries = Tries()
        wanted = self.trail.task.repeat
        while (answer := tries.agreed(wanted)) is None:
            result = self._once(step.what, lock, interpreter, len(tries.answers) + 1)
            if result.code in _NOT_STARTED and not self._begun():
                raise _unstarted(self.cell.command, result)
            tries = Tries(answers=(*tries.answers, self._answer(step, result)))
            step = replace(
                step,
                runs=step.runs + (result.state != "error"),
                code=result.code,
                seconds=round(step.seconds + result.seconds, 3),
                reason=_reason(result),
                line=result.line,
                log=result.log,
            )
        if len({*tries.answers}) > 1:
            reason = f"not the same each time: {', then '.join(tries.answers)}"
            return replace(step, answer="skip", reason=reason)
        return replace(step, answer=answer, reason=step.reason if answer == "skip" else None)

    def _once(
        self, what: str, lock: LockFile, interpreter: Interpreter, attempt: int
    ) -> CellResult:
        emit = self.context.emit

        def quieter(event: Event) -> None:
            if not isinstance(event, Noted):  # many environments, and of each the same
                emit(event)

        context = replace(self.context, emit=quieter)
        emit(PhaseStarted(phase="try"))
        emit(ItemStarted(phase="try", name=what))
        log = self.trail.log_path(attempt)
        result = run_cell(self.cell, lock, self.project, context, log=log, interpreter=interpreter)
        emit(PhaseFinished(phase="try", count=1, seconds=result.prepared + result.seconds))
        return result

    def _begun(self) -> bool:
        """Whether both ends have been seen: the command is there, and what is not there is missing."""
        return sum(one.kind == "end" for one in self.trail.steps) > 1

    def _answer(self, step: Step, result: CellResult) -> Answer:
        if result.state == "passed":
            return "good"
        if result.state == "timeout":  # as at the bad end, where a time-out is what is looked for
            return "bad" if step.key == ("bad",) or self._late_when_bad() else "skip"
        return "bad" if result.state == "failed" and _reason(result) is None else "skip"

    def _late_when_bad(self) -> bool:
        end = self.trail.find("end", ("bad",))
        return end is not None and end.answer == "bad" and end.runs > 0 and end.code is None


def _told(step: Step, search: Search | LineSearch | None) -> Step:
    if search is not None:
        search.tell(step.answer)
    return step


def make_trying(
    project: Project, context: Context, trail: Trail, interpreter: Interpreter
) -> Trying:
    """What the steps of a bisection have in common."""
    task = trail.task
    cell = Cell(
        python="",
        environment=base_name(task.environment),
        command=task.command,
        timeout=task.timeout,
    )
    return Trying(project=project, context=context, trail=trail, cell=cell, interpreter=interpreter)


def _reason(result: CellResult) -> str | None:
    """Why a result says nothing; None where it does."""
    if result.code in _NOT_STARTED:
        return f"the command could not be started (exit code {result.code})"
    if result.code == _SKIP:
        return "the command says so (exit code 125)"
    if result.code in _ENDED_BY_OTHERS:
        return f"the command was ended by {_ENDED_BY_OTHERS[result.code]}"
    return result.reason


def _unstarted(command: Sequence[str], result: CellResult) -> CommandError:
    said = f": {result.line}" if result.line else ""
    return CommandError(
        result.reason
        or f"{command[0]} ended with exit code {result.code}, as what is not found{said}",
        hint=result.hint or "Try it by itself: `provenv run -- COMMAND`.",
        code=result.code or 127,
    )


def check_end(step: Step, wanted: Answer, label: str) -> None:
    """Refuse to begin where an end is not what was said of it.

    Raises:
        UsageError: It is the opposite.
        UndecidedError: It says nothing.
    """
    if step.answer == wanted:
        return
    if step.answer == "skip":
        raise UndecidedError(
            f"the {wanted} end, {label}, says nothing: {step.why}",
            hint=f"What the command wrote is in {step.log}." if step.log else "Choose another end.",
            details={"log": step.log, "reason": step.reason},
        )
    how = f"exit code {step.code}" if step.code is not None else "its time was over"
    said = f": {step.line}" if step.line else ""
    raise UsageError(
        f"the {wanted} end, {label}, is {step.answer} ({how}){said}",
        hint=f"What the command wrote is in {step.log}. Choose an end that is {wanted}, or is something "
        "else broken than the packages (the project itself, the Python, a service)?",
        details={"end": wanted, "label": label, "code": step.code, "log": step.log},
    )

"""Trials: cells whose lock and interpreter are known, run several at once in worker processes."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import FrameType
from typing import NoReturn, Protocol

from provenv.core.errors import ProvenvError
from provenv.core.events import ChangeBegun, CommandStarted, Emit, Event, PhaseStarted
from provenv.core.files import ensure_folder
from provenv.core.room import budget
from provenv.core.values import frozen, replace
from provenv.model.interpreter import Interpreter
from provenv.trials.cells import Cell, CellResult
from provenv.workspace.begun import Begun, log_of
from provenv.workspace.host.parallel import Job, run_all
from provenv.workspace.projects.context import Context, Project
from provenv.workspace.testing import results
from provenv.workspace.testing.cells import failed, run_cell
from provenv.workspace.testing.hands import Hands
from provenv.workspace.testing.resolutions import Resolved

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, prctl(2)


class Listener(Protocol):
    """Who is told how the cells go on, by their numbers."""

    def ready(self, count: int, jobs: int) -> None: ...  # noqa: D102  # so many are run now
    def begun(self, number: int) -> None: ...  # noqa: D102  # a cell's turn has come
    def hear(self, number: int, event: Event) -> None: ...  # noqa: D102  # what is done for it
    def done(self, number: int, result: CellResult) -> None: ...  # noqa: D102  # it has its result


@frozen
class Silent:
    """The listener that does not listen."""

    def ready(self, count: int, jobs: int) -> None:
        """Nothing."""

    def begun(self, number: int) -> None:
        """Nothing."""

    def hear(self, number: int, event: Event) -> None:
        """Nothing."""

    def done(self, number: int, result: CellResult) -> None:
        """Nothing."""


SILENT = Silent()
Watch = Callable[[Sequence[Cell]], AbstractContextManager[Listener]]
"""Begins to watch some cells."""


def unwatched(cells: Sequence[Cell]) -> AbstractContextManager[Listener]:
    """Watch nothing."""
    del cells
    listener: Listener = SILENT
    return contextlib.nullcontext(listener)


@frozen
class Trial:
    """A cell with all that it needs."""

    cell: Cell
    interpreter: Interpreter
    resolved: Resolved


def run_trials(
    trials: Sequence[Trial | CellResult],
    project: Project,
    context: Context,
    *,
    files: str,
    jobs: int | None = None,
    fresh: bool = False,
    watch: Watch = unwatched,
) -> list[CellResult]:
    """Run what is not a result yet; what is known from before is not run, unless ``fresh``.

    ``files`` is the digest of the project's files.

    Returns:
        A result for each, in the same order.

    Raises:
        KeyboardInterrupt: It was interrupted; every process has been ended.
    """
    if not trials:
        return []
    cells = [one.cell for one in trials]
    found: dict[int, CellResult] = {}
    digests: dict[int, str] = {}
    judged: dict[str, bool] = {}
    with watch(cells) as listener:
        for number, one in enumerate(trials):
            known: CellResult | None = None
            if isinstance(one, CellResult):
                known = one
            else:
                digests[number] = results.inputs_of(one.cell, one.interpreter, one.resolved, files)
                if not fresh:
                    known = results.served(
                        one.cell,
                        digests[number],
                        one.interpreter,
                        one.resolved,
                        project,
                        context,
                        judged,
                    )
            if known is not None:
                found[number] = known
                listener.done(number, known)
        left = [number for number in range(len(trials)) if number not in found]

        def done(number: int, result: CellResult) -> None:
            result = replace(result, inputs=digests[number])
            found[number] = result
            results.remember(result, project, context)
            listener.done(number, result)

        if left:
            work = {n: one for n in left if isinstance(one := trials[n], Trial)}
            run_pool(work, project, context, jobs or budget(len(work)), listener, done)
    return [found[number] for number in range(len(trials))]


def run_pool(
    trials: dict[int, Trial],
    project: Project,
    context: Context,
    jobs: int,
    listener: Listener,
    done: Callable[[int, CellResult], None],
    started: Callable[[], None] = lambda: None,
    begun: Sequence[Begun | None] = (),
) -> None:
    """Run trials by their numbers, ``jobs`` at once. What ``done`` raises ends all that still run.

    ``started`` is called when a command starts. ``begun`` are those of the first trials that run already.
    """
    numbers = list(trials)

    def hear(place: int, event: Event) -> None:
        if isinstance(event, CommandStarted):
            started()
        if isinstance(event, PhaseStarted) and event.phase in ("fetch", "build", "link"):
            context.emit(ChangeBegun())
        listener.hear(numbers[place], event)

    def ended(place: int, result: CellResult | ProvenvError) -> None:
        number = numbers[place]
        cell = trials[number].cell
        done(number, failed(cell, result) if isinstance(result, ProvenvError) else result)

    def turn(place: int) -> None:
        hands.let_go()
        listener.begun(numbers[place])

    def settle(worker: int) -> None:
        _take_way_out()
        hands.take(worker)

    listener.ready(len(numbers), jobs)
    hands = Hands(min(jobs, len(numbers)), begun)
    try:
        run_all(
            [_job(trials[number], project, context, hands) for number in numbers],
            hear=hear,
            begun=turn,
            done=ended,
            workers=jobs,
            settle=settle,
        )
    finally:
        hands.end()


def _job(trial: Trial, project: Project, context: Context, hands: Hands) -> Job:
    """What a worker process does for one cell."""
    cell, resolved = trial.cell, trial.resolved
    log = results.log_path(cell, project, context)
    own = log_of(log)

    def job(emit: Emit) -> CellResult:
        ensure_folder(os.path.dirname(log))
        try:
            result = run_cell(
                cell,
                resolved.lock,
                resolved.project,
                replace(context, emit=emit),
                log=own,
                interpreter=trial.interpreter,
                hand=hands.own,
            )
        finally:
            hands.own.drop()
            there = os.path.exists(own)
            if there:  # another call of `test` may write a log of this cell at this moment
                os.replace(own, log)
        return replace(result, log=log if there else None)

    return job


def _take_way_out() -> None:
    """Let SIGTERM end what a worker process runs before it ends itself, also without a command line.

    And let it be sent where the process that hands out the cells is no more.
    """
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _raise)
    with contextlib.suppress(Exception):  # Linux alone has it; elsewhere one cell runs to its end
        import ctypes

        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, int(signal.SIGTERM))


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt

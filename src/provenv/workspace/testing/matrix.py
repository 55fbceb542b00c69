"""`test`: one command in every cell of a matrix, several at once, and a result for each cell."""

from __future__ import annotations

import contextlib
import fnmatch
import time
from collections.abc import Mapping, Sequence

from provenv.core.errors import InputError, ProvenvError, UndecidedError, UsageError
from provenv.core.events import CommandStarted, Event, Noted
from provenv.core.room import budget
from provenv.core.values import field, frozen, mutable, replace
from provenv.model.interpreter import Interpreter
from provenv.model.matrix import MatrixSpec
from provenv.trials.cells import FAR, MANY, Cell, CellResult, counted, too_many, verdict
from provenv.workspace.begun import Begun, HeadStart
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import Context, Project, require_manifest
from provenv.workspace.testing import inputs, results
from provenv.workspace.testing.cells import failed
from provenv.workspace.testing.elsewhere import Elsewhere, Order
from provenv.workspace.testing.pool import SILENT, Listener, Trial, run_pool
from provenv.workspace.testing.pythons import Broken, Distant, Missing, look_for
from provenv.workspace.testing.resolutions import (
    Resolution,
    Resolved,
    resolution_of,
    resolve_all,
)
from provenv.workspace.testing.starting import taken, write_down


@frozen
class MatrixRequest:
    """What a call asks for besides the manifest.

    Attributes:
        command: Instead of the matrix's; empty for that.
        python, resolution: Instead of the matrix's; empty for these.
        only: Patterns (``fnmatch``), one of which a cell's label must match or contain.
        environment: Instead of the matrix's.
        timeout: Seconds for each cell, instead of the matrix's.
        jobs: How many cells at once; None for as many as processors and memory allow.
        fail_fast: The first cell that does not pass ends all others.
        last_failed: Only those cells that did not pass the last time.
        fresh: Run every cell, and ask the indexes again for the highest versions.
        skip_missing: Cells whose Python is not here are skipped, and shown as such.
        many: Run them even where they are very many.
        locked_only: Refuse a stale lock instead of making it anew.
    """

    command: tuple[str, ...] = ()
    python: tuple[str, ...] = ()
    resolution: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    environment: str | None = None
    timeout: float | None = None
    jobs: int | None = None
    fail_fast: bool = False
    last_failed: bool = False
    fresh: bool = False
    skip_missing: bool = False
    many: bool = False
    locked_only: bool = False

    @property
    def whole(self) -> bool:
        """Whether it is about the matrix as it is declared."""
        told = replace(self, jobs=None, fail_fast=False, fresh=False, many=False, locked_only=False)
        return told == MatrixRequest()


@frozen
class MatrixReport:
    """What came of a matrix.

    Attributes:
        results: One for each cell, in the order of the matrix.
        seconds: Of all of it. ``first``: Until the first command was started; None where none was.
        stopped: Why cells were not run: ``fail-fast``, ``interrupted``, or None.
        ended_by: What interrupted it.
    """

    project: str
    results: tuple[CellResult, ...]
    seconds: float
    jobs: int
    first: float | None = None
    stopped: str | None = None
    ended_by: KeyboardInterrupt | None = None

    @property
    def code(self) -> int:
        """The exit code (:func:`provenv.trials.cells.verdict`)."""
        return verdict(self.results)


def choose_cells(project: Project, context: Context, request: MatrixRequest) -> tuple[Cell, ...]:
    """The cells that a call is about. Nothing is looked for yet, and nothing made.

    Raises:
        InputError: The project has no manifest, or the matrix has no cell.
        UsageError: No command, no such environment, no cell that is meant, or too many.
    """
    require_manifest(project)
    spec = project.manifest.matrix or MatrixSpec()
    command = request.command or spec.command
    if not command:
        raise UsageError(
            "there is no command to run in the cells",
            hint='Write `command = "pytest -q"` into [tool.provenv.matrix], or say it: '
            "`provenv test -- pytest -q`.",
        )
    environment = request.environment or spec.environment or "test"
    found = project.manifest.environment(environment)
    if not (request.python or spec.python) and len(found.python) > 1:
        spec = replace(spec, python=found.python)
    spec = replace(
        spec,
        python=request.python or spec.python,
        resolution=request.resolution or spec.resolution,
    )
    cells = counted(
        spec,
        environment=environment,
        command=command,
        timeout=request.timeout,
        many=request.many or ((bool(request.only) or request.last_failed) and spec.size <= FAR),
    )
    if request.only:
        cells = tuple(cell for cell in cells if _is_meant(cell, request.only))
        if not cells:
            raise UsageError(
                f"no cell is called {' or '.join(map(repr, request.only))}",
                hint="`provenv test --list` names them all.",
            )
    if request.last_failed:
        cells = results.failed_last(cells, project, context)
    if len(cells) > MANY and not request.many:
        raise too_many(len(cells))
    return cells


def _is_meant(cell: Cell, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(cell.label, p) or p in cell.label for p in patterns)


def run_matrix(
    cells: Sequence[Cell],
    project: Project,
    context: Context,
    request: MatrixRequest,
    listener: Listener = SILENT,
    elsewhere: Elsewhere | None = None,
    head: HeadStart | None = None,
) -> MatrixReport:
    """Lock, make environments, and run the command in each cell; with ``elsewhere``, on other machines.

    ``head`` is what runs already: where it is what would be started, it is taken over.

    A cell that cannot be locked or made has the state ``error``, and the others run. Where this is
    interrupted, every process that was started is ended, and the report says what had finished.

    Raises:
        InputError: A Python is nowhere to be had, and not ``skip_missing``; nothing was run.
        CheckFailedError: The project's own lock cannot be used.
        ProvenvError: It cannot be made, or the other machines cannot be used.
    """
    started = time.monotonic()
    with (
        recorded(context, "test", root=project.root, at_once=False) as operation,
        contextlib.ExitStack() as stack,
    ):
        run = _Run(cells, project, operation.context, request, listener, started, elsewhere, head)
        try:
            run.prepare(stack)
            run.all()
        except _EnoughError:
            run.cancel("another cell did not pass (--fail-fast)")
            run.stopped = "fail-fast"
        except KeyboardInterrupt as error:
            if run.nothing_begun:
                raise
            run.cancel("it was interrupted")
            run.stopped, run.ended_by = "interrupted", error
        report = run.report()
        operation.facts["cells"] = len(report.results)
    return report


class _EnoughError(Exception):
    """A cell did not pass, and that was to be the end."""


@mutable
class _Run:
    """One call of `test` under way."""

    cells: Sequence[Cell]
    project: Project
    context: Context
    request: MatrixRequest
    listener: Listener
    started: float
    elsewhere: Elsewhere | None = None
    head: HeadStart | None = None
    results: dict[int, CellResult] = field(default_factory=dict)
    pythons: Mapping[str, Interpreter | Distant | Missing | Broken] = field(default_factory=dict)
    locks: Mapping[Resolution, Resolved | ProvenvError] = field(default_factory=dict)
    files: inputs.Files | None = None
    digests: dict[int, str] = field(default_factory=dict)
    judged: dict[str, bool] = field(default_factory=dict)
    certain: bool = False  # the files are those that the head start was made with
    jobs: int = 1
    first: float | None = None
    stopped: str | None = None
    ended_by: KeyboardInterrupt | None = None

    @property
    def nothing_begun(self) -> bool:
        """Whether there is nothing to report yet."""
        return self.files is None

    def prepare(self, stack: contextlib.ExitStack) -> None:
        """Find the interpreters, lock, and take from last time what is as it was.

        Other machines are asked when all is locked: locking forks, and who talks with them has threads.
        """
        if self.elsewhere is None:
            self._take_pythons(look_for(self.cells, self.project, self.context))
            self._lock([c for c in self.cells if isinstance(self.pythons[c.python], Interpreter)])
        else:
            self._lock(self.cells)
            stack.enter_context(self.elsewhere)
            self._take_pythons(self.elsewhere.pythons())
        self.files = self._read_files()
        for number, cell in enumerate(self.cells):
            known = self._known(number, cell)
            if known is not None:
                self._done(number, known)

    def _take_pythons(self, found: Mapping[str, Interpreter | Distant | Missing | Broken]) -> None:
        self.pythons = found
        missing = [one for one in found.values() if isinstance(one, Missing)]
        if missing and not self.request.skip_missing:
            raise _nowhere(missing)

    def _lock(self, cells: Sequence[Cell]) -> None:
        self.locks = resolve_all(
            cells,
            self.project,
            self.context,
            locked_only=self.request.locked_only,
            fresh=self.request.fresh,
        )

    def _read_files(self) -> inputs.Files:
        resolved = [one for one in self.locks.values() if isinstance(one, Resolved)]
        return inputs.read_files(self.project, [one.lock for one in resolved], self.context)

    def _known(self, number: int, cell: Cell) -> CellResult | None:
        """The result of a cell that need not, or cannot, be run."""
        python = self.pythons[cell.python]
        if isinstance(python, Missing):
            return CellResult(cell=cell, state="skipped", reason=python.reason, hint=python.hint)
        if isinstance(python, Broken):
            return failed(cell, UndecidedError(python.reason, hint=python.hint))
        resolved = self.locks[resolution_of(cell, self.project)]
        if isinstance(resolved, ProvenvError):
            here = python if isinstance(python, Interpreter) else None
            return failed(cell, resolved, interpreter=here)
        assert self.files is not None
        self.digests[number] = results.inputs_of(cell, python, resolved, self.files.digest)
        if self.request.fresh or self.request.last_failed:
            return None
        return results.served(
            cell,
            self.digests[number],
            python,
            resolved,
            self.project,
            self.context,
            self.judged,
        )

    def all(self) -> None:
        """Run what is left, several at once."""
        left = [number for number in range(len(self.cells)) if number not in self.results]
        if not left:
            return
        if self.elsewhere is not None:
            self._all_elsewhere(self.elsewhere, left)
            return
        self.jobs = self.request.jobs or budget(len(left))
        run_pool(
            {number: self._trial(number) for number in left},
            self.project,
            self.context,
            self.jobs,
            self.listener,
            self._done,
            self._note_start,
            self._take_over(left[: self.jobs]),
        )
        self._remember(left)
        if self.request.whole:
            self._write_down()

    def _take_over(self, numbers: Sequence[int]) -> Sequence[Begun | None]:
        """What the first workers find running; where a file may have changed, no result is kept of it."""
        if self.head is None or self.files is None:
            return ()
        found = taken(self.head, [self.cells[number] for number in numbers])
        running = [number for number, one in zip(numbers, found, strict=True) if one is not None]
        if running:
            self.first = 0.0
        self.certain = self.head.is_certain(frozenset(self.files.contents), self.files.newest)
        if not self.certain:
            self.digests |= dict.fromkeys(running, "")
        return found

    def _write_down(self) -> None:
        """What the short way needs the next time, where it is not what it had this time."""
        passed = all(result.state == "passed" for result in self.results.values())
        had = self.head is not None and self.certain and not self.head.due
        if self.files is None or (passed and had):
            return
        work = []
        for number, cell in enumerate(self.cells):
            python = self.pythons[cell.python]
            resolved = self.locks.get(resolution_of(cell, self.project))
            if isinstance(python, Interpreter) and isinstance(resolved, Resolved):
                due = self.results[number].state != "passed"
                work.append((cell, python, resolved, due))
        write_down(work, self.files, self.project, self.context)

    def _all_elsewhere(self, elsewhere: Elsewhere, left: Sequence[int]) -> None:
        """Have other machines run what is left."""
        self.jobs = max(1, min(len(left), elsewhere.threads))
        self.listener.ready(len(left), self.jobs)

        def hear(place: int, event: Event) -> None:
            if isinstance(event, CommandStarted):
                self._note_start()
            self.listener.hear(left[place], event)

        elsewhere.run(
            [self._order(number) for number in left],
            begun=lambda place: self.listener.begun(left[place]),
            hear=hear,
            done=lambda place, result: self._done(left[place], result),
        )
        self._remember(left)

    def _order(self, number: int) -> Order:
        cell = self.cells[number]
        resolved = self.locks[resolution_of(cell, self.project)]
        assert isinstance(resolved, Resolved)
        last = results.recall(cell, self.project, self.context)
        doubtful = last is not None and last.state in ("failed", "timeout")
        return Order(
            cell=cell,
            lock=resolved.lock,
            log=results.log_path(cell, self.project, self.context),
            fresh=self.request.fresh or self.request.last_failed or doubtful,
        )

    def _note_start(self) -> None:
        if self.first is None:
            self.first = time.monotonic() - self.started

    def _trial(self, number: int) -> Trial:
        cell = self.cells[number]
        python = self.pythons[cell.python]
        resolved = self.locks[resolution_of(cell, self.project)]
        assert isinstance(python, Interpreter)
        assert isinstance(resolved, Resolved)
        return Trial(cell=cell, interpreter=python, resolved=resolved)

    def _done(self, number: int, result: CellResult) -> None:
        result = replace(result, inputs=self.digests.get(number, ""))
        self.results[number] = result
        self.listener.done(number, result)
        if not result.cached and result.state not in ("skipped", "cancelled", "passed"):
            results.remember(result, self.project, self.context)
            if self.request.fail_fast and not self.nothing_begun:
                raise _EnoughError

    def _remember(self, numbers: Sequence[int]) -> None:
        """Keep what passed; for nothing but `--last-failed` where the project's files changed meanwhile."""
        there = ((n, self.results[n]) for n in numbers if n in self.results)
        passed = [n for n, r in there if r.state == "passed" and not r.cached]
        if not passed or self.files is None:
            return
        changed = self.files.changed(self._read_files())
        if changed:
            others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            self.context.emit(
                Noted(
                    message=f"{changed[0]}{others} changed while the cells ran: no result is kept for "
                    "next time. What tests write should be ignored by git."
                )
            )
        for number in passed:
            result = self.results[number]
            kept = replace(result, inputs="") if changed else result
            results.remember(kept, self.project, self.context)

    def cancel(self, why: str) -> None:
        """Give every cell that has no result one that says why."""
        self._remember(list(self.results))
        for number, cell in enumerate(self.cells):
            if number not in self.results:
                result = CellResult(cell=cell, state="cancelled", reason=why)
                python = self.pythons.get(cell.python)
                if isinstance(python, Interpreter):
                    result = replace(result, python=python.version, executable=python.executable)
                self.results[number] = result
                self.listener.done(number, self.results[number])

    def report(self) -> MatrixReport:
        """What came of it."""
        return MatrixReport(
            project=self.project.title,
            results=tuple(self.results[number] for number in range(len(self.cells))),
            seconds=time.monotonic() - self.started,
            jobs=self.jobs,
            first=self.first,
            stopped=self.stopped,
            ended_by=self.ended_by,
        )


def _nowhere(missing: Sequence[Missing]) -> InputError:
    names = [one.request for one in missing]
    reasons = "; ".join(dict.fromkeys(one.reason for one in missing))
    advice = next((one.hint for one in missing if one.hint), "")
    return InputError(
        f"nowhere to be had: Python {', '.join(names)}: {reasons}",
        hint=f"{advice} `--skip-missing` runs the others, and shows these as skipped.".strip(),
        details={"missing": names},
    )

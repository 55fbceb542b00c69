"""Listening to cells: a row for each that runs while a person watches, plain lines otherwise."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from provenv.cli.board import Board, Row
from provenv.cli.draw import Screen, many, printable, seconds
from provenv.core.events import CommandStarted, CommandWrote, Event
from provenv.trials.cells import Cell, CellResult
from provenv.workspace.testing.reporting import said

if TYPE_CHECKING:
    from rich.table import Table

STYLES = {
    "passed": "good", "failed": "bad", "timeout": "bad", "error": "bad", "skipped": "warn",
    "cancelled": "warn",
}  # fmt: skip
_COLOURS = {"good": "green", "bad": "red", "warn": "yellow"}
_ENDED = 8  # rows of cells that did not pass, while others run


class Cells(Board):
    """How the cells go on. Close it before anything else is written."""

    def __init__(
        self,
        cells: Sequence[Cell],
        screen: Screen,
        *,
        quiet: bool,
        verbose: bool,
        settle: Callable[[], None],
    ) -> None:
        super().__init__(screen, quiet=quiet, verbose=verbose)
        self._cells = cells
        self._settle = settle
        self._states: dict[int, _State] = {}
        self._results: dict[int, CellResult] = {}
        self._width = max((len(cell.label) for cell in cells), default=0)

    def ready(self, count: int, jobs: int) -> None:
        """So many cells are run now, ``jobs`` at once."""
        self._settle()
        if not self._quiet and not self._screen.watched:
            known = len(self._cells) - count
            more = f", {known} known or skipped" if known else ""
            self._screen.line(f"running {many(count, 'cell')}, {jobs} at once{more}")

    def begun(self, number: int) -> None:
        """A cell's turn has come."""
        self._states[number] = _State()
        self._show()

    def hear(self, number: int, event: Event) -> None:
        """What is done for a cell."""
        state = self._states[number]
        if isinstance(event, CommandStarted):
            state.running, state.phase = time.monotonic(), None
        elif isinstance(event, CommandWrote):
            state.line = event.line
        elif not state.hear(event):
            self._say(self._cells[number].label, event)

    def done(self, number: int, result: CellResult) -> None:
        """A cell has its result."""
        self._states.pop(number, None)
        self._results[number] = result
        if len(self._results) == len(self._cells):
            self.close()  # what is said from here on stands by itself
        if self._screen.watched or self._quiet or result.cached or result.state == "cancelled":
            return
        took = seconds(result.seconds) if result.seconds else ""
        state = self._screen.paint(STYLES[result.state], f"{result.state:9}")
        label = f"{result.cell.label:{self._width}}"
        self._screen.line(f"{state} {label}  {took:>8}  {printable(said(result))}".rstrip())

    def _picture(self) -> Table:
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        now = time.monotonic()
        table = Table.grid(padding=(0, 1))
        labels = min(self._width, 40)
        room = max((self._screen.width or 80) - labels - 26, 8)

        def cut(text: str, most: int, style: str = "") -> Text:
            made = Text(printable(text), style=style, no_wrap=True)
            made.truncate(most, overflow="ellipsis")
            return made

        bad = [r for r in self._results.values() if STYLES[r.state] == "bad"]
        for result in bad[-_ENDED:]:
            word = Text(f"  {result.state}", style=_COLOURS[STYLES[result.state]])
            took = Text(seconds(result.seconds) if result.seconds else "")
            label = cut(result.cell.label, labels)
            table.add_row(word, label, took, cut(said(result), room, "dim"))
        for number, state in sorted(self._states.items()):
            spinner = Spinner("dots", style="cyan")
            spinner.start_time = 0.0
            doing, for_, line = state.told(now)
            row = Table.grid(padding=(0, 1))
            row.add_row(spinner.render(now), Text(doing))
            label = cut(self._cells[number].label, labels, "bold")
            table.add_row(row, label, Text(for_), cut(line, room, "dim"))
        counts = Counter(result.state for result in self._results.values())
        told = ", ".join(f"{count} {state}" for state, count in counts.items())
        whole = Table.grid()
        whole.add_row(table)
        done = f"  {len(self._results)} of {len(self._cells)}"
        whole.add_row(Text(f"{done}: {told}" if told else done, style="dim"))
        return whole


class _State(Row):
    """How far one cell is."""

    def __init__(self) -> None:
        super().__init__()
        self.running: float | None = None
        self.begun = time.monotonic()
        self.line = ""

    def told(self, now: float) -> tuple[str, str, str]:
        """What is done, for how long, and the last line."""
        if self.running is not None:
            return "running", f"{now - self.running:.0f} s", self.line
        if self.phase is not None:
            return self.phase.verb(), f"{now - self.begun:.0f} s", self.phase.counts()
        return "preparing", f"{now - self.begun:.0f} s", ""

"""Listening to many jobs at once: a row for each while a person watches, plain lines otherwise."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from provenv.cli.board import Board, Row
from provenv.cli.draw import Screen
from provenv.core.events import Event

if TYPE_CHECKING:
    from rich.table import Table


class Rows(Board):
    """What jobs say, and how far they are. Close it before anything else is written.

    ``told``: where nobody watches, each job's end is a line; else its answer is to be had elsewhere.
    """

    def __init__(
        self, labels: Sequence[str], screen: Screen, *, quiet: bool, verbose: bool, told: bool
    ) -> None:
        super().__init__(screen, quiet=quiet, verbose=verbose)
        self._labels = labels
        self._told = told and not quiet
        self._states = [_State() for _ in labels]

    def begun(self, number: int) -> None:
        """A job has begun."""
        self._states[number].word = "working"
        self._show()

    def hear(self, number: int, event: Event) -> None:
        """An event of one job."""
        if not self._states[number].hear(event):
            self._say(self._labels[number], event)

    def done(self, number: int, lines: Sequence[tuple[str, int]]) -> None:
        """A job has ended; ``lines`` say how, each with an exit code."""
        state = self._states[number]
        state.phase = None
        state.ended = True
        state.good = not any(code for _, code in lines)
        state.word = "; ".join(text for text, _ in lines)
        if self._told and not self._screen.watched:
            for text, _ in lines:
                self._screen.line(f"{self._labels[number]}: {text}")

    def _picture(self) -> Table:
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        now = time.monotonic()
        grid = Table.grid(padding=(0, 1))
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, overflow="ellipsis")
        for label, state in zip(self._labels, self._states, strict=True):
            if state.ended:
                ended = Text(label, style="green" if state.good else "red")
                grid.add_row("", ended, Text(state.word, style="dim"))
            elif state.word:
                spinner = Spinner("dots", style="cyan")
                spinner.start_time = 0.0
                doing = Text(state.doing(now))
                grid.add_row(spinner.render(now), Text(label, style="bold"), doing)
            else:
                grid.add_row("", Text(label, style="dim"), Text("waiting", style="dim"))
        return grid


class _State(Row):
    """How far one job is."""

    def __init__(self) -> None:
        super().__init__()
        self.word = ""
        self.ended = False
        self.good = False

    def doing(self, now: float) -> str:
        """What is being done, and how far that is."""
        if self.phase is None:
            return self.word
        return "  ".join(
            part for part in (self.phase.verb(), self.phase.counts(), self.phase.rate(now)) if part
        )

"""Listening to many jobs at once: a row for each while a person watches, plain lines otherwise."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from provenv.cli.draw import Screen
from provenv.cli.progress import Phase, begin_live, spoken, write_beside
from provenv.core.events import (
    Event,
    ItemAdvanced,
    ItemFinished,
    ItemStarted,
    PhaseFinished,
    PhaseStarted,
)

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table


class Rows:
    """What jobs say, and how far they are. Close it before anything else is written.

    ``told``: where nobody watches, each job's end is a line; else its answer is to be had elsewhere.
    """

    def __init__(
        self, labels: Sequence[str], screen: Screen, *, quiet: bool, verbose: bool, told: bool
    ) -> None:
        self._labels = labels
        self._screen = screen
        self._quiet = quiet
        self._verbose = verbose
        self._told = told and not quiet
        self._states = [_State() for _ in labels]
        self._live: Live | None = None

    def begun(self, number: int) -> None:
        """A job has begun."""
        self._states[number].word = "working"
        if self._live is None and self._screen.watched and not self._quiet:
            self._live = begin_live(self._screen, self._picture)

    def hear(self, number: int, event: Event) -> None:
        """An event of one job."""
        state = self._states[number]
        if isinstance(event, PhaseStarted):
            state.phase = Phase(event, time.monotonic())
        elif isinstance(event, PhaseFinished):
            state.phase = None
        elif isinstance(event, (ItemStarted, ItemAdvanced, ItemFinished)):
            if state.phase is not None and state.phase.name == event.phase:
                state.phase.count(event)
        else:
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

    def close(self) -> None:
        """Take the rows off the screen."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _say(self, who: str, event: Event) -> None:
        said = spoken(event, self._screen, quiet=self._quiet, verbose=self._verbose, who=f"{who}: ")
        for label, text in said:
            write_beside(self._live, self._screen, label, text)

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


class _State:
    """How far one job is."""

    def __init__(self) -> None:
        self.word = ""
        self.phase: Phase | None = None
        self.ended = False
        self.good = False

    def doing(self, now: float) -> str:
        """What is being done, and how far that is."""
        if self.phase is None:
            return self.word
        return "  ".join(
            part for part in (self.phase.verb(), self.phase.counts(), self.phase.rate(now)) if part
        )

"""Listening to many jobs at once: a row for each while a person watches, plain lines otherwise."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from provenv.cli.draw import Screen
from provenv.cli.progress import Phase
from provenv.core.events import (
    BuildOutput,
    Event,
    ItemAdvanced,
    ItemFinished,
    ItemStarted,
    Noted,
    PhaseFinished,
    PhaseStarted,
    Retrying,
    Warned,
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
            self._show()

    def hear(self, number: int, event: Event) -> None:
        """An event of one job."""
        state = self._states[number]
        if isinstance(event, PhaseStarted):
            state.phase = Phase(event, time.monotonic())
        elif isinstance(event, PhaseFinished):
            state.phase = None
        elif isinstance(event, (ItemStarted, ItemAdvanced, ItemFinished)):
            state.item(event)
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

    def _say(self, label: str, event: Event) -> None:
        paint = self._screen.paint
        if isinstance(event, Warned):
            self._line(f"{label}: {event.message}", paint("warning", "warning:"))
            if event.hint:
                self._line(event.hint, paint("hint", "hint:"))
        elif self._quiet:
            return
        elif isinstance(event, Noted):
            self._line(paint("dim", f"{label}: {event.message}"))
        elif isinstance(event, Retrying):
            again = f"{event.reason}; trying again in {event.delay:.1f} s"
            self._line(paint("dim", f"{label}: {again}"))
        elif isinstance(event, BuildOutput) and self._verbose:
            self._line(paint("dim", f"{label}: {event.name}: {event.line}"))

    def _line(self, text: str, mark: str = "") -> None:
        if self._live is None:
            self._screen.prose(mark, text)
            return
        from rich.text import Text

        self._live.console.print(Text.from_ansi(f"{mark} {text}" if mark else text))

    def _show(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(
            file=self._screen.stream,
            force_terminal=True,
            no_color=not self._screen.colour,
            highlight=False,
        )
        self._live = Live(
            console=console,
            get_renderable=self._picture,
            refresh_per_second=12,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

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
                mark = Text("✓", style="green") if state.good else Text("✗", style="red")
                grid.add_row(mark, label, Text(state.word, style="dim"))
            elif state.word:
                spinner = Spinner("dots", style="cyan")
                spinner.start_time = 0.0
                grid.add_row(spinner.render(now), Text(label, style="bold"), state.doing(now))
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

    def item(self, event: ItemStarted | ItemAdvanced | ItemFinished) -> None:
        """Count an item of the phase that is on."""
        phase = self.phase
        if phase is None or phase.name != event.phase:
            return
        if isinstance(event, ItemStarted):
            phase.flying[event.name] = None
        elif isinstance(event, ItemAdvanced):
            phase.bytes += event.amount
        else:
            phase.done += 1
            phase.flying.pop(event.name, None)

    def doing(self, now: float) -> str:
        """What is being done, and how far that is."""
        if self.phase is None:
            return self.word
        return "  ".join(
            part for part in (self.phase.verb(), self.phase.counts(), self.phase.rate(now)) if part
        )

"""Listening to the library: bars while a person watches, plain lines otherwise.

A phase is drawn only once it has lasted ``_PATIENCE`` seconds; what is quicker goes by without a
flicker. Events come from several threads; whatever is drawn is drawn under one lock. ``rich`` is
imported when the first bar is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from provenv.cli.draw import Screen, many, seconds, size
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
from provenv.core.http import hidden

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.table import Table

_PATIENCE = 0.3
_NOUNS = {"python": "Python", "try": "environment"}
_BAR = 24  # columns; fewer where the terminal is narrow
_VERBS = {
    "ask": "asking about",
    "resolve": "resolving",
    "fetch": "downloading",
    "build": "building",
    "link": "linking",
    "verify": "verifying",
    "compile": "comparing byte code",
    "collect": "collecting",
    "python": "installing",
    "examine": "examining",
    "measure": "measuring",
    "try": "trying",
}


class Phase:
    """How far one phase is. Sizes are bytes, times are seconds of the monotonic clock."""

    def __init__(self, started: PhaseStarted, now: float) -> None:
        self.name = started.phase
        self.total = started.total
        self.size = started.size
        self.started = now
        self.done = 0
        self.bytes = 0
        self.flying: dict[str, None] = {}

    def count(self, event: ItemStarted | ItemAdvanced | ItemFinished) -> None:
        """Take note of one of its items."""
        if isinstance(event, ItemStarted):
            self.flying[event.name] = None
        elif isinstance(event, ItemAdvanced):
            self.bytes += event.amount
        else:
            self.done += 1
            self.flying.pop(event.name, None)

    def verb(self) -> str:
        """What is being done; a fetch whose downloads have all arrived is unpacking the last."""
        if self.name == "fetch" and self.total and self.done >= self.total:
            return "unpacking"
        return _VERBS.get(self.name, self.name)

    def counts(self) -> str:
        """``45/152``, or an empty text where nobody knows how many there are."""
        return f"{self.done}/{self.total}" if self.total else ""

    def fraction(self) -> float | None:
        """How much of it is done, from 0 to 1; None where that is unknown."""
        if self.size:
            return min(self.bytes / self.size, 1.0)
        return self.done / self.total if self.total else None

    def rate(self, now: float) -> str:
        """Bytes done, of how many, and how fast."""
        if not self.bytes:
            return ""
        whole = f"/{size(self.size)}" if self.size else ""
        passed = max(now - self.started, 0.001)
        return f"{size(self.bytes)}{whole}  {size(self.bytes / passed)}/s"

    def names(self, room: int) -> str:
        """What is in flight, as many names as fit into ``room`` columns."""
        names = list(self.flying)
        text = ""
        for position, name in enumerate(names):
            more = f", +{len(names) - position - 1}" if position + 1 < len(names) else ""
            longer = f"{text}, {name}" if text else name
            if len(longer) + len(more) > room:
                return f"{text}, +{len(names) - position}" if text else ""
            text = longer
        return text


class Progress:
    """An ``Emit`` that draws. Close it before anything else is written."""

    def __init__(self, screen: Screen, *, quiet: bool, verbose: bool) -> None:
        self._screen = screen
        self._quiet = quiet
        self._verbose = verbose
        self._lock = threading.RLock()
        self._phases: dict[str, Phase] = {}
        self._live: Live | None = None
        self._timer: threading.Timer | None = None
        self._closed = False

    def __call__(self, event: Event) -> None:
        """Take note of one event; any thread may call this."""
        with self._lock:
            if isinstance(event, PhaseStarted):
                self._start(event)
            elif isinstance(event, PhaseFinished):
                self._finish(event)
            elif isinstance(event, (ItemStarted, ItemAdvanced, ItemFinished)):
                self._item(event)
            else:
                self._say(event)

    def close(self) -> None:
        """Take everything off the screen that was there for the moment."""
        with self._lock:
            self._closed = True
            self._phases.clear()
            self._stop()

    def _start(self, event: PhaseStarted) -> None:
        self._phases[event.phase] = Phase(event, time.monotonic())
        if self._quiet or self._closed or not self._screen.watched or self._live or self._timer:
            return
        self._timer = threading.Timer(_PATIENCE, self._show)
        self._timer.daemon = True
        self._timer.start()

    def _finish(self, event: PhaseFinished) -> None:
        self._phases.pop(event.phase, None)
        if not self._phases:
            self._stop()
        if self._verbose and not self._quiet:
            verb = _VERBS.get(event.phase, event.phase)
            count = many(event.count, _NOUNS.get(event.phase, "package"))
            what = f"{verb}: {count} in {seconds(event.seconds)}"
            self._line(self._screen.paint("dim", what))

    def _item(self, event: ItemStarted | ItemAdvanced | ItemFinished) -> None:
        phase = self._phases.get(event.phase)
        if phase is not None:
            phase.count(event)

    def _say(self, event: Event) -> None:
        for label, text in spoken(event, self._screen, quiet=self._quiet, verbose=self._verbose):
            self._line(text, label)

    def _line(self, text: str, label: str = "") -> None:
        write_beside(self._live, self._screen, label, text)

    def _show(self) -> None:
        """Begin to draw; called by the timer, in its own thread."""
        with self._lock:
            self._timer = None
            if self._closed or not self._phases:
                return
            self._live = begin_live(self._screen, self._picture)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _picture(self) -> Table:
        """What is drawn now. Takes no lock: the thread that refreshes holds rich's own."""
        from rich.table import Table

        grid = Table.grid(padding=(0, 1))
        now = time.monotonic()
        for phase in list(self._phases.values()):
            grid.add_row(*_row(phase, now, self._screen.width or 80))
        return grid


def spoken(
    event: Event, screen: Screen, *, quiet: bool, verbose: bool, who: str = ""
) -> Iterator[tuple[str, str]]:
    """What is said of an event that is no progress, as pairs of a label and a text; ``who`` begins it."""
    paint = screen.paint
    if isinstance(event, Warned):
        yield paint("warning", "warning:"), f"{who}{event.message}"
        if event.hint:
            yield paint("hint", "hint:"), event.hint
    elif quiet:
        return
    elif isinstance(event, Noted):
        yield "", paint("dim", f"{who}{event.message}")
    elif isinstance(event, Retrying):
        delay = f"trying again in {event.delay:.1f} s"
        reason = event.reason.removeprefix(f"{event.url}: ")
        yield "", paint("dim", f"{who}{event.url}: {reason}; {delay}")
    elif isinstance(event, BuildOutput) and verbose:
        yield "", paint("dim", f"{who}{event.name}: {event.line}")


def write_beside(live: Live | None, screen: Screen, label: str, text: str) -> None:
    """Write a line that stays, above what is drawn for the moment."""
    if live is None:
        screen.prose(label, text)
        return
    from rich.text import Text

    live.console.print(Text.from_ansi(hidden(f"{label} {text}" if label else text)))


def begin_live(screen: Screen, picture: Callable[[], RenderableType]) -> Live:
    """Begin to draw ``picture`` again and again, until it is stopped and gone."""
    from rich.console import Console
    from rich.live import Live

    console = Console(
        file=screen.stream, force_terminal=True, no_color=not screen.colour, highlight=False
    )
    live = Live(
        console=console,
        get_renderable=picture,
        refresh_per_second=12,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    live.start()
    return live


def _row(phase: Phase, now: float, width: int) -> list[RenderableType]:
    """One phase: a verb, a bar or a spinner, counts and rate, and what is in flight."""
    from rich.progress_bar import ProgressBar
    from rich.spinner import Spinner
    from rich.text import Text

    verb = Text(phase.verb(), style="bold")
    fraction = phase.fraction()
    passed = now - phase.started
    if fraction is None:
        spinner = Spinner("dots", style="cyan")
        spinner.start_time = 0.0
        names = phase.names(width - 40)
        note = Text(f"{names}  {passed:.0f} s" if names else f"{passed:.0f} s", style="dim")
        return [verb, spinner.render(now), note]
    columns = min(_BAR, width // 6)
    bar = ProgressBar(
        total=1.0, completed=fraction, width=columns, complete_style="green", finished_style="green"
    )
    facts = "  ".join(part for part in (phase.counts(), phase.rate(now)) if part)
    room = width - columns - len(facts) - 16
    return [verb, bar, Text(facts), Text(phase.names(room), style="dim", no_wrap=True)]

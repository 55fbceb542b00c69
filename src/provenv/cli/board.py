"""Rows for what goes on at once: drawn while a person watches, and what is said stays above them."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
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


class Row:
    """How far one of them is."""

    def __init__(self) -> None:
        self.phase: Phase | None = None

    def hear(self, event: Event) -> bool:
        """Take note of an event; whether it was about how far this is."""
        if isinstance(event, PhaseStarted):
            self.phase = Phase(event, time.monotonic())
        elif isinstance(event, PhaseFinished):
            self.phase = None
        elif isinstance(event, (ItemStarted, ItemAdvanced, ItemFinished)):
            if self.phase is not None and self.phase.name == event.phase:
                self.phase.count(event)
        else:
            return False
        return True


class Board(ABC):
    """What draws the rows. Close it before anything else is written."""

    def __init__(self, screen: Screen, *, quiet: bool, verbose: bool) -> None:
        self._screen = screen
        self._quiet = quiet
        self._verbose = verbose
        self._live: Live | None = None

    def close(self) -> None:
        """Take the rows off the screen."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _show(self) -> None:
        if self._live is None and self._screen.watched and not self._quiet:
            self._live = begin_live(self._screen, self._picture)

    def _say(self, who: str, event: Event) -> None:
        said = spoken(event, self._screen, quiet=self._quiet, verbose=self._verbose, who=f"{who}: ")
        for label, text in said:
            write_beside(self._live, self._screen, label, text)

    @abstractmethod
    def _picture(self) -> Table:
        """All rows as they are now."""

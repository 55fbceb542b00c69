"""What the library says while it works: typed events, drawn by whoever listens.

A use case takes ``emit``, a function of one event. The library never prints; a caller that does
not care passes :func:`silent`. ``emit`` may be called from several threads at once.
"""

from __future__ import annotations

from collections.abc import Callable

from provenv.core.values import frozen


@frozen
class Event:
    """Base of all events."""


@frozen
class ChangeBegun(Event):
    """From here on something on the disk is changed; before it, nothing was.

    ``paths`` are files of a project that may be written.
    """

    paths: tuple[str, ...] = ()


@frozen
class PhaseStarted(Event):
    """A stretch of work began: ``resolve``, ``fetch``, ``build``, ``link``, ``verify`` and the like.

    ``python`` stands for the installation of one. ``total`` counts the items of the phase and
    ``size`` its bytes, where known.
    """

    phase: str
    total: int | None = None
    size: int | None = None


@frozen
class PhaseFinished(Event):
    """The stretch ended after ``seconds``; ``count`` items were dealt with."""

    phase: str
    count: int
    seconds: float


@frozen
class ItemStarted(Event):
    """One item of a phase began, for example one download of ``size`` bytes."""

    phase: str
    name: str
    size: int | None = None


@frozen
class ItemAdvanced(Event):
    """``amount`` more bytes (or files) of the item are done."""

    phase: str
    name: str
    amount: int


@frozen
class ItemFinished(Event):
    """The item is done."""

    phase: str
    name: str


@frozen
class Retrying(Event):
    """A request failed in a way that may pass; it is tried again after ``delay`` seconds."""

    url: str
    reason: str
    attempt: int
    delay: float


@frozen
class BuildOutput(Event):
    """One line that a build backend wrote."""

    name: str
    line: str


@frozen
class CommandStarted(Event):
    """The command of a cell runs now; what came before it took ``seconds``."""

    seconds: float


@frozen
class CommandWrote(Event):
    """The last line that the command of a cell has written so far."""

    line: str


@frozen
class Noted(Event):
    """Something a person wants to know, for example that an sdist is being built."""

    message: str


@frozen
class Warned(Event):
    """Something a person should act on; the work goes on."""

    message: str
    hint: str | None = None


Emit = Callable[[Event], None]


def silent(event: Event, /) -> None:
    """Listen to nothing: the no-op twin of every front end."""

"""Signals that end a command end it as Ctrl-C does: the way out is taken, and nothing is left over.

Imports nothing of weight: the short way that makes an environment listens, too.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # `signal` would import enum: 3 ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

INTERRUPTED = "interrupted; nothing is half-done, and the same command goes on from here"


class EndedError(KeyboardInterrupt):
    """A signal asked the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def take_way_out() -> None:
    """Let SIGTERM and SIGHUP raise where the command is; what is ignored stays so (``nohup``)."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _raise)


def _raise(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # the shape of a handler
    # once is enough: the second must not cut the way out short
    signal.signal(number, signal.SIG_IGN)
    raise EndedError(number)


def exit_code(error: KeyboardInterrupt) -> int:
    """As a shell reports a command that a signal ended: 130 for SIGINT, 143 for SIGTERM."""
    return 128 + (error.number if isinstance(error, EndedError) else int(signal.SIGINT))

"""Drawing on a stream: few colours, aligned columns, and plain stable lines where nobody watches.

``Screen`` knows one stream. Where that is no terminal, there is no colour, no box drawing, nothing
is shortened, and times are ISO 8601.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from provenv.core.errors import DiskError

from provenv.core.http import hidden
from provenv.core.words import many as many
from provenv.core.words import size as size

_CODES = {"good": "32", "warn": "33", "bad": "31", "dim": "2", "strong": "1", "name": "36"}
_CODES |= {"error": "1;31", "warning": "1;33", "hint": "1;36", "safe": "1;32"}
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# our own colours, and what else a terminal would obey: control characters, and a change of direction
_COMMAND = re.compile(
    f"\x1b\\[(?:0|{'|'.join(_CODES.values())})m"
    "|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def unwritten(error: OSError) -> DiskError:
    """What is said where standard output cannot be written, as on a full disk."""
    from provenv.core.disk import refusal

    path = ""
    with contextlib.suppress(OSError):
        path = os.readlink(f"/proc/self/fd/{sys.stdout.fileno()}")
    found = refusal(error, None, path if os.path.isabs(path) else "")
    found.amend("writing standard output")
    return found


class Screen:
    """One stream to draw on.

    Attributes:
        watched: A person watches: the stream is a terminal that can move its cursor.
        colour: Colours are used.
        width: Columns, or None where lines may be as long as they are.
    """

    def __init__(
        self,
        stream: TextIO,
        environ: Mapping[str, str],
        *,
        color: str = "auto",
        muted: bool = False,
    ) -> None:
        self.stream = stream
        self.muted = muted
        terminal = stream.isatty()
        self.watched = terminal and environ.get("TERM") != "dumb"
        self.colour = _wants_colour(environ, color, watched=self.watched)
        self.width = shutil.get_terminal_size((80, 24)).columns if terminal else None
        self._unicode = _can_encode(stream, "→├─·…")

    def paint(self, style: str, text: str) -> str:
        """``text`` in a style of ``_CODES``, where there are colours."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.colour and text else text

    def line(self, text: str = "") -> None:
        """Write one line (or several); what in it would command a terminal is shown instead.

        No password in an address gets past here.
        """
        if self.muted:
            return
        text = harmless(hidden(text.rstrip()))
        if not self._unicode:
            text = text.replace("→", "->").replace("…", "...")
            text = text.encode(self.stream.encoding or "ascii", "replace").decode(
                self.stream.encoding or "ascii"
            )
        try:
            self.stream.write(text + "\n")
            self.stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:  # what was asked for must arrive; what is said beside it need not
            if self.stream is not sys.stderr:
                raise unwritten(error) from error

    def prose(self, label: str, text: str) -> None:
        """``label`` and a text of whole sentences, in a terminal broken between words."""
        for number, part in enumerate(text.splitlines() or [""]):
            start = f"{label} " if label and number == 0 else ""
            self.line(start + self._broken(part, visible(start)))

    def error(self, message: str, hint: str | None, safe: str | None = None) -> None:
        """What went wrong, what to do next, and what is safe."""
        self.prose(self.paint("error", "error:"), message)
        if hint:
            self.prose(self.paint("hint", "hint:"), hint)
        if safe:
            self.prose(self.paint("safe", "safe:"), safe)

    def _broken(self, text: str, used: int) -> str:
        if self.width is None or used + len(text) <= self.width:
            return text
        import textwrap

        lines = textwrap.wrap(
            " " * used + text,
            self.width,
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
            drop_whitespace=True,
        )
        return "\n".join([lines[0][used:], *lines[1:]])

    def block(self, text: str, indent: str, *, style: str | None = None) -> None:
        """A text of whole sentences, indented; in a terminal broken between words."""
        lines = [text]
        if self.width is not None and len(indent) + len(text) > self.width:
            import textwrap

            room = max(self.width - len(indent), 20)
            lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
        for line in lines:
            self.line(indent + (self.paint(style, line) if style else line))

    def table(
        self,
        rows: Sequence[Sequence[str]],
        *,
        head: Sequence[str] = (),
        indent: str = "",
        below: Sequence[Sequence[str]] = (),
    ) -> None:
        """Columns, aligned. In a terminal the last column is shortened where it does not fit.

        ``below`` are lines that stand under each row, whole.
        """
        every = [*([[self.paint("dim", cell) for cell in head]] if head else []), *rows]
        if not every:
            return
        widths = [max(visible(row[i]) for row in every) for i in range(len(every[0]))]
        under = [*([()] if head else []), *below]
        for number, row in enumerate(every):
            cells = [_pad(cell, width) for cell, width in zip(row[:-1], widths, strict=False)]
            start = indent + "  ".join([*cells, ""])
            self.line(start + self.fit(row[-1], visible(start)))
            for line in under[number] if number < len(under) else ():
                self.prose(f"{indent} ", line)

    def fit(self, text: str, used: int = 0) -> str:
        """``text``, shortened to what is left of the line in a terminal."""
        if self.width is None:
            return text
        room = max(self.width - used, 12)
        if visible(text) <= room:
            return text
        plain = _ANSI.sub("", text)
        short = plain[: room - 1] + "…"
        return text.replace(plain, short) if plain in text else short

    def branch(self, *, last: bool) -> tuple[str, str]:
        """How a line of a tree begins, and how the lines below it do."""
        if not (self.watched and self._unicode):
            return "  ", "  "
        return ("└── ", "    ") if last else ("├── ", "│   ")

    def when(self, iso: str, *, now: datetime | None = None) -> str:
        """A time: ``3 minutes ago`` for a person, ISO 8601 for a program."""
        return ago(iso, now or datetime.now(UTC)) if self.watched else iso


def _wants_colour(environ: Mapping[str, str], color: str, *, watched: bool) -> bool:
    """``--color`` decides, then NO_COLOR, then FORCE_COLOR (https://no-color.org), then the stream."""
    if color != "auto":
        return color == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return watched


def _can_encode(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def visible(text: str) -> int:
    """How many columns ``text`` takes."""
    plain = _ANSI.sub("", text)
    if plain.isascii():
        return len(plain)
    from rich.cells import cell_len

    return cell_len(plain)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - visible(text))


def seconds(value: float) -> str:
    """A span of time: ``0.21 s``, ``1 min 5 s``."""
    if value < 60:
        return f"{value:.2f} s"
    return f"{int(value // 60)} min {int(value % 60)} s"


def ago(iso: str, now: datetime) -> str:
    """How long ago a UTC time in ISO 8601 was, in one unit; the text itself where it is no time."""
    try:
        then = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    passed = (now - then).total_seconds()
    for length, unit in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if passed >= length:
            return f"{many(int(passed // length), unit)} ago"
    return "just now"


def short_path(path: str) -> str:
    """``path`` relative to the working directory where it lies below it."""
    here = os.getcwd()
    if path == here:
        return "."
    return path[len(here) + 1 :] if path.startswith(here + os.sep) else path


def harmless(text: str) -> str:
    """``text`` with control characters written out, but for our own colours, line ends and tabs."""
    if text.isprintable():
        return text
    return _COMMAND.sub(
        lambda found: found[0] if len(found[0]) > 1 else ascii(found[0])[1:-1], text
    )


def printable(text: str) -> str:
    """``text`` without what a terminal would take for a command: a file may be called anything."""
    return "".join(c if c.isprintable() else "?" for c in text)

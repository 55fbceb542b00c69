"""Charts as inline SVG, drawn with the page's own colours, so that they hold in the dark and on paper.

Each has a title and a description for those who do not see it; the page has the same figures as a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html import escape

from provenv.core.values import frozen

WIDTH = 760
_LEFT, _RIGHT, _ROW, _TOP = 210, 110, 26, 12
_MOST = 25


@frozen
class Bar:
    """How old something is, and how old it may become; ``kind`` is the class of its colour."""

    label: str
    value: int
    limit: int | None
    kind: str
    text: str


@frozen
class Dot:
    """Something that happened: in which lane, when, and what is told of it."""

    lane: str
    time: datetime
    kind: str
    text: str


def bars(name: str, title: str, description: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars, each with a mark where it should have ended. At most 25; the page says the rest."""
    rows = rows[:_MOST]
    highest = max([1, *(row.value for row in rows), *(row.limit or 0 for row in rows)])
    room = WIDTH - _LEFT - _RIGHT
    height = _TOP + _ROW * len(rows) + 30
    parts = [_axis(highest, room, height)]
    for number, row in enumerate(rows):
        top = _TOP + _ROW * number
        middle = top + _ROW / 2
        length = max(room * row.value / highest, 1.5)
        parts.append(
            f'<text class="label" x="{_LEFT - 8}" y="{middle + 4:.1f}" text-anchor="end">'
            f"{escape(_short(row.label))}</text>"
            f'<rect class="{escape(row.kind)}" x="{_LEFT}" y="{top + 5}" width="{length:.1f}" '
            f'height="{_ROW - 10}" rx="2"><title>{escape(row.label)}: {escape(row.text)}</title></rect>'
        )
        if row.limit is not None:
            at = _LEFT + room * row.limit / highest
            parts.append(
                f'<line class="limit" x1="{at:.1f}" x2="{at:.1f}" y1="{top + 1}" y2="{top + _ROW - 1}"/>'
            )
        end = _LEFT + room * max(row.value, row.limit or 0) / highest
        parts.append(f'<text x="{end + 6:.1f}" y="{middle + 4:.1f}">{escape(row.text)}</text>')
    return _svg(name, title, description, height, "".join(parts))


def _axis(highest: int, room: int, height: int) -> str:
    step = _step(highest)
    ticks = range(0, highest + 1, step)
    bottom = height - 24
    made = []
    for tick in ticks:
        at = _LEFT + room * tick / highest
        made.append(
            f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{bottom}"/>'
            f'<text class="tick" x="{at:.1f}" y="{height - 8}" text-anchor="middle">{tick}</text>'
        )
    return "".join(made)


def _step(highest: int) -> int:
    """The distance of ticks: four to eight of them, at round numbers."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if highest / (step * factor) <= 6:
                return step * factor
        step *= 10


def lanes(name: str, title: str, description: str, dots: Sequence[Dot]) -> str:
    """What happened when, a lane for each kind of place; what is of one time lies one over the other."""
    names = list(dict.fromkeys(dot.lane for dot in dots))
    times = [dot.time for dot in dots]
    first, last = min(times), max(times)
    span = max(last - first, timedelta(minutes=1))
    room = WIDTH - _LEFT - 30
    height = _TOP + _ROW * len(names) + 30
    bottom = height - 24
    parts = []
    for number, lane in enumerate(names):
        middle = _TOP + _ROW * number + _ROW / 2
        parts.append(
            f'<text class="label" x="{_LEFT - 14}" y="{middle + 4:.1f}" text-anchor="end">'
            f"{escape(_short(lane))}</text>"
            f'<line class="grid" x1="{_LEFT}" x2="{_LEFT + room}" y1="{middle:.1f}" y2="{middle:.1f}"/>'
        )
    for tick in range(4):
        when = first + span * tick / 3
        at = _LEFT + room * tick / 3
        anchor = "start" if tick == 0 else "end" if tick == 3 else "middle"
        parts.append(
            f'<text class="tick" x="{at:.1f}" y="{bottom + 16}" text-anchor="{anchor}">'
            f"{_when(when, span)}</text>"
        )
    for dot in dots:
        middle = _TOP + _ROW * names.index(dot.lane) + _ROW / 2
        at = _LEFT + room * ((dot.time - first) / span)
        tip = f"<title>{escape(dot.text)}</title>"
        if dot.kind == "rollback":
            parts.append(
                f'<rect class="rollback" x="{at - 5:.1f}" y="{middle - 5:.1f}" width="10" height="10" '
                f'transform="rotate(45 {at:.1f} {middle:.1f})">{tip}</rect>'
            )
        else:
            parts.append(
                f'<circle class="sync" cx="{at:.1f}" cy="{middle:.1f}" r="5">{tip}</circle>'
            )
    return _svg(name, title, description, height, "".join(parts))


def _when(time: datetime, span: timedelta) -> str:
    form = "%Y-%m-%d" if span > timedelta(days=3) else "%m-%d %H:%M"
    return time.astimezone(UTC).strftime(form)


def _short(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:29]}…"


def _svg(name: str, title: str, description: str, height: float, inner: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-labelledby="{escape(name)}-title {escape(name)}-about">'
        f'<title id="{escape(name)}-title">{escape(title)}</title>'
        f'<desc id="{escape(name)}-about">{escape(description)}</desc>{inner}</svg>'
    )

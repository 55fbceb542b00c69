"""What `test` tells of a matrix, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from provenv.cli.cells import STYLES
from provenv.cli.draw import Screen, many, printable, seconds, short_path, visible
from provenv.cli.trying import VERDICTS
from provenv.trials.cells import STATES
from provenv.workspace.testing.reporting import grid, log_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provenv.trials.cells import Cell, CellResult
    from provenv.workspace.testing.matrix import MatrixReport

_LABELS = 6  # of cells that have the same to say
_TAIL = 12  # lines of the log of a cell that did not pass


def list_text(cells: Sequence[Cell], screen: Screen) -> None:
    rows = [(c.id, c.label, c.environment, " ".join(c.command)) for c in cells]
    screen.table(rows, head=("id", "cell", "environment", "command"))


def nothing_text(screen: Screen) -> None:
    screen.line("nothing failed the last time")


def text(report: MatrixReport, screen: Screen) -> None:
    _draw_table(report, screen)
    bad = [r for r in report.results if r.state in ("failed", "timeout", "error")]
    same: dict[tuple[str, str | None], list[CellResult]] = {}
    for number, result in enumerate(bad):  # cells that share a lock share what is wrong with it
        key = (result.state, result.reason if result.log is None else str(number))
        same.setdefault(key, []).append(result)
    for group in same.values():
        _tell_bad(group, log_end(group[0], _TAIL), screen)
    skipped = [r for r in report.results if r.state == "skipped"]
    for reason in dict.fromkeys(str(r.reason) for r in skipped):
        screen.line()
        screen.line(f"{screen.paint('warn', 'skipped')} {printable(reason)}")
    left = [result for result in report.results if result.left]
    for result in left:
        screen.line(
            f"{screen.paint('warning', 'note:')} {result.cell.label} left "
            f"{many(result.left, 'process', 'processes')} behind, which had to be ended"
        )
    screen.line()
    screen.line(_summary(report, screen))


def _draw_table(report: MatrixReport, screen: Screen) -> None:
    """Pythons down and variants across; the other way round, or a line a cell, where that is too wide."""
    rows, columns, places = grid(report.results)

    def shown(row: str, column: str) -> str:
        number = places.get((row, column))
        return (
            screen.paint("dim", "-") if number is None else _short(report.results[number], screen)
        )

    def plain(texts: Sequence[str]) -> list[str]:
        return [printable(text) for text in texts]

    down = [[screen.paint("strong", printable(r)), *(shown(r, c) for c in columns)] for r in rows]
    across = [[screen.paint("strong", printable(c)), *(shown(r, c) for r in rows)] for c in columns]
    for lines, head in ((down, ["python", *plain(columns)]), (across, ["", *plain(rows)])):
        widths = [max(visible(line[n]) for line in (*lines, head)) for n in range(len(head))]
        if screen.width is None or sum(widths) + 2 * (len(head) - 1) <= screen.width:
            screen.table(lines, head=head)
            return
    screen.table([(printable(r.cell.label), _short(r, screen)) for r in report.results])


def _short(result: CellResult, screen: Screen) -> str:
    state = screen.paint(STYLES[result.state], result.state)
    if result.cached:
        return f"{state} {screen.paint('dim', '(known)')}"
    if result.state in ("skipped", "cancelled", "error"):
        return state
    return f"{state} {screen.paint('dim', seconds(result.seconds))}"


def _tell_bad(same: Sequence[CellResult], tail: str, screen: Screen) -> None:
    """What became of a cell, or of several for the same reason."""
    result = same[0]
    screen.line()
    state = screen.paint(STYLES[result.state], result.state)
    labels = [screen.paint("strong", printable(one.cell.label)) for one in same]
    if len(labels) > _LABELS:
        labels = [*labels[: _LABELS - 1], f"and {len(labels) - _LABELS + 1} more"]
    screen.line(f"{state} {', '.join(labels)}")
    if result.reason is not None:
        for line in _shortened(result.reason.splitlines()):
            screen.block(printable(line.expandtabs()), "  ")
    elif result.code is not None:
        screen.line(f"  exit code {result.code}")
    if result.worker:
        times = f", begun {result.attempts} times" if result.attempts > 1 else ""
        screen.line(f"  on {printable(result.worker)}{times}")
    if result.log is not None:
        for line in tail.splitlines():
            screen.line(f"  {screen.paint('dim', '|')} {printable(line.expandtabs())}")
        screen.line(f"  {screen.paint('dim', short_path(result.log))}")
    if result.hint:
        screen.block(result.hint, "  ")


def _shortened(lines: Sequence[str]) -> list[str]:
    """The beginning and the end of a long story; ``--json`` and the page have the whole."""
    if len(lines) <= _TAIL + 2:
        return list(lines)
    half = _TAIL // 2
    return [*lines[:half], f"({len(lines) - 2 * half} more lines)", *lines[-half:]]


def _summary(report: MatrixReport, screen: Screen) -> str:
    counts = Counter(result.state for result in report.results)
    parts = [
        screen.paint(STYLES[state], f"{counts[state]} {state}") for state in STATES if counts[state]
    ]
    known = sum(result.cached for result in report.results)
    if known:
        parts[0] += f" ({known} known from before)"
    ended = {"fail-fast": ", ended by --fail-fast", "interrupted": ", interrupted", None: ""}
    verdict = VERDICTS[report.code]
    style = {"pass": "good", "fail": "bad", "inconclusive": "warn"}[verdict]
    took = screen.paint("dim", f"in {seconds(report.seconds)}, {report.jobs} at once")
    how = ended[report.stopped]
    return f"{screen.paint(style, verdict)}: {', '.join(parts)}{how} {took}"


def data(report: MatrixReport) -> dict[str, Any]:
    counts = Counter(result.state for result in report.results)
    return {
        "project": report.project,
        "verdict": VERDICTS[report.code],
        "stopped": report.stopped,
        "seconds": round(report.seconds, 3),
        "first": None if report.first is None else round(report.first, 3),
        "jobs": report.jobs,
        "counts": {state: counts[state] for state in STATES},
        "cells": [_cell(result) for result in report.results],
    }


def nothing_data(project: str) -> dict[str, Any]:
    return {
        "project": project,
        "verdict": "pass",
        "stopped": None,
        "seconds": 0.0,
        "first": None,
        "jobs": 0,
        "counts": dict.fromkeys(STATES, 0),
        "cells": [],
    }


def list_data(cells: Sequence[Cell]) -> dict[str, Any]:
    return {"cells": [_place(cell) for cell in cells]}


def _place(cell: Cell) -> dict[str, Any]:
    return {
        "id": cell.id,
        "label": cell.label,
        "python": cell.python or None,
        "resolution": cell.resolution,
        "environment": cell.environment,
        "variant": cell.variant or None,
        "packages": list(cell.packages),
        "command": list(cell.command),
        "timeout": cell.timeout,
    }


def _cell(result: CellResult) -> dict[str, Any]:
    """One cell, and what came of it."""
    return {
        **_place(result.cell),
        "state": result.state,
        "cached": result.cached,
        "code": result.code,
        "seconds": round(result.seconds, 3),
        "prepared": round(result.prepared, 3),
        "version": result.python or None,
        "executable": result.executable or None,
        "reason": result.reason,
        "hint": result.hint,
        "line": result.line,
        "log": result.log,
        "left": result.left,
        "attempts": result.attempts,
        "worker": result.worker or None,
    }

"""A matrix for others: JUnit XML, and a page that stands alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from provenv.core.words import first_line
from provenv.trials.cells import CellResult
from provenv.workspace.testing.matrix import MatrixReport

if TYPE_CHECKING:
    from provenv.formats.junit import Case

_NOTHING_SAID = "No solution found"  # the line after it says why
_LINES = 200
"""So many of the last lines of a log are shown of a cell that did not pass."""


def as_junit(report: MatrixReport) -> str:
    """The report as JUnit XML: a suite, a case for each cell. A cell that was not run is skipped."""
    from provenv.formats.junit import junit

    return junit(f"provenv test {report.project}", [_case(result) for result in report.results])


def _case(result: CellResult) -> Case:
    from provenv.formats.junit import Case  # XML is not for those who only look

    output = log_end(result)
    title = said(result)
    return Case(
        name=result.cell.label,
        group=result.cell.environment,
        failures=((title, output),) if result.state in ("failed", "timeout") else (),
        error=title if result.state == "error" else None,
        skipped=title if result.state in ("skipped", "cancelled") else None,
        seconds=result.seconds,
        output=output if result.state != "passed" else None,
    )


def said(result: CellResult) -> str:
    """What came of a cell, in one line: its reason, its exit code, or the last line that it wrote."""
    if result.reason is not None:
        lines = [line.strip() for line in result.reason.splitlines() if line.strip()] or [""]
        if lines[0].startswith(_NOTHING_SAID) and len(lines) > 1:
            return lines[1]
        return first_line(result.reason)
    if result.state == "failed":
        line = f": {result.line}" if result.line else ""
        return f"exit code {result.code}{line}"
    return result.line


def log_end(result: CellResult, lines: int = _LINES) -> str:
    """The last lines of a cell's log; empty where there is none."""
    if result.log is None:
        return result.reason or ""
    try:
        with open(result.log, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - 200 * lines))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return result.reason or ""
    return "\n".join(text.splitlines()[-lines:])


def grid(results: Sequence[CellResult]) -> tuple[list[str], list[str], dict[tuple[str, str], int]]:
    """Rows (Pythons), columns, and the number of the result at each place that has one."""
    rows: dict[str, None] = {}
    columns: dict[str, None] = {}
    places: dict[tuple[str, str], int] = {}
    for number, result in enumerate(results):
        row = result.cell.python or result.python or "python"
        rows[row] = None
        columns[result.cell.column] = None
        places[row, result.cell.column] = number
    return list(rows), list(columns), places

"""A matrix as a page: one HTML file that needs no other, and in which nothing runs."""

from __future__ import annotations

import shlex
from collections import Counter
from html import escape

from provenv.trials.cells import STATES, CellResult
from provenv.workspace.testing.matrix import MatrixReport
from provenv.workspace.testing.reporting import grid, log_end, said

_SIGNS = {
    "passed": "✓", "failed": "✗", "error": "!", "timeout": "⏱", "skipped": "–", "cancelled": "…",
}  # fmt: skip
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #777;
  --passed: #1a7f37; --failed: #cf222e; --error: #bc4c00; --timeout: #bc4c00;
  --skipped: #777; --cancelled: #777; }
@media (prefers-color-scheme: dark) { :root { --passed: #3fb950; --failed: #ff7b72;
  --error: #f0883e; --timeout: #f0883e; --skipped: #999; --cancelled: #999; --dim: #999; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border: 1px solid var(--line); padding: .35rem .7rem; text-align: left; white-space: nowrap; }
td a, td span { text-decoration: none; color: inherit; }
.passed { color: var(--passed); } .failed { color: var(--failed); } .error { color: var(--error); }
.timeout { color: var(--timeout); } .skipped { color: var(--skipped); }
.cancelled { color: var(--cancelled); }
.state { font-weight: 600; } small, .dim { color: var(--dim); font-weight: 400; }
pre { background: #8881; border: 1px solid var(--line); overflow-wrap: anywhere; padding: .7rem;
  white-space: pre-wrap; }
dt { color: var(--dim); float: left; clear: left; width: 8rem; } dd { margin-left: 8.5rem;
  overflow-wrap: anywhere; }
summary { cursor: pointer; }
"""


def as_page(report: MatrixReport) -> str:
    """The report as HTML. Everything that was read or written by others is escaped."""
    counts = Counter(result.state for result in report.results)
    told = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    known = sum(result.cached for result in report.results)
    told += f" ({known} known from before)" if known else ""
    verdict = {0: "passed", 1: "failed", 3: "error"}[report.code]
    words = {0: "pass", 1: "fail", 3: "inconclusive"}[report.code]
    stopped = f", ended early: {escape(report.stopped)}" if report.stopped else ""
    title = f"Tests of {escape(report.project)}"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}: {words}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{title}</h1>
<p><span class="state {verdict}">{words}</span>: {escape(told)} in {report.seconds:.1f} s,
{report.jobs} at once{stopped}</p>
{_table(report)}
{"".join(_cell(number, result) for number, result in enumerate(report.results))}
</body>
</html>
"""


def _table(report: MatrixReport) -> str:
    rows, columns, places = grid(report.results)
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = []
    for row in rows:
        cells = "".join(_place(report, places.get((row, column))) for column in columns)
        body.append(f'<tr><th scope="row">{escape(row)}</th>{cells}</tr>')
    return (
        f'<div class="scroll"><table><thead><tr><th scope="col">Python</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _place(report: MatrixReport, number: int | None) -> str:
    if number is None:
        return '<td class="dim">not in the matrix</td>'
    result = report.results[number]
    took = "known" if result.cached else f"{result.seconds:.2f} s" if result.seconds else ""
    sign = _SIGNS[result.state]
    return (
        f'<td class="{result.state}"><a href="#cell-{number}"><span class="state">'
        f"{sign} {result.state}</span> <small>{took}</small></a></td>"
    )


def _cell(number: int, result: CellResult) -> str:
    cell = result.cell
    facts = {
        "Python": f"{result.python or cell.python} {result.executable}".strip(),
        "resolution": cell.resolution,
        "packages": ", ".join(cell.packages),
        "environment": cell.environment,
        "command": shlex.join(cell.command),
        "exit code": "" if result.code is None else str(result.code),
        "prepared in": f"{result.prepared:.3f} s" if result.prepared else "",
        "said": said(result),
        "what to do": result.hint or "",
        "left behind": f"{result.left} processes, which were ended" if result.left else "",
        "log": result.log or "",
    }
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items() if value
    )
    log = log_end(result) if result.state != "passed" else ""
    shown = f"<pre>{escape(log)}</pre>" if log else ""
    open_ = " open" if result.state in ("failed", "error", "timeout") else ""
    return (
        f'<details id="cell-{number}"{open_}><summary><span class="state {result.state}">'
        f"{_SIGNS[result.state]} {result.state}</span> {escape(cell.label)}</summary>"
        f"<dl>{rows}</dl>{shown}</details>\n"
    )

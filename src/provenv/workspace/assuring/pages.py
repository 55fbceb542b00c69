"""The compliance report drawn: as one HTML page that needs no network, and as Markdown.

All text is escaped: names, summaries and reasons come from others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from provenv.workspace.assuring.compliance import Compliance
from provenv.workspace.assuring.sections import Cell, Figure, Section, Table, sections

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #fff; --line: #d0d7de;
  --band: #f6f8fa; --good: #1a7f37; --bad: #b42318; --warn: #8a5700; --bar: #2b6cb0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa5b1; --paper: #0d1117;
  --line: #373e47; --band: #161b22; --good: #4ac26b; --bad: #ff8f87; --warn: #e3b341; --bar: #6cb2f7; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem 1.25rem 4rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.75rem 0 .25rem; padding-top: .75rem;
  border-top: 1px solid var(--line); }
p { margin: .5rem 0; max-width: 46rem; overflow-wrap: anywhere; }
.soft, figcaption, .controls { color: var(--soft); font-size: .875rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; margin: 1rem 0 0;
  list-style: none; }
a { color: var(--bar); }
.wide { overflow-x: auto; margin: 1rem 0; }
.wide:focus-visible, a:focus-visible { outline: 2px solid var(--bar); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: .9375rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .375rem; }
th, td { text-align: left; vertical-align: top; padding: .375rem .75rem .375rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: break-word; max-width: 24rem; }
thead th { color: var(--soft); font-weight: 600; font-size: .8125rem; white-space: nowrap; }
tbody th { font-weight: 600; } .short { white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
.quiet { color: var(--soft); } td.good, td.bad, td.warn { font-weight: 600; }
figure { margin: 1rem 0; }
svg { display: block; width: 100%; min-width: 40rem; max-width: 60rem; height: auto; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; paint-order: stroke;
  stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }
svg .tick { fill: var(--soft); font-size: 11px; }
svg .grid { stroke: var(--line); } svg .limit { stroke: var(--ink); stroke-width: 2; }
svg rect.good { fill: var(--bar); } svg rect.bad { fill: var(--bad); } svg rect.warn { fill: var(--warn); }
svg rect.quiet { fill: var(--soft); } svg .sync { fill: var(--bar); } svg .rollback { fill: var(--bad); }
footer { margin-top: 3rem; }
@media (max-width: 40rem) {
  body { padding: 1rem .875rem 3rem; } h1 { font-size: 1.375rem; }
  table.stack thead { position: absolute; width: 1px; height: 1px; overflow: hidden;
    clip-path: inset(50%); }
  table.stack, table.stack caption, table.stack tbody, table.stack tr, table.stack th,
  table.stack td { display: block; }
  table.stack tr { padding: .5rem 0; border-bottom: 1px solid var(--line); }
  table.stack th, table.stack td { border: 0; padding: .0625rem 0; max-width: none;
    overflow-wrap: anywhere; white-space: normal; }
  table.stack td:empty { display: none; }
  table.stack td::before { content: attr(data-label) ": "; color: var(--soft); font-weight: 400; }
}
@media print {
  :root { --ink: #000; --soft: #444; --paper: #fff; --line: #bbb; --good: #14602a; --bad: #8f1c13;
    --warn: #6b4400; --bar: #1f4f86; }
  html { font-size: 9.5pt; } body { max-width: none; padding: 0; } nav { display: none; }
  .wide { overflow: visible; } svg { min-width: 0; } table { font-size: 8.5pt; }
  tr, figure { break-inside: avoid; } h2 { break-after: avoid; } thead { display: table-header-group; }
  th, td { overflow-wrap: anywhere; } .short { white-space: normal; }
}
"""

_SHORT = 20  # characters of a word that is not broken: a date, a version
# nothing is fetched either, whatever the text of the page may hold
_NOTHING_RUNS = "default-src 'none'; style-src 'unsafe-inline'"


def as_html(report: Compliance) -> str:
    """One page with everything in it."""
    parts = sections(report)
    links = "".join(
        f'<li><a href="#{escape(part.name)}">{escape(part.title)}</a></li>' for part in parts
    )
    title = f"Compliance report: {report.title}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_NOTHING_RUNS}">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<header>\n<h1>{escape(title)}</h1>\n<p class="soft">{escape(report.made)}, by provenv</p>\n'
        f'<nav aria-label="Parts"><ul>{links}</ul></nav>\n</header>\n<main>\n'
        + "\n".join(map(_section, parts))
        + "\n</main>\n</body>\n</html>\n"
    )


def _section(part: Section) -> str:
    name = escape(part.name)
    served = ""
    if part.controls:
        served = f'<p class="controls">Serves {escape("; ".join(part.controls))}</p>'
    inner = [
        *(_paragraph(one) for one in part.paragraphs),
        *(_figure(one) for one in part.figures),
        *(_table(one) for one in part.tables),
    ]
    head = f'<h2 id="{name}-title">{escape(part.title)}</h2>'
    return (
        f'<section id="{name}" aria-labelledby="{name}-title">\n{head}\n{served}\n'
        + "\n".join(inner)
        + "\n</section>"
    )


def _paragraph(one: str | Cell) -> str:
    cell = _cell(one)
    return f"<p{_class(cell)}>{escape(cell.text)}</p>"


def _figure(one: Figure) -> str:
    # a region that scrolls must be reachable by keyboard
    caption = escape(one.caption)
    return (
        f'<figure><div class="wide" role="region" aria-label="Chart" tabindex="0">{one.svg}</div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _table(one: Table) -> str:
    # roles: on a phone the rows are drawn as blocks, and stay rows for those who hear them
    head = "".join(f'<th role="columnheader" scope="col">{escape(text)}</th>' for text in one.head)
    rows = "\n".join(_row(one.head, row) for row in one.rows)
    return (
        f'<div class="wide" role="region" aria-label="{escape(one.caption)}" tabindex="0">'
        f'<table class="stack" role="table"><caption>{escape(one.caption)}</caption>\n'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>\n'
        f'<tbody role="rowgroup">\n{rows}\n</tbody></table></div>'
    )


def _row(head: tuple[str, ...], row: tuple[str | Cell, ...]) -> str:
    first, *rest = map(_cell, row)
    cells = "".join(
        f'<td role="cell"{_class(cell)} data-label="{escape(label)}">{escape(cell.text)}</td>'
        for label, cell in zip(head[1:], rest, strict=True)
    )
    name = f'<th role="rowheader" scope="row"{_class(first)}>{escape(first.text)}</th>'
    return f'<tr role="row">{name}{cells}</tr>'


def _cell(one: str | Cell) -> Cell:
    return one if isinstance(one, Cell) else Cell(text=one)


def _class(cell: Cell) -> str:
    short = len(cell.text) <= _SHORT and " " not in cell.text
    names = " ".join(filter(None, (cell.kind, "short" if short else "")))
    return f' class="{escape(names)}"' if names else ""


def as_markdown(report: Compliance) -> str:
    """The same for a pull request or a wiki; charts are left out, the tables have their figures."""
    lines = [f"# Compliance report: {_plain(report.title)}", "", f"{report.made}, by provenv", ""]
    for part in sections(report):
        lines += [f"## {_plain(part.title)}", ""]
        if part.controls:
            lines += [f"Serves {_plain('; '.join(part.controls))}.", ""]
        for paragraph in part.paragraphs:
            lines += [_plain(_cell(paragraph).text), ""]
        for table in part.tables:
            lines += [f"**{_plain(table.caption)}**", "", *_markdown_table(table), ""]
    return "\n".join(lines).rstrip() + "\n"


def _markdown_table(table: Table) -> Iterable[str]:
    yield f"| {' | '.join(map(_plain, table.head))} |"
    yield f"|{' --- |' * len(table.head)}"
    for row in table.rows:
        cells = [_plain(_cell(cell).text) for cell in row]
        yield f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: one line, and nothing that it would take for markup or HTML."""
    line = " ".join(text.split())
    line = re.sub(r"([\\`*_{}\[\]#|~!])", r"\\\1", line)
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"(?i)\b(https?|ftp)(://)|(www)(\.)", _unlinked, line)


def _unlinked(found: re.Match[str]) -> str:
    """An address that is shown and not linked."""
    return (
        "".join(part for part in found.groups() if part).replace(":", "&#58;").replace(".", "&#46;")
    )

r"""Turns results into a report, the tables of the README and the docs, and the README's plot.

    python -m bench.report bench/results/tmpfs.json bench/results/ext4.json \
        --html bench/results/report.html --readme README.md --docs docs/benchmarks.md \
        --svg docs/benchmark.svg

The tables stand between ``<!-- bench:begin -->`` and ``<!-- bench:end -->``; a file without those
two lines is an error and is left alone.
"""

from __future__ import annotations

import argparse
import html
import os
import sys

from bench import plots, summary
from bench.measure import BenchError
from bench.pages import insert

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
_MARKS = {True: "met", False: "missed", None: ""}


def cells(one: summary.Summary) -> list[list[str]]:
    """The table of one file system, the head first."""
    table = [["Work", *one.tools, "ratio to uv (turns)", "target", ""]]
    for line in one.lines:
        times = [
            summary.seconds(line.seconds[tool]) if tool in line.seconds else "–"
            for tool in one.tools
        ]
        table.append([line.title, *times, *_verdict(line)])
    ratio = one.inode_ratio()
    if one.inodes:
        counts = [f"{one.inodes[tool]:,}" if tool in one.inodes else "–" for tool in one.tools]
        met = _MARKS[None if ratio is None else ratio <= 0.1]
        shown = f"{ratio:.3f}" if ratio is not None else ""
        table.append(
            [f"… inodes of those {one.results['environments']}", *counts, shown, "≤ 0.1", met]
        )
    return table


def _verdict(line: summary.Line) -> list[str]:
    if line.row == "rollback":
        beyond = f"{summary.beyond_start(line) * 1000:.0f} ms beyond `python -c pass`"
        return [beyond, "≤ 100 ms", _MARKS[line.met]]
    if line.row == "create":
        beyond = f"{summary.beyond_start(line) * 1000:.0f} ms beyond `python -c pass`"
        if "virtualenv" in line.seconds:
            beyond += f"; virtualenv: {summary.seconds(line.seconds['virtualenv'])}"
        return [beyond, "≤ uv, beyond the start", _MARKS[line.met]]
    target = "" if line.target is None else f"≤ {line.target:g}"
    return [str(line.ratio) if line.ratio else "", target, _MARKS[line.met]]


def markdown(summaries: list[summary.Summary]) -> str:
    """Tables and what they were taken on."""
    parts = []
    for one in summaries:
        head, *body = cells(one)
        rule = ["---", *["---:"] * len(one.tools), "---", "---", "---"]
        rows = ["| " + " | ".join(row) + " |" for row in (head, rule, *body)]
        parts.append("\n".join([f"**On {one.file_system}**", "", *rows]))
    parts.append(_facts(summaries[-1]))
    return "\n\n".join(parts)


def _facts(one: summary.Summary) -> str:
    machine, tools = one.results["machine"], one.results["tools"]
    versions = ", ".join(_version(name, tools[name]) for name in one.tools)
    runs = max(
        len(taken) for line in one.lines for taken in line.runs.values() if line.row != "many"
    )
    return (
        f"Medians of up to {runs} alternating runs, whole processes; {one.results['distributions']} "
        f"distributions from one recorded index on loopback; {versions}; {machine['processor']}, "
        f"{machine['cores']} cores, Linux {machine['kernel'].split('-')[0]}, "
        f"load {machine['load']:.1f} at the start; "
        f"taken {one.results['when'][:10]}."
    )


def _version(name: str, said: str) -> str:
    number = next(
        (word.strip("()") for word in said.split() if word.strip("()")[:1].isdigit()), said
    )
    return f"{name} {number}"


_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 74rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #76839055; text-align: right; }
th:first-child, td:first-child { text-align: left; }
.met { color: #1a9e6c; } .missed { color: #d4523e; font-weight: 600; }
.runs { display: grid; grid-template-columns: repeat(auto-fill, minmax(21rem, 1fr)); gap: .5rem; }
svg { max-width: 100%; height: auto; }
"""


def page(summaries: list[summary.Summary]) -> str:
    """The whole report as one file."""
    parts = [f"<h1>provenv beside its peers</h1>{plots.overview(summaries)}"]
    for one in summaries:
        parts.append(f"<h2>On {html.escape(one.file_system)}</h2>{_table(cells(one))}")
        parts += [f"<p>{html.escape(note)}</p>" for note in one.results["notes"]]
        shown = "".join(f"<div>{plots.runs(line, one.tools)}</div>" for line in one.lines)
        parts.append(f'<h3>Every run</h3><div class="runs">{shown}</div>')
        parts.append(f"<h3>Processor time, seconds</h3>{_table(_processor(one))}")
        parts.append(f"<p>{html.escape(_facts(one))}</p>")
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>provenv: benchmarks</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _processor(one: summary.Summary) -> list[list[str]]:
    table = [["Work", *one.tools, "ratio to uv", "replaying server"]]
    for line in one.lines:
        spent = line.processor
        times = [f"{spent[tool]:.3f}" if tool in spent else "–" for tool in one.tools]
        both = summary.SUBJECT in spent and spent.get(summary.BASELINE)
        ratio = f"{spent[summary.SUBJECT] / spent[summary.BASELINE]:.2f}" if both else ""
        table.append([line.title, *times, ratio, f"{line.server:.2f}"])
    return table


def _table(rows: list[list[str]]) -> str:
    def row(texts: list[str], tag: str) -> str:
        inner = "".join(
            f'<{tag} class="{text}">{html.escape(text)}</{tag}>' if text in _MARKS.values() and text
            else f"<{tag}>{html.escape(text)}</{tag}>"
            for text in texts
        )  # fmt: skip
        return f"<tr>{inner}</tr>"

    return "<table>" + row(rows[0], "th") + "".join(row(one, "td") for one in rows[1:]) + "</table>"


def main() -> int:
    """Write what was asked for; nothing is written where a marker is missing."""
    parser = argparse.ArgumentParser(prog="bench.report", description="Draw the results.")
    parser.add_argument("results", nargs="+", help="what bench.run wrote, one a file system")
    parser.add_argument("--html", metavar="FILE")
    parser.add_argument("--svg", metavar="FILE")
    parser.add_argument("--readme", metavar="FILE")
    parser.add_argument("--docs", metavar="FILE")
    args = parser.parse_args()
    summaries = [summary.read(path) for path in args.results]
    text = markdown(summaries)
    for target in (args.readme, args.docs):
        if target:
            insert(target, text, BEGIN, END)
    for target, draw in ((args.html, page), (args.svg, plots.overview)):
        if target:
            os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
            with open(target, "w", encoding="utf-8") as stream:
                stream.write(draw(summaries))
    print(text)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(str(error))

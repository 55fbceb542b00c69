"""The plots. Colours are chosen to be readable on white and on near-black; nothing is filled behind.

The axis of time is logarithmic and shows points rather than bars: the length of a bar would mean
nothing on it. The thin line through a point goes from the fastest run to the slowest.
"""

from __future__ import annotations

import io
import re

from bench import summary
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

INK = "#768390"
COLOURS = {"provenv": "#1a9e6c", "uv": "#b75fd6", "pip": "#d08a1d", "poetry": "#4a8fe0"}
_SIZES = {"provenv": 9.0, "uv": 8.0, "pip": 6.0, "poetry": 6.0}


def overview(summaries: list[summary.Summary]) -> str:
    """Every row on every file system, as one SVG: one panel a file system."""
    tall = max(len(one.lines) for one in summaries)
    figure = Figure(figsize=(1.6 + 4.4 * len(summaries), 1.5 + 0.44 * tall))
    axes = figure.subplots(1, len(summaries), squeeze=False)
    for index, (axis, one) in enumerate(zip(axes[0], summaries, strict=True)):
        _panel(axis, one, labels=index == 0)
    tools = [tool for tool in summary.ORDER if any(tool in one.tools for one in summaries)]
    handles = [
        Line2D([], [], color=COLOURS[tool], marker="o", linestyle="none", label=tool)
        for tool in tools
    ]
    figure.legend(
        handles=handles,
        loc="lower center",
        ncols=len(tools),
        frameon=False,
        labelcolor=INK,
        fontsize=10,
    )
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    return _svg(figure)


def _label(title: str) -> str:
    """A row's name for both panels: how many environments were made differs between them."""
    plain = title.replace("`", "")
    number, _, rest = plain.partition(" ")
    return f"Many {rest}" if number.isdigit() else plain


def _panel(axis: Axes, one: summary.Summary, *, labels: bool) -> None:
    for place, line in enumerate(one.lines):
        for tool in reversed(one.tools):
            if tool not in line.seconds:
                continue
            single = line.row == "many"
            spread = [line.seconds[tool]] if single else line.runs[tool]
            axis.plot(
                [min(spread), max(spread)], [place, place],
                color=COLOURS[tool], linewidth=1.6, alpha=0.55, zorder=2,
            )  # fmt: skip
            axis.plot(
                line.seconds[tool], place,
                marker="o", markersize=_SIZES[tool], color=COLOURS[tool], zorder=3,
            )  # fmt: skip
            _value(axis, line, tool, place)
    axis.set_xscale("log")
    axis.set_ylim(len(one.lines) - 0.4, -0.6)
    axis.set_yticks(
        range(len(one.lines)), [_label(line.title) for line in one.lines] if labels else []
    )
    axis.set_title(one.file_system, color=INK, fontsize=11)
    axis.tick_params(colors=INK, labelsize=9.5, length=0)
    axis.grid(axis="both", color=INK, alpha=0.25, linewidth=0.6)
    low, high = axis.get_xlim()
    ticks = [value for value in (0.01, 0.1, 1.0, 10.0, 100.0) if low <= value <= high]
    axis.set_xticks(ticks, [summary.seconds(value).replace(".0 s", " s") for value in ticks])
    axis.minorticks_off()
    axis.set_xlim(low / 1.6, high * 1.8)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _value(axis: Axes, line: summary.Line, tool: str, place: int) -> None:
    """Write the two figures that matter most above their points, away from each other."""
    if tool not in (summary.SUBJECT, summary.BASELINE):
        return
    other = summary.BASELINE if tool == summary.SUBJECT else summary.SUBJECT
    left = line.seconds[tool] < line.seconds.get(other, 0.0)
    axis.annotate(
        summary.seconds(line.seconds[tool]), (line.seconds[tool], place),
        xytext=(-2 if left else 2, 6), textcoords="offset points",
        ha="right" if left else "left", fontsize=7.5, color=COLOURS[tool],
    )  # fmt: skip


def runs(line: summary.Line, tools: list[str]) -> str:
    """Every single run of one row in its order, as SVG: whether the figures drift or scatter."""
    figure = Figure(figsize=(4.2, 2.0))
    axis = figure.subplots()
    for tool in tools:
        taken = line.runs.get(tool)
        if taken:
            axis.plot(
                range(1, len(taken) + 1), taken,
                color=COLOURS[tool], marker="o", markersize=3, linewidth=0.9,
            )  # fmt: skip
    axis.set_title(line.title.replace("`", ""), color=INK, fontsize=9)
    axis.set_ylim(bottom=0)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_ylabel("seconds", color=INK, fontsize=8)
    axis.tick_params(colors=INK, labelsize=8, length=0)
    axis.grid(axis="y", color=INK, alpha=0.25, linewidth=0.6)
    for spine in axis.spines.values():
        spine.set_visible(False)
    figure.tight_layout()
    return _svg(figure)


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    with rc_context({"svg.hashsalt": "bench", "svg.fonttype": "path"}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return re.sub(r"^.*?(?=<svg)", "", out.getvalue(), count=1, flags=re.DOTALL)

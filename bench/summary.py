"""From a results file to the lines of a table: medians, ratios, spreads, verdicts."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from typing import Any

from bench.measure import BenchError
from bench.rows import ROWS

SUBJECT, BASELINE = "provenv", "uv"
ORDER = ("provenv", "uv", "pip", "poetry")
PASS = "python -c pass"
ROLLBACK_LIMIT = 0.1  # seconds beyond the interpreter's own start


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Median by median, and the least and greatest of the turns, each beside its neighbour."""

    value: float
    least: float
    greatest: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.least:.2f}–{self.greatest:.2f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One kind of work on one file system. Times are seconds; ``runs`` holds every one of them."""

    row: str
    title: str
    seconds: dict[str, float]
    runs: dict[str, list[float]]
    processor: dict[str, float]
    server: float
    ratio: Ratio | None
    target: float | None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none, or nothing to hold against it."""
        if self.row == "rollback":
            return beyond_start(self) <= ROLLBACK_LIMIT if SUBJECT in self.seconds else None
        if self.row == "create":
            both = SUBJECT in self.seconds and BASELINE in self.seconds
            return beyond_start(self) <= self.seconds[BASELINE] if both else None
        if self.ratio is None or self.target is None:
            return None
        return self.ratio.value <= self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One results file. ``inodes`` is per tool and for all environments of the row ``many``."""

    results: dict[str, Any]
    file_system: str
    lines: list[Line]
    inodes: dict[str, int]
    tools: list[str]

    def inode_ratio(self) -> float | None:
        """The subject's inodes by the baseline's."""
        if SUBJECT not in self.inodes or not self.inodes.get(BASELINE):
            return None
        return self.inodes[SUBJECT] / self.inodes[BASELINE]


def read(path: str) -> Summary:
    """Read what ``bench.run`` wrote.

    Raises:
        BenchError: It is of another format.
    """
    with open(path, encoding="utf-8") as stream:
        results: dict[str, Any] = json.load(stream)
    if results.get("format") != 1:
        raise BenchError(f"{path} is not a results file of this version")
    kind = results["machine"]["file_system"]
    lines = [_line(row, samples, results, kind) for row, samples in results["rows"].items()]
    return Summary(
        results=results,
        file_system=kind,
        lines=[line for line in lines if SUBJECT in line.seconds or BASELINE in line.seconds],
        inodes=results.get("inodes", {}),
        tools=[tool for tool in ORDER if tool in results["tools"]],
    )


def beyond_start(line: Line) -> float:
    """What the subject takes beyond starting its interpreter, in seconds."""
    return line.seconds[SUBJECT] - line.seconds[PASS]


def seconds(value: float) -> str:
    """A time as people read it: three significant digits at most."""
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if value < 99.5 else f"{value:.0f} s"


def _line(row: str, samples: dict[str, Any], results: dict[str, Any], kind: str) -> Line:
    runs = {tool: [one["wall"] for one in taken] for tool, taken in samples.items()}
    combine = sum if row == "many" else statistics.median
    tmpfs, other = ROWS[row].target or (None, None)
    title = ROWS[row].title
    if row in ("many", "members"):
        title = title.replace("100", str(results["environments"]))
    every = [one for taken in samples.values() for one in taken]
    return Line(
        row=row,
        title=title,
        seconds={tool: float(combine(taken)) for tool, taken in runs.items()},
        runs=runs,
        processor={
            tool: float(combine([one["user"] + one["system"] for one in taken]))
            for tool, taken in samples.items()
        },
        server=statistics.median(one["server"] for one in every),
        ratio=_ratio(runs, combine(runs[SUBJECT]) / combine(runs[BASELINE]))
        if SUBJECT in runs and BASELINE in runs
        else None,
        target=tmpfs if kind == "tmpfs" else other,
    )


def _ratio(runs: dict[str, list[float]], value: float) -> Ratio:
    pairs = [a / b for a, b in zip(runs[SUBJECT], runs[BASELINE], strict=True)]
    return Ratio(value=value, least=min(pairs), greatest=max(pairs))

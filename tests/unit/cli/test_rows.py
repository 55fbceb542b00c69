"""Many jobs at once on one screen: rows where a person watches, plain lines otherwise."""

from __future__ import annotations

import io
import time

from provenv.cli.draw import Screen
from provenv.cli.rows import Rows
from provenv.core.events import (
    BuildOutput,
    ItemAdvanced,
    ItemStarted,
    Noted,
    PhaseFinished,
    PhaseStarted,
    Warned,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def work(rows: Rows) -> None:
    rows.begun(0)
    rows.hear(0, PhaseStarted(phase="fetch", total=4, size=2_000_000))
    rows.hear(0, ItemStarted(phase="fetch", name="numpy", size=1_000_000))
    rows.hear(0, ItemAdvanced(phase="fetch", name="numpy", amount=500_000))
    rows.hear(0, Noted(message="building x"))
    rows.hear(0, BuildOutput(name="x", line="a line"))
    rows.hear(0, Warned(message="careful", hint="Look."))


def plain(*, quiet: bool = False, verbose: bool = False, told: bool = True) -> str:
    out = io.StringIO()
    rows = Rows(["orders", "billing"], Screen(out, {}), quiet=quiet, verbose=verbose, told=told)
    work(rows)
    rows.done(0, [("dev: generation 1", 0), ("prod: failed", 1)])
    rows.close()
    return out.getvalue()


def test_plain_lines_say_whose_they_are() -> None:
    warned = "warning: orders: careful\nhint: Look.\n"
    said = f"orders: building x\n{warned}"
    assert plain() == f"{said}orders: dev: generation 1\norders: prod: failed\n"
    assert plain(told=False) == said
    assert plain(quiet=True) == warned
    assert "orders: x: a line\n" in plain(verbose=True)


def test_rows_show_what_each_job_does_and_leave_nothing() -> None:
    out = Terminal()
    rows = Rows(
        ["orders[1]", "billing"],
        Screen(out, {"TERM": "xterm"}),
        quiet=False,
        verbose=False,
        told=True,
    )
    work(rows)
    deadline = time.monotonic() + 10
    while "500 kB" not in out.getvalue() and time.monotonic() < deadline:
        time.sleep(0.02)
    rows.hear(0, PhaseFinished(phase="fetch", count=4, seconds=1.0))
    rows.done(0, [("generation 1", 0)])
    rows.close()
    drawn = out.getvalue()
    assert "orders[1]" in drawn, "names are no markup"
    assert "downloading  0/4  500 kB/2.0 MB" in drawn
    assert "waiting" in drawn
    assert drawn.count("building x") == 1
    assert drawn.endswith("\x1b[1A\x1b[2K")

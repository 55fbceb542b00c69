"""Drawing: for a person, and for a pipe."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime

import pytest

from provenv.cli import draw
from provenv.cli.changes import draw_changes, summary
from provenv.cli.draw import Screen, printable
from provenv.cli.progress import Phase, Progress
from provenv.core.events import (
    ItemAdvanced,
    ItemFinished,
    ItemStarted,
    Noted,
    PhaseFinished,
    PhaseStarted,
    Retrying,
    Warned,
)
from provenv.model.generation import Change


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


CHANGES = (
    Change(name="a", before=None, after="1.0"),
    Change(name="long-name", before="1.0", after=None),
    Change(name="b", before="1.0", after="2.0"),
)


def test_changes_in_a_pipe_are_plain() -> None:
    out = io.StringIO()
    screen = Screen(out, {})
    draw_changes(CHANGES, screen)
    assert out.getvalue() == "  + a         1.0\n  - long-name 1.0\n  ~ b         1.0 -> 2.0\n"
    assert summary(CHANGES, screen) == "+1 -1 ~1"


def test_long_lists_are_cut_and_say_so() -> None:
    out = io.StringIO()
    many = [Change(name=f"n{i}", before=None, after="1") for i in range(30)]
    draw_changes(many, Screen(out, {}), limit=20)
    assert len(out.getvalue().splitlines()) == 21
    assert out.getvalue().endswith("and 10 more (-v lists them)\n")


@pytest.mark.parametrize(
    ("environ", "color", "wanted"),
    [
        ({}, "auto", True),
        ({"NO_COLOR": "1"}, "auto", False),
        ({"TERM": "dumb"}, "auto", False),
        ({"NO_COLOR": "1"}, "always", True),
        ({"FORCE_COLOR": "1"}, "never", False),
    ],
)
def test_who_decides_about_colours(environ: dict[str, str], color: str, wanted: bool) -> None:
    assert Screen(Terminal(), environ, color=color).colour is wanted
    assert Screen(io.StringIO(), {"FORCE_COLOR": "1"}).colour is True
    assert Screen(io.StringIO(), {}).colour is False


def test_tables_fit_a_terminal_and_are_whole_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    rows = [("a", "x" * 60), ("bb", "short")]
    terminal, pipe = Terminal(), io.StringIO()
    Screen(terminal, {"NO_COLOR": "1"}).table(rows, head=("n", "value"))
    Screen(pipe, {}).table(rows, head=("n", "value"))
    assert [len(line) for line in terminal.getvalue().splitlines()] == [9, 30, 9]
    assert pipe.getvalue() == f"n   value\na   {'x' * 60}\nbb  short\n"


def test_times_are_relative_for_a_person_alone() -> None:
    now = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    assert Screen(Terminal(), {}).when("2026-01-01T11:57:00Z", now=now) == "3 minutes ago"
    assert Screen(io.StringIO(), {}).when("2026-01-01T11:57:00Z") == "2026-01-01T11:57:00Z"
    assert draw.ago("2026-01-01T12:00:00Z", now) == "just now"
    assert draw.ago("2025-12-30T12:00:00+00:00", now) == "2 days ago"
    assert draw.ago("?", now) == "?"


def test_sizes_and_spans() -> None:
    assert [draw.size(n) for n in (0, 999, 1500, 326_000_000, 5 * 10**12)] == [
        "0 B", "999 B", "1.5 kB", "326 MB", "5.0 TB",
    ]  # fmt: skip
    assert [draw.seconds(s) for s in (0.214, 65)] == ["0.21 s", "1 min 5 s"]


def say(*events: object, quiet: bool = False) -> str:
    out = io.StringIO()
    progress = Progress(Screen(out, {}), quiet=quiet, verbose=False)
    for event in events:
        progress(event)  # type: ignore[arg-type]
    progress.close()
    return out.getvalue()


def test_quiet_leaves_warnings() -> None:
    events = (
        Noted(message="building x"),
        Warned(message="careful", hint="do this"),
        Retrying(url="u", reason="r", attempt=1, delay=0.5),
    )
    assert say(*events) == (
        "building x\nwarning: careful\nhint: do this\nu: r; trying again in 0.5 s\n"
    )
    assert say(*events, quiet=True) == "warning: careful\nhint: do this\n"


def test_nobody_watching_sees_no_bars() -> None:
    assert say(PhaseStarted(phase="fetch", total=2), ItemStarted(phase="fetch", name="a")) == ""


def test_bars_come_with_patience_and_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provenv.cli.progress._PATIENCE", 0.01)
    out = Terminal()
    progress = Progress(Screen(out, {"TERM": "xterm"}), quiet=False, verbose=False)
    progress(PhaseStarted(phase="fetch", total=2, size=2_000_000))
    progress(ItemStarted(phase="fetch", name="numpy 2.0", size=1_000_000))
    progress(ItemAdvanced(phase="fetch", name="numpy 2.0", amount=500_000))
    deadline = time.monotonic() + 10
    while "numpy 2.0" not in out.getvalue() and time.monotonic() < deadline:
        time.sleep(0.02)
    progress(Noted(message="a word"))
    progress(ItemFinished(phase="fetch", name="numpy 2.0"))
    progress(PhaseFinished(phase="fetch", count=2, seconds=1.0))
    progress.close()
    drawn = out.getvalue()
    assert "downloading" in drawn
    assert "0/2" in drawn
    assert "500 kB/2.0 MB" in drawn
    assert "a word" in drawn
    assert drawn.endswith("\x1b[1A\x1b[2K")  # what was there for the moment is wiped


def test_names_in_flight_fit_their_room() -> None:
    phase = Phase(PhaseStarted(phase="fetch", total=4), 0.0)
    phase.flying = dict.fromkeys(["numpy", "scipy", "pandas"])
    assert phase.names(80) == "numpy, scipy, pandas"
    assert phase.names(16) == "numpy, scipy, +1"
    assert phase.names(12) == "numpy, +2"
    assert phase.names(3) == ""


def test_names_of_files_are_no_commands_to_a_terminal() -> None:
    assert printable("a\x1b]0;evil\x07b\nc é→") == "a?]0;evil?b?c é→"


def test_no_line_holds_a_command_to_the_terminal() -> None:
    out = io.StringIO()
    screen = Screen(out, {}, color="always")
    evil = "demo-\x1b]0;evil\x07\x9b2J-\u202egpj.\x1b[8m\rwhl\tend"
    screen.prose(screen.paint("error", "error:"), evil)
    assert out.getvalue() == (
        "\x1b[1;31merror:\x1b[0m demo-\\x1b]0;evil\\x07\\x9b2J-\\u202egpj.\\x1b[8m\nwhl\tend\n"
    )

"""The comparison under attack: its page can be written, and its smallest run counts what it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/robustness.md"
BEGIN, END = "<!-- robustness:begin -->", "<!-- robustness:end -->"


def outcomes(page: Path) -> dict[str, list[str]]:
    """The table of the page: first cell → the others."""
    text = page.read_text().partition(BEGIN)[2].partition(END)[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {title: [cell.strip() for cell in cells] for title, *cells in rows if title != "---"}


def test_the_page_has_a_measured_table() -> None:
    text = PAGE.read_text()
    assert (text.count(BEGIN), text.count(END)) == (1, 1)
    assert "; taken 20" in text
    assert outcomes(PAGE)["Attack"] == ["provenv", "uv", "pip"]


def attacked(tmp_path: Path, tools: str, attacks: str) -> dict[str, list[str]]:
    """The table after one hit of each of these attacks."""
    if shutil.which("uv", path=os.path.dirname(sys.executable)) is None:
        pytest.skip("uv does not lie beside this Python")
    if os.getuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed, and this is root")
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nwhat stood here\n{END}\nafter\n")
    arguments = ["--runs", "1", "--tools", tools, "--attacks", attacks]
    done = subprocess.run(
        [sys.executable, "-m", "bench.robustness", *arguments, "--docs", page, "--fs", tmp_path],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")
    assert "what stood here" not in page.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]
    return outcomes(page)


@pytest.mark.slow
def test_the_same_attacks_tell_tools_apart(tmp_path: Path) -> None:
    found = attacked(tmp_path, "provenv,uv", "leak,check,lock,collision")
    assert found["Attack"] == ["provenv", "uv"]
    edited = "File edited in one environment: the next project has the edit"
    assert found[edited] == ["0/2", "2/2, copying 0/2"]
    assert found["An edited file passes the tool's own checks"] == ["0/2", "2/2"]
    rewritten = "URL and hash of a wheel rewritten in the lock: passes the lock's check"
    assert found[rewritten] == ["0/2", "2/2"]
    assert found["Two distributions own one file (as opencv-python and -headless)"][0] == "refused"


@pytest.mark.slow
def test_what_was_reported_of_others_does_not_happen_here(tmp_path: Path) -> None:
    """Kills, locks of the dead, interrupted writes of the cache, syncs and imports at once."""
    attacks = "kill,cache-kill,power-cut,unremovable,imports,syncs,rollback"
    found = attacked(tmp_path, "provenv", attacks)
    assert found.pop("Attack") == ["provenv"]
    assert found.pop("An upgrade can be undone without the old lock and without an index") == [
        "yes"
    ]
    assert len(found) >= 10
    assert {title: cell for title, (cell,) in found.items() if cell[:2] not in ("0/", "–")} == {}

"""Many at once: programs that import while a sync runs, and syncs beside syncs."""

from __future__ import annotations

import os
import subprocess
import threading

from bench.robustness.desk import NEW, OLD, Cell, Cells, Desk, verdict
from bench.robustness.tools import Tool, finish
from bench.robustness.world import COUNT, MODULES

_IMPORTS = 5  # for each run that is asked for
_AT_ONCE = 20
_PROGRAM = f"""
import importlib
seen = set()
for number in range({COUNT}):
    seen.add(importlib.import_module(f"toy_{{number}}").VERSION)
for number in range({COUNT}):
    for part in range({MODULES}):
        seen.add(importlib.import_module(f"toy_{{number}}.part_{{part}}").VERSION)
raise SystemExit(len(seen) != 1)
"""


def imports(desk: Desk, tool: Tool) -> Cells:
    """Programs that import every package, started while syncs switch between two locks."""
    folder = desk.synced(tool, NEW)
    tool.must(tool.project(folder, OLD))
    over = threading.Event()

    def switch() -> None:
        turn = 0
        while not over.is_set():
            tool.run(tool.project(folder, (NEW, OLD)[turn % 2]), tool.sync())
            turn += 1

    thread = threading.Thread(target=switch)
    thread.start()
    failed, of = 0, desk.runs * _IMPORTS
    try:
        for _ in range(of):
            words = [os.path.join(folder, ".venv/bin/python"), "-B", "-c", _PROGRAM]
            failed += subprocess.run(words, capture_output=True, check=False).returncode != 0
    finally:
        over.set()
        thread.join()
    return {"imports": Cell(hits=failed, of=of)}


def syncs(desk: Desk, tool: Tool) -> Cells:
    """Twenty syncs of one project at once, with an empty cache and without an environment."""
    rounds = max(1, desk.runs // 5)
    failed = broken = 0
    for _ in range(rounds):
        fresh = desk.afresh(tool)
        folder = fresh.project(desk.folder(), OLD)
        running = [fresh.start(folder, fresh.sync()) for _ in range(_AT_ONCE)]
        failed += sum(finish(process).code != 0 for process in running)
        broken += not verdict(fresh, folder, OLD).whole
    return {
        "syncs": Cell(hits=failed, of=rounds * _AT_ONCE),
        "syncs-whole": Cell(hits=broken, of=rounds),
    }

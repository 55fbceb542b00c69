"""Processes that die, disks that lose or lack what was to be written, servers that go away."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

from bench.measure import remove
from bench.robustness.desk import (
    NEW,
    OLD,
    Cell,
    Cells,
    Desk,
    duration,
    killed,
    until,
    verdict,
    whole,
)
from bench.robustness.tools import Tool

_TIMED = 3
_ROOM = 64 << 20


def kill_sync(desk: Desk, tool: Tool) -> Cells:
    """SIGKILL at a random moment of a sync from the old versions to the new, all of them cached."""
    desk.synced(tool, NEW)
    took = duration(tool, (tool.project(desk.synced(tool, OLD), NEW) for _ in range(_TIMED)))
    torn = hung = broken = passed = 0

    def once() -> bool:
        nonlocal torn, hung, broken, passed
        folder = desk.synced(tool, OLD)
        tool.project(folder, NEW)
        if not killed(desk, tool, folder, took):
            return False
        torn += not whole(tool, folder)
        code = tool.run(folder, tool.sync()).code
        hung += code is None
        if code == 0 and not verdict(tool, folder, NEW).whole:
            broken += 1
            passed += tool.passes(folder)
        return True

    of = until(desk, once)
    return {
        "kill": Cell(hits=torn, of=of),
        "kill-again": Cell(hits=broken, of=of),
        "kill-check": Cell(hits=passed, of=broken),
        "kill-lock": Cell(hits=hung, of=of),
    }


def kill_cold(desk: Desk, tool: Tool) -> Cells:
    """SIGKILL at a random moment of a first sync; then another project syncs from the same cache."""
    cold = desk.afresh(tool)
    took = duration(cold, [cold.project(desk.folder(), OLD)])
    outcomes = []

    def once() -> bool:
        again = desk.afresh(tool)
        if not killed(desk, again, again.project(desk.folder(), OLD), took):
            return False
        outcomes.append(_next_project(desk, again))
        return True

    until(desk, once)
    return {
        "cache-kill": Cell(hits=outcomes.count("broken"), of=len(outcomes)),
        "cache-kill-fails": Cell(hits=outcomes.count("failed"), of=len(outcomes)),
    }


def _next_project(desk: Desk, tool: Tool) -> str:
    """Sync another project from the same cache: it is whole, broken without a word, or failed."""
    other = tool.project(desk.folder(), OLD)
    if tool.run(other, tool.sync()).code != 0:
        return "failed"
    return "whole" if verdict(tool, other, OLD).whole else "broken"


def power_cut(desk: Desk, tool: Tool) -> Cells:
    """A file of the cache is empty, as after a power cut soon after it was written."""
    outcomes = []
    for _ in range(desk.runs):
        fresh = desk.afresh(tool)
        desk.synced(fresh)
        _empty(desk.dice.choice(sorted(_files(fresh.cache))))
        _as_after_a_start(fresh)
        outcomes.append(_next_project(desk, fresh))
    return {
        "power-cut": Cell(hits=outcomes.count("broken"), of=len(outcomes)),
        "power-cut-fails": Cell(hits=outcomes.count("failed"), of=len(outcomes)),
    }


def _files(folder: str) -> Iterator[str]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            if not os.path.islink(path) and os.path.getsize(path) and "unsettled" not in place:
                yield path


def _empty(path: str) -> None:
    status = os.stat(path)
    os.truncate(path, 0)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _as_after_a_start(tool: Tool) -> None:
    """Give provenv's journal, one for every start of the machine, the name of an earlier start."""
    folder = os.path.join(tool.cache, "store", "unsettled")
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        os.rename(
            os.path.join(folder, name), os.path.join(folder, "00000000-0000-0000-0000-000000000000")
        )


def index_fails(desk: Desk, tool: Tool) -> Cells:
    """The index lacks a file of an upgrade, and then with wrong bytes."""
    torn = taken = 0
    for number in range(desk.few):
        fresh = desk.afresh(tool)
        folder = desk.synced(fresh)
        fresh.project(folder, NEW)
        desk.world.index.fault(f"*toy_{number % 10}*-2.0*.whl", status=404)
        try:
            fresh.run(folder, fresh.sync())
            torn += not whole(fresh, folder)
        finally:
            desk.world.index.heal()
        desk.world.index.fault(f"*toy_{number % 10}*-2.0*.whl", wrong=True)
        try:
            code = fresh.run(folder, fresh.sync()).code
            taken += code == 0 or not whole(fresh, folder)
        finally:
            desk.world.index.heal()
    return {"server": Cell(hits=torn, of=desk.few), "wrong-bytes": Cell(hits=taken, of=desk.few)}


def no_room(desk: Desk, tool: Tool) -> Cells:
    """The file system of project and cache gets full at a random moment of an upgrade."""
    with _small(desk) as disk:
        if not disk:
            return {name: Cell(word="needs root") for name in ("full", "full-again")}
        place = os.path.join(disk, "try")
        need = _growth(desk, tool, place)
        torn = broken = 0

        def once() -> bool:
            nonlocal torn, broken
            fresh, folder = _on(desk, tool, place)
            fresh.project(folder, NEW)
            balloon = os.path.join(place, "balloon")
            _inflate(balloon, leave=int(need * desk.dice.uniform(0.0, 1.0)))
            if fresh.run(folder, fresh.sync()).code == 0:
                return False
            torn += not whole(fresh, folder)
            os.unlink(balloon)
            done = fresh.run(folder, fresh.sync())
            broken += done.code != 0 or not verdict(fresh, folder, NEW).whole
            return True

        of = until(desk, once)
        return {"full": Cell(hits=torn, of=of), "full-again": Cell(hits=broken, of=of)}


@contextlib.contextmanager
def _small(desk: Desk) -> Iterator[str]:
    """A small file system; an empty name where it cannot be made."""
    point = desk.folder()
    os.mkdir(point)
    made = os.getuid() == 0 and shutil.which("mount") is not None and (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={_ROOM}", "bench", point],
            check=False, capture_output=True,
        ).returncode == 0
    )  # fmt: skip
    try:
        yield point if made else ""
    finally:
        if made:
            subprocess.run(["umount", "-l", point], check=False, capture_output=True)


def _on(desk: Desk, tool: Tool, place: str) -> tuple[Tool, str]:
    """An empty cache and a whole old environment on that file system, and nothing else there."""
    if os.path.isdir(place):
        remove(place)
    os.mkdir(place)
    fresh = desk.afresh(tool, os.path.join(place, "home"))
    return fresh, desk.synced(fresh, OLD, os.path.join(place, "shop"))


def _growth(desk: Desk, tool: Tool, place: str) -> int:
    fresh, folder = _on(desk, tool, place)
    before = _free(place)
    fresh.must(fresh.project(folder, NEW))
    return before - _free(place)


def _free(place: str) -> int:
    status = os.statvfs(place)
    return status.f_bavail * status.f_frsize


def _inflate(path: str, leave: int) -> None:
    with open(path, "wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, max(_free(path) - leave, 1))

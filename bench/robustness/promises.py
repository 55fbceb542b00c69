"""Locks that somebody rewrote, two distributions that own one file, and the way back."""

from __future__ import annotations

import re
from pathlib import Path

from bench.measure import BenchError
from bench.robustness.desk import NEW, OLD, Cell, Cells, Desk, verdict
from bench.robustness.tools import Tool
from bench.robustness.world import PAIR, compare, content, pair

from support import make_wheel, sha256_of

_VICTIM = "toy-3"
_EVIL = "EVIL = 1\n"


def rewritten_lock(desk: Desk, tool: Tool) -> Cells:
    """URL, size and hash of one wheel in the lock are those of another wheel on another server."""
    evil = make_wheel(
        Path(desk.folder()), _VICTIM, "1.0",
        files=content(_VICTIM, "1.0") | {"toy_3/part_0.py": _EVIL},
    )  # fmt: skip
    url = desk.world.index.add(evil, to="elsewhere").replace("127.0.0.1", "localhost")
    checked = tool.name != "pip"
    if checked and tool.run(tool.project(desk.folder(), OLD), ["lock", "--check"]).code != 0:
        raise BenchError(f"{tool.name}: a sound lock does not pass its check")
    cells = {}
    for name, sealed in (("lock", False), ("lock-sealed", True)):
        passed = installed = 0
        for _ in range(desk.few):
            fresh = desk.afresh(tool)
            folder = fresh.project(desk.folder(), OLD)
            path = Path(folder, fresh.lock_name)
            text = _rewritten(path.read_text(), desk.world.hashes[evil.name], evil, url)
            path.write_text(fresh.resealed(text) if sealed else text)
            passed += checked and fresh.run(folder, ["lock", "--check"]).code == 0
            fresh.run(folder, fresh.sync())
            installed += "toy_3/part_0.py" in verdict(fresh, folder, OLD).changed
        of = desk.few
        cells[name] = Cell(hits=passed, of=of) if checked else Cell(word="no check")
        cells[f"{name}-sync"] = Cell(hits=installed, of=of)
    return cells


def _rewritten(text: str, wanted: str, evil: Path, url: str) -> str:
    """The lock with another wheel in the place of the one whose hash is ``wanted``.

    Raises:
        BenchError: It is not in there.
    """
    if wanted not in text:
        raise BenchError(f"the lock has no wheel with the hash {wanted}")
    lines = []
    for line in text.splitlines():
        if wanted in line:
            line = line.replace(wanted, sha256_of(evil))
            line = re.sub(r'"http://[^"]*"', f'"{url}"', line)
            line = re.sub(r"size = \d+", f"size = {evil.stat().st_size}", line)
            line = re.sub(r"^toy-3==\S+", f"toy-3 @ {url}", line)
        lines.append(line)
    return "\n".join(lines) + "\n"


def collision(desk: Desk, tool: Tool) -> Cells:
    """Two distributions install the same package; then one of them is given up."""
    told = broken = refused = 0
    for _ in range(desk.few):
        fresh = desk.afresh(tool)
        folder = fresh.project(desk.folder(), dict.fromkeys(PAIR, "1.0"))
        done = fresh.run(folder, fresh.sync())
        if done.code != 0:
            refused += 1
            continue
        told += all(re.search(name.replace("-", "[-_]"), done.output) for name in PAIR) and (
            "pair/" in done.output
        )
        kept = {PAIR[0]: "1.0"}
        fresh.project(folder, kept)
        if tool.name == "pip":
            fresh.run(folder, ["uninstall", "--yes", PAIR[1]])
        fresh.run(folder, fresh.sync())
        broken += not compare(fresh.site(folder), pair(PAIR[0]), kept).whole
    silent = desk.few - told - refused
    said = {0: "said" if told else "refused"}.get(silent, f"{silent}/{desk.few} silent")
    return {
        "collision": Cell(word=said),
        "collision-after": Cell(hits=broken, of=desk.few - refused),
    }


def way_back(desk: Desk, tool: Tool) -> Cells:
    """After an upgrade, and without an index: can the tool undo it, with nothing but itself?"""
    fresh = desk.afresh(tool)
    folder = desk.synced(fresh)
    fresh.must(fresh.project(folder, NEW))
    desk.world.index.fault("*", status=503)
    try:
        done = fresh.run(folder, ["rollback"])
        undone = done.code == 0 and verdict(fresh, folder, OLD).whole
    finally:
        desk.world.index.heal()
    return {"rollback": Cell(word="yes" if undone else "no")}

"""Files of environments and caches that somebody changes, deletes or protects."""

from __future__ import annotations

import copy
import os

from bench.robustness.desk import NEW, OLD, Cell, Cells, Desk, as_person, verdict, whole
from bench.robustness.tools import Tool, Uv
from bench.robustness.world import COUNT, MODULES

_WRITE = 'echo "EDITED = 1" >> "$1"'
_INSIST = f'chmod u+w "$1" && {_WRITE}'
_DELETE = 'chmod u+w "$(dirname "$1")" && rm -f "$1"'


def _victim(desk: Desk, tool: Tool, folder: str) -> str:
    """A module in the environment, the same one for every tool."""
    number, part = desk.dice.randrange(COUNT), desk.dice.randrange(MODULES)
    return os.path.join(tool.site(folder), f"toy_{number}", f"part_{part}.py")


def _leaks(desk: Desk, tool: Tool, script: str) -> Cell:
    """Edit a file in one environment; whether the next project's environment has the edit."""
    seen = 0
    for _ in range(desk.few):
        fresh = desk.afresh(tool)
        folder = desk.synced(fresh)
        as_person(folder, script, _victim(desk, fresh, folder))
        seen += bool(verdict(fresh, desk.synced(fresh), OLD).changed)
    return Cell(hits=seen, of=desk.few)


def edit_leaks(desk: Desk, tool: Tool) -> Cells:
    """A module is edited in place in one environment, as ``>>`` does and editors do with links."""
    cells = {"leak": _leaks(desk, tool, _WRITE), "leak-insist": _leaks(desk, tool, _INSIST)}
    if not isinstance(tool, Uv):
        return cells
    copying = copy.copy(tool)
    copying.flags = ("--link-mode", "copy")
    return {
        name: Cell(word=f"{cell}, copying {_leaks(desk, copying, script)}")
        for (name, cell), script in zip(cells.items(), (_WRITE, _INSIST), strict=True)
    }


def overlooked(desk: Desk, tool: Tool) -> Cells:
    """A module of an environment is edited, or deleted; the tool's own checks, and what mends it."""
    cells = {}
    for name, script in (("edited", _INSIST), ("deleted", _DELETE)):
        passed = tried = left = 0
        for _ in range(desk.few):
            fresh = desk.afresh(tool)
            folder = desk.synced(fresh)
            as_person(folder, script, _victim(desk, fresh, folder))
            if not verdict(fresh, folder, OLD).whole:
                tried += 1
                passed += fresh.passes(folder)
                fresh.run(folder, fresh.mend())
                left += not verdict(fresh, folder, OLD).whole
        cells[f"check-{name}"] = Cell(hits=passed, of=tried)
        cells[f"mend-{name}"] = Cell(hits=left, of=tried)
    return cells


def tampered(desk: Desk, tool: Tool) -> Cells:
    """One bit of a package in the cache is flipped, size and time kept; then another project syncs."""
    installed = passed = 0
    for _ in range(desk.few):
        fresh = desk.afresh(tool)
        desk.synced(fresh)
        _flip(desk.dice.choice(sorted(_cached(fresh))))
        other = fresh.project(desk.folder(), OLD)
        if fresh.run(other, fresh.sync()).code == 0 and not verdict(fresh, other, OLD).whole:
            installed += 1
            passed += fresh.passes(other)
    return {
        "tamper": Cell(hits=installed, of=desk.few),
        "tamper-check": Cell(hits=passed, of=installed),
    }


def _cached(tool: Tool) -> list[str]:
    """Files of the cache that hold code of the toys: as files, or within stored answers (pip)."""
    found = []
    for place, _, names in os.walk(tool.cache):
        inside = os.path.basename(place).startswith("toy_") and not place.endswith(".dist-info")
        for name in names:
            path = os.path.join(place, name)
            if (inside and name.endswith(".py")) or (
                name.endswith(".body") and os.path.getsize(path) > 5_000
            ):
                found.append(path)
    return found


def _flip(path: str) -> None:
    status = os.stat(path)
    with open(path, "r+b") as stream:
        data = bytearray(stream.read())
        data[len(data) // 2] ^= 1
        stream.seek(0)
        stream.write(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def unremovable(desk: Desk, tool: Tool) -> Cells:
    """The folder of one package cannot be written to when the environment is upgraded."""
    torn = lost = 0
    for _ in range(desk.few):
        folder = desk.synced(tool)
        package = os.path.dirname(_victim(desk, tool, folder))
        as_person(folder, 'chmod a-w "$1"', package)
        tool.run(tool.project(folder, NEW), tool.sync())
        if not whole(tool, folder):
            torn += 1
            packages = [verdict(tool, folder, pins).packages_hit for pins in (OLD, NEW)]
            lost = max(lost, len(packages[0] & packages[1]))
        os.chmod(package, 0o755) if os.path.isdir(package) else None
    cell = Cell(hits=torn, of=desk.few)
    return {"unremovable": Cell(word=f"{cell} (up to {lost} packages)") if lost else cell}

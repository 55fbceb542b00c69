"""The rows of the table: what is measured, in which order, and what must hold afterwards.

Each row is a generator of (tool, sample); it raises BenchError rather than report a run that failed
or left an incomplete environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench import tools
from bench.measure import NOTHING, BenchError, Sample, census, file_system, inodes
from bench.series import Series

Measured = Iterator[tuple[str, Sample]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of work. ``target`` is the greatest ratio to uv that is aimed at: (tmpfs, ext4)."""

    title: str
    measure: Callable[[Series], Measured]
    target: tuple[float, float] | None = None


def _warm(series: Series) -> Measured:
    for tool in series.turns(peers=True):
        folder = tool.project(series.fresh(tool.name), lock=series.locks[tool.name])
        sample = tool.sync(folder)
        series.check(tool, folder)
        series.done(folder)
        yield tool.name, sample


def _warm_import(series: Series) -> Measured:
    for tool in series.turns(peers=True):
        folder = tool.project(series.fresh(tool.name), lock=series.locks[tool.name])
        sample = tool.sync(folder) + series.first_import(tool, folder)
        series.check(tool, folder)
        series.done(folder)
        yield tool.name, sample


def _cold(series: Series) -> Measured:
    for tool in series.turns(peers=True):
        empty = series.again(tool)
        folder = empty.project(series.fresh(tool.name), lock=series.locks[tool.name])
        sample = empty.sync(folder)
        series.check(empty, folder)
        series.done(folder, empty.cache)
        yield tool.name, sample


def _noop(series: Series) -> Measured:
    for tool in series.turns(peers=True):
        yield tool.name, tool.sync(series.home(tool))
    for tool in series.members:
        series.check(tool, series.home(tool))


def _run_true(series: Series) -> Measured:
    for tool in series.turns():
        yield tool.name, tool.run(series.home(tool), "true")


def _lock_cold(series: Series) -> Measured:
    for tool in series.turns():
        empty = series.again(tool)
        folder = empty.project(series.fresh(tool.name))
        sample = empty.lock(folder)
        if not os.path.getsize(os.path.join(folder, tool.lock_file)):
            raise BenchError(f"{tool.name} wrote an empty lock")
        series.done(folder, empty.cache)
        yield tool.name, sample


def _lock_unchanged(series: Series) -> Measured:
    before = {tool.name: _content(series.locks[tool.name]) for tool in series.members}
    for tool in series.turns():
        yield tool.name, tool.lock(series.home(tool))
        if _content(series.locks[tool.name]) != before[tool.name]:
            raise BenchError(f"{tool.name} changed the lock of an unchanged project")


def _many(series: Series) -> Measured:
    _room_for_many(series)
    for turn in range(series.environments):
        for tool in series.members:
            if tool.name in series.peers:
                continue
            folder = os.path.join(series.base, "many-" + tool.name, f"{turn:03d}")
            tool.project(folder, lock=series.locks[tool.name])
            yield tool.name, tool.sync(folder)
            if turn % 10 == 9:
                series.check(tool, folder)


def _members(series: Series) -> Measured:
    """All members of a workspace in a second checkout, in one command; uv is called in each folder."""
    lock = ""
    for tool in list(series.turns())[:6]:  # three of each: one is many environments
        folder = series.fresh("members-" + tool.name)
        if isinstance(tool, tools.Provenv):
            if not lock:  # once unmeasured: from now on everything is cached
                first = series.fresh("first-checkout")
                tool.workspace(first, series.environments)
                tool.call(first, "lock")
                tool.call(first, "sync", "--all")
                lock = os.path.join(first, tool.lock_file)
            made = tool.workspace(folder, series.environments, lock=lock)
            sample = tool.call(folder, "sync", "--all")
        else:
            made = [os.path.join(folder, f"{number:03d}") for number in range(series.environments)]
            sample = NOTHING
            for one in made:
                sample += tool.sync(tool.project(one, lock=series.locks[tool.name]))
        for one in made[:: max(1, len(made) // 4)]:
            series.check(tool, one)
        series.done(folder)
        yield tool.name, sample


def _add(series: Series) -> Measured:
    for turn, tool in enumerate(series.turns()):
        if turn < len([one for one in series.members if one.name not in series.peers]):
            folder = tool.project(series.fresh(tool.name), lock=series.locks[tool.name])
            tool.add(folder, tools.SMALL)  # once unmeasured: from now on everything is cached
        folder = tool.project(series.fresh(tool.name), lock=series.locks[tool.name])
        tool.sync(folder)
        sample = tool.add(folder, tools.SMALL)
        series.check(tool, folder, tools.SMALL)
        series.done(folder)
        yield tool.name, sample


def _rollback(series: Series) -> Measured:
    for tool in series.turns():
        if not isinstance(tool, tools.Provenv):
            continue  # no peer has it
        folder = tool.project(series.fresh(tool.name), lock=series.locks[tool.name])
        tool.sync(folder)
        tool.add(folder, tools.SMALL)
        sample = tool.rollback(folder)
        series.check(tool, folder)
        if os.path.exists(os.path.join(folder, ".venv/lib/python3.13/site-packages", tools.SMALL)):
            raise BenchError(f"{tools.SMALL} is still there after the rollback")
        yield tool.name, sample
        pass_ = [*_interpreter_of(tool), "-c", "pass"]
        yield "python -c pass", series.setting.watch.run(pass_, cwd=folder, env=tool.env())


def _create(series: Series) -> Measured:
    """Each once unmeasured: what a tool remembers of interpreters is there afterwards."""
    able = [tool for tool in series.members if not isinstance(tool, tools.Poetry)]
    for tool in able:
        _created(series, tool)
    other = tools.virtualenv()
    for tool in series.turns(peers=True):
        if tool not in able:
            continue
        yield tool.name, _created(series, tool)
        if isinstance(tool, tools.Provenv):
            folder = series.fresh("other")
            os.makedirs(folder)
            pass_ = [*_interpreter_of(tool), "-c", "pass"]
            yield "python -c pass", series.setting.watch.run(pass_, cwd=folder, env=tool.env())
            if other is not None:
                made = [other, "--no-seed", "--python", series.setting.python, "made"]
                yield "virtualenv", series.setting.watch.run(made, cwd=folder, env=tool.env())


def _created(series: Series, tool: tools.Tool) -> Sample:
    folder = series.fresh(f"create-{tool.name}")
    os.makedirs(folder)
    sample, python = tool.create(folder, os.path.basename(folder))
    found = census(python)
    if found.found or found.base != series.held[tool.name].base:
        raise BenchError(f"{tool.name} made {python} of {found.base}, with {sorted(found.found)}")
    return sample


ROWS = {
    "warm": Row(
        title="Sync into a new folder, everything cached", measure=_warm, target=(0.15, 0.12)
    ),
    "warm-import": Row(
        title="The same, and the first import of six big packages",
        measure=_warm_import,
        target=(0.4, 0.4),
    ),
    "cold": Row(title="Sync, nothing cached", measure=_cold, target=(1.0, 1.0)),
    "noop": Row(title="Sync with nothing to do", measure=_noop, target=(1.0, 1.0)),
    "run": Row(title="Run `true`, in sync", measure=_run_true, target=(0.85, 0.85)),
    "lock": Row(title="Lock, nothing cached", measure=_lock_cold, target=(1.2, 1.2)),
    "relock": Row(title="Lock, unchanged", measure=_lock_unchanged, target=(1.2, 1.2)),
    "add": Row(title="Add one small package", measure=_add, target=(1.0, 1.0)),
    "rollback": Row(title="Rollback", measure=_rollback),
    "create": Row(
        title="Make an empty environment (pip: `python -m venv --without-pip`)", measure=_create
    ),
    "members": Row(
        title="100 members of a workspace, in one command", measure=_members, target=(0.12, 0.12)
    ),
    "many": Row(title="100 environments of that lock", measure=_many, target=(0.12, 0.12)),
}


def _room_for_many(series: Series) -> None:
    """Refuse at once where the inodes cannot suffice: tmpfs counts every hard link as one."""
    if file_system(series.base) != "tmpfs":
        return
    free = os.statvfs(series.base).f_favail
    each = sum(
        len(folders) + len(files)
        for tool in series.members
        if tool.name not in series.peers
        for _, folders, files in os.walk(os.path.join(series.home(tool), ".venv"))
    )
    if each * series.environments > 0.9 * free:
        fitting = int(0.9 * free / each)
        raise BenchError(f"{free:,} inodes are free in {series.base}: try --environments {fitting}")


def many_inodes(series: Series) -> dict[str, int]:
    """How many inodes the environments of the row ``many`` take by themselves, for each tool.

    A file that is hard-linked from the tool's cache or store takes none.
    """
    counted: dict[str, int] = {}
    for tool in series.members:
        trees = os.path.join(series.base, "many-" + tool.name)
        if os.path.isdir(trees):
            counted[tool.name] = len(inodes([trees]) - inodes([tool.cache]))
    return counted


def _content(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def _interpreter_of(tool: tools.Tool) -> list[str]:
    """The interpreter that ``tool`` itself runs on, from the first line of its script."""
    with open(tool.program[0], "rb") as stream:
        first = stream.readline().strip()
    return [first[2:].decode()] if first.startswith(b"#!/") else [tool.setting.python]

"""A series of measurements: tools with warm caches, fresh projects, and checks after each run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench import tools
from bench.measure import BenchError, Census, Sample, census, file_system, remove

FIRST_IMPORT = os.path.join(tools.HERE, "first_import.py")


@dataclass(slots=True, kw_only=True)
class Series:
    """Everything that the rows need.

    Attributes:
        base: A new folder on the measured file system; nothing in it is deleted while measuring.
        setting: Index, interpreter, stopwatch.
        members: The tools, in the order in which they alternate.
        runs: How often each tool does each row's work.
        peer_runs: The same for the tools in ``peers``, which take part in a few rows only.
        locks: Each tool's lock file of the project, by its name.
        held: What each tool's environment holds, by its name.
    """

    base: str
    setting: tools.Setting
    members: list[tools.Tool]
    runs: int
    peer_runs: int
    environments: int
    peers: frozenset[str] = frozenset({"pip", "poetry"})
    locks: dict[str, str] = field(default_factory=dict)
    held: dict[str, Census] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _count: int = 0

    def fresh(self, kind: str) -> str:
        """A new path in the series' folder; nothing is there yet."""
        self._count += 1
        return os.path.join(self.base, f"{self._count:04d}-{kind}")

    def prepare(self) -> None:
        """Lock, sync and import once with every tool, so that all caches are warm.

        Raises:
            BenchError: Two tools disagree on what the project's environment holds.
        """
        for tool in self.members:
            folder = self.home(tool)
            if isinstance(tool, tools.Pip):
                tool.project(folder, lock=self._pins())
            else:
                tool.project(folder)
                tool.lock(folder)
            tool.sync(folder)
            self.first_import(tool, folder)
            self.locks[tool.name] = os.path.join(folder, tool.lock_file)
            self.held[tool.name] = census(tool.python(folder))
            self._compare(tool)

    def home(self, tool: tools.Tool) -> str:
        """The project that ``prepare`` made with ``tool``."""
        return os.path.join(self.base, "home-" + tool.name)

    def first_import(self, tool: tools.Tool, folder: str) -> Sample:
        """Import the big packages in a new process; byte code is written where the tool lets it."""
        return self.setting.watch.run(
            [tool.python(folder), FIRST_IMPORT], cwd=folder, env=tool.env()
        )

    def check(self, tool: tools.Tool, folder: str, *more: str) -> None:
        """See that ``folder``'s environment is whole, has the right interpreter, and ``more``.

        Raises:
            BenchError: It is not what it was when the series was prepared.
        """
        found = census(tool.python(folder))
        wanted = self.held[tool.name]
        lacking = (wanted.found.keys() | set(more)) - found.found.keys()
        changed = [
            name
            for name in wanted.found.keys() & found.found
            if wanted.found[name] != found.found[name]
        ]
        if lacking or changed or found.base != wanted.base:
            raise BenchError(
                f"{tool.name} left {folder} incomplete: lacks {sorted(lacking)}, changed {changed}, "
                f"interpreter {found.base}"
            )

    def done(self, *folders: str) -> None:
        """Folders that are no longer needed. Only tmpfs gives them up at once.

        On ext4, deleting that many files would slow the next runs; on tmpfs, inodes are few.
        """
        if file_system(self.base) == "tmpfs":
            for folder in folders:
                remove(folder)

    def turns(self, *, peers: bool = False) -> Iterator[tools.Tool]:
        """The tools, alternating: A B A B … and, with ``peers``, those for their fewer turns too."""
        for turn in range(self.runs):
            for tool in self.members:
                if tool.name not in self.peers or (peers and turn < self.peer_runs):
                    yield tool

    def again(self, tool: tools.Tool) -> tools.Tool:
        """The same tool with an empty cache."""
        return type(tool)(tool.program, tool.setting, self.fresh("cache-" + tool.name))

    def _pins(self) -> str:
        for tool in self.members:
            if isinstance(tool, tools.Uv):
                return tool.requirements(self.home(tool))
        raise BenchError("pip installs uv's pins: put uv before it in --tools")

    def _compare(self, tool: tools.Tool) -> None:
        first = self.held[self.members[0].name]
        this = self.held[tool.name]
        if this.base != os.path.dirname(os.path.dirname(os.path.realpath(self.setting.python))):
            raise BenchError(f"{tool.name} chose another interpreter: {this.base}")
        differing = sorted(
            f"{name} {this.found.get(name)} (not {first.found.get(name)})"
            for name in this.found.keys() | first.found
            if this.found.get(name) != first.found.get(name)
        )
        if not differing:
            return
        note = f"{tool.name} beside {self.members[0].name}: {', '.join(differing)}"
        if not isinstance(tool, tools.Poetry):
            raise BenchError(note)
        self.notes.append(note)

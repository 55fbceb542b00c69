"""What an attack works with: fresh folders, fresh caches, one source of chance; and its outcome."""

from __future__ import annotations

import copy
import os
import random
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from bench.robustness.tools import Done, Tool, as_user, finish
from bench.robustness.world import Pins, Verdict, World, everything, judge

OLD, NEW = everything("1.0"), everything("2.0")
_BEYOND = 1.1  # of the usual time: the end of a slow sync is hit as well
_TRIES = 5  # for each hit that is wanted: a signal may come too late


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The outcome of one attack on one tool: so many of so many, or a word."""

    hits: int = 0
    of: int = 0
    word: str = ""

    def __str__(self) -> str:
        return self.word or (f"{self.hits}/{self.of}" if self.of else "–")


Cells = Mapping[str, Cell]  # name of a row → outcome


@dataclass(slots=True, kw_only=True)
class Desk:
    """Where the attacks happen.

    Attributes:
        top: A folder of its own.
        runs: How often an attack is to hit.
        dice: Says when and where; seeded, so that all tools get the same throws.
    """

    top: str
    world: World
    runs: int
    dice: random.Random
    _made: int = field(default=0)

    @property
    def few(self) -> int:
        """How often an attack runs whose outcome chance does not decide."""
        return max(2, self.runs // 6)

    def folder(self) -> str:
        """A name for a folder that is not there yet."""
        self._made += 1
        return os.path.join(self.top, f"place-{self._made}")

    def afresh(self, tool: Tool, home: str | None = None) -> Tool:
        """The same tool with an empty cache."""
        other = copy.copy(tool)
        other.home = home or self.folder()
        os.makedirs(other.home)
        return other

    def synced(self, tool: Tool, pins: Pins = OLD, folder: str | None = None) -> str:
        """A new project with a whole environment of ``pins``."""
        made = tool.project(folder or self.folder(), pins)
        tool.must(made)
        return made


def whole(tool: Tool, folder: str) -> bool:
    """Whether an environment is the old one or the new one, each file of it."""
    site = tool.site(folder)
    return judge(site, OLD).whole or judge(site, NEW).whole


def verdict(tool: Tool, folder: str, pins: Pins) -> Verdict:
    """How the environment differs from what it must hold."""
    return judge(tool.site(folder), pins)


def duration(tool: Tool, folders: Iterable[str]) -> float:
    """Seconds that a sync takes: the median of those in the folders, which are as the attack's will be."""
    taken = []
    for folder in folders:
        begin = time.perf_counter()
        tool.must(folder)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def killed(desk: Desk, tool: Tool, folder: str, took: float) -> bool:
    """Start a sync and kill it (SIGKILL) after a part of the time that it takes; whether it was hit."""
    process = tool.start(folder, tool.sync())
    time.sleep(desk.dice.uniform(0.0, took * _BEYOND))
    process.kill()
    return finish(process).code != 0


def until(desk: Desk, once: Callable[[], bool]) -> int:
    """Call ``once`` until it was a hit as often as is wanted, or too often was not; how often it was."""
    hits = 0
    for _ in range(desk.runs * _TRIES):
        hits += once()
        if hits == desk.runs:
            break
    return hits


def as_person(folder: str, script: str, *arguments: str) -> Done:
    """Run a line of shell code with the rights of a user."""
    return finish(
        subprocess.Popen(
            [*as_user(), "sh", "-c", script, "sh", *arguments], cwd=folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )
    )  # fmt: skip

"""Which generations running processes use, as far as ``/proc`` tells (Linux)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

_GENERATION = re.compile(r"(/[^\0:\n]*?)/generations/(\d+)(?=/|$)")
_PYTHON = re.compile(r"/(python|pypy|graalpy)[0-9.a-z]*( \(deleted\))?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class InUse:
    """Generations that processes named, and environments of which they use some generation."""

    generations: frozenset[tuple[str, int]]
    folders: frozenset[str]

    def holds(self, folder: str, number: int) -> bool:
        """Whether a process may be using that generation."""
        return (folder, number) in self.generations or folder in self.folders


def generations_in_use(proc: str = "/proc") -> InUse:
    """Look at every process that may be looked at.

    ``run`` leaves the generation's path in PATH. A Python that was started through ``.venv/bin`` is
    pinned to the generation of that moment, which nobody can read from outside: every generation of
    its environment counts as used.
    """
    named: set[tuple[str, int]] = set()
    folders: set[str] = set()
    for pid in _pids(proc):
        here = f"{proc}/{pid}"
        texts = [_read(f"{here}/environ"), _read(f"{here}/cmdline"), _read(f"{here}/maps")]
        found = {(m[1], int(m[2])) for text in texts for m in _GENERATION.finditer(text)}
        named |= found
        if not found and _PYTHON.search(_link(f"{here}/exe")):
            folders |= set(_environments(here, texts[0], texts[1]))
    return InUse(generations=frozenset(named), folders=frozenset(folders))


def _environments(here: str, environ: str, command: str) -> Iterator[str]:
    for line in environ.split("\0"):
        if line.startswith("VIRTUAL_ENV="):
            yield line.partition("=")[2]
        elif line.startswith(
            "PATH="
        ):  # `python`, found on PATH, without activation: as in a container
            for entry in line.partition("=")[2].split(os.pathsep):
                if entry.endswith("/bin"):
                    yield entry.removesuffix("/bin")
    first = command.partition("\0")[0]
    if "/" in first:
        path = os.path.normpath(os.path.join(_link(f"{here}/cwd"), first))
        yield os.path.dirname(os.path.dirname(path))


def _pids(proc: str) -> list[str]:
    try:
        return [name for name in os.listdir(proc) if name.isdigit()]
    except OSError:
        return []


def _read(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            return os.fsdecode(stream.read())
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""

"""Which generations running processes use, as far as ``/proc`` tells (Linux)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from provenv.core.values import field, frozen, mutable

_GENERATION = re.compile(r"(/[^\0:\n]*?)/generations/(\d+)(?=/|$)")
_OBJECT = re.compile(r"/store/wheels/[0-9a-f]{2}/([0-9a-f]{64})/")
_PYTHON = re.compile(r"/(python|pypy|graalpy)[0-9.a-z]*( \(deleted\))?$")

Place = tuple[
    int, int
]  # device and inode: a folder is that one, by whatever path a process names it


@frozen
class InUse:
    """Generations that processes named, and environments of which they use some generation.

    ``objects`` (sha256) are those of which a process has a file mapped, as a native library.
    """

    generations: frozenset[tuple[Place, int]] = frozenset()
    folders: frozenset[Place] = frozenset()
    objects: frozenset[str] = frozenset()

    def holds(self, folder: str, number: int) -> bool:
        """Whether a process may be using that generation."""
        place = _place(folder)
        return (place, number) in self.generations or place in self.folders


@mutable
class _Seen:
    generations: set[tuple[Place, int]] = field(default_factory=set)
    folders: set[Place] = field(default_factory=set)
    objects: set[str] = field(default_factory=set)


def generations_in_use(proc: str = "/proc") -> InUse:
    """Look at every process that may be looked at.

    ``run`` leaves the generation's path in PATH. A Python that was started through ``.venv/bin`` is
    pinned to the generation of that moment, which nobody can read from outside: every generation of
    its environment counts as used.
    """
    seen = _Seen()
    for pid in _pids(proc):
        _look(f"{proc}/{pid}", seen, ours=int(pid) == os.getpid())
    return InUse(
        generations=frozenset(seen.generations),
        folders=frozenset(seen.folders),
        objects=frozenset(seen.objects),
    )


def _look(here: str, seen: _Seen, *, ours: bool) -> None:
    environ, command, maps = (_read(f"{here}/{name}") for name in ("environ", "cmdline", "maps"))
    seen.objects |= {match[1] for match in _OBJECT.finditer(maps)}
    named = {(m[1], int(m[2])) for t in (environ, command, maps) for m in _GENERATION.finditer(t)}
    for folder, number in named:
        if (place := _place(folder, here)) is not None:
            seen.generations.add((place, number))
    executable = _link(f"{here}/exe")  # of another user's process it cannot be read
    if executable and not _PYTHON.search(executable):
        return
    folders = set(_started(here, environ, command))
    if not named and not ours:  # who collects in an active environment does not thereby use it
        folders |= set(_entered(environ))
    seen.folders |= {place for folder in folders if (place := _place(folder, here)) is not None}


def _started(here: str, environ: str, command: str) -> Iterator[str]:
    """The environment whose ``bin`` the program was started from, where its path says so."""
    first = command.partition("\0")[0]
    if "/" not in first:
        return
    bases = [""] if first.startswith("/") else [_link(f"{here}/cwd")]
    if not first.startswith("/"):  # a service may have gone elsewhere since
        bases += [v for v in _values(environ, "PWD") if v.startswith("/")]
    for base in bases:
        path = os.path.normpath(os.path.join(base, first))
        yield os.path.dirname(os.path.dirname(path))


def _entered(environ: str) -> Iterator[str]:
    """The environments that are active, or whose ``bin`` is on PATH, as in a container."""
    yield from _values(environ, "VIRTUAL_ENV")
    for value in _values(environ, "PATH"):
        for entry in value.split(os.pathsep):
            if entry.endswith("/bin"):
                yield entry.removesuffix("/bin")


def _values(environ: str, name: str) -> Iterator[str]:
    for line in environ.split("\0"):
        if line.startswith(f"{name}="):
            yield line.partition("=")[2]


def _place(folder: str, here: str = "") -> Place | None:
    """Which folder a path names: for the process ``here``, which may see other file systems than we."""
    for path in (f"{here}/root{folder}", folder) if here else (folder,):
        try:
            status = os.stat(path)
        except (OSError, ValueError):
            continue
        return status.st_dev, status.st_ino
    return None


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

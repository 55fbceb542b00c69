"""The short way of ``test``: its first cells are begun before the whole program is there.

Which cells there are, where their environments lie and what they run is known from the last call. As long
as the bytes of manifest and locks are the same, and every environment is as it was left, that is what the
whole program would start; so as many are started as run at once, and it goes on to find that out. Where
it comes to the same, it takes over what runs; else that is ended, with all that it started. Where
policies may govern, or evidence is recorded, nothing is begun: there is something to be judged first.
Imports nothing heavier than ``os``.
"""

from __future__ import annotations

import os
import time

from provenv.core import supervisor
from provenv.environments import stamp
from provenv.workspace import fast, run

TYPE_CHECKING = False  # `typing` costs 5 ms to import
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST = 32
"""Cells that are remembered; nobody has as many processors, and one file tells of all."""
_FILES = 5000  # of a project with more, it is not looked at whether one has changed
_CLOCK = 20_000_000  # nanoseconds by which a file's time may lie before that of the clock


class Place:
    """What a cell needs: its id and label, environment and stamp, program, time-out and log.

    ``due``: It did not pass the last time, and is run whatever has changed since.
    """

    __slots__ = ("asked", "command", "current", "due", "folder", "id", "label", "log", "timeout")

    def __init__(
        self,
        id: str,  # noqa: A002  # what a cell calls it
        label: str,
        folder: str,
        current: str,
        asked: str,
        log: str,
        timeout: float | None,
        command: Sequence[str],
        *,
        due: bool,
    ) -> None:
        self.id = id
        self.label = label
        self.folder = folder
        self.current = current
        self.asked = asked
        self.log = log
        self.timeout = timeout
        self.command = tuple(command)
        self.due = due


class Begun:
    """A command that runs, and the supervisor that it runs under."""

    __slots__ = ("command", "cwd", "environ", "log", "supervisor", "timeout")

    def __init__(
        self,
        command: tuple[str, ...],
        cwd: str,
        environ: dict[str, str],
        log: str,
        timeout: float | None,
        asked: supervisor.Supervisor,
    ) -> None:
        self.command = command
        self.cwd = cwd
        self.environ = environ
        self.log = log
        self.timeout = timeout
        self.supervisor = asked

    def start(self) -> None:
        """Have it begin, with an empty log."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        os.close(os.open(self.log, flags, 0o666))
        self.supervisor.start(
            self.command, cwd=self.cwd, environ=self.environ, log=self.log, timeout=self.timeout
        )

    def meets(
        self,
        command: Sequence[str],
        cwd: str,
        environ: Mapping[str, str],
        log: str,
        timeout: float | None,
    ) -> bool:
        """Whether it is what would be started now."""
        mine = (self.command, self.cwd, self.environ, self.log, self.timeout)
        return mine == (tuple(command), cwd, environ, log, timeout)


class HeadStart:
    """Commands by the id of their cells, and the files that the project was known to have.

    ``due``: Some cell did not pass the last time.
    """

    def __init__(self, files: frozenset[str] | None, *, due: bool) -> None:
        self.since = time.time_ns()
        self.files = files
        self.due = due
        self.cells: dict[str, Begun] = {}

    def is_certain(self, files: frozenset[str], newest: int) -> bool:
        """Whether files as they are read now are those with which it was begun.

        ``newest`` is the latest of their times, in nanoseconds.
        """
        return self.files == files and newest < self.since - _CLOCK

    def end(self, but: Sequence[str] = ()) -> None:
        """End all, with what they started, but those of some cells."""
        for id_ in [one for one in self.cells if one not in but]:
            begun = self.cells.pop(id_)
            begun.supervisor.end()
            stamp.remove(begun.log)  # of what was taken over it has another name


def log_of(path: str) -> str:
    """Where this process, and its forks, have a cell write until it has ended; ``path`` is its log."""
    return f"{path}.{os.getpid()}.part"


def variables(
    folder: str, generation: int, label: str, environ: Mapping[str, str]
) -> dict[str, str]:
    """Those of a cell's command: as ``run`` has them, and which cell it is; without ``PYTHONPATH``.

    What that leads to would take the place of what the cell is about.
    """
    own = run.environment_for(folder, generation, environ)
    own.pop("PYTHONPATH", None)
    own["PROVENV_CELL"] = label
    return own


def remember(
    root: str,
    home: str,
    environ: Mapping[str, str],
    places: Sequence[Place],
    files: Sequence[str],
    until: int,
) -> None:
    """Write down what the first cells of the project in ``root`` need, until a time (in seconds).

    ``files`` are the project's own, relative to it.

    Raises:
        OSError: What the file system says.
    """
    key = _key(root, home, environ)
    if key is None:
        return
    cells = [
        "\0".join(
            [
                place.id, place.label, place.folder, place.current, place.asked, place.log,
                "" if place.timeout is None else repr(place.timeout), "due" if place.due else "",
                *place.command,
            ]
        )
        for place in places[:MOST]
    ]  # fmt: skip
    named = files if len(files) <= _FILES else []
    lines = [_header(), key, stamp.valid(int(time.time()), until), str(len(cells)), *cells]
    lines += [stamp.signature(os.path.join(root, name)) for name in named]
    if any("\n" in line for line in lines):
        return
    stamp.keep(_path(root, home), "\n".join([*lines, *named]))


def begin(
    root: str, home: str, environ: Mapping[str, str], *, jobs: int | None, fresh: bool
) -> HeadStart | None:
    """Begin cells of the project in ``root``, as many as run at once; None where that cannot be known.

    ``fresh``: Also those that would be known, as nothing has changed.

    Raises:
        OSError: What the file system, or the system, says; what was begun has been ended.
    """
    if fast.unsettled(home) or fast.is_open(home) or fast.is_recorded(root, home, environ):
        return None
    note = _read(root, home)
    if note is None:
        return None
    key, places, signatures, names = note
    due = [place for place in places if place.due]
    started = HeadStart(frozenset(names) if names else None, due=bool(due))
    wanted = places if fresh or not all(map(stamp.is_unchanged, signatures)) else due
    wanted = wanted[: jobs or _budget(len(wanted))]
    # each gets ready while this process looks at what it needs
    waiting: list[supervisor.Supervisor] = []
    try:
        waiting += [supervisor.fork() for _ in wanted]
        # else one has to be made first, or cannot be made any more
        if key == _key(root, home, environ) and all(_is_there(place, home) for place in places):
            for place in wanted:
                stamp.used(place.folder)
                begun = _begun(place, root, environ, waiting.pop())
                started.cells[place.id] = begun
                begun.start()
    except BaseException:
        started.end()
        raise
    finally:
        for one in waiting:
            one.end()
    return started if started.cells else None


def _budget(count: int) -> int:
    from provenv.core.room import budget

    return budget(count)


def _is_there(place: Place, home: str) -> bool:
    """Whether an environment is as it was made."""
    known = stamp.read(place.folder)
    if known is None or (known.home, known.asked, known.current) != (
        home, place.asked, place.current,
    ):  # fmt: skip
        return False
    return stamp.holds(place.folder, known)


def _begun(
    place: Place, root: str, environ: Mapping[str, str], asked: supervisor.Supervisor
) -> Begun:
    generation = int(place.current.rpartition("/")[2])
    own = variables(place.folder, generation, place.label, environ)
    return Begun(place.command, root, own, log_of(place.log), place.timeout, asked)


def _read(root: str, home: str) -> tuple[str, list[Place], list[str], list[str]] | None:
    """What was written down, until its time is over: key, cells, signatures of files, and their names."""
    text = stamp.kept(_path(root, home))
    if text is None:
        return None
    header, key, valid, count, *rest = text.split("\n")
    if header != _header() or not stamp.is_unchanged(valid):
        return None
    cells, files = rest[: int(count)], rest[int(count) :]
    half = len(files) // 2
    return key, [_place(line) for line in cells], files[:half], files[half:]


def _place(line: str) -> Place:
    id_, label, folder, current, asked, log, timeout, due, *command = line.split("\0")
    return Place(
        id_,
        label,
        folder,
        current,
        asked,
        log,
        float(timeout) if timeout else None,
        command,
        due=bool(due),
    )


def _header() -> str:
    from provenv import __version__

    return f"provenv-cells 1 {__version__}"


def _path(root: str, home: str) -> str:
    from provenv.environments import plans

    return f"{home}/plans/cells/{plans.key_of([os.fsencode(root)])[:32]}"


def _key(root: str, home: str, environ: Mapping[str, str]) -> str | None:
    """A digest of what decides on the cells of a project besides its own files."""
    from provenv.environments import plans

    plan = fast.plan_key(root, fast.Asked(), home, environ)
    if plan is None:
        return None
    around = [
        environ.get("PATH", ""),
        environ.get("PROVENV_INDEX_URL", ""),
        environ.get("PROVENV_OFFLINE", ""),
    ]
    return plans.key_of([plan.encode(), *map(os.fsencode, around)])

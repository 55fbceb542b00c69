"""What a worker on another machine does for `test --on`: it has the project, and runs cells of it.

Each cell is run by a process of its own, under a watchdog: a cell that is cancelled, or whose worker dies,
leaves no process behind. What passed is kept below the home of the worker, by a digest of all that decides
on it, and is not run again for somebody who asks once more.

Nothing here knows who carries the questions (:mod:`.cluster`). They and the answers are plain data, so that
two versions of provenv can tell each other that they differ.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import sys
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import provenv
from provenv.building.unpack import unpack
from provenv.core import digest
from provenv.core.errors import DiskError, ProvenvError, UndecidedError
from provenv.core.events import CommandStarted, Event
from provenv.core.files import (
    ensure_folder,
    remove_tree,
    temporary_folder,
    try_to_remove,
    unforeseen,
    write_atomic,
)
from provenv.core.values import as_dict, field, mutable, replace
from provenv.core.watchdog import Outcome, Watched, run_watched
from provenv.model.interpreter import Interpreter
from provenv.model.lock import parse_lock
from provenv.trials.cells import Cell, CellResult
from provenv.workspace.projects.context import Context, LockFile, Project, open_project
from provenv.workspace.testing.archive import TOP
from provenv.workspace.testing.cells import find_interpreter, run_cell, varied

PROTOCOL = 1
_PIECE = 1 << 16  # bytes of a log that one answer holds
_LONGEST = 1 << 23  # bytes of a log that are sent when a cell has ended
_KEPT_FOR = 14 * 86400  # seconds for which a project that nobody asks for is kept
_START = (
    "import sys; sys.argv[1] in sys.path or sys.path.insert(0, sys.argv[1]); "
    "from provenv.cli.serving import run_request; sys.exit(run_request(sys.argv[2]))"
)

Data = dict[str, Any]


@mutable
class _Running:
    """A cell that is run by this process's own child."""

    run: str
    log: str
    started: str
    cancelled: threading.Event = field(default_factory=threading.Event)


_running: dict[tuple[str, str, int], _Running] = {}
_guard = threading.Lock()


def hello(context: Context) -> Data:
    """Who this is: the versions, so that two that do not understand each other say so."""
    return {
        "protocol": PROTOCOL,
        "version": provenv.__version__,
        "host": platform.node(),
        "home": context.home.root,
    }


def has(context: Context, sha256: str) -> bool:
    """Whether the project of that name is here."""
    return os.path.isdir(_tree(context, sha256))


def receive(context: Context, sha256: str, data: bytes) -> None:
    """Unpack a project that was sent, and take away those that nobody asks for any more.

    Raises:
        UndecidedError: It is not what its name says.
        InputError: The archive leads out of its folder.
        DiskError: The file system refused.
    """
    plain = zlib.decompress(data)
    if digest.of_bytes(plain) != sha256:
        raise UndecidedError("the project did not arrive as it was sent", hint="Try again.")
    _sweep(context)
    folder = os.path.dirname(_tree(context, sha256))
    with temporary_folder(_folder(context, "arriving"), sha256[:16]) as arriving:
        archive, new = os.path.join(arriving, "project.tar"), os.path.join(arriving, "new")
        write_atomic(archive, plain)
        os.mkdir(new)
        unpack(archive, "project.tar", new)
        ensure_folder(os.path.dirname(folder))
        if not has(context, sha256):
            with contextlib.suppress(OSError):  # another worker with this home was quicker
                os.rename(new, folder)
    if not has(context, sha256):
        raise UndecidedError(f"the project cannot be unpacked into {folder}")


def _sweep(context: Context) -> None:
    for kind in ("projects", "results", "runs"):
        with contextlib.suppress(OSError), os.scandir(_folder(context, kind)) as entries:
            for entry in entries:
                if time.time() - entry.stat().st_mtime > _KEPT_FOR:
                    try_to_remove(entry.path)


def pythons(context: Context, question: Mapping[str, Any]) -> dict[str, Data]:
    """For each request for a Python what it leads to here: an interpreter, or why there is none.

    ``question`` has the project (``project``, ``member``) and ``cells``, one for each request.
    """
    with contextlib.suppress(OSError):
        os.utime(os.path.dirname(_tree(context, question["project"])))
    project = _project(context, question)
    cells = [_cell(data) for data in question["cells"]]
    answer: dict[str, Data] = {}
    for cell in cells:
        try:
            found = find_interpreter(cell, project, context)
        except ProvenvError as error:
            answer[cell.python] = {"reason": error.message, "hint": error.hint}
        else:
            told = {"version": found.version, "implementation": found.implementation}
            answer[cell.python] = told
    return answer


def perform(context: Context, order: Mapping[str, Any], wanted: Callable[[], bool]) -> Data:
    """Run one cell to its end, however long that takes, and answer with its result and its log.

    ``order`` has ``run`` and ``attempt``; ``project``, ``member``, ``cell``, ``lock`` and ``lock_path``;
    ``inputs``, a digest of these five; and ``fresh``. It is cancelled when ``wanted`` says no, or
    :func:`cancel` was called.

    Begun twice under one number, it answers the second time with what came of the first, or with the state
    ``unknown``: it is for whoever asked to say whether it is to be tried again.
    """
    cell = _cell(order["cell"])
    folder = os.path.join(
        _folder(context, "runs"), order["run"], f"{cell.id}-{int(order['attempt'])}"
    )
    ensure_folder(os.path.dirname(folder))
    try:
        os.mkdir(folder)
    except FileExistsError:
        return _answer(folder) or {"state": "unknown", "reason": "was begun before"}
    write_atomic(os.path.join(folder, "order.json"), json.dumps(dict(order)).encode())
    key = (order["run"], cell.id, int(order["attempt"]))
    one = _Running(order["run"], os.path.join(folder, "log"), os.path.join(folder, "started"))
    with _guard:
        _running[key] = one
    try:
        outcome = _watched(context, folder, one, wanted)
    finally:
        with _guard:
            del _running[key]
    return _answer(folder) or _broken(folder, outcome)


def _watched(context: Context, folder: str, one: _Running, wanted: Callable[[], bool]) -> Outcome:
    """A process that calls :func:`run_order`: this one has threads, and must not fork."""
    source = os.path.dirname(provenv.__path__[0])

    def look(watched: Watched) -> None:
        if one.cancelled.is_set() or not wanted():
            watched.cancel()

    return run_watched(
        [sys.executable, "-P", "-c", _START, source, folder],
        cwd=folder,
        environ=context.environ,
        log=os.path.join(folder, "output"),
        grace=6.0,  # more than that which the cell's own command has
        meanwhile=look,
    )


def _answer(folder: str) -> Data | None:
    try:
        with open(os.path.join(folder, "result.json"), "rb") as stream:
            found: Data = json.load(stream)
    except (OSError, ValueError):
        return None
    found["log"] = _whole_log(os.path.join(folder, "log"))
    return found


def _broken(folder: str, outcome: Outcome) -> Data:
    """The process that was to run the cell ended without an answer."""
    if outcome.how == "cancelled":
        return {"state": "cancelled", "reason": "was cancelled", "log": _whole_log(f"{folder}/log")}
    said = _whole_log(os.path.join(folder, "output")).decode(errors="replace").strip()
    how = outcome.reason or f"{outcome.how} {outcome.code or outcome.signal or ''}".strip()
    last = said.splitlines()[-1] if said else "it said nothing"
    return {
        "state": "unknown",
        "reason": f"what runs the cell ended without an answer: {how}: {last}",
    }


def _whole_log(path: str) -> bytes:
    """A log; of one that is very long the beginning and the end."""
    try:
        with open(path, "rb") as stream:
            length = os.fstat(stream.fileno()).st_size
            if length <= _LONGEST:
                return stream.read()
            first = stream.read(_LONGEST // 2)
            stream.seek(-(_LONGEST // 2), os.SEEK_END)
            left = length - _LONGEST
            return b"%s\n[provenv: %d bytes are left out here]\n%s" % (first, left, stream.read())
    except OSError:
        return b""


def look(run: str, offsets: Mapping[str, int]) -> list[Data]:
    """What the cells of a run that are at work here wrote beyond ``offsets`` (by cell and attempt)."""
    with _guard:
        found = {key: one for key, one in _running.items() if one.run == run}
    told = []
    for (_, cell, attempt), one in found.items():
        name = f"{cell}-{attempt}"
        told.append(
            {
                "name": name,
                "prepared": _read_number(one.started),
                "offset": offsets.get(name, 0),
                "text": _piece(one.log, offsets.get(name, 0)),
            }
        )
    return told


def _read_number(path: str) -> float | None:
    try:
        with open(path, encoding="ascii") as stream:
            return float(stream.read())
    except (OSError, ValueError):
        return None


def _piece(path: str, offset: int) -> bytes:
    try:
        with open(path, "rb") as stream:
            stream.seek(offset)
            return stream.read(_PIECE)
    except OSError:
        return b""


def cancel(run: str, within: float = 10.0) -> int:
    """End the cells of a run that are at work here, with all that they started; how many there were."""
    with _guard:
        found = [one for one in _running.values() if one.run == run]
    for one in found:
        one.cancelled.set()
    over = time.monotonic() + within
    while time.monotonic() < over:
        with _guard:
            if not any(one in _running.values() for one in found):
                break
        time.sleep(0.05)
    return len(found)


def finish(context: Context, run: str) -> None:
    """Take away what was kept for a run: its results have arrived."""
    with contextlib.suppress(DiskError):
        remove_tree(os.path.join(_folder(context, "runs"), run))


def run_order(context: Context, folder: str) -> None:
    """Run the cell whose order lies in ``folder``, and write its result there. For a process of its own."""
    with open(os.path.join(folder, "order.json"), "rb") as stream:
        order: Data = json.load(stream)
    cell = _cell(order["cell"])

    def emit(event: Event) -> None:
        if isinstance(event, CommandStarted):
            write_atomic(os.path.join(folder, "started"), b"%f" % event.seconds)

    context = replace(context, emit=emit)
    try:
        result = _run(context, order, cell, folder)
    except OSError as error:
        result = _not_run(cell, unforeseen(error))
    except ProvenvError as error:
        result = _not_run(cell, error)
    data = {name: value for name, value in as_dict(result).items() if name not in ("cell", "log")}
    write_atomic(os.path.join(folder, "result.json"), json.dumps(data).encode())


def _not_run(cell: Cell, error: ProvenvError) -> CellResult:
    return CellResult(cell=cell, state="error", reason=error.message, hint=error.hint)


def _run(context: Context, order: Data, cell: Cell, folder: str) -> CellResult:
    project = varied(cell, _project(context, order))
    path = os.path.join(_tree(context, order["project"]), order["lock_path"])
    lock = LockFile(path=path, text=order["lock"], lock=parse_lock(order["lock"], path))
    interpreter = find_interpreter(cell, project, context)
    log = os.path.join(folder, "log")
    kept = _kept(context, order, interpreter)
    if not order["fresh"] and (known := _known(kept, cell, log)) is not None:
        return known
    result = run_cell(cell, lock, project, context, log=log, interpreter=interpreter)
    if result.state == "passed":
        _keep(kept, result, log)
    return result


def known(context: Context, inputs: Sequence[str]) -> list[str]:
    """Those of ``inputs`` of which a result is kept here."""
    folder = _folder(context, "results")
    return [one for one in inputs if os.path.isdir(os.path.join(folder, one))]


def _kept(context: Context, order: Data, interpreter: Interpreter) -> str:
    """Where the result of a cell is kept: under a digest of all that decides on it."""
    python = [interpreter.executable, interpreter.version, interpreter.size, interpreter.mtime_ns]
    return os.path.join(_folder(context, "results"), order["inputs"], digest.of_json(python))


def _known(kept: str, cell: Cell, log: str) -> CellResult | None:
    try:
        with open(f"{kept}.json", "rb") as stream:
            data: Data = json.load(stream)
        shutil.copyfile(f"{kept}.log", log)
        return CellResult(cell=cell, cached=True, **data)
    except (OSError, ValueError, TypeError):
        return None


def _keep(kept: str, result: CellResult, log: str) -> None:
    data = {n: v for n, v in as_dict(result).items() if n not in ("cell", "log", "cached")}
    with contextlib.suppress(ProvenvError, OSError):  # then it is run again
        ensure_folder(os.path.dirname(kept))
        with open(log, "rb") as stream:
            write_atomic(f"{kept}.log", stream.read())
        write_atomic(f"{kept}.json", json.dumps(data).encode())


def _cell(data: Mapping[str, Any]) -> Cell:
    lists = {name: tuple(value) for name, value in data.items() if isinstance(value, list)}
    return Cell(**{**data, **lists})


def _project(context: Context, order: Mapping[str, Any]) -> Project:
    return open_project(os.path.join(_tree(context, order["project"]), order["member"]))


def _tree(context: Context, sha256: str) -> str:
    return os.path.join(_folder(context, "projects"), sha256[:32], TOP)


def _folder(context: Context, kind: str) -> str:
    return os.path.join(context.home.trials, "elsewhere", kind)

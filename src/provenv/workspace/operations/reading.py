"""``log``: the operations log read back, the newest first, and what became of each operation.

An operation whose last line is missing is still at work, or was ended from outside: by SIGKILL, a
power cut, the end of a container. Its process tells which.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal

from provenv.core import boot, journal
from provenv.core.errors import DiskError
from provenv.core.files import disk_error
from provenv.core.values import field, field_names, frozen, mutable
from provenv.environments.switch import quoted
from provenv.workspace import logged
from provenv.workspace.operations import safe
from provenv.workspace.operations.recording import look
from provenv.workspace.projects.context import Context

Outcome = Literal["done", "failed", "interrupted", "running", "unknown"]
_OUTCOMES = ("done", "failed", "interrupted")
_ACTOR = ("user", "uid", "sudo", "host", "ci")


@frozen
class LoggedOperation:
    """One operation.

    Attributes:
        operation: The verb, as in ``provenv.VERB/1``.
        project, environment, folder: What it was about; None where that does not apply.
        started, ended: UTC, RFC 3339; ``ended`` is None where its last line is missing.
        actor: ``user``, ``uid``, ``sudo``, ``host`` and ``ci``.
        before, after: The environment (``generation``, ``lock``) and the files of the project (``files``,
            name → SHA-256), and other facts.
        outcome: ``unknown`` is one that began elsewhere, in another container or on another machine,
            and whose last line is missing.
        error: ``kind`` and ``message``, where it failed.
        safe: What is safe, of one that was interrupted.
    """

    id: str
    operation: str
    command: str
    project: str | None
    environment: str | None
    folder: str | None
    started: str
    ended: str | None
    actor: Mapping[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any] | None
    outcome: Outcome
    error: Mapping[str, Any] | None
    safe: str | None


@frozen
class LogResult:
    """What ``log`` found.

    Attributes:
        file: Where the log is being written.
        operations: The newest first.
        unreadable: Lines that are not whole, as ``(file, number)``: a power cut, a full disk.
        more: There are older ones that were not asked for.
    """

    file: str
    operations: tuple[LoggedOperation, ...]
    unreadable: tuple[tuple[str, int], ...]
    more: bool


@frozen
class LogCheck:
    """Whether the lines of the log are those that were written, as far as they tell of each other.

    Attributes:
        lines: How many there are, in ``files`` files.
        broken: ``(file, number)`` of the lines that do not name the line before them.
        loose: How many name none, since the file could not be locked.
        unreadable: As in :class:`LogResult`.
    """

    file: str
    files: int
    lines: int
    broken: tuple[tuple[str, int], ...]
    loose: int
    unreadable: tuple[tuple[str, int], ...]

    @property
    def ok(self) -> bool:
        """Nothing was changed, taken out or put in between."""
        return not self.broken


def log(
    context: Context,
    *,
    project: str | None = None,
    environment: str | None = None,
    since: str | None = None,
    limit: int | None = None,
) -> LogResult:
    """The operations that were logged, the newest first.

    Args:
        context: The world.
        project: Only what was about this folder and those below it, or about no project.
        environment: Only what was about an environment of this name.
        since: Only what began at this time (RFC 3339, UTC) or later.
        limit: So many at the most.

    Raises:
        DiskError: The log is there and cannot be read.
    """
    unreadable: list[tuple[str, int]] = []
    found: list[LoggedOperation] = []
    more = False
    for one in _all(context, unreadable):
        if project is not None and not _is_in(one.project, project):
            continue
        if environment is not None and one.environment != environment:
            continue
        if since is not None and one.started < since:
            continue
        if limit is not None and len(found) == limit:
            more = True
            break
        found.append(one)
    return LogResult(
        file=logged.path(context.home.root),
        operations=tuple(found),
        unreadable=tuple(reversed(unreadable)),
        more=more,
    )


def _is_in(project: str | None, folder: str) -> bool:
    return project is None or project == folder or project.startswith(f"{folder}{os.sep}")


def interrupted(context: Context, project: str, folder: str) -> list[LoggedOperation]:
    """The operations on one environment or its project that were interrupted, the newest first.

    What cannot be read is left out: this is said on the way, and ``log`` says the rest.
    """
    return [one for one in _about(context, project, folder) if one.outcome == "interrupted"]


def unresolved(context: Context, project: str, folder: str) -> LoggedOperation | None:
    """The last interrupted operation on an environment or its project, unless a later one was done.

    What was done to the project alone, as by ``lock``, says nothing of the environment.
    """
    relocked = False
    for one in _about(context, project, folder):
        if one.outcome == "done":
            if one.folder is not None:
                return None
            relocked = True
        elif one.outcome == "interrupted" and not (relocked and one.folder is None):
            return one
    return None


def check(context: Context) -> LogCheck:
    """Compare every line with the hash that the next one names.

    Raises:
        DiskError: The log is there and cannot be read.
    """
    previous = journal.START
    count = loose = 0
    broken: list[tuple[str, int]] = []
    unreadable: list[tuple[str, int]] = []
    files = _files(context)
    for file in files:
        for number, (line, whole) in enumerate(journal.lines_of(_read(file)), 1):
            row = _parsed(line) if whole else None
            count += 1
            if row is None:
                unreadable.append((file, number))
            elif row.get("previous") is None:
                loose += 1
            elif row["previous"] != previous:
                broken.append((file, number))
            previous = journal.hash_of(line)
    return LogCheck(
        file=logged.path(context.home.root),
        files=len(files),
        lines=count,
        broken=tuple(broken),
        loose=loose,
        unreadable=tuple(unreadable),
    )


@mutable
class _Later:
    """What was met on the way back from the end of the log.

    Attributes:
        ends: Last lines, by the operation that they belong to.
        states: What an environment, or a project without one, was when the next operation on it began.
    """

    ends: dict[str, dict[str, Any]] = field(default_factory=dict)
    states: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def join(self, row: dict[str, Any]) -> LoggedOperation | None:
        """The operation that a line begins; None for a line that ends one.

        Raises:
            ValueError: It is neither.
        """
        first = _Line.of(row)
        if first.event == "end":
            self.ends[first.id] = row
            return None
        place = first.folder or first.project or first.operation
        one = _operation(first, row, self.ends.pop(first.id, None), self.states.get(place))
        self.states[place] = one.before
        return one


@frozen
class _Line:
    """What both lines of an operation say."""

    time: str
    id: str
    event: str
    operation: str
    project: str | None
    environment: str | None
    folder: str | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> _Line:
        """Read it from a line.

        Raises:
            ValueError: Somebody else wrote it.
        """
        values: dict[str, Any] = {name: row.get(name) for name in field_names(cls)}
        always = ("time", "id", "event", "operation")
        kinds = {"begin": ("before", "actor", "process"), "end": ("after",)}
        event = values["event"]
        whole = (
            all(isinstance(values[name], str) for name in always)
            and all(isinstance(value, str | None) for value in values.values())
            and event in kinds
            and all(isinstance(row.get(name), dict) for name in kinds[event])
            and (event != "end" or row.get("outcome") in _OUTCOMES)
            and isinstance(row.get("error"), dict | None)
            and (event != "begin" or isinstance(row["before"].get("files"), dict | None))
        )
        if not whole:
            raise ValueError("not a line of the operations log")
        return cls(**values)


def _all(context: Context, unreadable: list[tuple[str, int]]) -> Iterator[LoggedOperation]:
    """Every operation, by the place of its first line: the clock may have been set back meanwhile."""
    later = _Later()
    for file in reversed(_files(context)):
        rows = list(journal.lines_of(_read(file)))
        for number in range(len(rows), 0, -1):
            line, whole = rows[number - 1]
            row = _parsed(line)
            if row is None:
                unreadable.append((file, number))
                continue
            if not whole:  # all of it but its end is there
                unreadable.append((file, number))
            try:
                one = later.join(row)
            except ValueError:
                unreadable.append((file, number))
                continue
            if one is not None:
                yield one


def _about(context: Context, project: str, folder: str) -> Iterator[LoggedOperation]:
    """The operations on one environment or its project as a whole, from the files written last."""
    needle = quoted(project).encode()
    later = _Later()
    for line in _lines_with(context, needle):
        row = _parsed(line)
        try:
            one = later.join(row) if row is not None else None
        except ValueError:
            continue
        if one is not None and one.project == project and one.folder in (folder, None):
            yield one


def _lines_with(context: Context, needle: bytes) -> Iterator[bytes]:
    """The lines that hold some bytes, the last one first; of a log that cannot be read, none."""
    try:
        for file in reversed(_files(context)[-2:]):
            data = _read(file)
            end = len(data)
            while (found := data.rfind(needle, 0, end)) >= 0:
                start = data.rfind(b"\n", 0, found) + 1
                stop = data.find(b"\n", found)
                yield data[start : stop if stop >= 0 else len(data)]
                end = start
    except DiskError:
        return


def _files(context: Context) -> list[str]:
    path = logged.path(context.home.root)
    try:
        return journal.files(path)
    except OSError as error:
        raise disk_error(error, "read", os.path.dirname(path)) from error


def _read(file: str) -> bytes:
    try:
        with open(file, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise disk_error(error, "read", file) from error


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _operation(
    line: _Line,
    first: Mapping[str, Any],
    last: Mapping[str, Any] | None,
    then: Mapping[str, Any] | None,
) -> LoggedOperation:
    outcome: Outcome = last["outcome"] if last is not None else _without_end(first)
    return LoggedOperation(
        id=line.id,
        operation=line.operation,
        command=str(first.get("command")),
        project=line.project,
        environment=line.environment,
        folder=line.folder,
        started=line.time,
        ended=last["time"] if last is not None else None,
        actor={**dict.fromkeys(_ACTOR), **first["actor"]},
        before=first["before"],
        after=last["after"] if last is not None else None,
        outcome=outcome,
        error=last.get("error") if last is not None else None,
        safe=_safe(line, first, then) if outcome == "interrupted" else None,
    )


def _without_end(first: Mapping[str, Any]) -> Outcome:
    alive = is_alive(first["process"], first["actor"].get("host"))
    if alive is None:
        return "unknown"
    return "running" if alive else "interrupted"


def is_alive(process: Mapping[str, Any], host: object) -> bool | None:
    """Whether the process of a line is at work; None where that cannot be told from here."""
    pid = process.get("pid")
    if host != os.uname().nodename or not isinstance(pid, int):
        return None
    if process.get("boot") != boot.boot_id():
        return False
    if process.get("namespace") != logged.namespace():
        return None
    if process.get("started") != "-":
        return logged.started(pid) == process.get("started")
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _safe(line: _Line, first: Mapping[str, Any], then: Mapping[str, Any] | None) -> str:
    """What is safe of an interrupted operation, and what to do.

    ``then`` is what was there when the next operation began; where none has, it is looked at now.
    """
    before = first["before"]
    if then is not None:
        return safe.words(line.operation, before, then)
    names: Collection[str] = before.get("files") or ()
    now = look(line.folder or "", line.project or "", tuple(names))
    said = safe.words(line.operation, before, now)
    if safe.is_done(before, now):
        return f"{said}; `provenv status` says whether all of it agrees"
    return f"{said}; `{first.get('command')}` does it again"

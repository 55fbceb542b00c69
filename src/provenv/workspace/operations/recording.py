"""Recording an operation in the log while it is done, and saying what is safe where it fails.

A use case that changes something does it inside :func:`recorded`, with the context that it gives.
What it calls on its way records nothing of its own: one change, one entry.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from provenv.core import digest
from provenv.core.errors import ProvenvError, say_safe
from provenv.core.events import ChangeBegun, Event, PhaseStarted, Warned
from provenv.core.values import field, frozen, replace
from provenv.workspace import logged
from provenv.workspace.operations import safe
from provenv.workspace.projects.context import Context

_CHANGING = ("fetch", "build", "link", "python")
_REFUSED = 2  # exit code: the call, or what it was given, is wrong, and nothing was tried


@frozen
class Operation:
    """One operation at work.

    Attributes:
        context: The world to do it in. What it calls belongs to it.
        facts: What its ending line shall say besides what environment and files are then.
    """

    context: Context
    facts: dict[str, Any] = field(default_factory=dict)


@contextlib.contextmanager
def recorded(
    context: Context,
    verb: str,
    *,
    root: str = "",
    environment: str = "",
    folder: str = "",
    paths: Sequence[str] = (),
    at_once: bool = True,
) -> Iterator[Operation]:
    """Record what is done in the ``with`` block, unless it is part of what is recorded already.

    Args:
        context: The world.
        verb: As in ``provenv.VERB/1``.
        root: The project.
        environment: The environment's name.
        folder: Where it lies.
        paths: Files of the project that may be written, whose digests say whether they were.
        at_once: It begins now. Else with the first thing that changes the disk, and where nothing
            does, nothing is recorded.

    A log that cannot be written stops nothing; it is said.
    """
    if context.operation is not None:
        if at_once:
            context.emit(ChangeBegun(paths=tuple(paths)))
        yield Operation(context=context)
        return
    subject = logged.Subject(verb, project=root, environment=environment, folder=folder)
    record = _Record(context, subject)
    record.watch(paths)
    if at_once:
        record.begin()
    try:
        yield record.operation
    except BaseException as error:
        record.failed(error)
        raise
    record.done()


class _Record:
    """The two lines of one operation."""

    def __init__(self, context: Context, subject: logged.Subject) -> None:
        self._context = context
        self._subject = subject
        self._since = time.time()
        self._before = look(subject.folder, subject.project, ())
        self._guard = threading.Lock()  # events come from several threads
        self._begun = False
        self._lost = False
        self.operation = Operation(
            context=replace(context, emit=self._hear, operation=subject.verb)
        )

    def watch(self, paths: Sequence[str]) -> None:
        """Take note of files as they are, before anything may write them."""
        if not paths:
            return
        names = [os.path.relpath(path, self._subject.project) for path in paths]
        before = self._before.setdefault("files", {})
        now = look("", self._subject.project, [name for name in names if name not in before])
        before.update(now.get("files", {}))

    def begin(self) -> None:
        """Write the first line, once."""
        with self._guard:
            if not self._begun:
                self._begun = True
                self._before = self._state()  # another process may have been first at its locks
                self._write([self._first()])

    def done(self) -> None:
        """Write the last line, where there is a first one."""
        if self._begun:
            after = {**self._state(), **self.operation.facts}
            self._write([self._last("done", after)])

    def failed(self, error: BaseException) -> None:
        """Tell the error what is safe, and write the last line; both, where there is none yet."""
        now = self._state()
        say_safe(error, safe.words(self._subject.verb, self._before, now))
        if isinstance(error, ProvenvError) and error.exit_code == _REFUSED and not self._begun:
            return
        stopped = isinstance(error, KeyboardInterrupt)
        outcome = "interrupted" if stopped else "failed"
        kind, message = _told(error)
        after = {**now, **self.operation.facts}
        last = self._last(outcome, after, logged.failure(kind, message))
        self._write([last] if self._begun else [self._first(), last])

    def _hear(self, event: Event) -> None:
        if isinstance(event, ChangeBegun):
            self.watch(event.paths)
            self.begin()
        elif isinstance(event, PhaseStarted) and event.phase in _CHANGING:
            self.begin()
        self._context.emit(event)

    def _first(self) -> str:
        before = json.dumps(self._before)
        context = self._context
        return logged.begin(self._subject, context.cause, context.environ, before, at=self._since)

    def _last(self, outcome: str, after: dict[str, Any], error: str = "null") -> str:
        return logged.end(self._subject, outcome, json.dumps(after), error=error, at=time.time())

    def _write(self, texts: list[str]) -> None:
        if self._lost:
            return  # an end without a beginning says nothing
        home = self._context.home.root
        try:
            logged.write(home, texts)
        except OSError as error:
            self._lost = True
            self._context.emit(
                Warned(
                    message=f"{logged.path(home)} cannot be written: {error.strerror}; "
                    f"this {self._subject.verb} is not in the log",
                    hint="The operation goes on. Check who owns the file, and the space on its disk.",
                )
            )

    def _state(self) -> dict[str, Any]:
        """The same things as before, as they are now."""
        names = tuple(self._before.get("files", ()))
        return look(self._subject.folder, self._subject.project, names)


def look(folder: str, root: str, files: Sequence[str]) -> dict[str, Any]:
    """An environment and files of a project as they are now, as the log's lines say it."""
    found: dict[str, Any] = json.loads(logged.state(folder)) if folder else {}
    if files:
        found["files"] = {name: _digest(os.path.join(root, name)) for name in files}
    return found


def _digest(path: str) -> str | None:
    try:
        with open(path, "rb") as stream:
            return digest.of_bytes(stream.read())
    except OSError:
        return None


def _told(error: BaseException) -> tuple[str, str]:
    """The kind of an error and its message."""
    if isinstance(error, ProvenvError):
        return error.kind, error.message
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", "interrupted"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return "disk", f"{where}{error.strerror or error}"
    return "internal", f"{type(error).__name__}: {error}"

"""What a bisection has seen so far, kept after every step, so that it can be gone on with.

``state.json`` beside a lock for each end and a log for each step, below the project's folder of trials.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from provenv.core.errors import InputError, UsageError
from provenv.core.files import ensure_folder, remove_tree, write_atomic
from provenv.core.values import as_dict, field, frozen, mutable, replace
from provenv.core.words import first_line
from provenv.trials.bisecting import Answer
from provenv.workspace.testing.ends import End

_FORMAT = 1
_STATE = "state.json"
_LOGS = "logs"


@frozen
class BisectTask:
    """What is to be found out.

    Attributes:
        good, bad: As they were named.
        command: Words; no shell runs them.
        environment: Its name. ``python``: A request for the interpreter that overrides the project's.
        repeat: How often each mix is tried; where the results differ, it is skipped.
        timeout: Seconds for one run of the command.
        over: ``packages``, or ``python``.
        install: Pythons may be installed for it.
    """

    good: str
    bad: str
    command: tuple[str, ...]
    environment: str
    python: str | None = None
    repeat: int = 1
    timeout: float | None = None
    over: str = "packages"
    install: bool = False


@frozen
class Step:
    """One thing that was tried, and what came of it.

    Attributes:
        number: From 1 on.
        kind: ``end``, ``mix``, ``release`` or ``python``.
        what: For people: ``30 of 60 changes``, ``werkzeug 3.0.6``.
        key: What tells it from others: names, a release, a version.
        answer: ``good``, ``bad`` or ``skip``.
        runs: How often the command was run.
        code: Its last exit code; None where it was not run to its end.
        seconds: Of the command, all runs together.
        reason: Why it says nothing.
        log: The file with what the command wrote.
        lock: The digest of the lock that it was tried with.
    """

    number: int
    kind: str
    what: str
    key: tuple[str, ...]
    answer: Answer
    runs: int = 0
    code: int | None = None
    seconds: float = 0.0
    reason: str | None = None
    line: str = ""
    log: str | None = None
    lock: str = ""

    @property
    def why(self) -> str:
        """Why it says nothing, in one line."""
        return first_line(self.reason or "")


@mutable
class Trail:
    """A bisection as it lies in ``folder``; ``executable`` is the interpreter that all is tried with."""

    folder: str
    task: BisectTask
    executable: str
    good: End
    bad: End
    steps: list[Step] = field(default_factory=list)

    def log_path(self, attempt: int = 1) -> str:
        """Where the next step's command writes."""
        again = f"-{attempt}" if attempt > 1 else ""
        return os.path.join(self.folder, _LOGS, f"{len(self.steps) + 1:03}{again}.log")

    def find(self, kind: str, key: tuple[str, ...]) -> Step | None:
        """The step of that key, where it was taken."""
        return next((s for s in self.steps if s.kind == kind and s.key == key), None)

    def of(self, kind: str) -> list[Step]:
        """The steps of a kind."""
        return [step for step in self.steps if step.kind == kind]

    def add(self, step: Step) -> Step:
        """Keep a step: it is on the disk when this returns."""
        step = replace(step, number=len(self.steps) + 1)
        self.steps.append(step)
        self.keep()
        return step

    def keep(self) -> None:
        """Write the state, whole or not at all."""
        data = {
            "format": _FORMAT,
            "task": as_dict(self.task),
            "executable": self.executable,
            "good": as_dict(self.good),
            "bad": as_dict(self.bad),
            "steps": [as_dict(step) for step in self.steps],
        }
        ensure_folder(self.folder)
        path = os.path.join(self.folder, _STATE)
        write_atomic(path, json.dumps(data, indent=1).encode())


def begin(folder: str, task: BisectTask, executable: str, good: End, bad: End) -> Trail:
    """A new one; what an earlier one left is gone."""
    if os.path.lexists(folder):
        remove_tree(folder)
    trail = Trail(folder=folder, task=task, executable=executable, good=good, bad=bad)
    trail.keep()
    return trail


def resume(folder: str) -> Trail:
    """The one that was begun last.

    Raises:
        UsageError: There is none.
        InputError: It cannot be read.
    """
    path = os.path.join(folder, _STATE)
    try:
        with open(path, encoding="utf-8") as stream:
            data = json.load(stream)
        return _trail(folder, data)
    except FileNotFoundError as error:
        raise UsageError(
            "there is no bisection of this project to go on with",
            hint="`provenv bisect --good … --bad … -- COMMAND` begins one.",
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"cannot be read: {error}", file=path, hint="Begin anew, without --continue."
        ) from error


def _trail(folder: str, data: Mapping[str, Any]) -> Trail:
    if data["format"] != _FORMAT:
        raise ValueError(f"format {data['format']!r} is not supported")
    task = dict(data["task"])
    return Trail(
        folder=folder,
        task=BisectTask(**{**task, "command": tuple(task["command"])}),
        executable=str(data["executable"]),
        good=_end(data["good"]),
        bad=_end(data["bad"]),
        steps=[Step(**{**step, "key": tuple(step["key"])}) for step in data["steps"]],
    )


def _end(data: Mapping[str, Any]) -> End:
    return End(**{**data, "roots": tuple(data["roots"])})

"""Trying a candidate: the project's own command in an environment of the candidate's lock.

The environment lies among those of `test`, apart from the project's, and is kept for the next time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from provenv.core.errors import UndecidedError
from provenv.core.values import frozen
from provenv.trials.cells import Cell
from provenv.workspace.assuring.candidates import Candidate
from provenv.workspace.projects.context import Context
from provenv.workspace.testing.cells import run_cell, trials_folder


@frozen
class Trial:
    """What a command is tried with: ``words``, in which environment, for how many seconds at most."""

    words: tuple[str, ...]
    environment: str
    timeout: float | None = None


@frozen
class Tried:
    """What came of it.

    Attributes:
        passed: It ended with exit code 0.
        reason: Why not, in one line. ``log``: The file with all that it wrote, where it wrote something.
    """

    passed: bool
    reason: str
    seconds: float
    log: str | None


def environment_for_trials(candidate: Candidate, asked: str | None) -> str:
    """What was asked for, else ``test`` where the project has one, else its default environment.

    Raises:
        UsageError: There is none of the name that was asked for.
    """
    manifest = candidate.project.manifest
    if asked is not None:
        return manifest.environment(asked).name
    return "test" if "test" in manifest.environments else manifest.environment().name


def run_trial(candidate: Candidate, context: Context, trial: Trial, label: str) -> Tried:
    """Run the command in the candidate's environment; ``label`` names its log.

    Raises:
        UndecidedError: Its environment cannot be made, or the command is not there: nobody knows then.
    """
    project = candidate.project
    cell = Cell(
        python=trial.environment.partition("@")[2],
        environment=trial.environment,
        command=tuple(trial.words),
        timeout=trial.timeout,
    )
    spec = project.manifest.environment(trial.environment)
    lock = candidate.locks[project.lock_key(spec)]
    folder = os.path.join(trials_folder(project, context), "upgrade")
    result = run_cell(cell, lock, project, context, log=os.path.join(folder, f"{label}.log"))
    if result.state == "error":
        raise UndecidedError(
            f"the upgrade cannot be tested: {result.reason}",
            hint=result.hint,
            details={"log": result.log},
        )
    said = result.reason or f"exit code {result.code}"
    line = f": {result.line}" if result.line else ""
    return Tried(
        passed=result.state == "passed",
        reason="" if result.state == "passed" else f"`{shown(trial.words)}` {_verb(said)}{line}",
        seconds=result.seconds,
        log=result.log,
    )


def _verb(said: str) -> str:
    return said if said.startswith(("was ", "did ")) else f"ended with {said}"


def shown(words: Sequence[str]) -> str:
    """A command as a person would type it."""
    import shlex

    return shlex.join(words)

"""Cells: one combination of Python, resolution and packages, and what came of running a command in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from provenv.core import digest
from provenv.core.errors import InputError, UsageError
from provenv.core.values import frozen
from provenv.model.matrix import MatrixSpec

State = Literal["passed", "failed", "error", "timeout", "skipped", "cancelled"]
STATES: tuple[State, ...] = ("passed", "failed", "error", "timeout", "skipped", "cancelled")
MANY = 500
"""So many cells are run without being asked twice."""
FAR = 100 * MANY
"""More are not even made to be counted."""


@frozen
class Cell:
    """One environment, and what is run in it.

    Attributes:
        python: The request for its interpreter, as written; empty where the project decides.
        resolution: One of :data:`provenv.model.matrix.RESOLUTIONS`.
        environment: Whose groups and extras it holds.
        variant: What the table calls its packages. ``packages``: PEP 508, installed besides.
        command: Words; no shell runs them.
        timeout: Seconds for the command; None for no limit.
        interpreter: The one that was found, as ``cpython 3.12.1``; empty where none was looked for yet.
    """

    python: str
    environment: str
    command: tuple[str, ...]
    resolution: str = "locked"
    variant: str = ""
    packages: tuple[str, ...] = ()
    timeout: float | None = None
    interpreter: str = ""

    @property
    def id(self) -> str:
        """What it is called in files: the same for the same place in a matrix, whatever is run there."""
        return digest.of_json(
            [self.python, self.environment, self.resolution, self.variant, list(self.packages)]
        )[:16]

    @property
    def column(self) -> str:
        """What the table calls its column: everything but the Python."""
        parts = [self.resolution if self.resolution != "locked" else "", self.variant]
        return ", ".join(part for part in parts if part) or "locked"

    @property
    def label(self) -> str:
        """What it is called in one line: ``3.12 lowest-direct sqlalchemy<2.1``."""
        parts = [self.python, self.resolution if self.resolution != "locked" else "", self.variant]
        return " ".join(part for part in parts if part) or self.environment


@frozen
class CellResult:
    """What came of a cell.

    Attributes:
        state: ``passed`` or ``failed``, as the command says by its exit code; ``error`` where there is no
            environment or no command, so that nobody knows; ``timeout``; ``skipped`` where its Python is
            not here; ``cancelled`` where it was begun, or waited, when everything was ended.
        code: The command's exit code, negative for a signal; None where it did not run to its end.
        seconds: Of the command. ``prepared``: Of what came before it.
        line: The last line that it wrote. ``log``: The file with all of them.
        reason: Why there is no result, in words. ``hint``: What to do about it. ``kind``: Of the error.
        refused: Because a policy does not let in what it would hold: that is neither good nor bad.
        cached: It was not run: nothing has changed since it passed.
        python: The version of the interpreter. ``executable``: Where it is.
        attempts: How often it was begun (on other machines, after one died).
        worker: Where it was run; empty for this machine.
        left: Processes that the command left behind, and that were ended.
        inputs: A digest of all that decides on it; empty where that is not known.
    """

    cell: Cell
    state: State
    code: int | None = None
    seconds: float = 0.0
    prepared: float = 0.0
    line: str = ""
    log: str | None = None
    reason: str | None = None
    hint: str | None = None
    kind: str | None = None
    refused: bool = False
    cached: bool = False
    python: str = ""
    executable: str = ""
    attempts: int = 1
    worker: str = ""
    left: int = 0
    inputs: str = ""


def expand(
    spec: MatrixSpec, *, environment: str, command: Sequence[str], timeout: float | None = None
) -> Iterator[Cell]:
    """The cells of a matrix, Python by Python; those that ``exclude`` names are left out."""
    for python in spec.python or ("",):
        for resolution in spec.resolution:
            for variant in spec.variants:
                if any(one.meets(python, resolution, variant.name) for one in spec.exclude):
                    continue
                yield Cell(
                    python=python,
                    environment=environment,
                    command=tuple(command),
                    resolution=resolution,
                    variant=variant.name,
                    packages=variant.packages,
                    timeout=spec.timeout if timeout is None else timeout,
                )


def counted(
    spec: MatrixSpec,
    *,
    environment: str,
    command: Sequence[str],
    timeout: float | None = None,
    many: bool = False,
) -> tuple[Cell, ...]:
    """All cells, which are not none, and not more than anybody can have meant.

    Raises:
        UsageError: There are more than :data:`MANY`, and not ``many``; says how many.
        InputError: ``exclude`` leaves nothing.
    """
    cells: list[Cell] = []
    count = spec.size
    if many or count <= FAR:
        cells += expand(spec, environment=environment, command=command, timeout=timeout)
        count = len(cells)
    if count > MANY and not many:
        raise too_many(count)
    if not cells:
        raise InputError(
            "`exclude` leaves no cell in [tool.provenv.matrix]",
            hint="Take out the entry that names too much.",
        )
    return tuple(cells)


def too_many(count: int) -> UsageError:
    """The refusal of more cells than anybody can have meant."""
    return UsageError(
        f"these are {count:,} cells",
        hint="`--yes` runs them all; `exclude`, --python and -k choose some.",
        details={"cells": count},
    )


def verdict(results: Sequence[CellResult]) -> int:
    """The exit code: 0 all passed (or are skipped), 1 some failed, 3 some could not be decided.

    What failed counts for more than what is not known. Nothing at all that passed or failed is not known.
    """
    states = {result.state for result in results}
    if states & {"failed", "timeout"}:
        return 1
    if states & {"error", "cancelled"} or "passed" not in states:
        return 3
    return 0

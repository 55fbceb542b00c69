"""What other versions are compared with: the tests pass with those of the lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from provenv.core.errors import InputError, ProvenvError, UndecidedError
from provenv.core.values import field, mutable, replace
from provenv.model.interpreter import Interpreter
from provenv.model.manifest import EnvironmentSpec
from provenv.trials.cells import Cell, CellResult
from provenv.workspace.projects.context import Context, LockFile, Project
from provenv.workspace.testing import inputs
from provenv.workspace.testing.asking import Dependency, dependencies
from provenv.workspace.testing.cells import failed, spec_of
from provenv.workspace.testing.matrix import MatrixRequest
from provenv.workspace.testing.pool import Trial, Watch, run_trials
from provenv.workspace.testing.pythons import look_for
from provenv.workspace.testing.reporting import said
from provenv.workspace.testing.resolutions import Resolved, own_locks


@mutable
class Ground:
    """A project, its locks, the Pythons that are meant, and the means to try something else.

    Attributes:
        base: By request for a Python, the cell with the locked versions.
        key: Of the lock that decides.
        files: The digest of the project's files.
        runs: How many cells were run, or known.
    """

    project: Project
    context: Context
    request: MatrixRequest
    watch: Watch
    base: dict[str, Cell]
    pythons: dict[str, Interpreter]
    locks: Mapping[str | None, LockFile]
    key: str | None
    files: str
    runs: int = 0
    known: list[Dependency] = field(default_factory=list)

    @property
    def lock(self) -> LockFile:
        """The lock that decides."""
        return self.locks[self.key]

    @property
    def spec(self) -> EnvironmentSpec:
        """The environment of the cells."""
        return spec_of(next(iter(self.base.values())), self.project)

    def run(self, work: Sequence[tuple[Cell, Resolved | ProvenvError]]) -> list[CellResult]:
        """Run cells, each with a lock of its own; of one that cannot be locked it is said why."""
        self.runs += len(work)
        trials: list[Trial | CellResult] = []
        for cell, lock in work:
            python = self.pythons[cell.python]
            if isinstance(lock, ProvenvError):
                trials.append(failed(cell, lock, interpreter=python))
            else:
                trials.append(Trial(cell=cell, interpreter=python, resolved=lock))
        return run_trials(
            trials,
            self.project,
            self.context,
            files=self.files,
            jobs=self.request.jobs,
            fresh=self.request.fresh,
            watch=self.watch,
        )

    def run_each(
        self, variant: str, lock: Resolved | ProvenvError
    ) -> list[tuple[Cell, Resolved | ProvenvError]]:
        """The work that a lock makes: a cell for each Python, as a variant of its own."""
        return [(named_cell(cell, variant), lock) for cell in self.base.values()]


def find_ground(
    cells: Sequence[Cell],
    project: Project,
    context: Context,
    request: MatrixRequest,
    watch: Watch,
) -> Ground:
    """The ground to stand on: Pythons, locks, dependencies, and tests that pass.

    Raises:
        UndecidedError: The tests do not pass with the lock, or no dependency comes from an index.
        InputError: A Python is nowhere to be had; or dependencies are not declared.
    """
    base: dict[str, Cell] = {}
    for cell in cells:
        if cell.resolution == "locked" and not cell.packages:
            base.setdefault(cell.python, cell)
    if not base:
        raise InputError(
            "the matrix has no cell with the locked versions, which is what others are compared with",
            hint="Add `locked` to `resolution`, or leave that out.",
        )
    pythons: dict[str, Interpreter] = {}
    for text, python in look_for(base.values(), project, context).items():
        if not isinstance(python, Interpreter):
            raise InputError(f"Python {text}: {python.reason}", hint=python.hint)
        pythons[text] = python
    first = next(iter(base.values()))
    project, locks = own_locks(project, context, first, locked_only=request.locked_only)
    ground = Ground(
        project=project,
        context=context,
        request=request,
        watch=watch,
        base=base,
        pythons=pythons,
        locks=locks,
        key=project.lock_key(spec_of(first, project)),
        files=inputs.read_files(project, locks.values(), context).digest,
    )
    ground.known = dependencies(project, context, ground.spec, ground.lock, fresh=request.fresh)
    own = Resolved(project=project, lock=ground.lock)
    for result in ground.run([(cell, own) for cell in base.values()]):
        if result.state != "passed":
            verb = "could not be run" if result.state == "error" else "do not pass"
            raise UndecidedError(
                f"the tests {verb} with the versions of the lock ({result.cell.label}: "
                f"{said(result)}), so that nothing can be said of others",
                hint=result.hint or (f"Look into {result.log}." if result.log else None),
            )
    return ground


def named_cell(cell: Cell, variant: str) -> Cell:
    """The same cell as a variant of its own."""
    return replace(cell, resolution="locked", variant=variant, packages=(), interpreter="")

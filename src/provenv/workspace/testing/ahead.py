"""`test --ahead`: whether the tests pass with what is newer, within the declared bounds and beyond them."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from provenv.core.errors import ProvenvError
from provenv.core.events import silent
from provenv.core.values import field, frozen, mutable, replace
from provenv.interpreters import list_interpreters
from provenv.model.interpreter import Interpreter
from provenv.trials import ahead, bounds
from provenv.trials.ahead import Step
from provenv.trials.cells import Cell, CellResult
from provenv.workspace.host import access
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import Context, Project
from provenv.workspace.syncing.locking import lock_changes
from provenv.workspace.testing.asking import with_requirements
from provenv.workspace.testing.ground import Ground, find_ground, named_cell
from provenv.workspace.testing.matrix import MatrixRequest
from provenv.workspace.testing.pool import Watch, unwatched
from provenv.workspace.testing.resolutions import (
    Resolved,
    Wanted,
    resolve_each,
    with_manifests,
    with_uv,
)

if TYPE_CHECKING:
    from packaging.pylock import Pylock


@frozen
class Tried:
    """One step, and what came of it for each Python."""

    step: Step
    results: tuple[CellResult, ...]

    @property
    def passed(self) -> bool:
        """Whether the tests pass with it, with every Python."""
        return all(result.state == "passed" for result in self.results)

    @property
    def worst(self) -> CellResult | None:
        """A result that is not good; the answer of a test before what is not known."""
        bad = [result for result in self.results if result.state != "passed"]
        return min(bad, key=lambda result: result.state == "error", default=None)


@frozen
class AheadReport:
    """What came of ``test --ahead``.

    Attributes:
        unknown: Dependencies of which the index does not say what there is, each with the reason.
    """

    project: str
    pythons: tuple[str, ...]
    tried: tuple[Tried, ...]
    unknown: tuple[tuple[str, str], ...]
    seconds: float

    @property
    def code(self) -> int:
        """0 where all passed, 1 where the tests fail with something newer, 3 where it is not known."""
        worst = [one.worst.state for one in self.tried if one.worst is not None]
        if any(state in ("failed", "timeout") for state in worst):
            return 1
        return 3 if worst or self.unknown else 0


def look_ahead(
    cells: Sequence[Cell],
    project: Project,
    context: Context,
    request: MatrixRequest,
    watch: Watch = unwatched,
) -> AheadReport:
    """Try what is newer than the lock, for the Pythons of ``cells``, and newer Pythons that are here.

    Where the newest of all that the bounds allow do not work, each package that is newer there is tried by
    itself, to say which of them it is.

    Raises:
        UndecidedError: The tests do not pass with the lock.
        InputError: A Python is nowhere to be had; or dependencies are not declared.
    """
    started = time.monotonic()
    with recorded(context, "test", root=project.root, at_once=False) as operation:
        ground = find_ground(cells, project, operation.context, request, watch)
        work = _Work(ground)
        work.begin()
        pythons = tuple(ground.pythons)
        return AheadReport(
            project=project.title,
            pythons=pythons,
            tried=tuple(work.all_at_once()),
            unknown=tuple(work.unknown),
            seconds=time.monotonic() - started,
        )


@mutable
class _Work:
    """One look ahead under way."""

    ground: Ground
    steps: list[Step] = field(default_factory=list)
    unknown: list[tuple[str, str]] = field(default_factory=list)

    def begin(self) -> None:
        """What there is beyond the bounds of each dependency."""
        for one in self.ground.known:
            if one.why is not None:
                self.unknown.append((one.name, one.why))
            declared = bounds.declared(one.requirements)
            self.steps += ahead.beyond(one.name, one.locked, declared, one.versions)

    def all_at_once(self) -> list[Tried]:
        """Everything that is newer: together, then one by one where that is needed."""
        highest, every = Step(kind="highest"), Step(kind="everything")
        beyond = [step for step in self.steps if step.kind == "beyond"]
        steps = [highest, *self.steps, *([every] if len(beyond) > 1 else [])]
        locks = dict(zip(steps, self._locks(steps), strict=True))
        lock = locks[highest]
        if isinstance(lock, Resolved) and not lock_changes(self._own, lock.lock.lock):
            del locks[highest]  # nothing is newer
        tried = self._tried(locks)
        first = next((one for one in tried if one.step is highest), None)
        if first is not None and not first.passed and isinstance(lock, Resolved):
            tried += self._one_by_one(lock)
        return tried + self._newer_pythons()

    @property
    def _own(self) -> Pylock:
        return self.ground.lock.lock

    def _one_by_one(self, highest: Resolved) -> list[Tried]:
        """Each package that is newer in ``highest`` by itself, the others as locked."""
        steps = [
            Step(kind="upgrade", name=change.name, before=change.before, after=change.after)
            for change in lock_changes(self._own, highest.lock.lock)
            if change.before and change.after and "," not in change.before + change.after
        ]
        return self._tried(dict(zip(steps, self._locks(steps), strict=True)))

    def _locks(self, steps: Sequence[Step]) -> list[Resolved | ProvenvError]:
        wanted = [self._wanted(step) for step in steps]
        request = self.ground.request
        return resolve_each(wanted, self.ground.context, fresh=request.fresh, jobs=request.jobs)

    def _wanted(self, step: Step) -> Wanted:
        project, newest = self.ground.project, False
        pin: tuple[str, ...] = (f"{step.name}=={step.after}",)
        previous = self.ground.locks
        lifted = {one.name for one in self.steps if one.kind == "beyond"}
        if step.kind in ("highest", "everything"):
            project, pin, previous, newest = with_uv(project, resolution="highest"), (), {}, True
        if step.kind == "everything":
            project = _lifted(project, frozenset(lifted))
        if step.kind in ("beyond", "pre-release"):
            project = _lifted(project, frozenset({step.name}))
        if step.kind == "pre-release":
            project = with_uv(project, prerelease="if-necessary-or-explicit")
            project = with_requirements(project, functools.partial(_early, step=step))
        return Wanted(
            project=project,
            lock_key=self.ground.key,
            previous=previous,
            constraints=pin,
            newest=newest,
        )

    def _tried(self, locks: Mapping[Step, Resolved | ProvenvError]) -> list[Tried]:
        work = [
            each for step, lock in locks.items() for each in self.ground.run_each(step.label, lock)
        ]
        results = iter(self.ground.run(work))
        count = len(self.ground.base)
        return [
            Tried(step=step, results=tuple(next(results) for _ in range(count))) for step in locks
        ]

    def _newer_pythons(self) -> list[Tried]:
        """The newest of each minor version here that is newer than those of the matrix."""
        ground = self.ground
        bound = ground.project.manifest.requires_python
        tried = []
        for minor, python in self._found_pythons().items():
            step = Step(kind="python", name=minor, after=python.version, bound=bound or "")
            lock: Resolved | ProvenvError = Resolved(project=ground.project, lock=ground.lock)
            if not python.satisfies(bound):
                project = _open_python(ground.project)
                wanted = Wanted(project=project, lock_key=ground.key, previous=ground.locks)
                (lock,) = resolve_each([wanted], ground.context)
            cell = replace(named_cell(next(iter(ground.base.values())), ""), python=minor)
            ground.pythons[minor] = python
            tried.append(Tried(step=step, results=tuple(ground.run([(cell, lock)]))))
        return tried

    def _found_pythons(self) -> dict[str, Interpreter]:
        ground = self.ground
        newest = max(Version(python.version) for python in ground.pythons.values())
        found: dict[str, Interpreter] = {}
        search = access.search(ground.context, ground.project.root)
        cache = ground.context.home.interpreters
        for one in list_interpreters(search, cache=cache, emit=silent):
            usual = one.implementation == "cpython" and not one.free_threaded
            if not usual or Version(one.version).release[:2] <= newest.release[:2]:
                continue
            before = found.get(one.minor)
            if before is None or Version(before.version) < Version(one.version):
                found[one.minor] = one
        return dict(sorted(found.items(), key=lambda item: Version(item[0])))


def _lifted(project: Project, names: frozenset[str]) -> Project:
    change: Callable[[str], str] = functools.partial(bounds.without_upper, names=names)
    return with_requirements(project, change)


def _early(text: str, *, step: Step) -> str:
    """A requirement on the distribution of ``step`` that names its pre-release, so that it counts."""
    return bounds.with_lower(text, {step.name: step.after})


def _open_python(project: Project) -> Project:
    """The project without an upper bound of its ``requires-python``."""
    bare = bounds.without_upper(
        f"python{project.manifest.requires_python or ''}", frozenset({"python"})
    )
    specifiers = str(SpecifierSet(bare.removeprefix("python"))) or None
    return with_manifests(project, lambda one: replace(one, requires_python=specifiers))

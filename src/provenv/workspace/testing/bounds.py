"""`test --bounds`: the oldest version of each direct dependency with which the tests pass."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from provenv.core.errors import InputError, ProvenvError, UndecidedError
from provenv.core.values import field, frozen, mutable, replace
from provenv.model.interpreter import Interpreter
from provenv.trials import bounds
from provenv.trials.bounds import Search
from provenv.trials.cells import Cell, CellResult
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import Context, LockFile, Project
from provenv.workspace.testing import inputs
from provenv.workspace.testing.asking import Dependency, dependencies, with_requirements
from provenv.workspace.testing.cells import failed, spec_of
from provenv.workspace.testing.matrix import MatrixRequest
from provenv.workspace.testing.pool import Trial, Watch, run_trials, unwatched
from provenv.workspace.testing.pythons import look_for
from provenv.workspace.testing.reporting import said
from provenv.workspace.testing.resolutions import (
    Resolved,
    Wanted,
    own_locks,
    resolve_each,
)

Judgement = Literal["right", "too-low", "could-be-lower", "missing", "unknown"]


@frozen
class Bound:
    """What was found of one dependency.

    Attributes:
        declared: Its specifiers as declared. ``lowest``: The lowest version that they allow.
        oldest: The oldest version with which the tests pass, as far as was tried.
        below: The next older one, with which they do not; None where there is none.
        why: What came of that one.
        judgement: ``right``; ``too-low``: declared versions do not work; ``could-be-lower``: older ones do,
            too; ``missing``: no bound is declared; ``unknown``.
        offered: The requirements as they could be.
        tried: How many versions were tried.
    """

    name: str
    declared: str
    locked: str
    lowest: str | None
    oldest: str | None
    below: str | None
    why: str | None
    judgement: Judgement
    offered: tuple[str, ...] = ()
    tried: int = 0


@frozen
class BoundsReport:
    """What came of ``test --bounds``.

    Attributes:
        together: What came of all offered bounds at once, for each Python.
        runs: How many cells were run or known.
    """

    project: str
    pythons: tuple[str, ...]
    bounds: tuple[Bound, ...]
    together: tuple[CellResult, ...]
    runs: int
    seconds: float

    @property
    def code(self) -> int:
        """0 where all declared bounds are right or stricter than they must be, 1 where one is too low."""
        judgements = {one.judgement for one in self.bounds}
        if "too-low" in judgements:
            return 1
        if "unknown" in judgements or any(one.state != "passed" for one in self.together):
            return 3
        return 0


def find_bounds(
    cells: Sequence[Cell],
    project: Project,
    context: Context,
    request: MatrixRequest,
    watch: Watch = unwatched,
) -> BoundsReport:
    """Look for the oldest versions, for the Pythons of ``cells``: a version works where it does with all.

    Each dependency by itself, the others as locked. Versions that are older than one that works not are
    taken not to work.

    Raises:
        UndecidedError: The tests do not pass with the lock, or no dependency comes from an index.
        InputError: A Python is nowhere to be had; or dependencies are not declared.
    """
    started = time.monotonic()
    with recorded(context, "test", root=project.root, at_once=False) as operation:
        work = _Work(project, operation.context, request, watch)
        work.begin(cells)
        work.search()
        together = work.together()
        return BoundsReport(
            project=project.title,
            pythons=tuple(work.pythons),
            bounds=tuple(work.bounds()),
            together=together,
            runs=work.runs,
            seconds=time.monotonic() - started,
        )


@mutable
class _Work:
    """One search under way."""

    project: Project
    context: Context
    request: MatrixRequest
    watch: Watch
    pythons: dict[str, Interpreter] = field(default_factory=dict)
    base: dict[str, Cell] = field(default_factory=dict)
    locks: Mapping[str | None, LockFile] = field(default_factory=dict)
    known: dict[str, Dependency] = field(default_factory=dict)
    searches: dict[str, Search] = field(default_factory=dict)
    refusals: dict[tuple[str, str], str] = field(default_factory=dict)
    tried: dict[str, int] = field(default_factory=dict)
    files: str = ""
    runs: int = 0

    def begin(self, cells: Sequence[Cell]) -> None:
        """Find Pythons and versions; the tests must pass as things are."""
        for cell in cells:
            if cell.resolution == "locked" and not cell.packages:
                self.base.setdefault(cell.python, cell)
        if not self.base:
            raise InputError(
                "the matrix has no cell with the locked versions, which is what others are compared with",
                hint="Add `locked` to `resolution`, or leave that out.",
            )
        pythons = look_for(self.base.values(), self.project, self.context)
        for request, python in pythons.items():
            if not isinstance(python, Interpreter):
                raise InputError(f"Python {request}: {python.reason}", hint=python.hint)
            self.pythons[request] = python
        cell = next(iter(self.base.values()))
        self.project, self.locks = own_locks(
            self.project, self.context, cell, locked_only=self.request.locked_only
        )
        spec = spec_of(cell, self.project)
        lock = self.locks[self.project.lock_key(spec)]
        found = dependencies(self.project, self.context, spec, lock, fresh=self.request.fresh)
        self.known = {one.name: one for one in found}
        for one in found:
            specifiers = bounds.declared(one.requirements)
            if one.why is None and not bounds.is_pinned(specifiers):
                self.searches[one.name] = bounds.begin(one.versions, one.locked, specifiers)
        self.files = inputs.read_files(self.project, self.locks.values(), self.context).digest
        resolved = Resolved(project=self.project, lock=lock)
        results = self._run([(cell, resolved) for cell in self.base.values()])
        bad = [one for one in results if one.state != "passed"]
        if bad:
            raise not_even_locked(bad[0])

    def search(self) -> None:
        """Try versions, one of each dependency at once, until nothing is left to try."""
        while wanted := {n: s.next for n, s in self.searches.items() if s.next is not None}:
            names = {n: self.searches[n].versions[place] for n, place in wanted.items()}
            works = self._try(names)
            for name, place in wanted.items():
                self.tried[name] = self.tried.get(name, 0) + 1
                self.searches[name] = self.searches[name].told(place, works=works[name])

    def _try(self, versions: Mapping[str, str]) -> dict[str, bool]:
        """Whether the tests pass with these versions, each with all others as locked."""
        cell = next(iter(self.base.values()))
        asked = []
        for name, version in versions.items():
            only = frozenset({name})
            own = with_requirements(
                self.project, functools.partial(bounds.without_lower, names=only)
            )
            key = own.lock_key(spec_of(cell, own))
            pin = (f"{name}=={version}",)
            asked.append(Wanted(project=own, lock_key=key, previous=self.locks, constraints=pin))
        locks = resolve_each(asked, self.context, jobs=self.request.jobs)
        work: list[tuple[Cell, Resolved | ProvenvError]] = [
            (named_cell(base, f"{name} {version}"), lock)
            for (name, version), lock in zip(versions.items(), locks, strict=True)
            for base in self.base.values()
        ]
        results = self._run(work)
        works = dict.fromkeys(versions, True)
        for (name, version), result in zip(
            ((n, v) for n, v in versions.items() for _ in self.base), results, strict=True
        ):
            if result.state != "passed":
                refuse_unknown(result)
                works[name] = False
                where = f"Python {result.cell.python}: " if len(self.base) > 1 else ""
                self.refusals.setdefault((name, version), f"{where}{result.state}: {said(result)}")
        return works

    def _run(self, work: Sequence[tuple[Cell, Resolved | ProvenvError]]) -> list[CellResult]:
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

    def bounds(self) -> Iterator[Bound]:
        """What was found, dependency by dependency."""
        for name, one in self.known.items():
            specifiers = bounds.declared(one.requirements)
            search = self.searches.get(name)
            if search is None:
                why = one.why or "one version alone is allowed"
                yield Bound(
                    name=name, declared=str(specifiers), locked=one.locked, lowest=None, oldest=None,
                    below=None, why=why, judgement="unknown" if one.why else "right",
                )  # fmt: skip
                continue
            yield self._bound(one, specifiers, search)

    def _bound(self, one: Dependency, specifiers: SpecifierSet, search: Search) -> Bound:
        oldest = search.versions[search.good]
        below = search.versions[search.bad] if search.bad >= 0 else None
        lowest = next((v for v in search.versions if specifiers.contains(v)), one.locked)
        judgement: Judgement
        if not bounds.has_lower(specifiers):
            judgement = "missing" if below is not None else "right"
        elif Version(lowest) < Version(oldest):
            judgement = "too-low"
        elif Version(lowest) > Version(oldest):
            judgement = "could-be-lower"
        else:
            judgement = "right"
        offered = tuple(
            bounds.with_lower(str(requirement), {one.name: oldest})
            for requirement in one.requirements
        )
        return Bound(
            name=one.name,
            declared=str(specifiers),
            locked=one.locked,
            lowest=lowest,
            oldest=oldest,
            below=below,
            why=self.refusals.get((one.name, below)) if below is not None else None,
            judgement=judgement,
            offered=offered if judgement != "right" else (),
            tried=self.tried.get(one.name, 0),
        )

    def together(self) -> tuple[CellResult, ...]:
        """All offered bounds at once, at the lowest versions that they allow."""
        lowest = {n: s.versions[s.good] for n, s in self.searches.items()}
        if not lowest:
            return ()
        project = with_requirements(self.project, lambda text: bounds.with_lower(text, lowest))
        cell = next(iter(self.base.values()))
        key = project.lock_key(spec_of(cell, project))
        pins = tuple(f"{name}=={version}" for name, version in lowest.items())
        wanted = Wanted(project=project, lock_key=key, previous=self.locks, constraints=pins)
        (lock,) = resolve_each([wanted], self.context, jobs=self.request.jobs)
        work = [(named_cell(base, "all offered bounds"), lock) for base in self.base.values()]
        return tuple(self._run(work))


def named_cell(cell: Cell, variant: str) -> Cell:
    """The same cell as a variant of its own."""
    return replace(cell, resolution="locked", variant=variant, packages=(), interpreter="")


def not_even_locked(result: CellResult) -> UndecidedError:
    """What to say where the tests do not pass with what they are compared with."""
    return UndecidedError(
        f"the tests do not pass with the versions of the lock ({result.cell.label}: {said(result)}), "
        "so that nothing can be said of others",
        hint=result.hint or f"Look into {result.log}.",
    )


def refuse_unknown(result: CellResult) -> None:
    """Take no failure for an answer that says nothing about the version.

    Raises:
        UndecidedError: A network that did not answer, a disk that was full, and the like.
    """
    if result.state == "error" and result.kind not in ("build", "unsatisfiable", "command"):
        raise UndecidedError(f"{result.cell.label}: {result.reason}", hint=result.hint)

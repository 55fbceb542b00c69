"""`test --bounds`: the oldest version of each direct dependency with which the tests pass."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from provenv.core.errors import UndecidedError
from provenv.core.values import field, frozen, mutable
from provenv.trials import bounds
from provenv.trials.bounds import Search
from provenv.trials.cells import Cell, CellResult
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import Context, Project
from provenv.workspace.testing.asking import Dependency, with_requirements
from provenv.workspace.testing.ground import Ground, find_ground
from provenv.workspace.testing.matrix import MatrixRequest
from provenv.workspace.testing.pool import Watch, unwatched
from provenv.workspace.testing.reporting import said
from provenv.workspace.testing.resolutions import Wanted, resolve_each

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
        refused: Versions that a policy does not let in: they were not tried, and count for nothing.
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
    refused: tuple[str, ...] = ()


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
        ground = find_ground(cells, project, operation.context, request, watch)
        work = _Work(ground)
        work.begin()
        work.search()
        together = work.together()
        return BoundsReport(
            project=project.title,
            pythons=tuple(ground.pythons),
            bounds=tuple(work.bounds()),
            together=together,
            runs=ground.runs,
            seconds=time.monotonic() - started,
        )


@mutable
class _Work:
    """One search under way."""

    ground: Ground
    searches: dict[str, Search] = field(default_factory=dict)
    refusals: dict[tuple[str, str], str] = field(default_factory=dict)
    tried: dict[str, int] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)

    def begin(self) -> None:
        """Begin a search for each dependency of which more than one version may be had."""
        for one in self.ground.known:
            specifiers = bounds.declared(one.requirements)
            if one.why is None and not bounds.is_pinned(specifiers):
                self.searches[one.name] = bounds.begin(one.versions, one.locked, specifiers)

    def search(self) -> None:
        """Try versions, one of each dependency at once, until nothing is left to try."""
        while wanted := {n: s.next for n, s in self.searches.items() if s.next is not None}:
            names = {n: self.searches[n].versions[place] for n, place in wanted.items()}
            works = self._try(names)
            for name, place in wanted.items():
                answer, search = works[name], self.searches[name]
                if answer is None:
                    self.refused.setdefault(name, []).append(names[name])
                    self.searches[name] = search.without(place)
                    continue
                self.tried[name] = self.tried.get(name, 0) + 1
                self.searches[name] = search.told(place, works=answer)

    def _try(self, versions: Mapping[str, str]) -> dict[str, bool | None]:
        """Whether the tests pass with these versions, each with all others as locked.

        None where a policy does not let one in, so that nobody knows.
        """
        ground = self.ground
        asked = []
        for name, version in versions.items():
            only = frozenset({name})
            own = with_requirements(
                ground.project, functools.partial(bounds.without_lower, names=only)
            )
            pin = (f"{name}=={version}",)
            asked.append(
                Wanted(project=own, lock_key=ground.key, previous=ground.locks, constraints=pin)
            )
        locks = resolve_each(asked, ground.context, jobs=ground.request.jobs)
        work = [
            each
            for (name, version), lock in zip(versions.items(), locks, strict=True)
            for each in ground.run_each(f"{name} {version}", lock)
        ]
        results = ground.run(work)
        works: dict[str, bool | None] = dict.fromkeys(versions, True)
        for (name, version), result in zip(
            ((n, v) for n, v in versions.items() for _ in ground.base), results, strict=True
        ):
            if result.state != "passed":
                if not result.refused:
                    _refuse_unknown(result)
                    works[name] = False
                elif works[name]:
                    works[name] = None
                where = f"Python {result.cell.python}: " if len(ground.base) > 1 else ""
                self.refusals.setdefault((name, version), f"{where}{result.state}: {said(result)}")
        return works

    def bounds(self) -> Iterator[Bound]:
        """What was found, dependency by dependency."""
        for one in self.ground.known:
            specifiers = bounds.declared(one.requirements)
            search = self.searches.get(one.name)
            if search is None:
                why = one.why or "one version alone is allowed"
                yield Bound(
                    name=one.name, declared=str(specifiers), locked=one.locked, lowest=None, oldest=None,
                    below=None, why=why, judgement="unknown" if one.why else "right",
                )  # fmt: skip
                continue
            yield self._bound(one, specifiers, search)

    def _bound(self, one: Dependency, specifiers: SpecifierSet, search: Search) -> Bound:
        oldest = search.versions[search.good]
        below = search.versions[search.bad] if search.bad >= 0 else None
        refused = sorted(self.refused.get(one.name, ()), key=Version)
        there = sorted((*search.versions, *refused), key=Version)
        lowest = next((v for v in there if specifiers.contains(v)), one.locked)
        untold = [v for v in refused if Version(lowest) <= Version(v) < Version(oldest)]
        why = self.refusals.get((one.name, below)) if below is not None else None
        judgement: Judgement
        if untold and (below is None or Version(below) < Version(lowest)):
            judgement = "unknown"
            why = f"{untold[-1]} was not tried: {self.refusals[one.name, untold[-1]]}"
        elif not bounds.has_lower(specifiers):
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
            why=why,
            judgement=judgement,
            offered=offered if judgement not in ("right", "unknown") else (),
            tried=self.tried.get(one.name, 0),
            refused=tuple(refused),
        )

    def together(self) -> tuple[CellResult, ...]:
        """All offered bounds at once, at the lowest versions that they allow."""
        lowest = {n: s.versions[s.good] for n, s in self.searches.items()}
        if not lowest:
            return ()
        ground = self.ground
        project = with_requirements(
            ground.project, functools.partial(bounds.with_lower, versions=lowest)
        )
        pins = tuple(f"{name}=={version}" for name, version in lowest.items())
        wanted = Wanted(
            project=project, lock_key=ground.key, previous=ground.locks, constraints=pins
        )
        (lock,) = resolve_each([wanted], ground.context, jobs=ground.request.jobs)
        return tuple(ground.run(ground.run_each("all offered bounds", lock)))


def _refuse_unknown(result: CellResult) -> None:
    """Take no failure for an answer that says nothing about the version.

    Raises:
        UndecidedError: A network that did not answer, a disk that was full, and the like.
    """
    if result.state == "error" and result.kind not in ("build", "unsatisfiable", "command"):
        raise UndecidedError(f"{result.cell.label}: {result.reason}", hint=result.hint)

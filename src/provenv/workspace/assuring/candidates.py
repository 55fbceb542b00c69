"""Candidates: locks that could be, really resolved and audited, of which nothing is written yet."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence

from packaging.pylock import Pylock
from packaging.version import Version

from provenv.audit import database
from provenv.audit.database import Database
from provenv.audit.findings import Vulnerability, vulnerabilities
from provenv.audit.remedies import Known, known_against
from provenv.core.errors import CheckFailedError, InputError, UndecidedError, UnsatisfiableError
from provenv.core.events import silent
from provenv.core.values import field, frozen, replace
from provenv.model.generation import Change
from provenv.resolve import offers
from provenv.resolve.offers import Market, Offers
from provenv.workspace.governing import advisories, judging, offering, policies, subjects
from provenv.workspace.governing.subjects import Subject
from provenv.workspace.host import access, waits
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects import files
from provenv.workspace.projects.context import Context, LockFile, Project, as_it_is, read_locks
from provenv.workspace.syncing import evidencing, locking

Preferred = Mapping[tuple[str, str], Version]
"""For a name and a locked version, the one that shall be tried in its place."""


@frozen
class Candidate:
    """A project with the manifest and the locks that it could have."""

    project: Project
    locks: Mapping[str | None, LockFile]

    def pylocks(self) -> dict[str | None, Pylock]:
        """The locks without their texts."""
        return {key: file.lock for key, file in self.locks.items()}

    def versions(self) -> dict[str, list[Version]]:
        """The versions that each distribution is locked at, the lowest first; none without a version."""
        found: dict[str, set[Version]] = {}
        for file in self.locks.values():
            for package in file.lock.packages:
                if package.version is not None:
                    found.setdefault(package.name, set()).add(package.version)
        return {name: sorted(versions) for name, versions in found.items()}


@frozen
class Desk:
    """What proposals are worked out with.

    Attributes:
        environment: The only one whose packages count; None: all.
        here: The advisories. ``market``: What the indexes offer.
        base: What is there.
        known: What is known against a package, by its name.
    """

    context: Context
    environment: str | None
    here: Database = field(repr=False)
    market: Market = field(repr=False)
    base: Candidate
    known: dict[str, Known] = field(default_factory=dict, repr=False)

    def against(self, name: str) -> Known:
        """What is known against one package, whatever the version."""
        if name not in self.known:
            self.known[name] = known_against(self.here, name)
        return self.known[name]

    def offered(self, name: str) -> Offers:
        """What the index has of one package."""
        return offers.offers(self.market, [name])[name]


@contextlib.contextmanager
def opened(project: Project, context: Context, environment: str | None = None) -> Iterator[Desk]:
    """A desk for the project as it lies there.

    Raises:
        CheckFailedError: A lock does not answer the manifest, or was edited.
        UndecidedError: There are no advisories. IntegrityError: They are damaged.
    """
    locks = read_locks(project)
    if None not in locks:
        raise InputError("is missing", file=project.lock_path(None), hint="Run `provenv lock`.")
    locking.refuse_edited(locks)
    stale = locking.why_stale(project, locks)
    if stale is not None:
        raise CheckFailedError(stale, hint="Run `provenv lock` first.")
    interpreter = locking.resolving_interpreter(project, context, None)
    market = offers.open_market(
        project.locker.manifest,
        [file.lock for file in locks.values()],
        project=project.locker.root,
        settings=access.resolve_settings(project.locker, context, interpreter),
        emit=context.emit,
    )
    with database.opened(advisories.path(context)) as here:
        yield Desk(
            context=context,
            environment=environment,
            here=here,
            market=market,
            base=Candidate(project=project, locks=locks),
        )


def resolved(
    desk: Desk,
    candidate: Candidate,
    constraints: Sequence[str],
    *,
    prefer: Preferred | None = None,
    upgrade: Collection[str] = (),
) -> Candidate:
    """What comes of a candidate under constraints; what need not move stays.

    ``prefer`` says what is tried first in place of what is locked, ``upgrade`` what is let go.

    Raises:
        UnsatisfiableError: Nothing fits. ProvenvError: As resolving says.
    """
    before = {
        key: replace(file, lock=_preferring(file.lock, prefer or {}))
        for key, file in candidate.locks.items()
    }
    made = locking.resolve_manifest(
        candidate.project,
        replace(desk.context, emit=silent),
        before,
        upgrade=frozenset(upgrade),
        constraints=constraints,
        proven=True,
    )
    offers.learn(desk.market, made.values())
    return Candidate(project=candidate.project, locks=locking.render_locks(candidate.project, made))


def _preferring(lock: Pylock, prefer: Preferred) -> Pylock:
    """A lock as a preference: of what shall move, the version is the one that is tried first."""
    return replace(
        lock,
        packages=[
            replace(
                package, version=prefer.get((package.name, str(package.version)), package.version)
            )
            for package in lock.packages
        ],
    )


def subjects_of(desk: Desk, candidate: Candidate) -> tuple[Subject, ...]:
    """The packages of a candidate that count."""
    return subjects.of_pylocks(candidate.project, candidate.pylocks(), desk.environment)


def hits(desk: Desk, candidate: Candidate) -> dict[str, list[tuple[Subject, Vulnerability]]]:
    """What is known against a candidate, by package."""
    found: dict[str, list[tuple[Subject, Vulnerability]]] = {}
    for subject in subjects_of(desk, candidate):
        if subject.version and desk.against(subject.name).hits(subject.version):
            for one in vulnerabilities(desk.here, subject.name, subject.version):
                found.setdefault(subject.name, []).append((subject, one))
    return found


def findings(desk: Desk, candidate: Candidate) -> frozenset[tuple[str, str]]:
    """What is known against a candidate: packages, each with the name of an advisory."""
    return frozenset(_keys(hits(desk, candidate)))


def refused(desk: Desk, candidate: Candidate) -> frozenset[str]:
    """What counts against a candidate by the policies that hold, in words; empty where none do.

    What only the indexes say of its packages is asked of them first.

    Raises:
        InputError: A policy cannot be used.
    """
    found = policies.policies_of(candidate.project, desk.context)
    if not found.rules:
        return frozenset()
    quiet = replace(desk.context, emit=silent)
    offering.learn(candidate.project, quiet, found, candidate.pylocks())
    judged = judging.judge_locks(candidate.project, desk.context, found, candidate.pylocks())
    said = {
        f"{one.rule.id}: {one.subject}: {one.text}"
        for one in judged.verdict.decisions
        if one.counts
    }
    return frozenset({*said, *judged.verdict.doubts})


def moved(before: Candidate, after: Candidate) -> tuple[Change, ...]:
    """What differs between two candidates, in any of their locks."""
    found: dict[str, Change] = {}
    for key in dict.fromkeys([*before.locks, *after.locks]):
        old = before.locks[key].lock if key in before.locks else None
        for change in locking.lock_changes(old, after.locks[key].lock):
            found.setdefault(change.name, change)
    return tuple(found[name] for name in sorted(found))


def lowered(
    desk: Desk,
    candidate: Candidate,
    names: Sequence[str],
    constraints: Sequence[str],
    *,
    tries: int,
) -> Candidate:
    """A candidate in which packages that moved further than they need are brought down again.

    For each of ``names`` a bound from above is halved, and resolved, as long as that works and nothing
    more is known against the outcome; at most ``tries`` times for all of them.
    """
    allowed = set(_keys(hits(desk, candidate)))
    for name in names:
        before = desk.base.versions().get(name)
        if not before:
            continue
        steps = [
            one
            for one in desk.offered(name).above(before[-1])
            if not desk.against(name).hits(str(one))
        ]
        low, high = 0, _position(steps, candidate, name)
        while low < high and tries > 0:
            tries -= 1
            middle = (low + high) // 2
            found = _tried(desk, candidate, [*constraints, f"{name}<={steps[middle]}"], name)
            if found is not None and set(_keys(hits(desk, found))) <= allowed:
                candidate, high = found, min(middle, _position(steps, found, name))
            else:
                low = middle + 1
    return candidate


def _position(steps: Sequence[Version], candidate: Candidate, name: str) -> int:
    """Which of the steps a package has taken; 0 where that is none of them."""
    versions = candidate.versions().get(name, [])
    return steps.index(versions[-1]) if versions and versions[-1] in steps else 0


def _tried(
    desk: Desk, candidate: Candidate, constraints: Sequence[str], name: str
) -> Candidate | None:
    try:
        return resolved(desk, candidate, constraints, upgrade=[name])
    except UnsatisfiableError:
        return None


def _keys(
    found: Mapping[str, Sequence[tuple[Subject, Vulnerability]]],
) -> Iterator[tuple[str, str]]:
    return ((name, one.id) for name, rows in found.items() for _, one in rows)


def write(context: Context, base: Candidate, candidate: Candidate, verb: str) -> bool:
    """Let a candidate be what the project has: manifest and locks, all or nothing; False where it is.

    ``base`` is what it was worked out from.

    Raises:
        UndecidedError: Somebody has changed them since they were read.
        DiskError: The file system refused; every file is as it was.
    """
    project = candidate.project
    texts = {file.path: file.text for file in candidate.locks.values()}
    if project.manifest_text != base.project.manifest_text:
        texts[project.manifest_path] = project.manifest_text
    before = {file.path: file.text for file in base.locks.values()}
    if not any(before.get(path) != text for path, text in texts.items()):
        return False
    with waits.changing(context, project):
        if not _untouched(base):
            raise UndecidedError(
                f"the files of {project.root} were changed while this was worked out",
                hint="Try again; nothing was written.",
            )
        with recorded(
            context, verb, root=project.root, paths=locking.deciding(project.locker)
        ) as operation:
            files.sweep(project.locker.root)
            with files.whole(project, texts):
                files.write(project, texts)
                evidencing.record_locks(
                    project, operation.context, candidate.locks.values(), moved(base, candidate)
                )
            locking.remember_fresh(project, operation.context, candidate.locks)
    return True


def _untouched(base: Candidate) -> bool:
    if as_it_is(base.project).manifest_text != base.project.manifest_text:
        return False
    now = read_locks(base.project)
    return {k: f.text for k, f in now.items()} == {k: f.text for k, f in base.locks.items()}

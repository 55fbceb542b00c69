"""``audit``: what is known against the packages of a project, an environment or a file. Offline."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from provenv.audit import database
from provenv.audit.database import Facts
from provenv.audit.findings import Vulnerability, vulnerabilities
from provenv.audit.releases import Facts as Said
from provenv.audit.releases import Spoken, normal, together
from provenv.audit.verdict import Python
from provenv.core.errors import InputError, IntegrityError, UsageError
from provenv.core.events import PhaseFinished, PhaseStarted
from provenv.core.values import frozen, replace
from provenv.doctor.facts_sources import site_packages
from provenv.environments import generations, switch
from provenv.interpreters.lifetimes import end_of_life
from provenv.model.layout import LOCK_FILE
from provenv.model.lock import parse_lock
from provenv.model.manifest import EnvironmentSpec
from provenv.workspace.governing import advisories, releases, subjects
from provenv.workspace.governing.subjects import Subject
from provenv.workspace.projects.context import Context, Project

Verdict = Literal["pass", "fail", "inconclusive"]
MAX_AGE = timedelta(days=7)
"""Advisories that were fetched before that do not prove that nothing is known."""
QUIET = timedelta(days=30)
"""Where the newest of them is older than that, the source itself was old: records change every day."""


_AHEAD = timedelta(minutes=10)  # clocks differ
_TO_COME = "this machine's clock says is to come"


@frozen
class Found:
    """A vulnerability, and the package of the project that has it."""

    subject: Subject
    vulnerability: Vulnerability


Adverse = Literal["yanked", "removed", "quarantined", "archived", "deprecated", "python-eol"]
ADVERSE: tuple[Adverse, ...] = get_args(Adverse)


@frozen
class Notice:
    """What speaks against a release, or a Python, without being a vulnerability.

    Attributes:
        kind: ``yanked`` (PEP 592); ``removed``: its index lists it no more; a status of its project
            (PEP 792); ``python-eol``: an interpreter that gets no more fixes.
        name: Of the package, or ``Python``. ``text``: The reason that is given, or what happened.
        asked: When its index said so; None for an interpreter.
        tolerated: It is told, and does not fail.
    """

    kind: Adverse
    name: str
    version: str
    environments: tuple[str, ...]
    text: str
    asked: datetime | None = None
    tolerated: bool = False


@frozen
class AuditResult:
    """What an audit says.

    Attributes:
        audited: What was looked at, as a person calls it. ``subjects``: Its packages.
        facts: Which advisories; ``age``: For how long they have been here.
        findings: The gravest first.
        unaudited: Packages that nothing can be said of, with the reason.
        doubts: Why the answer may be incomplete, besides.
        notices: What else speaks against packages and interpreters. ``spoken``: What that is known from.
    """

    audited: str
    subjects: tuple[Subject, ...]
    facts: Facts
    age: timedelta
    findings: tuple[Found, ...]
    unaudited: tuple[tuple[Subject, str], ...]
    doubts: tuple[str, ...]
    notices: tuple[Notice, ...] = ()
    spoken: Spoken = Spoken()

    @property
    def verdict(self) -> Verdict:
        """``fail`` where something is known, ``inconclusive`` where not all could be asked."""
        if any(found.vulnerability.certain for found in self.findings):
            return "fail"
        if any(not one.tolerated for one in self.notices):
            return "fail"
        return "inconclusive" if self.findings or self.unaudited or self.doubts else "pass"


def audit(
    project: Project,
    context: Context,
    *,
    environment: str | None = None,
    installed: bool = False,
    tolerate: frozenset[str] = frozenset(),
    besides: Sequence[str] = (),
    here: database.Database | None = None,
) -> AuditResult:
    """Audit the locks of a project, of all its environments or one; or what is ``installed``.

    ``tolerate`` are kinds of notices that do not fail; ``besides``, why the answer may be incomplete.
    ``here``: The advisories, where they are open already.

    Raises:
        UndecidedError: There are no advisories. InputError: No lock, or no environment.
    """
    if not installed:
        what = project.title if environment is None else f"{project.title}, {environment}"
        found = subjects.of_locks(project, environment)
        specs = (
            project.manifest.instances(environment)
            if environment is not None
            else project.manifest.all_instances()
        )
        pythons = tuple(python_of(project, spec) for spec in specs)
        return judge_subjects(
            context, what, found, pythons=pythons, tolerate=tolerate, besides=besides, here=here
        )
    spec = project.manifest.environment(environment)
    folder = project.folder(spec)
    number = switch.current(folder)
    if number is None:
        raise InputError("is not there", file=folder, hint="`provenv sync` makes it.")
    found = _as_locked(folder, number, of_installed(f"{folder}/generations/{number}", spec.name))
    what = f"{spec.name}, generation {number} as it is"
    return judge_subjects(
        context,
        what,
        found,
        pythons=(python_of(project, spec),),
        tolerate=tolerate,
        besides=besides,
        here=here,
    )


def _as_locked(folder: str, number: int, found: Sequence[Subject]) -> tuple[Subject, ...]:
    """With the entries of the generation's own lock, which name indexes, for what is as it says."""
    try:
        text = generations.own_text(folder, number, LOCK_FILE)
        lock = parse_lock(text, generations.own_file(folder, number, LOCK_FILE))
    except (IntegrityError, InputError):  # it was made from another tool's lock, or was hurt
        return tuple(found)
    known = {(str(package.name), str(package.version)): package for package in lock.packages}
    return tuple(replace(one, package=known.get((one.name, normal(one.version)))) for one in found)


def python_of(project: Project, spec: EnvironmentSpec) -> Python:
    """The interpreter of an environment as it is made; unknown where it is not."""
    folder = project.folder(spec)
    number = switch.current(folder)
    if number is None:
        return Python(environment=spec.name, version=None, end=None)
    return python_named(spec.name, generations.read_generation(folder, number).python)


def python_named(environment: str, version: str) -> Python:
    """An interpreter by its version, with the end of its fixes."""
    minor = ".".join(version.split(".")[:2])
    return Python(environment=environment, version=version, end=end_of_life(minor))


def of_installed(folder: str, environment: str) -> tuple[Subject, ...]:
    """The distributions in a folder with a virtual environment.

    Raises:
        UsageError: It holds none.
    """
    site = site_packages(folder)
    if site is None:
        raise UsageError(f"{folder} holds no Python environment")
    return subjects.of_folder(site, environment)


def judge_subjects(
    context: Context,
    audited: str,
    found: Sequence[Subject],
    *,
    pythons: Sequence[Python] = (),
    tolerate: frozenset[str] = frozenset(),
    besides: Sequence[str] = (),
    here: database.Database | None = None,
) -> AuditResult:
    """What the advisories of this machine say of packages; ``audited`` is what a person calls them.

    ``pythons`` are the interpreters that they are for; the rest is as for :func:`audit`.

    Raises:
        UndecidedError: There are no advisories. IntegrityError: They are damaged.
    """
    started = time.monotonic()
    context.emit(PhaseStarted(phase="audit", total=len(found)))
    findings: list[Found] = []
    silent: list[tuple[Subject, str]] = []
    with advisories.open_late(context) if here is None else contextlib.nullcontext(here) as data:
        facts = data.facts
        for subject in found:
            known = vulnerabilities(data, subject.name, subject.version) if subject.version else ()
            findings += [Found(subject=subject, vulnerability=one) for one in known]
            reason = unaudited(subject)
            if reason is not None and not known:
                silent.append((subject, reason))
    context.emit(PhaseFinished(phase="audit", count=len(found), seconds=time.monotonic() - started))
    now = datetime.now(UTC)
    age = advisories.age(facts, now)
    notices, spoken = _notices(context, found)
    notices += _dead(pythons, now)
    return AuditResult(
        audited=audited,
        subjects=tuple(found),
        facts=facts,
        age=age,
        findings=tuple(sorted(findings, key=_gravest)),
        unaudited=tuple(silent),
        doubts=(*_old(age), *doubts(facts, now), *besides),
        notices=tuple(replace(one, tolerated=one.kind in tolerate) for one in notices),
        spoken=spoken,
    )


def _notices(context: Context, found: Sequence[Subject]) -> tuple[list[Notice], Spoken]:
    """What indexes have said against packages, as far as they were ever asked."""
    made: list[Notice] = []
    told: list[Said | None] = []
    asked = os.path.isdir(context.home.indexes)  # most machines have asked none
    for subject in found:
        index = releases.index_of(subject.package) if subject.package is not None else None
        if index is None:
            continue
        facts = releases.head(context, index, subject.name) if asked else None
        told.append(facts)
        if facts is None or facts.state == "silent":
            continue
        made += [
            Notice(
                kind=kind,
                name=subject.name,
                version=subject.version,
                environments=subject.environments,
                text=text,
                asked=facts.fetched,
            )
            for kind, text in _adverse(facts, subject.version)
        ]
    return made, together(told)


def _adverse(facts: Said, version: str) -> Iterator[tuple[Adverse, str]]:
    status = next((one for one in ADVERSE if one == facts.status), None)
    if status is not None:
        yield status, facts.reason
    reason = facts.why_yanked(version)
    if reason is not None:
        yield "yanked", reason
    elif status != "quarantined" and not facts.lists(version):  # those offer nothing at all
        what = "the project" if facts.state == "gone" else "the version"
        yield "removed", f"its index does not list {what} any more"


def _dead(pythons: Sequence[Python], now: datetime) -> Iterator[Notice]:
    """Interpreters without fixes, each once with its environments."""
    found: dict[str, list[Python]] = {}
    for python in pythons:
        if python.version is not None and python.end is not None and python.end < now.date():
            found.setdefault(python.version, []).append(python)
    for version, rows in found.items():
        yield Notice(
            kind="python-eol",
            name="Python",
            version=version,
            environments=tuple(row.environment for row in rows),
            text=f"its fixes ended on {rows[0].end}",
        )


def unaudited(subject: Subject) -> str | None:
    """Why nothing can be said of a package; None where advisories speak of it."""
    if not subject.version:
        return "its version is not known"
    if subject.direct:
        return "it does not come from an index: advisories speak of what is published there"
    return None


def _old(age: timedelta) -> list[str]:
    return [f"the advisories were fetched {age.days} days ago"] if age > MAX_AGE else []


def doubts(facts: Facts, now: datetime) -> tuple[str, ...]:
    """Why the advisories themselves may be incomplete, however lately they were fetched."""
    said = []
    if advisories.age(facts, now) < -_AHEAD:
        said.append(f"the advisories are from {facts.imported}, which {_TO_COME}")
    newest = datetime.fromisoformat(facts.newest)
    if newest > now + _AHEAD:
        said.append(f"the newest advisory is of {facts.newest}, which {_TO_COME}")
    if now - newest > QUIET:
        said.append(f"the newest advisory is of {facts.newest[:10]}: the source was an old one")
    return tuple(said)


def _gravest(found: Found) -> tuple[bool, bool, float, str, str]:
    one = found.vulnerability
    return (
        not one.malware, one.exploited is None, -(one.severity.score or 0.0), one.package, one.id,
    )  # fmt: skip

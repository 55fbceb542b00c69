"""``audit``: what is known against the packages of a project, an environment or a file. Offline."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from provenv.audit import database
from provenv.audit.database import Facts
from provenv.audit.findings import Vulnerability, vulnerabilities
from provenv.core.errors import InputError, UsageError
from provenv.core.events import PhaseFinished, PhaseStarted
from provenv.core.values import frozen
from provenv.doctor.facts_sources import site_packages
from provenv.environments import switch
from provenv.workspace.governing import advisories, subjects
from provenv.workspace.governing.subjects import Subject
from provenv.workspace.projects.context import Context, Project

Verdict = Literal["pass", "fail", "inconclusive"]
MAX_AGE = timedelta(days=7)
"""Advisories that were fetched before that do not prove that nothing is known."""
_QUIET = timedelta(days=30)
"""Where the newest of them is older than that, the source itself was old: records change every day."""


_AHEAD = timedelta(minutes=10)  # clocks differ
_TO_COME = "this machine's clock says is to come"


@frozen
class Found:
    """A vulnerability, and the package of the project that has it."""

    subject: Subject
    vulnerability: Vulnerability


@frozen
class AuditResult:
    """What an audit says.

    Attributes:
        audited: What was looked at, as a person calls it. ``subjects``: Its packages.
        facts: Which advisories; ``age``: For how long they have been here.
        findings: The gravest first.
        unaudited: Packages that nothing can be said of, with the reason.
        doubts: Why the answer may be incomplete, besides.
    """

    audited: str
    subjects: tuple[Subject, ...]
    facts: Facts
    age: timedelta
    findings: tuple[Found, ...]
    unaudited: tuple[tuple[Subject, str], ...]
    doubts: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """``fail`` where something is known, ``inconclusive`` where not all could be asked."""
        if any(found.vulnerability.certain for found in self.findings):
            return "fail"
        return "inconclusive" if self.findings or self.unaudited or self.doubts else "pass"


def audit(
    project: Project, context: Context, *, environment: str | None = None, installed: bool = False
) -> AuditResult:
    """Audit the locks of a project, of all its environments or one; or what is ``installed``.

    Raises:
        UndecidedError: There are no advisories. InputError: No lock, or no environment.
    """
    if not installed:
        what = project.title if environment is None else f"{project.title}, {environment}"
        return judge_subjects(context, what, subjects.of_locks(project, environment))
    spec = project.manifest.environment(environment)
    folder = project.folder(spec)
    number = switch.current(folder)
    if number is None:
        raise InputError("is not there", file=folder, hint="`provenv sync` makes it.")
    found = of_installed(f"{folder}/generations/{number}", spec.name)
    return judge_subjects(context, f"{spec.name}, generation {number} as it is", found)


def of_installed(folder: str, environment: str) -> tuple[Subject, ...]:
    """The distributions in a folder with a virtual environment.

    Raises:
        UsageError: It holds none.
    """
    site = site_packages(folder)
    if site is None:
        raise UsageError(f"{folder} holds no Python environment")
    return subjects.of_folder(site, environment)


def judge_subjects(context: Context, audited: str, found: Sequence[Subject]) -> AuditResult:
    """What the advisories of this machine say of packages; ``audited`` is what a person calls them.

    Raises:
        UndecidedError: There are no advisories. IntegrityError: They are damaged.
    """
    started = time.monotonic()
    path = advisories.path(context)
    context.emit(PhaseStarted(phase="audit", total=len(found)))
    findings: list[Found] = []
    silent: list[tuple[Subject, str]] = []
    with database.opened(path) as here:
        facts = here.facts
        for subject in found:
            known = vulnerabilities(here, subject.name, subject.version) if subject.version else ()
            findings += [Found(subject=subject, vulnerability=one) for one in known]
            reason = unaudited(subject)
            if reason is not None and not known:
                silent.append((subject, reason))
    context.emit(PhaseFinished(phase="audit", count=len(found), seconds=time.monotonic() - started))
    now = datetime.now(UTC)
    age = advisories.age(facts, now)
    return AuditResult(
        audited=audited,
        subjects=tuple(found),
        facts=facts,
        age=age,
        findings=tuple(sorted(findings, key=_gravest)),
        unaudited=tuple(silent),
        doubts=(*_old(age), *doubts(facts, now)),
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
    if now - newest > _QUIET:
        said.append(f"the newest advisory is of {facts.newest[:10]}: the source was an old one")
    return tuple(said)


def _gravest(found: Found) -> tuple[bool, bool, float, str, str]:
    one = found.vulnerability
    return (
        not one.malware, one.exploited is None, -(one.severity.score or 0.0), one.package, one.id,
    )  # fmt: skip

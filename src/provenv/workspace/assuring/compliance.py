"""``report compliance``: what an auditor asks of a project, gathered from what is here.

Nothing is judged anew that has been judged elsewhere, and what cannot be told is said to be so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from provenv.audit.policies import Policies
from provenv.audit.verdict import Decision
from provenv.core.errors import IntegrityError, UndecidedError
from provenv.core.values import field, frozen
from provenv.environments import generations, switch
from provenv.evidence import log
from provenv.evidence.checking import Check
from provenv.evidence.records import Record
from provenv.model.generation import Generation
from provenv.model.policy import Waiver
from provenv.workspace.assuring import evidence as assured
from provenv.workspace.governing import auditing, policies, subjects
from provenv.workspace.governing import evidence as recording
from provenv.workspace.governing.auditing import AuditResult, Found
from provenv.workspace.governing.described import describe, of_object
from provenv.workspace.governing.policies import Checked
from provenv.workspace.projects.context import Context, Project

State = Literal["overdue", "due", "open", "waived"]
CONTROLS = (
    ("PCI DSS 4.0.1, 6.3.2", "inventory", "an inventory of third-party components"),
    ("PCI DSS 4.0.1, 6.3.3", "findings", "known vulnerabilities mended in time"),
    ("PCI DSS 4.0.1, 10.5.1", "evidence", "audit log history kept, and available"),
    ("HIPAA 164.312(b)", "evidence", "activity recorded and examined"),
    ("HIPAA 164.316(b)", "policy", "policies and actions documented and retained"),
    ("SOC 2, CC7.1", "findings", "vulnerabilities and changes of configuration detected"),
    ("SOC 2, CC8.1", "changes", "changes authorised, documented and approved"),
)
"""Which part of the report serves which control: the control, the part's name, and what is asked there."""


@frozen
class Inventory:
    """What one environment holds: by its current generation, or by its lock where it is not made.

    Attributes:
        generation: None where it is not made here. ``made``: When it was (UTC). ``python``: Its version.
        packages: Name and version.
        differs: The generation was made from another lock than the present one.
    """

    environment: str
    generation: int | None
    made: str | None
    python: str | None
    packages: tuple[tuple[str, str], ...]
    differs: bool = False


@frozen
class Aged:
    """A vulnerability, how long it has been known, and until when it must be mended.

    Attributes:
        days: Since its publication; None where nobody says when that was.
        limit: Days that a rule allows; None where none does. ``rule``: Which one.
        state: ``overdue``, ``due`` later, ``open`` without a limit, or ``waived``.
    """

    found: Found
    days: int | None
    limit: int | None
    rule: str
    state: State
    waiver: Waiver | None = None


@frozen
class Change:
    """When the policies changed, by the log: from one record on another digest holds."""

    sequence: int
    time: str
    before: str | None
    after: str | None
    who: str


@frozen
class Compliance:
    """All that is in the report.

    Attributes:
        title: Of the project. ``made``: When (UTC).
        inventory: By environment.
        audit: None where nothing can be said of vulnerabilities; ``unaudited`` says why.
        checked: The verdict; None where no policy holds.
        findings: The most urgent first.
        licences: By name and version: an SPDX expression, or why it cannot be told.
        log: The records, the oldest first. ``check``: What can be said of them; None: there is no log.
        changes: Of the policies, by the log.
    """

    title: str
    made: str
    inventory: tuple[Inventory, ...]
    audit: AuditResult | None
    unaudited: str
    checked: Checked | None
    findings: tuple[Aged, ...] = ()
    licences: Mapping[tuple[str, str], str] = field(default_factory=dict)
    log: tuple[Record, ...] = ()
    check: Check | None = None
    changes: tuple[Change, ...] = ()
    waivers: tuple[tuple[Waiver, str], ...] = field(default=())


def gather(
    project: Project,
    context: Context,
    *,
    keys: Sequence[str] = (),
    checkpoints: str | None = None,
) -> Compliance:
    """Gather the report of a project; ``keys`` and ``checkpoints`` as for ``evidence verify``.

    Raises:
        InputError: There is no lock, or a policy, a key or a folder cannot be used.
        IntegrityError: The advisories, or a sealed part of the log, are damaged.
    """
    now = datetime.now(UTC)
    checked = None
    if policies.policies_of(project, context).files:
        checked = policies.check(project, context)
    try:
        audited: AuditResult | None = auditing.audit(project, context)
        why = ""
    except UndecidedError as error:
        audited, why = None, error.message
    records = tuple(log.newest(recording.folder(project, context)))[::-1]
    try:
        check: Check | None = assured.verify(project, context, keys_given=keys, folder=checkpoints)
    except IntegrityError:
        raise
    except UndecidedError:
        check = None
    return Compliance(
        title=project.title,
        made=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        inventory=tuple(_inventories(project)),
        audit=audited,
        unaudited=why,
        checked=checked,
        findings=_aged(audited, checked, now),
        licences=_licences(project, context),
        log=records,
        check=check,
        changes=tuple(_changes(records)),
        waivers=_waivers(checked, now),
    )


def _inventories(project: Project) -> Iterator[Inventory]:
    found = subjects.of_locks(project)
    for spec in project.manifest.all_instances():
        made = _current(project.folder(spec))
        if made is not None:
            lock = project.lock_path(project.lock_key(spec))
            yield Inventory(
                environment=spec.name,
                generation=made.number,
                made=made.created,
                python=made.python,
                packages=tuple((one.name, one.version) for one in made.packages),
                differs=made.source is None and made.lock_digest != _digest(lock),
            )
            continue
        yield Inventory(
            environment=spec.name,
            generation=None,
            made=None,
            python=None,
            packages=tuple(
                (one.name, one.version) for one in found if spec.name in one.environments
            ),
        )


def _licences(project: Project, context: Context) -> dict[tuple[str, str], str]:
    """What is locked or installed is under, as far as the metadata are on this machine."""
    found = describe(project, context, subjects.of_locks(project))
    for spec in project.manifest.all_instances():
        made = _current(project.folder(spec))
        for package in made.packages if made is not None else ():
            key = package.name, package.version
            known = found.get(key)
            if known is None or known.metadata is None:  # by another lock than the present one
                said = of_object(context, package.sha256, *key)
                found |= {} if said is None else {key: said}
    told = {key: one.licence for key, one in found.items()}
    return {
        key: f"unknown: {one.reason}"
        if one.expression is None
        else f"{one.expression} (several are named, and not how they hold together)"
        if one.several
        else one.expression
        for key, one in told.items()
    }


def _current(folder: str) -> Generation | None:
    number = switch.current(folder)
    if number is None:
        return None
    try:
        return generations.read_generation(folder, number)
    except IntegrityError:  # `provenv verify` says more; the lock stands for it
        return None


def _digest(path: str) -> str:
    from provenv.core import digest

    try:
        return digest.of_file(path)
    except OSError:
        return ""


def _aged(audited: AuditResult | None, checked: Checked | None, now: datetime) -> tuple[Aged, ...]:
    """Every vulnerability with its age, and the shortest time that a rule gives it."""
    if audited is None:
        return ()
    made = [_age(found, checked, now) for found in audited.findings]
    order: dict[State, int] = {"overdue": 0, "due": 1, "open": 2, "waived": 3}

    def urgency(one: Aged) -> tuple[int, int, float]:
        left = (one.limit or 0) - (one.days or 0)
        return order[one.state], left, -(one.found.vulnerability.severity.score or 0.0)

    return tuple(sorted(made, key=urgency))


def _age(found: Found, checked: Checked | None, now: datetime) -> Aged:
    one = found.vulnerability
    days = None if one.published is None else (now - datetime.fromisoformat(one.published)).days
    limit: int | None = None
    rule = ""
    for name, allowed in _limits(found, checked.policies if checked is not None else None):
        if limit is None or allowed < limit:
            limit, rule = allowed, name
    waiver = _waiver(found, checked.verdict.decisions if checked is not None else ())
    state: State = "open"
    if waiver is not None:
        state = "waived"
    elif limit is not None:
        state = "overdue" if days is None or days > limit else "due"
    return Aged(found=found, days=days, limit=limit, rule=rule, state=state, waiver=waiver)


def _limits(found: Found, held: Policies | None) -> Iterator[tuple[str, int]]:
    """The rules that say how long such a vulnerability may stay where the package is."""
    level = found.vulnerability.severity.level
    for rule in held.rules if held is not None else ():
        concerned = any(map(rule.concerns, found.subject.environments))
        if rule.kind == "vulnerability" and concerned and level != "none" and level in rule.sla:
            yield rule.id, rule.sla[level].days


def _waiver(found: Found, decisions: Iterable[Decision]) -> Waiver | None:
    one = found.vulnerability
    same = [
        each
        for each in decisions
        if each.package == one.package
        and each.version == one.version
        and set(each.names) & set(one.names)
    ]
    if not same or any(each.waiver is None for each in same):
        return None
    return same[0].waiver


def _waivers(checked: Checked | None, now: datetime) -> tuple[tuple[Waiver, str], ...]:
    """Every waiver with how it stands."""
    if checked is None:
        return ()
    today = now.date()
    unused: Mapping[str, str] = checked.verdict.unused
    expiring = set(map(id, checked.verdict.expiring))
    rows = []
    for waiver in checked.policies.waivers:
        state = unused.get(waiver.title, "in use")
        if id(waiver) in expiring and today <= waiver.expires:
            state += f", ends in {(waiver.expires - today).days} days"
        rows.append((waiver, state))
    return tuple(rows)


def _changes(records: Sequence[Record]) -> Iterator[Change]:
    before: str | None = None
    for record in records:
        entry = record.entry
        if entry.kind in ("lock", "sync", "rollback", "verdict") and entry.policy != before:
            yield Change(
                sequence=record.sequence,
                time=entry.time,
                before=before,
                after=entry.policy,
                who=str(entry.actor.get("user") or entry.actor.get("uid") or ""),
            )
            before = entry.policy

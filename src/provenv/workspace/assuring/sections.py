"""The compliance report as sections of text, tables and charts; how they are drawn is another matter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from provenv.core.values import frozen
from provenv.core.words import many
from provenv.evidence.records import Record, of_several, place
from provenv.workspace.assuring import charts
from provenv.workspace.assuring.charts import Bar, Dot
from provenv.workspace.assuring.compliance import CONTROLS, Aged, Compliance
from provenv.workspace.governing.auditing import AuditResult

_STATES = {"overdue": "overdue", "due": "in time", "open": "no deadline", "waived": "waived"}
_KINDS = {"overdue": "bad", "due": "good", "open": "warn", "waived": "quiet"}
_OUTCOMES = {"pass": "good", "fail": "bad", "inconclusive": "warn"}
_DOTS = 500  # of a chart, the latest
_RECENT = 200  # records of changes that the page lists; the log has all


@frozen
class Cell:
    """A cell of a table; ``kind``: ``good``, ``bad``, ``warn`` or ``quiet`` colours what its text says."""

    text: str
    kind: str = ""


@frozen
class Table:
    """A table; ``caption`` says what it is. The first column names the row."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str | Cell, ...], ...]


@frozen
class Figure:
    """A chart as SVG, which was made here from escaped text, and what stands below it."""

    svg: str
    caption: str


@frozen
class Section:
    """A part of the report; ``controls`` that it serves."""

    name: str
    title: str
    paragraphs: tuple[str | Cell, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()

    @property
    def controls(self) -> tuple[str, ...]:
        """The controls that it serves."""
        return tuple(control for control, part, _ in CONTROLS if part == self.name)


def sections(report: Compliance) -> tuple[Section, ...]:
    """The parts of the report, the shortest answer first."""
    return (
        _summary(report),
        _inventory(report),
        _findings(report),
        _waivers(report),
        _policy(report),
        _changes(report),
        _evidence(report),
        _controls(),
    )


def _summary(report: Compliance) -> Section:
    rows: list[tuple[str | Cell, ...]] = []
    if report.checked is None:
        rows.append(("Policy", Cell(text="no policy holds for this project", kind="warn")))
    else:
        outcome = report.checked.verdict.outcome
        rules = many(len(report.checked.policies.rules), "rule")
        rows.append(("Policy", Cell(text=f"{outcome}: {rules}", kind=_OUTCOMES[outcome])))
    if report.audit is None:
        rows.append(
            ("Vulnerabilities", Cell(text=f"cannot be told: {report.unaudited}", kind="warn"))
        )
    else:
        late = sum(one.state == "overdue" for one in report.findings)
        said = f"{report.audit.verdict}: {len(report.findings)} known, {late} overdue"
        kind = _OUTCOMES[report.audit.verdict]
        rows.append(("Vulnerabilities", Cell(text=said, kind=kind)))
    waived = many(len(report.waivers), "waiver")
    rows.append(("Exceptions", waived))
    if report.check is None:
        rows.append(("Evidence", Cell(text="there is no evidence log", kind="warn")))
    else:
        said = f"{report.check.outcome}: {report.check.anchored} of {report.check.records} records anchored"
        rows.append(("Evidence", Cell(text=said, kind=_OUTCOMES[report.check.outcome])))
    return Section(
        name="summary",
        title="In short",
        tables=(
            Table(caption="How the project stands", head=("Part", "Answer"), rows=tuple(rows)),
        ),
        paragraphs=(
            (
                f"Made on {report.made} from the project's lock, its environments on this machine, the "
                "advisories kept here, the policies that hold, and the evidence log. "
                "“Inconclusive” means that it cannot be told; it never means yes."
            ),
        ),
    )


def _inventory(report: Compliance) -> Section:
    rows = tuple(
        (
            one.environment,
            "not made here" if one.generation is None else f"generation {one.generation}",
            one.made or "",
            one.python or "",
            f"{len(one.packages)}",
            Cell(text="made from another lock than today's", kind="warn")
            if one.differs
            else "by the lock"
            if one.generation is None
            else "by the current generation",
        )
        for one in report.inventory
    )
    head = ("Environment", "State", "Made (UTC)", "Python", "Packages", "Listed")
    return Section(
        name="inventory",
        title="Inventory",
        tables=(
            Table(caption="Environments", head=head, rows=rows),
            Table(
                caption="Packages, and where they are",
                head=("Package", "Version", "Licence", "Environments"),
                rows=tuple(_packages(report)),
            ),
        ),
    )


def _packages(report: Compliance) -> Iterator[tuple[str | Cell, ...]]:
    found: dict[tuple[str, str], list[str]] = {}
    for one in report.inventory:
        for package in one.packages:
            found.setdefault(package, []).append(one.environment)
    for (name, version), names in sorted(found.items()):
        said = report.licences.get(
            (name, version), "unknown: it is neither in today's lock nor in the store"
        )
        kind = "warn" if said.startswith("unknown: ") else ""
        yield name, version, Cell(text=said, kind=kind), ", ".join(names)


def _findings(report: Compliance) -> Section:
    if report.audit is None:
        said = Cell(
            text=f"Nothing can be said of vulnerabilities: {report.unaudited}.", kind="warn"
        )
        return Section(name="findings", title="Known vulnerabilities", paragraphs=(said,))
    facts = report.audit.facts
    paragraphs: list[str | Cell] = [
        (
            f"Asked of {many(facts.records, 'advisory', 'advisories')} fetched on {facts.imported} "
            f"(SHA-256 {facts.digest[:16]}…). Age counts from the day on which the advisory was published."
        )
    ]
    paragraphs += [Cell(text=f"Doubtful: {one}.", kind="warn") for one in report.audit.doubts]
    paragraphs += [
        Cell(text=f"{subject.name} {subject.version} cannot be audited: {why}.", kind="warn")
        for subject, why in report.audit.unaudited
    ]
    others = (_notices(report.audit),) if report.audit.notices else ()
    if not report.findings:
        paragraphs.append("No vulnerability is known.")
        return Section(
            name="findings",
            title="Known vulnerabilities",
            paragraphs=tuple(paragraphs),
            tables=others,
        )
    late = sum(one.state == "overdue" for one in report.findings)
    table = Table(
        caption="Known vulnerabilities and their age, the most urgent first",
        head=(
            "Package",
            "Vulnerability",
            "Severity",
            "Age",
            "Deadline",
            "State",
            "Fixed in",
            "Environments",
        ),
        rows=tuple(map(_finding, report.findings)),
    )
    figure = Figure(
        svg=charts.bars(
            "ages",
            "Age of known vulnerabilities, in days, against their deadline",
            f"{len(report.findings)} vulnerabilities; {late} are overdue. The table below has each.",
            [_bar(one) for one in report.findings],
        ),
        caption="Days since publication; the line is the deadline.",
    )
    return Section(
        name="findings",
        title="Known vulnerabilities",
        paragraphs=tuple(paragraphs),
        figures=(figure,),
        tables=(table, *others),
    )


def _notices(audited: AuditResult) -> Table:
    return Table(
        caption="What else speaks against a release, or a Python",
        head=("Subject", "What", "Why", "Environments"),
        rows=tuple(
            (
                f"{one.name} {one.version}",
                Cell(text=one.kind, kind="quiet" if one.tolerated else "bad"),
                one.text,
                ", ".join(one.environments),
            )
            for one in audited.notices
        ),
    )


def _finding(one: Aged) -> tuple[str | Cell, ...]:
    known = one.found.vulnerability
    rated = known.severity
    state = _STATES[one.state]
    if one.waiver is not None:
        state += f" until {one.waiver.expires}"
    return (
        f"{known.package} {known.version}",
        ", ".join([known.id, *(name for name in known.names if name != known.id)]),
        rated.level if rated.score is None else f"{rated.level} {rated.score}",
        "unknown" if one.days is None else many(one.days, "day"),
        "none" if one.limit is None else f"{many(one.limit, 'day')} ({one.rule})",
        Cell(text=state, kind=_KINDS[one.state]),
        ", ".join(known.fixed) or "no version that is known",
        ", ".join(one.found.subject.environments),
    )


def _bar(one: Aged) -> Bar:
    known = one.found.vulnerability
    return Bar(
        label=f"{known.package}: {known.id}",
        value=one.days or 0,
        limit=one.limit,
        kind=_KINDS[one.state],
        text=("age unknown" if one.days is None else f"{one.days} d") + f", {_STATES[one.state]}",
    )


def _waivers(report: Compliance) -> Section:
    title = "Exceptions that were granted"
    if not report.waivers:
        return Section(name="waivers", title=title, paragraphs=("There are none.",))
    rows = tuple(
        (
            waiver.title,
            waiver.reason,
            waiver.owner,
            waiver.approver,
            waiver.ticket or "",
            f"{waiver.created}",
            f"{waiver.expires}",
            Cell(text=state, kind="" if state == "in use" else "warn"),
        )
        for waiver, state in report.waivers
    )
    head = ("Waiver", "Reason", "Owner", "Approved by", "Ticket", "Since", "Expires", "State")
    table = Table(caption="Waivers", head=head, rows=rows)
    return Section(name="waivers", title=title, tables=(table,))


def _policy(report: Compliance) -> Section:
    title = "Policy in force"
    changed = Table(
        caption="When the policies changed, by the evidence log",
        head=("Record", "Time (UTC)", "Before", "From then on", "Seen by"),
        rows=tuple(
            (
                str(one.sequence),
                one.time,
                (one.before or "none")[:16],
                (one.after or "none")[:16],
                one.who,
            )
            for one in report.changes
        ),
    )
    tables = [changed] if report.changes else []
    if report.checked is None:
        said = Cell(text="No policy holds for this project.", kind="warn")
        return Section(name="policy", title=title, paragraphs=(said,), tables=tuple(tables))
    held, verdict = report.checked.policies, report.checked.verdict
    rules = Table(
        caption="Rules",
        head=("Rule", "Kind", "Environments", "Action", "From", "Description"),
        rows=tuple(
            (
                one.id,
                one.kind,
                ", ".join(one.environments) or "all",
                one.action if one.mode == "enforce" else f"{one.action} (dry run)",
                one.origin,
                one.description,
            )
            for one in held.rules
        ),
    )
    counting = tuple(
        (one.subject, one.rule.id, Cell(text=one.state, kind="bad"), one.text)
        for one in verdict.decisions
        if one.counts
    )
    broken = Table(
        caption="What keeps the verdict from passing",
        head=("Subject", "Rule", "State", "Why"),
        rows=counting,
    )
    doubts = [Cell(text=f"Inconclusive: {one}.", kind="warn") for one in verdict.doubts]
    return Section(
        name="policy",
        title=title,
        paragraphs=(
            (
                f"{many(len(held.files), 'policy', 'policies')}: {', '.join(held.files)} "
                f"(SHA-256 {held.digest[:16]}…)."
            ),
            Cell(text=f"Verdict today: {verdict.outcome}.", kind=_OUTCOMES[verdict.outcome]),
            *doubts,
        ),
        tables=(*([broken] if counting else []), rules, *tables),
    )


def _changes(report: Compliance) -> Section:
    title = "What changed, and by whom"
    made = [one for one in report.log if one.entry.kind in ("lock", "sync", "rollback", "sign")]
    if not made:
        said = "The evidence log has no change."
        return Section(name="changes", title=title, paragraphs=(said,))
    several = of_several(made)
    dots = list(_dots(made, several=several))[-_DOTS:]
    figures: tuple[Figure, ...] = ()
    if dots:
        figures = (
            Figure(
                svg=charts.lanes(
                    "generations",
                    "Generations of each environment over time",
                    f"The last {len(dots)} changes of environments from {dots[0].time.date()} to "
                    f"{dots[-1].time.date()}. The table below has each.",
                    dots,
                ),
                caption="● a new generation, ◆ a rollback",
            ),
        )
    rows = tuple(
        (
            str(one.sequence),
            one.entry.time,
            one.entry.kind,
            _about(one, several=several),
            str(one.entry.actor.get("user") or one.entry.actor.get("uid") or ""),
            _job(one),
            one.entry.command,
        )
        for one in reversed(made[-_RECENT:])
    )
    head = ("Record", "Time (UTC)", "Kind", "What", "By", "CI job", "Command")
    more = len(made) - len(rows)
    older = (f"{many(more, 'older change')} in the log.",) if more else ()
    table = Table(caption="Changes, the newest first", head=head, rows=rows)
    return Section(name="changes", title=title, paragraphs=older, figures=figures, tables=(table,))


def _dots(made: list[Record], *, several: bool) -> Iterator[Dot]:
    for one in made:
        subject = one.entry.subject
        try:
            time = datetime.fromisoformat(one.entry.time)
        except ValueError:
            continue
        if one.entry.kind in ("sync", "rollback") and time.tzinfo is not None:
            said = f"generation {subject.get('generation')}, {one.entry.time}"
            yield Dot(
                lane=place(one, several=several),
                time=time,
                kind=one.entry.kind,
                text=f"{place(one, several=several)}: {said}",
            )


def _about(one: Record, *, several: bool) -> str:
    said, subject = one.entry.details, one.entry.subject
    if one.entry.kind in ("sync", "rollback"):
        before = said.get("previous")
        left = "" if before is None else f"{before} → "
        return f"{place(one, several=several)}: {left}{subject.get('generation')}"
    files = ", ".join(f"{name} {digest[:12]}" for name, digest in one.entry.locks.items())
    if one.entry.kind == "lock":
        return f"{files} (taken back)" if said.get("taken-back") else files
    return f"{files} by key {str(said.get('key'))[:12]}"


def _job(one: Record) -> str:
    job = one.entry.actor.get("ci")
    return f"{job.get('system')} {job.get('run') or ''}".strip() if isinstance(job, dict) else ""


def _evidence(report: Compliance) -> Section:
    title = "Evidence"
    check = report.check
    if check is None:
        said = Cell(
            text="There is no evidence log: nothing below is proven to be complete.", kind="warn"
        )
        return Section(name="evidence", title=title, paragraphs=(said,))
    problems = Table(
        caption="What was found",
        head=("Problem", "Record", "What it says"),
        rows=tuple(
            (
                Cell(text=one.problem, kind="warn" if one.doubt else "bad"),
                "" if one.sequence is None else str(one.sequence),
                one.text,
            )
            for one in check.findings
        ),
    )
    signed = Table(
        caption="Checkpoints that hold",
        head=("Records", "Time (UTC)", "Signed by", "Head"),
        rows=tuple(
            (str(one.size), one.time, f"{key.label} {key.id[:12]}".strip(), one.head[:16])
            for one, key in check.checkpoints
        ),
    )
    first = report.log[0].entry.time if report.log else ""
    return Section(
        name="evidence",
        title=title,
        paragraphs=(
            Cell(
                text=f"{check.outcome}: {check.anchored} of {many(check.records, 'record')} since {first} "
                f"are anchored by {many(len(check.checkpoints), 'checkpoint')}.",
                kind=_OUTCOMES[check.outcome],
            ),
            f"Log {check.log}, head {check.head}.",
        ),
        tables=(
            *([problems] if check.findings else []),
            *([signed] if check.checkpoints else []),
        ),
    )


def _controls() -> Section:
    names = {
        "inventory": "Inventory",
        "findings": "Known vulnerabilities",
        "evidence": "Evidence",
        "policy": "Policy in force",
        "changes": "What changed, and by whom",
    }
    rows = tuple((control, asked, names[part]) for control, part, asked in CONTROLS)
    table = Table(caption="Controls", head=("Control", "What it asks", "Served by"), rows=rows)
    return Section(
        name="controls",
        title="Which control each part serves",
        paragraphs=(
            (
                "A part serves as evidence for a control. Whether the control is met is for the assessor "
                "to say, who sees more than one project's Python packages."
            ),
        ),
        tables=(table,),
    )

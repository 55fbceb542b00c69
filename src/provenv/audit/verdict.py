"""Policy × what is known = verdict. Pure: no clock, no file, no network.

What a rule cannot decide is *unknown*, and an unknown of a binding rule makes the verdict inconclusive; it
is never taken for kept. A waiver turns a broken rule into a waived one, which is shown all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Literal
from urllib.parse import urlsplit

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from provenv.audit import release_rules
from provenv.audit.findings import Vulnerability
from provenv.audit.licences import Licence, normalized, permitted
from provenv.audit.policies import MAX_AGE, Policies
from provenv.audit.releases import Standing
from provenv.core.values import field, frozen, replace
from provenv.core.words import length
from provenv.model.policy import Rule, Waiver

Outcome = Literal["pass", "fail", "inconclusive"]
State = Literal["broken", "unknown", "tolerated"]
ANNOUNCED = timedelta(days=14)
"""How long before its end a waiver is announced."""


@frozen
class Item:
    """One package as a policy sees it.

    Attributes:
        environments: That may get it. ``version``: Empty where nobody says.
        urls: Of its files. ``index``: The address that it was locked from; None where that is not said.
        built: It comes as source, and would be built.
        hashed: Every file has a hash. ``unaudited``: Why nothing can be said of vulnerabilities.
        licence: None where nobody has looked.
        standing: What its index says of it; looked up only where a rule asks.
    """

    name: str
    version: str
    environments: tuple[str, ...]
    urls: tuple[str, ...] = ()
    index: str | None = None
    built: bool = False
    hashed: bool = True
    unaudited: str | None = None
    vulnerabilities: tuple[Vulnerability, ...] = ()
    licence: Licence | None = None
    standing: Standing = field(default_factory=Standing)


@frozen
class Python:
    """The interpreter of an environment; ``end``: When its fixes end; both None where nobody knows."""

    environment: str
    version: str | None
    end: date | None


@frozen
class Signed:
    """The lock of an environment: by which of the policy's keys it is signed; ``reason``: why by none."""

    file: str
    keys: tuple[str, ...]
    reason: str = ""


@frozen
class Question:
    """All that a verdict is about.

    Attributes:
        environments: That are governed; a rule about none of them is not asked.
        fetched: When the advisories were; None where there are none.
        doubts: Why the advisories may be incomplete.
        signatures: By environment; None where a lock is only being made, and cannot be signed yet.
        sboms: Environment → what is wrong with the SBOM that was written for it, None where nothing is;
            an environment that nobody has looked at is not in it.
        max_age: Of what indexes said; the judge sets what the policies allow.
    """

    environments: tuple[str, ...]
    items: tuple[Item, ...]
    pythons: tuple[Python, ...]
    fetched: datetime | None
    now: datetime
    doubts: tuple[str, ...] = ()
    signatures: Mapping[str, Signed] | None = None
    sboms: Mapping[str, str | None] = field(default_factory=dict)
    max_age: timedelta = MAX_AGE

    @property
    def today(self) -> date:
        """The day, in UTC."""
        return self.now.astimezone(UTC).date()


@frozen
class Decision:
    """One rule that is not simply kept.

    Attributes:
        subject: Package and version, or the interpreter. ``package``: The name; empty for an interpreter.
        environments: Where it applies.
        text: What was seen, in one line.
        names: Of the vulnerability; empty for other rules. ``fixed``: Its fixed versions.
        waiver: What tolerates it.
    """

    rule: Rule
    state: State
    subject: str
    text: str
    package: str = ""
    version: str = ""
    environments: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    waiver: Waiver | None = None

    @property
    def counts(self) -> bool:
        """Whether the outcome hangs on it."""
        return self.rule.binding and self.state != "tolerated" and self.waiver is None


@frozen
class Verdict:
    """The answer.

    Attributes:
        decisions: Everything that a rule has to say, what counts first.
        doubts: Why it is inconclusive, besides decisions.
        expiring: Waivers that end within two weeks. ``unused``: Those that nothing needs, with the reason.
        policy: The digest of the policies.
    """

    outcome: Outcome
    decisions: tuple[Decision, ...]
    doubts: tuple[str, ...]
    expiring: tuple[Waiver, ...]
    unused: Mapping[str, str] = field(default_factory=dict)
    policy: str = ""


def judge(policies: Policies, question: Question) -> Verdict:
    """Hold what is known against the rules."""
    question = replace(question, max_age=policies.max_age)
    found = [
        decision
        for rule in policies.rules
        if any(map(rule.concerns, question.environments))
        for decision in _RULES[rule.kind](rule, question)
    ]
    decided = [_waived(decision, policies.waivers, question.today) for decision in found]
    doubts = [*_doubts(policies, question), *_unaudited(policies, question)]
    broken = any(one.counts and one.state == "broken" for one in decided)
    unknown = any(one.counts and one.state == "unknown" for one in decided)
    outcome: Outcome = "fail" if broken else "inconclusive" if unknown or doubts else "pass"
    used = {id(one.waiver) for one in decided if one.waiver is not None}
    return Verdict(
        outcome=outcome,
        decisions=tuple(sorted(decided, key=lambda one: (not one.counts, one.state != "broken"))),
        doubts=tuple(doubts),
        expiring=tuple(
            waiver
            for waiver in policies.waivers
            if timedelta(0) <= waiver.expires - question.today <= ANNOUNCED
        ),
        unused={
            waiver.title: _why_unused(waiver, found, question.today)
            for waiver in policies.waivers
            if id(waiver) not in used
        },
        policy=policies.digest,
    )


def _doubts(policies: Policies, question: Question) -> Iterator[str]:
    """What makes advisories no proof, where a rule asks for them."""
    asked = [
        rule
        for rule in policies.rules
        if rule.kind in ("vulnerability", "malware") and rule.binding
    ]
    if not any(rule.concerns(one) for rule in asked for one in question.environments):
        return
    if question.fetched is None:
        yield "there are no advisories on this machine"
        return
    age = question.now - question.fetched
    if age > policies.max_age:
        most = length(policies.max_age)
        yield f"the advisories were fetched {length(age)} ago; the policy allows {most}"
    yield from question.doubts


def _unaudited(policies: Policies, question: Question) -> Iterator[str]:
    if policies.on_unaudited != "fail" or not any(
        r.kind == "vulnerability" for r in policies.rules
    ):
        return
    for item in question.items:
        if item.unaudited is not None:
            yield f"{_title(item)} cannot be audited: {item.unaudited}"


def _waived(decision: Decision, waivers: Sequence[Waiver], today: date) -> Decision:
    for waiver in waivers:
        if _fits(waiver, decision) and waiver.created <= today <= waiver.expires:
            return replace(decision, waiver=waiver)
    return decision


def _fits(waiver: Waiver, decision: Decision) -> bool:
    if waiver.rule != decision.rule.id or waiver.package != decision.package:
        return False
    if waiver.advisory is not None and waiver.advisory not in decision.names:
        return False
    if decision.names and waiver.advisory is None:
        return False  # a vulnerability is waived by its name
    if waiver.until_fixed and decision.fixed:
        return False
    return _within(waiver.versions, decision.version) is True


def _why_unused(waiver: Waiver, found: Sequence[Decision], today: date) -> str:
    """What a person should do with a waiver that nothing needs."""
    if today > waiver.expires:
        return f"expired on {waiver.expires}"
    if today < waiver.created:
        return f"begins on {waiver.created}"
    same = [one for one in found if waiver.rule == one.rule.id and waiver.package == one.package]
    if any(one.fixed and waiver.advisory in one.names for one in same) and waiver.until_fixed:
        return "a fixed version is known now"
    return "nothing needs it" if not same else "it fits no version, or no advisory, that was found"


def _vulnerability(rule: Rule, question: Question) -> Iterator[Decision]:
    for item in _items(rule, question):
        for one in item.vulnerabilities:
            state, why = _reached(rule, one)
            if state is None:
                continue
            text = f"{one.id}: {why}"
            due = _due(rule, one)
            if state == "broken" and due is not None and question.now <= due:
                state, text = "tolerated", f"{text}; to be mended by {due.date()}"
            yield _about(rule, item, state, text, one)


def _reached(rule: Rule, one: Vulnerability) -> tuple[State | None, str]:
    """Whether a vulnerability is one that the rule is about; unknown where its score is."""
    rated = one.severity
    said = f"{rated.level} {rated.score}" if rated.score is not None else f"severity {rated.level}"
    if not one.certain:
        return "unknown", f"{said}, and its versions cannot be compared"
    if one.malware:
        return "broken", "the package itself is hostile"
    if rule.min_cvss is None and rule.epss_min is None and not rule.kev:
        return "broken", said
    if rule.min_cvss is not None and rated.score is not None and rated.score >= rule.min_cvss:
        return "broken", f"CVSS {rated.score}, and {rule.min_cvss} is too much"
    if rule.kev and one.exploited is not None:
        return "broken", f"exploited since {one.exploited['added']}"
    if rule.epss_min is not None and one.likely is not None and one.likely >= rule.epss_min:
        return "broken", f"EPSS {one.likely:.2f}, and {rule.epss_min} is too much"
    if rule.min_cvss is not None and rated.score is None:
        return "unknown", "nobody has said how grave it is"
    return None, ""


def _due(rule: Rule, one: Vulnerability) -> datetime | None:
    level = one.severity.level
    if one.malware or level == "none" or level not in rule.sla or one.published is None:
        return None
    return datetime.fromisoformat(one.published) + rule.sla[level]


def _malware(rule: Rule, question: Question) -> Iterator[Decision]:
    for item in _items(rule, question):
        for one in item.vulnerabilities:
            if one.malware:
                yield _about(rule, item, "broken", f"{one.id}: {one.summary}", one)


def _package(rule: Rule, question: Question) -> Iterator[Decision]:
    for item in _items(rule, question):
        denied, allowed = rule.deny.get(item.name), rule.allow.get(item.name)
        if denied is not None and (said := _within(denied, item.version)) is not False:
            text = f"{item.name}{denied} is denied"
            yield _about(rule, item, "broken" if said else "unknown", text)
        if rule.allow and allowed is None:
            yield _about(rule, item, "broken", "it is not on the list of what is allowed")
        elif allowed is not None and not (said := _within(allowed, item.version)):
            state: State = "unknown" if said is None else "broken"
            yield _about(rule, item, state, f"only {item.name}{allowed} is allowed")


def _within(versions: SpecifierSet, version: str) -> bool | None:
    """Whether a version is in a range; None where that cannot be told."""
    if not versions:
        return True
    try:
        return versions.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return None


def _origin(rule: Rule, question: Question) -> Iterator[Decision]:
    for item in _items(rule, question):
        if rule.hosts:
            hosts = {urlsplit(url).hostname or "this machine" for url in item.urls}
            for host in sorted(hosts - set(rule.hosts)):
                yield _about(rule, item, "broken", f"it comes from {host}, which is not allowed")
            if not item.urls:
                yield _about(rule, item, "unknown", "the lock does not say where it comes from")
        for pattern, index in rule.packages.items():
            if fnmatchcase(item.name, pattern) and (item.index or "").rstrip("/") != index.rstrip(
                "/"
            ):
                came = item.index or "somewhere that the lock does not name"
                yield _about(
                    rule, item, "broken", f"it must come from {index}, and comes from {came}"
                )
                break


def _no_sdist(rule: Rule, question: Question) -> Iterator[Decision]:
    for item in _items(rule, question):
        if item.built and item.name not in rule.exempt:
            yield _about(
                rule, item, "broken", "it comes as source, and code of it runs when it is built"
            )


def _hash_required(rule: Rule, question: Question) -> Iterator[Decision]:
    for item in _items(rule, question):
        if not item.hashed:
            yield _about(rule, item, "broken", "not every file of it has a hash")


def _licence(rule: Rule, question: Question) -> Iterator[Decision]:
    for item in _items(rule, question):
        licence, own = _clarified(rule, item), item.licence
        if licence is None:
            licence = own or Licence(expression=None, reason="nobody has looked")
        elif own is not None and own.expression not in (None, licence.expression):
            text = f"it says {own.expression}, and the rule {licence.expression}"
            yield _about(rule, item, "tolerated", text)
        allowed = permitted(licence, rule.licences, rule.forbidden)
        if allowed:
            continue
        if licence.expression is None:
            state: State = _UNKNOWN[rule.on_unknown]
            yield _about(rule, item, state, f"its licence cannot be told: {licence.reason}")
        elif allowed is None:
            why = "its metadata do not say whether all of them hold"
            yield _about(rule, item, _UNKNOWN[rule.on_unknown], f"{licence.expression}: {why}")
        else:
            yield _about(rule, item, "broken", f"{licence.expression} is not allowed")


_UNKNOWN: Mapping[str | None, State] = {None: "unknown", "deny": "broken", "warn": "tolerated"}


def _clarified(rule: Rule, item: Item) -> Licence | None:
    """What the rule itself says of a release; versions that cannot be compared are not meant."""
    for one in rule.clarified:
        if one.package == item.name and _within(one.versions, item.version):
            return Licence(expression=normalized(one.licence), source="policy")
    return None


def _sbom_required(rule: Rule, question: Question) -> Iterator[Decision]:
    for environment in filter(rule.concerns, question.environments):
        said = question.sboms.get(environment, "nobody has looked")
        if said is not None:
            state: State = "broken" if environment in question.sboms else "unknown"
            yield Decision(
                rule=rule,
                state=state,
                subject=f"SBOM of {environment}",
                text=said,
                environments=(environment,),
            )


def _python_eol(rule: Rule, question: Question) -> Iterator[Decision]:
    for python in question.pythons:
        if not rule.concerns(python.environment):
            continue
        state: State = "broken"
        if python.version is None or python.end is None:
            state, text = "unknown", "nobody has said when its fixes end"
        elif python.end < question.today + rule.within:
            when = "ended" if python.end < question.today else "end"
            text = f"its fixes {when} on {python.end}"
        else:
            continue
        yield Decision(
            rule=rule,
            state=state,
            subject=f"Python {python.version or 'of ' + python.environment}",
            text=text,
            environments=(python.environment,),
        )


def _signature(rule: Rule, question: Question) -> Iterator[Decision]:
    """A lock that nobody signed who may; while it is being made nobody can have."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in question.environments if question.signatures is not None else ():
        if not rule.concerns(name):
            continue
        signed = (question.signatures or {}).get(name, _NO_LOCK)
        reason = unsigned(rule, signed, question.today)
        if reason is not None:
            found.setdefault((signed.file, reason), []).append(name)
    for (file, text), names in found.items():
        yield Decision(
            rule=rule, state="broken", subject=file, text=text, environments=tuple(names)
        )


_NO_LOCK = Signed(file="the lock", keys=(), reason="there is none")


def unsigned(rule: Rule, signed: Signed, today: date) -> str | None:
    """Why a lock is not signed as a rule wants; None where it is."""
    who = [one for one in rule.keys if one.key in signed.keys]
    if any(one.expires is None or today <= one.expires for one in who):
        return None
    if who:
        return f"the key of {who[0].owner} that signed it expired on {who[0].expires}"
    return signed.reason or "it is signed by nobody who may sign for this environment"


def _release(rule: Rule, question: Question) -> Iterator[Decision]:
    for item in _items(rule, question):
        asked = release_rules.Asked(
            name=item.name,
            version=item.version,
            standing=item.standing,
            now=question.now,
            max_age=question.max_age,
        )
        for state, text in release_rules.decide(rule, asked):
            yield _about(rule, item, state, text)


_RULES = {
    "hash-required": _hash_required, "licence": _licence, "malware": _malware, "no-sdist": _no_sdist,
    "origin": _origin, "package": _package, "python-eol": _python_eol, "sbom-required": _sbom_required,
    "signature": _signature, "vulnerability": _vulnerability,
    **dict.fromkeys(release_rules.KINDS, _release),
}  # fmt: skip


def _items(rule: Rule, question: Question) -> Iterator[Item]:
    """Packages that a rule is about, each with those of its environments that the rule is about."""
    for item in question.items:
        concerned = tuple(name for name in item.environments if rule.concerns(name))
        if concerned:
            yield replace(item, environments=concerned)


def _about(
    rule: Rule, item: Item, state: State, text: str, one: Vulnerability | None = None
) -> Decision:
    return Decision(
        rule=rule,
        state=state,
        subject=_title(item),
        text=text,
        package=item.name,
        version=item.version,
        environments=item.environments,
        names=one.names if one is not None else (),
        fixed=one.fixed if one is not None else (),
    )


def _title(item: Item) -> str:
    return f"{item.name} {item.version}".rstrip()

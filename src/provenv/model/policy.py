"""A policy: rules about what may be installed where, and waivers of single findings.

Read from ``provenv-policy.toml`` or ``[tool.provenv.policy]``. The schema is strict: what it does not know,
it refuses, because a rule that is misspelt must not be a rule that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Literal, get_args

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from provenv.core.values import field, frozen, replace
from provenv.model import toml

SCHEMA = 1
LONGEST_WAIVER = timedelta(days=90)
LONGEST = timedelta(days=36525)
_DIGITS = 9  # of a number that anybody writes
Action = Literal["deny", "warn", "info"]
Mode = Literal["enforce", "dry-run"]
Kind = Literal[
    "hash-required",
    "licence",
    "malware",
    "no-sdist",
    "origin",
    "package",
    "project-status",
    "provenance",
    "python-eol",
    "release-age",
    "sbom-required",
    "signature",
    "version-lag",
    "vulnerability",
    "yanked",
]
Level = Literal["critical", "high", "medium", "low", "unknown"]
Lapse = Literal["fail", "warn", "ignore"]
Doubt = Literal["fail", "warn"]
Unknown = Literal["deny", "warn", "ignore"]
_STATUSES = ("archived", "deprecated", "quarantined")
_TOP = frozenset({"schema", "data", "rule", "waiver"})
_DATA = frozenset({"max-age", "on-inconclusive", "on-unaudited"})
_COMMON = frozenset({"action", "description", "environments", "id", "kind", "mode"})
_OWN: dict[Kind, frozenset[str]] = {
    "hash-required": frozenset(),
    "licence": frozenset({"allow", "deny", "on-unknown", "packages"}),
    "malware": frozenset(),
    "no-sdist": frozenset({"except"}),
    "origin": frozenset({"hosts", "packages"}),
    "package": frozenset({"allow", "deny"}),
    "project-status": frozenset({"deny", "except", "on-unknown"}),
    "provenance": frozenset({"except", "on-unknown", "present", "publisher-unchanged"}),
    "python-eol": frozenset({"within"}),
    "signature": frozenset({"keys"}),
    "release-age": frozenset({"bypass", "except", "min", "on-missing-timestamp"}),
    "sbom-required": frozenset(),
    "version-lag": frozenset({"except", "max-majors", "max-minors", "on-unknown"}),
    "vulnerability": frozenset({"epss-min", "kev", "min-cvss", "sla"}),
    "yanked": frozenset({"on-unknown"}),
}
_SIGNER = frozenset({"expires", "key", "owner"})
_KEY = re.compile(r"ed25519:[A-Za-z0-9+/]{43}=")
_WAIVER = frozenset(
    {
        "advisory", "approver", "created", "expires", "owner", "package", "reason", "rule", "ticket",
        "until-fixed", "versions",
    }
)  # fmt: skip
_DURATION = re.compile(r"(\d+)(h|d|w)")
_HOURS = {"h": 1, "d": 24, "w": 168}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@frozen
class Signer:
    """Somebody who may sign locks: a key (``ed25519:BASE64``), whose it is, and its last day (UTC)."""

    key: str
    owner: str
    expires: date | None = None


@frozen
class Clarified:
    """The licence of a package, as somebody has found out: an SPDX expression, for some of its versions."""

    package: str
    versions: SpecifierSet
    licence: str


@frozen
class Rule:
    """One rule.

    Attributes:
        origin: The file that it stands in.
        environments: Those that it is about; empty: all.
        action: What is done where it is broken; ``dry-run`` as mode: only told.
        min_cvss, kev, epss_min: Of a vulnerability; any of the three is enough, none of them: every one.
        sla: By level, for how long after its publication a vulnerability may stay.
        allow, deny: Requirements (PEP 508), by normalized name; names of packages that may be built.
        hosts: That files may come from. ``packages``: Glob of names → index that they must come from.
        within: How long before its end a Python counts as dead.
        keys: Who may sign a lock; one of them is enough.
        on_unknown: What it does where an index does not say; None: undecided.
        least_age: Of the newest file that could be installed. ``bypass``: What an advisory names as the fix
            of an older version may be younger.
        statuses: Of a project that are denied (PEP 792).
        max_majors, max_minors: How many releases behind the newest; minor ones of its own major.
        present: Every file is attested (PEP 740). ``publisher_unchanged``: By whom the version below was.
        licences, forbidden: SPDX identifiers, perhaps ``WITH`` an exception.
        clarified: What releases are under, whatever they say.
    """

    id: str
    kind: Kind
    origin: str
    description: str = ""
    environments: tuple[str, ...] = ()
    action: Action = "deny"
    mode: Mode = "enforce"
    min_cvss: float | None = None
    kev: bool = False
    epss_min: float | None = None
    sla: Mapping[Level, timedelta] = field(default_factory=dict)
    allow: Mapping[str, SpecifierSet] = field(default_factory=dict)
    deny: Mapping[str, SpecifierSet] = field(default_factory=dict)
    exempt: frozenset[str] = frozenset()
    hosts: tuple[str, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    within: timedelta = timedelta(0)
    keys: tuple[Signer, ...] = ()
    on_unknown: Unknown | None = None
    least_age: timedelta = timedelta(0)
    bypass: bool = False
    statuses: tuple[str, ...] = ()
    max_majors: int | None = None
    max_minors: int | None = None
    present: bool = True
    publisher_unchanged: bool = False
    licences: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    clarified: tuple[Clarified, ...] = ()

    def concerns(self, environment: str) -> bool:
        """Whether it is about that environment; of ``test@3.12``, ``test`` is enough."""
        return not self.environments or not {environment, environment.partition("@")[0]}.isdisjoint(
            self.environments
        )

    @property
    def binding(self) -> bool:
        """Whether breaking it makes a verdict fail."""
        return self.action == "deny" and self.mode == "enforce"


@frozen
class Waiver:
    """A finding that is tolerated for a time: it is shown, and does not fail.

    Attributes:
        origin: The file that it stands in.
        versions: Of the package. ``advisory``: By any of its names; None: whatever the rule finds.
        expires: The last day on which it holds (UTC).
        until_fixed: It ends as soon as a fixed version is known.
    """

    rule: str
    package: str
    versions: SpecifierSet
    advisory: str | None
    reason: str
    owner: str
    approver: str
    ticket: str | None
    created: date
    expires: date
    until_fixed: bool
    origin: str

    @property
    def title(self) -> str:
        """Which one it is, in a message."""
        return f"{self.rule}, {self.package}{self.versions}" + (
            f", {self.advisory}" if self.advisory else ""
        )

    def facts(self) -> dict[str, str | None]:
        """What is tolerated, for how long, and who says so, for JSON."""
        return {
            "rule": self.rule,
            "package": self.package,
            "versions": str(self.versions),
            "advisory": self.advisory,
            "reason": self.reason,
            "owner": self.owner,
            "approver": self.approver,
            "ticket": self.ticket,
            "created": str(self.created),
            "expires": str(self.expires),
        }


@frozen
class Policy:
    """All that one file says.

    Attributes:
        max_age: Advisories that were fetched before that make a verdict inconclusive.
        on_inconclusive: What `sync` and `run` do where the verdict is inconclusive.
        on_unaudited: What a package that nothing can be said of does.
    """

    file: str
    max_age: timedelta | None = None
    on_inconclusive: Doubt | None = None
    on_unaudited: Lapse | None = None
    rules: tuple[Rule, ...] = ()
    waivers: tuple[Waiver, ...] = ()


def parse_policy(data: Mapping[str, Any], file: str, *, text: str = "", path: str = "") -> Policy:
    """Read a policy from a parsed file, or the table ``path`` of one.

    Raises:
        InputError: An unknown key (the nearest known one is named), a wrong value, a waiver that is none.
    """
    table = toml.Table(data, file=file, path=path, text=text)
    table.only(_TOP)
    if table.get("schema", int) != SCHEMA:
        raise table.error("schema", f"must be {SCHEMA}", hint=f"Write `schema = {SCHEMA}`.")
    told = table.table("data")
    told.only(_DATA)
    rules = tuple(_rule(one, file) for one in table.tables("rule"))
    for number, rule in enumerate(rules):
        if rule.id in [other.id for other in rules[:number]]:
            raise table.error("rule", f"two rules are called {rule.id!r}")
    return Policy(
        file=file,
        max_age=_duration(told, "max-age"),
        on_inconclusive=_choice(told, "on-inconclusive", get_args(Doubt)),
        on_unaudited=_choice(told, "on-unaudited", get_args(Lapse)),
        rules=rules,
        waivers=tuple(_waiver(one, file) for one in table.tables("waiver")),
    )


def _rule(table: toml.Table, file: str) -> Rule:
    kind: Kind = _needed(table, "kind", _choice(table, "kind", get_args(Kind)))
    table.only(_COMMON | _OWN[kind])
    name = _needed(table, "id", table.get("id", str))
    if not _ID.fullmatch(name):
        raise table.error("id", f"{name!r} is no name: letters, digits, '.', '_' and '-'")
    rule = Rule(
        id=name,
        kind=kind,
        origin=file,
        description=table.get("description", str) or "",
        environments=table.strings("environments"),
        action=_choice(table, "action", get_args(Action)) or "deny",
        mode=_choice(table, "mode", get_args(Mode)) or "enforce",
        min_cvss=_number(table, "min-cvss", 10),
        kev=table.get("kev", bool) or False,
        epss_min=_number(table, "epss-min", 1),
        sla=_sla(table),
        allow=_requirements(table, "allow") if kind == "package" else {},
        deny=_requirements(table, "deny") if kind == "package" else {},
        exempt=frozenset(canonicalize_name(one) for one in table.strings("except")),
        hosts=table.strings("hosts"),
        packages=_indexes(table) if kind == "origin" else {},
        within=_duration(table, "within") or timedelta(0),
        keys=tuple(map(_signer, table.tables("keys"))),
        on_unknown=_unknown(table),
        least_age=_duration(table, "min") or timedelta(0),
        bypass=_choice(table, "bypass", ("fixes-known-vulnerability",)) is not None,
        statuses=_statuses(table) if kind == "project-status" else (),
        max_majors=_count(table, "max-majors"),
        max_minors=_count(table, "max-minors"),
        present=table.get("present", bool) is not False,
        publisher_unchanged=table.get("publisher-unchanged", bool) or False,
    )
    if kind == "licence":
        return _about_licences(table, rule)
    _check_complete(table, rule)
    return rule


def _check_complete(table: toml.Table, rule: Rule) -> None:
    """Refuse a rule that lacks what it is about."""
    kind = rule.kind
    if kind == "package" and not (rule.allow or rule.deny):
        raise table.error("", "a rule about packages needs `allow` or `deny`")
    if kind == "origin" and not (rule.hosts or rule.packages):
        raise table.error("", "a rule about origins needs `hosts` or `packages`")
    if kind == "signature" and not rule.keys:
        raise table.error("", "a rule about signatures needs `keys`: who may sign")
    if kind == "release-age" and not rule.least_age:
        raise table.error("min", "a rule about the age of releases needs it", hint='Such as "7d".')
    if kind == "version-lag" and rule.max_majors is None and rule.max_minors is None:
        raise table.error("", "a rule about lag needs `max-majors` or `max-minors`")
    if kind == "provenance" and not (rule.present or rule.publisher_unchanged):
        raise table.error("present", "a rule that asks for nothing", hint="Or publisher-unchanged.")


def _unknown(table: toml.Table) -> Unknown | None:
    key = "on-missing-timestamp" if "on-missing-timestamp" in table else "on-unknown"
    found: Unknown | None = _choice(table, key, get_args(Unknown))
    return found


def _statuses(table: toml.Table) -> tuple[str, ...]:
    found = table.strings("deny")
    if not found:
        raise table.error("deny", f"is missing: some of {', '.join(_STATUSES)}")
    for one in found:
        if one not in _STATUSES:
            raise table.error("deny", f"{one!r} is none of {', '.join(_STATUSES)} (PEP 792)")
    return found


def _count(table: toml.Table, key: str) -> int | None:
    value = table.data.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise table.error(key, "must be a whole number, 0 or more")
    return value


def _signer(table: toml.Table) -> Signer:
    table.only(_SIGNER)
    key = _text(table, "key")
    if not _KEY.fullmatch(key):
        raise table.error(
            "key", f"{key!r} is no key", hint="`provenv evidence key list` has them: `ed25519:…`."
        )
    expires = _day(table, "expires") if "expires" in table else None
    return Signer(key=key, owner=_text(table, "owner"), expires=expires)


def _indexes(table: toml.Table) -> dict[str, str]:
    inner = table.table("packages")
    return {key: _text(inner, key) for key in inner.data}


def _about_licences(table: toml.Table, rule: Rule) -> Rule:
    inner = table.table("packages")
    clarified = []
    for key in inner.data:
        name, versions = _requirement(inner, key, key)
        licence = _licence(inner, key, _text(inner, key))
        clarified.append(Clarified(package=name, versions=versions, licence=licence))
    made = replace(
        rule,
        licences=_licences(table, "allow"),
        forbidden=_licences(table, "deny"),
        clarified=tuple(clarified),
    )
    if made.on_unknown == "ignore":
        raise table.error("on-unknown", "a licence that nobody knows is told: one of deny, warn")
    if not (made.licences or made.forbidden):
        raise table.error("", "a rule about licences needs `allow` or `deny`")
    return made


def _licences(table: toml.Table, key: str) -> tuple[str, ...]:
    found = [_licence(table, key, text) for text in table.strings(key)]
    for text in found:
        if {"AND", "OR"}.intersection(text.split()):
            raise table.error(
                key, f"{text!r} is more than one licence", hint="Write each of them by itself."
            )
    return tuple(found)


def _licence(table: toml.Table, key: str, text: str) -> str:
    """An SPDX expression, in SPDX's spelling."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return canonicalize_license_expression(text)
    except InvalidLicenseExpression as error:
        raise table.error(
            key,
            f"{text!r} is no licence of SPDX's list",
            hint="Such as MIT, Apache-2.0 or LicenseRef-Ours; the list: https://spdx.org/licenses/",
        ) from error


def _sla(table: toml.Table) -> dict[Level, timedelta]:
    inner = table.table("sla")
    inner.only(get_args(Level))
    return {
        level: _needed(inner, level, _duration(inner, level))
        for level in get_args(Level)
        if level in inner
    }


def _waiver(table: toml.Table, file: str) -> Waiver:
    table.only(_WAIVER)
    package = _text(table, "package")
    if "*" in package or "?" in package:
        raise table.error("package", "a waiver is about one package: no wildcards")
    made = Waiver(
        rule=_text(table, "rule"),
        package=canonicalize_name(package),
        versions=_checked(table, "versions", SpecifierSet, InvalidSpecifier),
        advisory=table.get("advisory", str),
        reason=_text(table, "reason"),
        owner=_text(table, "owner"),
        approver=_text(table, "approver"),
        ticket=table.get("ticket", str),
        created=_day(table, "created"),
        expires=_day(table, "expires"),
        until_fixed=table.get("until-fixed", bool) or False,
        origin=file,
    )
    if not made.versions:
        raise table.error("versions", "a waiver is about some versions", hint='Such as "==1.11.0".')
    if made.advisory is not None and "*" in made.advisory:
        raise table.error("advisory", "a waiver is about one advisory: no wildcards")
    if made.approver.strip().casefold() == made.owner.strip().casefold():
        raise table.error("approver", "nobody approves their own waiver")
    if made.expires < made.created:
        raise table.error("expires", "it ends before it begins")
    if made.expires - made.created > LONGEST_WAIVER:
        raise table.error(
            "expires",
            f"a waiver lasts {LONGEST_WAIVER.days} days at most, and this one "
            f"{(made.expires - made.created).days}",
            hint=f"Not after {made.created + LONGEST_WAIVER}; it can be written anew then.",
        )
    return made


def _needed(table: toml.Table, key: str, value: Any) -> Any:
    if value is None:
        raise table.error(key, "is missing")
    return value


def _text(table: toml.Table, key: str) -> str:
    value = table.get(key, str)
    if value is None or not value.strip():
        raise table.error(key, "is missing" if value is None else "is empty")
    return value


def _choice(table: toml.Table, key: str, known: tuple[Any, ...]) -> Any:
    value = table.get(key, str)
    if value is not None and value not in known:
        raise table.error(key, f"{value!r} is none of {', '.join(known)}")
    return value


def _number(table: toml.Table, key: str, highest: float) -> float | None:
    value = table.data.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= highest:
        raise table.error(key, f"must be a number from 0 to {highest}")
    return float(value)


def _duration(table: toml.Table, key: str) -> timedelta | None:
    """``48h``, ``7d``, ``2w``."""
    value = table.get(key, str)
    if value is None:
        return None
    found = _DURATION.fullmatch(value)
    if found is None:
        raise table.error(key, f"{value!r} is no length of time", hint="Write 48h, 7d or 2w.")
    hours = int(found[1][:_DIGITS]) * _HOURS[found[2]]
    if len(found[1]) > _DIGITS or hours > LONGEST // timedelta(hours=1):
        raise table.error(key, f"{value!r} is longer than a hundred years")
    return timedelta(hours=hours)


def _day(table: toml.Table, key: str) -> date:
    value = table.data.get(key)
    if isinstance(value, datetime) or not isinstance(value, date):
        said = "is missing" if value is None else "must be a date"
        raise table.error(key, said, hint="Write it without quotes, such as 2027-02-20.")
    return value


def _requirements(table: toml.Table, key: str) -> dict[str, SpecifierSet]:
    found: dict[str, SpecifierSet] = {}
    for text in table.strings(key):
        name, versions = _requirement(table, key, text)
        if name in found:
            raise table.error(key, f"{name} stands there twice")
        found[name] = versions
    return found


def _requirement(table: toml.Table, key: str, text: str) -> tuple[str, SpecifierSet]:
    try:
        one = Requirement(text)
    except InvalidRequirement as error:
        raise table.error(key, f"{text!r} is not a requirement (PEP 508)") from error
    if one.extras or one.url or one.marker:
        raise table.error(key, f"{text!r}: a name and versions, and nothing else")
    return canonicalize_name(one.name), one.specifier


def _checked(
    table: toml.Table, key: str, make: Callable[[str], Any], wrong: type[Exception]
) -> Any:
    text = _text(table, key)
    try:
        return make(text)
    except wrong as error:
        raise table.error(key, f"{text!r} is no range of versions (PEP 440)") from error

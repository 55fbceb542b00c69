"""``policy test``: a table of made-up packages, and what the policies must say of each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args

from packaging.utils import canonicalize_name

from provenv.audit import licences
from provenv.audit.findings import Vulnerability
from provenv.audit.licences import Licence
from provenv.audit.policies import Policies
from provenv.audit.releases import Facts, File, Standing, is_version, normal
from provenv.audit.severity import Severity, level_of
from provenv.audit.verdict import Item, Outcome, Python, Question, Verdict, judge
from provenv.core.values import frozen, replace
from provenv.interpreters.lifetimes import end_of_life
from provenv.model import toml
from provenv.model.metadata import Metadata
from provenv.workspace.projects.context import read_text

_KEYS = frozenset(
    {
        "advisory", "attested", "built", "cvss", "environment", "epss", "expect", "fixed", "fixes",
        "hashed", "index", "kev", "license", "malware", "name", "now", "package", "published",
        "publisher", "publisher-before", "python", "releases", "rules", "sbom", "status", "uploaded",
        "url", "version", "yanked",
    }
)  # fmt: skip
_ADVISORY = ("advisory", "cvss", "epss", "fixed", "kev", "malware", "published")


@frozen
class Case:
    """One row: what is asked and expected; ``rules``: those that must speak against it, if said."""

    name: str
    question: Question
    expect: Outcome
    rules: tuple[str, ...] | None


@frozen
class CaseResult:
    """A case, and what the policies said."""

    case: Case
    verdict: Verdict

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that spoke against it."""
        return tuple(sorted({one.rule.id for one in self.verdict.decisions if one.counts}))

    @property
    def ok(self) -> bool:
        """Whether it is as expected."""
        wanted = self.case.rules
        same = wanted is None or tuple(sorted(wanted)) == self.rules
        return same and self.verdict.outcome == self.case.expect


def run_cases(policies: Policies, path: str) -> tuple[CaseResult, ...]:
    """Judge every case in a file (``[[case]]``), each by itself, with nothing of this machine.

    Raises:
        InputError: The file cannot be used, or holds no case.
    """
    text = read_text(path)
    table = toml.Table(toml.parse(text, path), file=path, text=text)
    table.only({"case"})
    cases = [_case(one) for one in table.tables("case")]
    if not cases:
        raise table.error("case", "there is none", hint="Each case is a table [[case]].")
    return tuple(CaseResult(case=c, verdict=judge(policies, c.question)) for c in cases)


def _case(table: toml.Table) -> Case:
    table.only(_KEYS)
    for key in ("name", "package", "version", "expect"):
        if table.get(key, str) is None:
            raise table.error(key, "is missing")
    expect = str(table.get("expect", str))
    if expect not in get_args(Outcome):
        raise table.error("expect", f"{expect!r} is none of {', '.join(get_args(Outcome))}")
    environment = table.get("environment", str) or "prod"
    now = _moment(table, "now") or datetime.now(UTC)
    python = table.get("python", str)
    end = None if python is None else end_of_life(".".join(python.split(".")[:2]))
    return Case(
        name=str(table.get("name", str)),
        question=Question(
            environments=(environment,),
            items=(_item(table, environment, now),),
            pythons=()
            if python is None
            else (Python(environment=environment, version=python, end=end),),
            fetched=now,
            now=now,
            sboms=_sboms(table, environment),
        ),
        expect=next(one for one in get_args(Outcome) if one == expect),
        rules=table.strings("rules") if "rules" in table else None,
    )


def _item(table: toml.Table, environment: str, now: datetime) -> Item:
    item = Item(
        name=canonicalize_name(str(table.get("package", str))),
        version=str(table.get("version", str)),
        environments=(environment,),
        urls=(table.get("url", str) or "https://files.pythonhosted.org/",),
        index=table.get("index", str) or "https://pypi.org/simple",
        built=table.get("built", bool) or False,
        hashed=table.get("hashed", bool) is not False,
        licence=_licence(table),
        standing=_standing(table, now),
    )
    if not any(key in table for key in _ADVISORY):
        return item
    return replace(item, vulnerabilities=(_vulnerability(table, item, now),))


def _licence(table: toml.Table) -> Licence:
    """As if its metadata had that ``License-Expression``, or none."""
    said = table.get("license", str)
    return licences.of_metadata(Metadata(name="", version="", expression=said))


def _sboms(table: toml.Table, environment: str) -> dict[str, str | None]:
    said = table.get("sbom", bool)
    return {} if said is None else {environment: None if said else "there is none"}


_BEFORE = "0"
"""The version below the one of a case, where a key is about it."""


def _standing(table: toml.Table, now: datetime) -> Standing:
    """What an index is said to have said; what no key is about, it does not say."""
    version = normal(str(table.get("version", str)))
    uploaded, status = _moment(table, "uploaded"), table.get("status", str)
    who, former = (table.get(key, str) for key in ("publisher", "publisher-before"))
    file = File(
        name="file",
        uploaded=uploaded,
        provenance="said" if who is not None or table.get("attested", bool) else None,
        publishers=(who,) if who is not None else None,
    )
    before = File(
        name="before",
        uploaded=datetime.min.replace(tzinfo=UTC),
        provenance="said" if former is not None else None,
        publishers=(former,) if former is not None else None,
    )
    yanked = table.data.get("yanked")
    lower = former is not None or "fixes" in table
    files = {version: (file,), **({_BEFORE: (before,)} if lower else {})}
    others = [one for one in _versions(table, "releases") if one not in files]
    facts = Facts(
        index=table.get("index", str) or "https://pypi.org/simple",
        name=canonicalize_name(str(table.get("package", str))),
        fetched=now,
        status=status,
        attests="attested" in table or who is not None,
        versions=(*filter(is_version, files), *others),
        yanked={version: yanked if isinstance(yanked, str) else ""} if yanked else {},
        files=files,
    )
    fixes = {_BEFORE: table.strings("fixes")} if "fixes" in table else {}
    return Standing(files={"file": uploaded}, facts=facts, fixes=fixes)


def _versions(table: toml.Table, key: str) -> list[str]:
    found = [normal(one) for one in table.strings(key)]
    for one in found:
        if not is_version(one):
            raise table.error(key, f"{one!r} is no version (PEP 440)")
    return found


def _vulnerability(table: toml.Table, item: Item, now: datetime) -> Vulnerability:
    score = _number(table, "cvss")
    name = table.get("advisory", str) or "CVE-0000-0000"
    published = _moment(table, "published") or now
    exploited: Mapping[str, Any] = {"added": str(published.date())}
    return Vulnerability(
        package=item.name,
        version=item.version,
        id=name,
        names=(name,),
        certain=True,
        summary="",
        severity=Severity() if score is None else Severity(level=level_of(score), score=score),
        fixed=table.strings("fixed"),
        exploited=exploited if table.get("kev", bool) else None,
        likely=_number(table, "epss"),
        published=published.isoformat(),
        modified=published.isoformat(),
        references=(),
        malware=table.get("malware", bool) or False,
    )


def _number(table: toml.Table, key: str) -> float | None:
    value = table.data.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise table.error(key, "must be a number")
    return float(value)


def _moment(table: toml.Table, key: str) -> datetime | None:
    value = table.data.get(key)
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise table.error(key, "must be a time with its zone", hint="Such as 2026-11-22T00:00:00Z.")
    return value

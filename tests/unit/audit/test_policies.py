"""Policies: strict reading, tightening, and verdicts that never pass what they cannot decide."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import tomli

from provenv.audit.findings import Vulnerability
from provenv.audit.policies import Policies, combine
from provenv.audit.severity import Severity, level_of
from provenv.audit.verdict import Item, Python, Question, Verdict, judge
from provenv.core.errors import InputError
from provenv.model.policy import Policy, parse_policy

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def policy(text: str, file: str = "policy.toml") -> Policy:
    text = f"schema = 1\n{text}"
    return parse_policy(tomli.loads(text), file, text=text)


def policies(*texts: str) -> Policies:
    return combine([(policy(text, f"{n}.toml"), text) for n, text in enumerate(texts)])


def rule(kind: str, more: str = "", name: str = "r") -> str:
    return f'[[rule]]\nid = "{name}"\nkind = "{kind}"\n{more}\n'


def waiver(**more: Any) -> str:
    fields: dict[str, Any] = {
        "rule": "r", "package": "py", "versions": "==1.0", "advisory": "CVE-1", "reason": "so",
        "owner": "ana", "approver": "bo", "created": date(2026, 11, 1), "expires": date(2026, 11, 30),
    } | more  # fmt: skip

    def said(held: Any) -> str:
        if isinstance(held, date):
            return str(held)
        return repr(held).lower() if isinstance(held, bool) else repr(held)

    rows = [f"{key} = {said(held)}" for key, held in fields.items() if held is not None]
    return "[[waiver]]\n" + "\n".join(rows) + "\n"


def known(score: float | None = 9.8, **more: Any) -> Vulnerability:
    severity = Severity() if score is None else Severity(level=level_of(score), score=score)
    fields: dict[str, Any] = {
        "package": "py", "version": "1.0", "id": "PYSEC-1", "names": ("CVE-1", "PYSEC-1"), "certain": True,
        "summary": "", "severity": severity, "fixed": (), "exploited": None, "likely": None,
        "published": "2026-11-12T12:00:00Z", "modified": "2026-11-12T12:00:00Z", "references": (),
        "malware": False,
    }  # fmt: skip
    return Vulnerability(**{**fields, **more})


def item(*found: Vulnerability, **more: Any) -> Item:
    fields: dict[str, Any] = {"name": "py", "version": "1.0", "environments": ("dev", "prod")}
    return Item(**{**fields, "vulnerabilities": found, **more})


def ask(held: Policies, *items: Item, **more: Any) -> Verdict:
    fields: dict[str, Any] = {
        "environments": ("dev", "prod"),
        "pythons": (),
        "fetched": NOW,
        "now": NOW,
    }
    return judge(held, Question(**{**fields, "items": items, **more}))


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("rules = []", "rules", "Did you mean `rule`?"),
        ('[data]\nmax-ag = "1h"', "data.max-ag", "Did you mean `max-age`?"),
        ('[data]\nmax-age = "soon"', "data.max-age", "Write 48h, 7d or 2w."),
        ('[data]\non-unaudited = "explode"', "data.on-unaudited", "none of fail, warn, ignore"),
        (rule("vulnerabilities"), "rule[0].kind", "none of"),
        (rule("vulnerability", "min-cvs = 7"), "rule[0].min-cvs", "Did you mean `min-cvss`?"),
        (rule("vulnerability", "min-cvss = 11"), "rule[0].min-cvss", "from 0 to 10"),
        (rule("vulnerability", "min-cvss = true"), "rule[0].min-cvss", "from 0 to 10"),
        (rule("vulnerability", "hosts = ['x']"), "rule[0].hosts", "unknown key"),
        (
            rule("vulnerability", "sla = { hihg = '1d' }"),
            "rule[0].sla.hihg",
            "Did you mean `high`?",
        ),
        (rule("package"), "rule[0]", "needs `allow` or `deny`"),
        (rule("package", "deny = ['a; os_name == \"nt\"']"), "rule[0].deny", "nothing else"),
        (rule("malware", name="no good"), "rule[0].id", "is no name"),
        (rule("malware") + rule("malware"), "rule", "two rules are called 'r'"),
        (rule("malware", 'action = "allow"'), "rule[0].action", "none of deny, warn, info"),
        (waiver(package="p*"), "waiver[0].package", "no wildcards"),
        (waiver(advisory="CVE-*"), "waiver[0].advisory", "no wildcards"),
        (waiver(owner=None), "waiver[0].owner", "is missing"),
        (waiver(owner=" "), "waiver[0].owner", "is empty"),
        (waiver(expires=None), "waiver[0].expires", "is missing"),
        (waiver(expires="2026-11-30"), "waiver[0].expires", "must be a date"),
        (waiver(approver="Ana "), "waiver[0].approver", "nobody approves their own"),
        (waiver(expires=date(2027, 3, 1)), "waiver[0].expires", "90 days at most"),
        (waiver(expires=date(2026, 10, 1)), "waiver[0].expires", "ends before it begins"),
        (waiver(versions="newest"), "waiver[0].versions", "no range of versions"),
        (waiver(versions=""), "waiver[0].versions", "is empty"),
    ],
)
def test_what_is_refused(text: str, key: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        policy(text)
    assert caught.value.details["key"] == key
    assert said in f"{caught.value.message} {caught.value.hint}"


def test_the_schema_must_be_said() -> None:
    with pytest.raises(InputError, match="must be 1"):
        parse_policy({}, "policy.toml")


@pytest.mark.parametrize(
    ("above", "own", "said"),
    [
        ('[data]\nmax-age = "48h"', '[data]\nmax-age = "3d"', "allows 48h"),
        ('[data]\non-unaudited = "fail"', '[data]\non-unaudited = "warn"', "says 'fail'"),
        (rule("malware"), rule("malware"), "'r' is a rule of 0.toml"),
        (rule("malware"), waiver(), "it is waived there"),
        ("", waiver(rule="none"), "there is none"),
        (
            rule("package", "allow = ['requests']", name="a"),
            rule("package", "deny = ['requests']", name="b"),
            "the rules 'a' (0.toml) and 'b' (1.toml) contradict each other",
        ),
    ],
)
def test_nobody_loosens_what_holds(above: str, own: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        policies(above, own)
    assert said in caught.value.message


def test_a_project_may_be_stricter() -> None:
    held = policies(
        '[data]\nmax-age = "48h"\n' + rule("malware"),
        '[data]\nmax-age = "1h"\n' + rule("malware", name="s"),
    )
    assert (held.max_age, held.on_unaudited, len(held.rules)) == (timedelta(hours=1), "fail", 2)
    apart = rule("package", "allow = ['requests']\nenvironments = ['dev']", name="a")
    policies(apart, rule("package", "deny = ['requests']\nenvironments = ['prod']", name="b"))
    policies(
        rule("package", "allow = ['requests']", name="a"),
        rule("package", "deny = ['requests<2']", name="b"),
    )


@pytest.mark.parametrize(
    ("more", "found", "outcome"),
    [
        ("", known(), "fail"),
        ("", known(None), "fail"),
        ("min-cvss = 7", known(7.0), "fail"),
        ("min-cvss = 7", known(6.9), "pass"),
        ("min-cvss = 7", known(None), "inconclusive"),  # nobody has said how grave it is
        ("kev = true", known(1.0, exploited={"added": "2026-01-01"}), "fail"),
        ("kev = true", known(9.9), "pass"),
        ("epss-min = 0.1", known(1.0, likely=0.1), "fail"),
        ("epss-min = 0.1", known(1.0, likely=0.05), "pass"),
        ("min-cvss = 9\nkev = true", known(5.0, exploited={"added": "x"}), "fail"),  # any of them
        ("", known(certain=False), "inconclusive"),
        ("min-cvss = 9", known(None, malware=True), "fail"),  # whatever its score, and at once
        ("sla = { critical = '15d' }", known(malware=True), "fail"),
        ('action = "warn"', known(), "pass"),
        ('mode = "dry-run"', known(), "pass"),
        ("environments = ['staging']", known(), "pass"),
        ("environments = ['prod']", known(), "fail"),
        # published ten days ago
        ("sla = { critical = '15d' }", known(), "pass"),
        ("sla = { critical = '10d' }", known(), "pass"),
        ("sla = { critical = '9d' }", known(), "fail"),
        ("sla = { high = '15d' }", known(), "fail"),
        ("sla = { critical = '15d' }", known(published=None), "fail"),
    ],
)
def test_vulnerabilities(more: str, found: Vulnerability, outcome: str) -> None:
    assert ask(policies(rule("vulnerability", more)), item(found)).outcome == outcome


def test_a_rule_that_is_about_an_environment_is_about_its_pythons() -> None:
    held = policies(rule("vulnerability", "environments = ['test']"))
    one = item(known(), environments=("test@3.12",))
    assert ask(held, one, environments=("test@3.12",)).outcome == "fail"


def test_data_that_proves_nothing() -> None:
    held = policies('[data]\nmax-age = "48h"\n' + rule("vulnerability"))
    assert ask(held, item()).outcome == "pass"
    assert ask(held, item(), fetched=None).outcome == "inconclusive"
    assert ask(held, item(), fetched=NOW - timedelta(hours=49)).outcome == "inconclusive"
    assert ask(held, item(), doubts=("an old source",)).outcome == "inconclusive"
    assert ask(held, item(known()), fetched=None).outcome == "fail"  # what is known is known
    strange = item(unaudited="it does not come from an index")
    assert ask(held, strange).outcome == "inconclusive"
    assert (
        ask(policies('[data]\non-unaudited = "warn"\n' + rule("vulnerability")), strange).outcome
        == "pass"
    )
    # and no rule about vulnerabilities needs no advisories
    assert ask(policies(rule("hash-required")), item(), fetched=None).outcome == "pass"


@pytest.mark.parametrize(
    ("kind", "more", "one", "outcome"),
    [
        ("malware", "", item(known(malware=True)), "fail"),
        ("malware", "", item(known()), "pass"),
        ("package", "deny = ['py']", item(), "fail"),
        ("package", "deny = ['PY<2']", item(), "fail"),
        ("package", "deny = ['py>1']", item(), "pass"),
        ("package", "deny = ['py>=1']", item(version="1.0rc1"), "pass"),
        ("package", "deny = ['py<2']", item(version="2.0rc1"), "pass"),
        ("package", "deny = ['py<2']", item(version="odd"), "inconclusive"),
        ("package", "allow = ['py']", item(), "pass"),
        ("package", "allow = ['py>1']", item(), "fail"),
        ("package", "allow = ['other']", item(), "fail"),
        ("origin", "hosts = ['a.org']", item(urls=("https://a.org/x",)), "pass"),
        ("origin", "hosts = ['a.org']", item(urls=("https://a.org.evil.org/x",)), "fail"),
        ("origin", "hosts = ['a.org']", item(urls=("https://a.org/x", "file:///x")), "fail"),
        ("origin", "hosts = ['a.org']", item(), "inconclusive"),
        (
            "origin",
            "packages = { 'p*' = 'https://a.org/s/' }",
            item(index="https://a.org/s"),
            "pass",
        ),
        (
            "origin",
            "packages = { 'p*' = 'https://a.org/s/' }",
            item(index="https://b.org/s"),
            "fail",
        ),
        ("origin", "packages = { 'p*' = 'https://a.org/s/' }", item(), "fail"),
        ("origin", "packages = { 'q*' = 'https://a.org/s/' }", item(), "pass"),
        ("no-sdist", "", item(built=True), "fail"),
        ("no-sdist", "except = ['PY']", item(built=True), "pass"),
        ("hash-required", "", item(hashed=False), "fail"),
    ],
)
def test_other_rules(kind: str, more: str, one: Item, outcome: str) -> None:
    assert ask(policies(rule(kind, more)), one).outcome == outcome


@pytest.mark.parametrize(
    ("end", "within", "outcome"),
    [
        (date(2026, 11, 21), "0d", "fail"),
        (date(2026, 11, 22), "0d", "pass"),
        (date(2026, 12, 22), "4w", "pass"),
        (date(2026, 12, 10), "4w", "fail"),
        (None, "0d", "inconclusive"),
    ],
)
def test_pythons_that_get_no_more_fixes(end: date | None, within: str, outcome: str) -> None:
    python = Python(environment="prod", version="3.9.1", end=end)
    held = policies(rule("python-eol", f"within = '{within}'\nenvironments = ['prod']"))
    assert ask(held, pythons=(python,)).outcome == outcome


@pytest.mark.parametrize(
    ("given", "found", "waived"),
    [
        ({}, known(), True),
        ({"advisory": "PYSEC-1"}, known(), True),  # by any of its names
        ({"advisory": "CVE-2"}, known(), False),
        ({"advisory": None}, known(), False),  # a vulnerability is waived by its name
        ({"package": "Py"}, known(), True),
        ({"package": "other"}, known(), False),
        ({"versions": "<1"}, known(), False),
        ({"versions": "<2"}, known(), True),
        ({"expires": date(2026, 11, 22)}, known(), True),  # the last day counts
        ({"expires": date(2026, 11, 21)}, known(), False),
        ({"created": date(2026, 11, 23)}, known(), False),
        ({"until-fixed": True}, known(), True),
        ({"until-fixed": True}, known(fixed=("2",)), False),
        ({"until-fixed": False}, known(fixed=("2",)), True),
    ],
)
def test_waivers(given: dict[str, Any], found: Vulnerability, waived: bool) -> None:
    verdict = ask(policies(rule("vulnerability") + waiver(**given)), item(found))
    assert verdict.outcome == ("pass" if waived else "fail")
    (decision,) = verdict.decisions  # shown, whether waived or not
    assert (decision.waiver is not None) == waived
    assert bool(verdict.unused) != waived


def test_the_day_of_a_waiver_is_the_day_in_utc() -> None:
    held = policies(rule("vulnerability") + waiver(expires=date(2026, 11, 22)))
    last = datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)
    assert ask(held, item(known()), now=last, fetched=last).outcome == "pass"
    after = last + timedelta(seconds=1)
    assert ask(held, item(known()), now=after, fetched=after).outcome == "fail"


def test_waivers_that_end_soon_are_announced() -> None:
    held = policies(rule("vulnerability") + waiver(expires=date(2026, 12, 6)))
    assert ask(held, item(known())).expiring
    held = policies(rule("vulnerability") + waiver(expires=date(2026, 12, 7)))
    assert not ask(held, item(known())).expiring


def test_the_digest_is_that_of_all_that_is_said() -> None:
    assert policies(rule("malware")).digest != policies(rule("malware", 'mode = "dry-run"')).digest

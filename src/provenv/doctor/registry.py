"""Every rule there is, and how some of them are chosen."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from provenv.core.errors import UsageError
from provenv.core.values import frozen
from provenv.doctor import (
    rules_environment,
    rules_git,
    rules_machine,
    rules_project,
    rules_shell,
    rules_sources,
)
from provenv.doctor.facts import Facts
from provenv.doctor.rule import Fix, Rule
from provenv.formats.sarif import Kind
from provenv.model.finding import Finding, rank

RULES: tuple[Rule, ...] = tuple(
    sorted(
        (
            *rules_project.RULES,
            *rules_sources.RULES,
            *rules_git.RULES,
            *rules_shell.RULES,
            *rules_environment.RULES,
            *rules_machine.RULES,
        ),
        key=lambda rule: rule.code,
    )
)
THEMES = {
    "PV1": "Project and dependencies",
    "PV2": "Git and files",
    "PV3": "Shell and PATH",
    "PV4": "Environments",
    "PV5": "Machine and store",
}


@frozen
class Noticed:
    """A finding, and how it is mended: what ``fix`` does to ``target``."""

    finding: Finding
    fix: Fix | None
    target: str | None


def kinds() -> tuple[Kind, ...]:
    """The rules as SARIF knows them."""
    return tuple(
        Kind(code=r.code, title=r.title, why=r.why, advice=r.advice, weight=r.weight) for r in RULES
    )


def find_rule(code: str) -> Rule:
    """The rule of that code, in capitals or not.

    Raises:
        UsageError: There is none.
    """
    for rule in RULES:
        if rule.code == code.upper():
            return rule
    raise _unknown(code)


def chosen(codes: Iterable[str]) -> frozenset[str]:
    """The codes that are meant: whole ones, or how they begin (``PV4``).

    Raises:
        UsageError: One means none.
    """
    found: set[str] = set()
    for text in codes:
        start = text.strip().upper()
        some = {rule.code for rule in RULES if rule.code.startswith(start)}
        if not some or not start.startswith("PV"):
            raise _unknown(text)
        found |= some
    return frozenset(found)


def _unknown(code: str) -> UsageError:
    """What to say of a code that no rule has."""
    near = difflib.get_close_matches(code.upper(), [rule.code for rule in RULES], n=1, cutoff=0.6)
    hint = f"Did you mean {near[0]}? " if near else ""
    return UsageError(
        f"there is no finding {code!r}",
        hint=f"{hint}docs/reference/findings.md lists them; the first letters (PV4) stand for a theme.",
    )


def examine(facts: Facts, codes: Collection[str]) -> tuple[Noticed, ...]:
    """Apply the rules of these codes: the heaviest findings first."""
    found = [
        Noticed(finding=rule.finding(seen), fix=rule.fix, target=seen.target)
        for rule in RULES
        if rule.code in codes
        for seen in rule.check(facts)
    ]
    return tuple(
        sorted(found, key=lambda noticed: (rank(noticed.finding.weight), noticed.finding.code))
    )

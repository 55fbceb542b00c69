"""Which versions of a package the rules exclude, and the constraint that leaves the others. Pure.

The judge that decides on a lock decides on every version that an index has, so that both say the same. What
another version cannot mend (where a file comes from, which Python is used) excludes none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from provenv.audit.policies import Policies
from provenv.audit.verdict import Decision, Question, judge
from provenv.core.values import frozen, replace
from provenv.model.policy import Kind, Rule

ACTIONABLE: frozenset[Kind] = frozenset(
    {
        "licence", "malware", "no-sdist", "package", "provenance", "release-age", "version-lag",
        "vulnerability", "yanked",
    }
)  # fmt: skip
"""Kinds that another version can keep. Who adds one sees to it that ``governing/offering.py`` gives the
judge what the rule asks of a version that is not locked."""
_SHOWN = 3
_COMPLEMENT = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!="}


@frozen
class Exclusion:
    """A version that is not taken, and the rule that excludes it.

    Attributes:
        version: Empty where the rule alone says it, whatever there is of the package.
        why: The advisory, or what the rule says.
    """

    package: str
    version: str
    rule: str
    why: str

    def __str__(self) -> str:
        return f"{f'{self.package} {self.version}'.rstrip()} by {self.rule} ({self.why})"


@frozen
class Excluded:
    """What is excluded of one package.

    Attributes:
        constraint: What is left (PEP 508), for the resolver.
        told: The versions that would have been taken; the first that was met comes first.
        wider: What is left as well, if nothing complies otherwise; empty where that is all.
    """

    package: str
    constraint: str
    told: tuple[Exclusion, ...]
    wider: str = ""

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that exclude something."""
        return tuple(dict.fromkeys(one.rule for one in self.told))


def broken(decisions: Iterable[Decision]) -> Iterator[Exclusion]:
    """The decisions that exclude a version: a rule is broken that counts, and another version may keep it.

    What is waived or tolerated excludes nothing, and neither does what cannot be told.
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    for one in decisions:
        if one.counts and one.state == "broken" and one.rule.kind in ACTIONABLE and one.version:
            cve = next((name for name in one.names if name.startswith("CVE-")), None)
            why = cve or next(iter(one.names), one.text)
            found.setdefault((one.package, one.version, one.rule.id), []).append(why)
    for (package, version, rule), reasons in found.items():
        more = f" and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
        why = f"{', '.join(reasons[:_SHOWN])}{more}"
        yield Exclusion(package=package, version=version, rule=rule, why=why)


def of_versions(policies: Policies, question: Question) -> dict[str, Exclusion]:
    """Version → why it is excluded, of the items of ``question``: one package in many versions."""
    found: dict[str, Exclusion] = {}
    for one in broken(judge(policies, question).decisions):
        found.setdefault(one.version, one)
    return found


def constraint(package: str, versions: Iterable[str], excluded: Collection[str]) -> str:
    """The requirement (PEP 508) that leaves of ``versions`` those that are not in ``excluded``.

    Those below the first that is left are told by a bound, the others one by one: a version that
    comes out tomorrow is not excluded by it.
    """
    bad = {version for text in excluded if (version := _version(text)) is not None}
    known = sorted(bad | {v for text in versions if (v := _version(text)) is not None})
    good = [version for version in known if version not in bad]
    low = next(iter(good), None)
    below = [version for version in known if version in bad and (low is None or version < low)]
    parts = []
    if len(below) == 1:
        parts.append(f"!={below[0]}")
    elif below:  # a bound that is a pre-release would let others in
        bound = f">={low}" if low is not None and not low.is_prerelease else f">{below[-1]}"
        parts.append(bound)
    parts += [f"!={version}" for version in known if version in bad and version not in below]
    return f"{package}{','.join(parts)}"


def above(package: str, version: str, versions: Iterable[str], excluded: Collection[str]) -> str:
    """The same of the versions above one that is excluded; empty where none of them is left.

    Below it lie those that nobody mends any more, and that advisories often do not speak of.
    """
    own = _version(version)
    if own is None:
        return ""
    known = {text: parsed for text in versions if (parsed := _version(text)) is not None}
    if not any(parsed > own and text not in excluded for text, parsed in known.items()):
        return ""
    below = {text for text, parsed in known.items() if parsed <= own}
    return constraint(package, known, {*excluded, *below})


def without(package: str, versions: Iterable[str]) -> str:
    """The requirement that leaves all but these: for where nobody says which others there are."""
    bad = sorted(version for text in versions if (version := _version(text)) is not None)
    return f"{package}{','.join(f'!={version}' for version in bad)}"


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def nothing(package: str) -> str:
    """The requirement that leaves no version at all."""
    return f"{package}<0"


def certain(policies: Policies, environments: Sequence[str]) -> Iterator[Excluded]:
    """What rules about packages exclude before anything is resolved, so that not even metadata is built.

    Only rules that hold in every environment, and that nobody waives anything of; and only ranges that
    can be turned round. The others are met when what was resolved is judged.
    """
    for rule in policies.rules:
        everywhere = all(map(rule.concerns, environments))
        if rule.kind != "package" or not rule.binding or not everywhere:
            continue
        waived = {waiver.package for waiver in policies.waivers if waiver.rule == rule.id}
        for name, ranges in rule.deny.items():
            left = _left(ranges)
            if name not in waived and left is not None:
                yield _by(rule, name, f"{name}{left}", f"{name}{ranges} is denied")
        for name, ranges in rule.allow.items():
            if name not in waived and ranges:
                yield _by(rule, name, f"{name}{ranges}", f"only {name}{ranges} is allowed")


def _left(ranges: SpecifierSet) -> str | None:
    if not ranges:
        return "<0"
    (one, *more) = ranges
    if more or one.operator not in _COMPLEMENT or one.version.endswith(".*"):
        return None
    return f"{_COMPLEMENT[one.operator]}{one.version}"


def _by(rule: Rule, name: str, left: str, why: str) -> Excluded:
    told = Exclusion(package=name, version="", rule=rule.id, why=why)
    return Excluded(package=name, constraint=left, told=(told,))


def joined(one: Excluded | None, other: Excluded) -> Excluded:
    """Both, where they are about one package."""
    if one is None:
        return other
    wider = ""
    if one.wider or other.wider:
        wider = _both(one.wider or one.constraint, other.wider or other.constraint)
    return replace(
        one,
        constraint=_both(one.constraint, other.constraint),
        told=tuple(dict.fromkeys((*one.told, *other.told))),
        wider=wider,
    )


def _both(one: str, other: str) -> str:
    asked = Requirement(one)
    specifiers = (asked.specifier, Requirement(other).specifier)
    texts = sorted({str(part) for specifier in specifiers for part in specifier})
    return f"{asked.name}{','.join(texts)}"


def holds(standing: Excluded | None, one: Excluded) -> bool:
    """Whether what stands excludes the versions that ``one`` tells of already."""
    if standing is None:
        return False
    left = Requirement(standing.constraint).specifier
    return not any(left.contains(told.version, prereleases=True) for told in one.told)


def widened(one: Excluded) -> Excluded:
    """The same with all that is left."""
    return replace(one, constraint=one.wider or one.constraint, wider="")


def as_rows(found: Iterable[Excluded]) -> list[dict[str, str]]:
    """As it stands in a lock, under ``[tool.provenv]``: a row for each version that was not taken."""
    return [
        {
            "name": one.package,
            **({"version": told.version} if told.version else {}),
            "rule": told.rule,
            "why": told.why,
            "left": one.constraint.removeprefix(one.package),
        }
        for one in sorted(found, key=lambda one: one.package)
        for told in sorted(one.told, key=lambda told: (told.version, told.rule))
    ]


def from_rows(table: Mapping[str, Any]) -> tuple[Excluded, ...]:
    """What the table ``[tool.provenv]`` of a lock says that was excluded; what is no such row is no row."""
    found: dict[str, Excluded] = {}
    rows = table.get("excluded")
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, Mapping):
            continue
        values = [row.get(key, "") for key in ("name", "version", "rule", "why", "left")]
        if not all(isinstance(value, str) and value.isprintable() for value in values):
            continue
        name, version, rule, why, left = values
        try:
            asked = Requirement(f"{name}{left}")
        except InvalidRequirement:
            continue
        if asked.url or asked.marker or asked.extras or canonicalize_name(asked.name) != name:
            continue
        told = Exclusion(package=name, version=version, rule=rule, why=why)
        one = Excluded(package=name, constraint=f"{name}{left}", told=(told,))
        found[name] = joined(found.get(name), one)
    return tuple(found.values())


def spelled(constraint: str) -> tuple[str, ...]:
    """How uv may spell a constraint in its reasons, as patterns (:mod:`re`).

    Several ranges stand each in a line of its own, and those that nothing is in are left out. One range
    alone may be somebody's wish, and is taken for the constraint only where it is all of it.
    """
    asked = Requirement(constraint)
    parts = sorted(asked.specifier, key=lambda one: (Version(one.version), one.operator))
    bounds = [str(one) for one in parts if one.operator != "!="]
    low = next((one for one in bounds if one.startswith(">")), "")
    high = next((one for one in bounds if one.startswith("<")), "")
    ranges, start = [], low
    for one in parts:
        if one.operator == "!=":
            ranges.append(",".join(filter(None, (start, f"<{one.version}"))))
            start = f">{one.version}"
    ranges.append(",".join(filter(None, (start, high))))
    lines = "|".join(
        re.escape(f"{asked.name}{one}") for one in sorted(ranges, key=len, reverse=True)
    )
    several = rf"one of:(?:\s+(?:{lines})(?=\s))+"
    return (several, re.escape(constraint)) if len(ranges) > 1 else (lines,)

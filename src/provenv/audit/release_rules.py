"""Rules about releases: how old, yanked, the project's status, how far behind, attested by whom.

Pure. What the index was never asked, or was asked too long ago, is *unknown*, whatever a rule says; what it
was asked and does not say is what the rule's ``on-unknown`` (``on-missing-timestamp``) makes of it, else
*unknown* as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal

from packaging.version import Version

from provenv.audit.releases import STATUSES, Facts, File, Standing, is_version, ordered
from provenv.core.values import frozen
from provenv.core.words import length, many
from provenv.model.policy import Kind, Rule

Said = tuple[Literal["broken", "unknown", "tolerated"], str]
KINDS: tuple[Kind, ...] = ("project-status", "provenance", "release-age", "version-lag", "yanked")
"""The kinds that ask what an index says."""
_HOW = "`provenv audit --refresh` asks"


@frozen
class Asked:
    """One question about one version: ``max_age``: of facts that change."""

    name: str
    version: str
    standing: Standing
    now: datetime
    max_age: timedelta

    def stale(self, facts: Facts) -> str | None:
        """Why the facts are too old to prove that nothing has changed since."""
        age = self.now - facts.fetched
        if -timedelta(minutes=10) <= age <= self.max_age:
            return None
        if age < timedelta(0):
            return f"its index was asked at {facts.fetched:%Y-%m-%d %H:%M}, which is to come"
        return f"its index was asked {length(age)} ago; {length(self.max_age)} is allowed"


def decide(rule: Rule, asked: Asked) -> Iterator[Said]:
    """What a rule of one of these kinds has to say of a version; nothing where it is kept."""
    if asked.name not in rule.exempt:
        yield from _RULES[rule.kind](rule, asked)


def _silent(rule: Rule, asked: Asked, text: str) -> Iterator[Said]:
    """What the index, or whoever else could, does not say; an old answer is no silence."""
    facts = asked.standing.facts
    old = asked.stale(facts) if facts is not None else None
    if old is not None:
        yield "unknown", f"{text}; {old}"
    elif rule.on_unknown == "deny":
        yield "broken", text
    elif rule.on_unknown == "warn":
        yield "tolerated", text
    elif rule.on_unknown is None:
        yield "unknown", text


def _known(rule: Rule, asked: Asked) -> Iterator[Facts | Said]:
    """The facts, if they can be used at all; else why not."""
    standing = asked.standing
    if standing.why is not None:
        yield from _silent(rule, asked, standing.why)
    elif standing.facts is None:
        yield "unknown", f"its index was never asked; {_HOW}"
    elif standing.facts.state == "silent":
        yield from _silent(rule, asked, "its index does not speak JSON (PEP 691)")
    else:
        yield standing.facts


def _release_age(rule: Rule, asked: Asked) -> Iterator[Said]:
    standing = asked.standing
    times = standing.uploaded(asked.version)
    known = [time for time in times.values() if time is not None]
    least = rule.least_age
    if known and asked.now - max(known) < least:
        newest = max(known)
        when = f"{newest:%Y-%m-%d %H:%M} UTC"  # and no age: a lock may keep this text
        text = f"uploaded {when}, and {length(least)} is the least"
        if newest > asked.now:
            yield "broken", f"uploaded {when}, which is to come"
            return
        older, names = relief(rule, asked) if rule.bypass else (None, ())
        if names:
            yield "tolerated", f"{text}; let through: it fixes {', '.join(names)} of {older}"
        else:
            yield "broken", text
        return
    if known and len(known) == len(times):
        return
    lacking = len(times) - len(known)
    text = f"nobody says when {lacking} of {many(len(times), 'file')} came" if times else ""
    if standing.facts is None and standing.why is None:
        yield "unknown", f"{text or 'nobody says when it came'}; {_HOW}"
    else:
        yield from _silent(rule, asked, text or standing.why or "nobody says when it came")


def relief(rule: Rule, asked: Asked) -> tuple[str | None, tuple[str, ...]]:
    """The version that one would have instead of a young one, and its vulnerabilities which this one mends.

    That is the highest one below it that is old enough and not yanked. An advisory must name the young
    one as the fix: that it is merely not named as vulnerable holds for every new release, hostile ones
    among them.
    """
    older = instead(rule, asked)
    return older, asked.standing.fixes.get(older, ()) if older is not None else ()


def instead(rule: Rule, asked: Asked) -> str | None:
    """The highest version below that is old enough and not yanked; None where none is known."""
    facts = asked.standing.facts
    if facts is None or not is_version(asked.version):
        return None
    for version in facts.below(asked.version):
        time = facts.uploaded(version)
        if time is not None and asked.now - time >= rule.least_age:
            return version
    return None


def _yanked(rule: Rule, asked: Asked) -> Iterator[Said]:
    for facts in _known(rule, asked):
        if not isinstance(facts, Facts):
            yield facts
            continue
        reason = facts.why_yanked(asked.version)
        if reason is not None:
            yield "broken", f"yanked: {reason or 'without a reason'}"
        elif not facts.lists(asked.version):
            yield from _silent(rule, asked, _unlisted(facts))
        elif (old := asked.stale(facts)) is not None:
            yield "unknown", old


def _unlisted(facts: Facts) -> str:
    if facts.state == "gone":
        return "its index does not have the project any more"
    return "its index does not list the version any more"


def _project_status(rule: Rule, asked: Asked) -> Iterator[Said]:
    for facts in _known(rule, asked):
        if not isinstance(facts, Facts):
            yield facts
            continue
        status = facts.status
        if status in rule.statuses:
            yield "broken", f"{status}: {facts.reason}" if facts.reason else f"{status}"
        elif status is None:
            gone = "its index does not have the project any more"
            yield from _silent(
                rule,
                asked,
                gone if facts.state == "gone" else "its index says no status (PEP 792)",
            )
        elif status not in STATUSES:
            yield from _silent(
                rule, asked, f"its status is {status!r}, which PEP 792 does not know"
            )
        elif (old := asked.stale(facts)) is not None:
            yield "unknown", old


def _version_lag(rule: Rule, asked: Asked) -> Iterator[Said]:
    for facts in _known(rule, asked):
        if not isinstance(facts, Facts):
            yield facts
            continue
        if not is_version(asked.version):
            yield "unknown", "its version cannot be compared"
            continue
        text = _behind(rule, Version(asked.version), facts)
        if text is not None:
            yield "broken", text
        elif not facts.versions:
            yield from _silent(rule, asked, "its index has no release to compare with")
        elif (old := asked.stale(facts)) is not None:
            yield "unknown", old


@frozen
class _Offer:
    """Releases that are neither yanked nor pre-releases; ``lines``: the newest of each minor line."""

    newest: Version | None
    lines: Mapping[tuple[int, int, int], Version]


def _offer(facts: Facts) -> _Offer:
    return _offer_of(facts.versions, tuple(facts.yanked))


@lru_cache(maxsize=256)
def _offer_of(versions: tuple[str, ...], yanked: tuple[str, ...]) -> _Offer:
    bad = {Version(one) for one in yanked}
    found = [one for one in ordered(versions) if one not in bad and not one.is_prerelease]
    lines = {(one.epoch, one.major, one.minor): one for one in found}
    return _Offer(newest=found[-1] if found else None, lines=lines)


def newest_of(facts: Facts) -> str | None:
    """The newest release that is neither yanked nor a pre-release."""
    newest = _offer(facts).newest
    return str(newest) if newest is not None else None


def _behind(rule: Rule, own: Version, facts: Facts) -> str | None:
    offer = _offer(facts)
    newer = [line for line, newest in offer.lines.items() if newest > own]
    majors = {line[:2] for line in newer} - {(own.epoch, own.major)}
    minors = [line for line in newer if line[:2] == (own.epoch, own.major) and line[2] != own.minor]
    if rule.max_majors is not None and len(majors) > rule.max_majors:
        behind = f"{many(len(majors), 'major release')} behind {offer.newest}"
        return f"{behind}, and {rule.max_majors} is the most"
    if rule.max_minors is not None and len(minors) > rule.max_minors:
        behind = f"{many(len(minors), 'minor release')} behind {offer.lines[max(minors)]}"
        return f"{behind}, and {rule.max_minors} is the most"
    return None


def _provenance(rule: Rule, asked: Asked) -> Iterator[Said]:
    for facts in _known(rule, asked):
        if not isinstance(facts, Facts):
            yield facts
        elif not facts.attests:
            yield from _silent(rule, asked, "its index says nothing of attestations (PEP 740)")
        elif not facts.lists(asked.version):
            yield from _silent(rule, asked, _unlisted(facts))
        else:
            found = {name: facts.file(asked.version, name) for name in asked.standing.files}
            missing = sorted(name for name, file in found.items() if file is None)
            if missing or not found:
                which = ", ".join(missing) or "which file it is"
                yield from _silent(rule, asked, f"its index does not list {which}")
            yield from _attested(rule, asked.version, facts, found)


def _attested(
    rule: Rule, version: str, facts: Facts, files: Mapping[str, File | None]
) -> Iterator[Said]:
    bare = sorted(name for name, one in files.items() if one is not None and not one.provenance)
    if bare and rule.present:
        yield "broken", f"not attested: {_some(bare)} ({len(bare)} of {many(len(files), 'file')})"
    if not rule.publisher_unchanged or not is_version(version):
        return
    below = next(facts.below(version), "")
    before = [one for one in facts.files.get(below, ()) if one.provenance]
    if not before:
        return  # the first of its kind: there is nobody to compare with
    if bare and not rule.present:
        yield "broken", f"{below} was attested, and this is not: {_some(bare)}"
    now = [one for one in files.values() if one is not None and one.provenance]
    if any(one.publishers is None for one in (*now, *before)):
        yield "unknown", f"who published it, or {below}, is not known; {_HOW}"
        return
    known = {who.casefold() for one in before for who in one.publishers or ()}
    others = {who for one in now for who in one.publishers or () if who.casefold() not in known}
    if others:
        former = ", ".join(sorted({who for one in before for who in one.publishers or ()}))
        yield "broken", f"published by {', '.join(sorted(others))}; {below} was by {former}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")


_RULES: Mapping[Kind, Callable[[Rule, Asked], Iterator[Said]]] = {
    "project-status": _project_status, "provenance": _provenance, "release-age": _release_age,
    "version-lag": _version_lag, "yanked": _yanked,
}  # fmt: skip

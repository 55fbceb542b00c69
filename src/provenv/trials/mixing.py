"""Mixes of two sets of distributions: which changes lie between them, which go together, what a mix holds.

Both sets are whole: each was installed, so that what its distributions need is known (their metadata,
core metadata's ``Requires-Dist``). A mix takes some changes from the bad set and leaves the rest as in the
good one; what nobody has changed by himself, but comes or goes with a change, follows. No other version
than those of the two sets is ever needed for that, so that no index is asked.

A requirement that does not hold in the very set that it comes from (an override, a broken release) binds
nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from provenv.core.values import field, frozen, replace

_Wanted = tuple[str, frozenset[str]]


@frozen
class Need:
    """A requirement of a distribution: on what (normalized), which versions, with which extras."""

    name: str
    specifier: SpecifierSet
    extras: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """``werkzeug>=3``."""
        return f"{self.name}{self.specifier}"


@frozen
class Held:
    """A distribution of one of the sets.

    Attributes:
        name: Normalized.
        version: As people read it; empty where there is none.
        identity: What tells it from another one of the same name: version, hashes, commit.
        requires: What it needs there, by itself (under the empty name) and with each of its extras.
    """

    name: str
    version: str
    identity: str
    requires: Mapping[str, tuple[Need, ...]] = field(default_factory=dict)

    def needs(self, extras: Collection[str] = ()) -> Iterator[Need]:
        """What it needs with these extras."""
        for extra in ("", *extras):
            yield from self.requires.get(extra, ())


@frozen
class Side:
    """One of the sets. ``roots``: What is asked for by itself, with the extras that are asked for."""

    held: Mapping[str, Held]
    roots: Mapping[str, frozenset[str]] = field(default_factory=dict)


@frozen
class Changed:
    """A distribution that differs; None where it is not there."""

    name: str
    before: str | None
    after: str | None


@frozen
class Mixed:
    """What a mix holds: ``new`` are the names that come from the bad side, ``old`` the others.

    ``conflict`` says why it cannot be: then both are empty.
    """

    old: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    conflict: str | None = None


@frozen
class Ground:
    """Two sets, and what lies between them.

    Attributes:
        changes: What differs by itself, by name.
        followers: What comes or goes with a change, by name.
        needs: Which changes cannot be made without which others.
    """

    good: Side
    bad: Side
    roots: Mapping[str, frozenset[str]]
    changes: tuple[Changed, ...]
    followers: tuple[Changed, ...]
    needs: Mapping[str, frozenset[str]] = field(default_factory=dict)


def survey(good: Side, bad: Side) -> Ground:
    """What lies between two sets."""
    good, bad = _binding(good, bad), _binding(bad, good)
    roots: dict[str, frozenset[str]] = {}
    for side in (good, bad):
        for name, extras in _all_roots(side).items():
            roots[name] = roots.get(name, frozenset()) | extras
    changes: list[Changed] = []
    followers: list[Changed] = []
    for name in sorted({*good.held, *bad.held}):
        before, after = good.held.get(name), bad.held.get(name)
        if before is not None and after is not None and before.identity == after.identity:
            continue
        one = Changed(
            name=name,
            before=None if before is None else before.version,
            after=None if after is None else after.version,
        )
        both = before is not None and after is not None
        (changes if both or name in roots else followers).append(one)
    ground = Ground(
        good=good, bad=bad, roots=roots, changes=tuple(changes), followers=tuple(followers)
    )
    return replace(ground, needs=_needs(ground))


def _binding(side: Side, other: Side) -> Side:
    """``side`` with the requirements that hold in it, and in the other one where that has the same."""

    def binding(held: Held) -> Held:
        there = other.held.get(held.name)
        sides = (side, other) if there and there.identity == held.identity else (side,)
        requires = {
            extra: tuple(bound for need in needs if (bound := _bound_by(need, sides)) is not None)
            for extra, needs in held.requires.items()
        }
        return replace(held, requires=requires)

    return replace(side, held={name: binding(held) for name, held in side.held.items()})


def _bound_by(need: Need, sides: Sequence[Side]) -> Need | None:
    """A requirement as it holds in all of the sets: of any version where it did not; None where unmet."""
    there = [side.held.get(need.name) for side in sides]
    if None in there:
        return None
    if all(held is not None and _fits(need, held) for held in there):
        return need
    return replace(need, specifier=SpecifierSet())


def mixed(ground: Ground, mix: Collection[str]) -> Mixed:
    """The good set with the changes in ``mix``: what is reached from what is asked for."""
    chosen: dict[str, Held] = {}
    seen: set[_Wanted] = set()
    queue: list[_Wanted] = []
    for name, extras in ground.roots.items():
        held = _taken(ground, name, mix, asked=True)
        if held is not None:
            queue += [(name, extras)]
    while queue:
        name, extras = queue.pop()
        held = _taken(ground, name, mix)
        if held is None or (name, extras) in seen:
            continue
        seen.add((name, extras))
        chosen[name] = held
        for one in held.needs(extras):
            other = _taken(ground, one.name, mix)
            if other is not None and not _fits(one, other):
                label = f"{name} {held.version}".strip()
                return Mixed(conflict=f"{label} needs {one}, and not {other.version}")
            queue.append((one.name, one.extras))
    new = {name for name, held in chosen.items() if ground.bad.held.get(name) is held}
    old = {name for name in chosen if name not in new}
    return Mixed(old=tuple(sorted(old)), new=tuple(sorted(new)))


def _taken(ground: Ground, name: str, mix: Collection[str], *, asked: bool = False) -> Held | None:
    """Which of its two forms a mix has; None where it has none. ``asked``: Nobody else needs it."""
    before, after = ground.good.held.get(name), ground.bad.held.get(name)
    if before is None or after is None:
        there = before if after is None else after
        if asked and (there is before) == (name in mix):
            return None
        return there
    if before.identity == after.identity:
        return before
    return after if name in mix else before


def _fits(need: Need, held: Held) -> bool:
    """Whether a version is what is asked for; one that cannot be compared is."""
    try:
        version = Version(held.version.partition(" ")[0])
    except InvalidVersion:
        return True
    return need.specifier.contains(version, prereleases=True)


def _all_roots(side: Side) -> dict[str, frozenset[str]]:
    """What is asked for by itself; what is not reached from there must be, too, or something above it."""
    roots = {name: extras for name, extras in side.roots.items() if name in side.held}
    while rest := side.held.keys() - _reached(side, roots):
        needed = {one.name for name in rest for one in side.held[name].needs() if one.name != name}
        first = sorted(rest - needed) or [min(rest)]  # in circles, any
        roots |= dict.fromkeys(first, frozenset())
    return roots


def _reached(side: Side, roots: Mapping[str, frozenset[str]]) -> set[str]:
    seen: set[_Wanted] = set()
    queue: list[_Wanted] = [*roots.items()]
    while queue:
        name, extras = queue.pop()
        held = side.held.get(name)
        if held is None or (name, extras) in seen:
            continue
        seen.add((name, extras))
        queue += [(one.name, one.extras) for one in held.needs(extras)]
    return {name for name, _ in seen}


def _needs(ground: Ground) -> dict[str, frozenset[str]]:
    """Between changes: the new form of one needs that of another, or the old one is held by an old one."""
    found: dict[str, set[str]] = {change.name: set() for change in ground.changes}
    names = {*found}
    for name in found:
        for side, other in ((ground.bad, ground.good), (ground.good, ground.bad)):
            if name not in side.held:
                continue
            for target in _bound(side, other, name, names):
                first, second = (name, target) if side is ground.bad else (target, name)
                found[first].add(second)
    return {name: frozenset(others) for name, others in found.items() if others}


def _bound(side: Side, other: Side, name: str, changes: Collection[str]) -> Iterator[str]:
    """Other changes that must be as in ``side`` where ``name`` is; what only it brings is part of it."""
    seen: set[_Wanted] = set()
    queue: list[_Wanted] = [(name, frozenset())]
    while queue:
        here, extras = queue.pop()
        if (here, extras) in seen:
            continue
        seen.add((here, extras))
        for one in side.held[here].needs(extras):
            target = one.name
            if target not in changes:
                if target not in other.held:  # it comes with this side alone
                    queue.append((target, one.extras))
            elif target in other.held and not _fits(one, other.held[target]):
                yield target

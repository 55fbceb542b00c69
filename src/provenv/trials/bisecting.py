"""What a bisector tries next, and when it is done. Nothing is run here, and nothing is random.

Between a good mix of distributions and a bad one lie *changes*. Some cannot be made without others (a new
release that needs another's new release): those that need each other are one *unit*, and every mix that
is tried holds with a unit all that it needs. Such mixes are closed under union, so that halving works:

- **narrowing**: of a good mix inside a bad one, half of what lies between is tried. It becomes the good
  one or the bad one, until one unit is between them. That is isolating delta debugging (Zeller and
  Hildebrandt, "Simplifying and isolating failure-inducing input", 2002);
- **several culprits**: where a unit is not bad by itself, it is held, and what it needs besides is
  narrowed in the same way, as in QuickXplain (Junker, 2004);
- **skips**: where a mix says nothing (it cannot be built, its result is unclear), other partitions are
  tried, down to single units. What is still between good and bad then cannot be told apart.

In the end every culprit was left out once, and what was left was good. For n units and k culprits that
takes about k · (log2 n + 2) mixes.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from provenv.core.values import field, frozen

Answer = Literal["good", "bad", "skip"]
Mix = frozenset[str]
_Search = Generator[int, Answer, "Verdict"]

_SINGLES = 12  # of so many units, each is tried alone and left out alone before giving up


@frozen
class Verdict:
    """What is known in the end. Units are tuples of names that cannot be told apart: they go together.

    Attributes:
        culprits: The smallest set of units that turns good into bad, as far as was told; in the order in
            which they were found where the last is doubtful.
        needed: What the culprits cannot be without, and is not bad without them.
        remaining: Units among which one more culprit is, and nothing tells which; empty where all
            is told.
        unproven: Whether the last culprit is needed besides the others could not be tried.
    """

    culprits: tuple[tuple[str, ...], ...]
    needed: tuple[str, ...] = ()
    remaining: tuple[tuple[str, ...], ...] = ()
    unproven: bool = False

    @property
    def told(self) -> bool:
        """Whether nothing is left to be told apart."""
        return not self.remaining and not self.unproven


@frozen
class Board:
    """The units of a search as bits: unit ``i`` is bit ``1 << i``, and what it needs comes before it.

    Attributes:
        units: The names of each.
        closures: Of each unit, itself and all that it needs.
    """

    units: tuple[tuple[str, ...], ...]
    closures: tuple[int, ...]

    @property
    def whole(self) -> int:
        """All units."""
        return (1 << len(self.units)) - 1

    def closed(self, mask: int) -> int:
        """``mask`` with all that its units need."""
        return _union(self.closures[i] for i in _bits(mask))

    def without(self, mask: int, unit: int) -> int:
        """``mask`` without a unit, and without those that need it."""
        return _union(1 << i for i in _bits(mask) if not self.closures[i] >> unit & 1)

    def all_but(self, names: Collection[str], units: Iterable[Sequence[str]]) -> Mix:
        """These changes without some units, and without what cannot be made without them."""
        mask = _union(1 << i for i, unit in enumerate(self.units) if unit[0] in names)
        for unit in units:
            mask = self.without(mask, self.units.index(tuple(unit)))
        return self.names(mask)

    def names(self, mask: int) -> Mix:
        """The names of all units of a mix."""
        return frozenset(name for i in _bits(mask) for name in self.units[i])


def lay_out(changes: Sequence[str], needs: Mapping[str, Collection[str]]) -> Board:
    """The board of ``changes``; ``needs`` says which cannot be made without which others."""
    place = {name: i for i, name in enumerate(changes)}
    reach = [_reach(i, changes, needs, place) for i in range(len(changes))]
    groups: dict[int, list[int]] = {}  # each under its first
    for i, mask in enumerate(reach):
        first = next(j for j in _bits(mask) if reach[j] >> i & 1)
        groups.setdefault(first, []).append(i)
    # who needs more comes later: what it needs is a true part of that
    order = sorted(groups, key=lambda first: (reach[first].bit_count(), first))
    number = {i: n for n, first in enumerate(order) for i in groups[first]}
    return Board(
        units=tuple(tuple(changes[i] for i in groups[first]) for first in order),
        closures=tuple(_union(1 << number[i] for i in _bits(reach[first])) for first in order),
    )


def _reach(
    start: int, changes: Sequence[str], needs: Mapping[str, Collection[str]], place: dict[str, int]
) -> int:
    seen, todo = 1 << start, [start]
    while todo:
        for name in needs.get(changes[todo.pop()], ()):
            other = place.get(name)
            if other is not None and not seen >> other & 1:
                seen |= 1 << other
                todo.append(other)
    return seen


class Search:
    """A search among changes: ``mix`` is what is to be tried, ``verdict`` what is known in the end.

    One of the two is None. ``answers`` are those of an earlier run: with the same ones it comes to the
    same place. That nothing is good and everything is bad must have been seen before. ``first`` is a guess,
    which is tried before all others: right, it saves most of them, and wrong, it costs one.
    """

    def __init__(
        self,
        changes: Sequence[str],
        needs: Mapping[str, Collection[str]] | None = None,
        answers: Mapping[Mix, Answer] | None = None,
        first: Collection[str] = (),
    ) -> None:
        self.board = lay_out(changes, needs or {})
        self.answers: dict[Mix, Answer] = dict(answers or {})
        self.mix: Mix | None = None
        self.verdict: Verdict | None = None
        self._between = [0, self.board.whole]
        guess = _union(1 << i for i, unit in enumerate(self.board.units) if {*unit} & {*first})
        self._running = _hunt(self.board, self._between, self.board.closed(guess))
        self._go_on(None)

    def tell(self, answer: Answer) -> None:
        """What came of trying ``mix``."""
        assert self.mix is not None
        self.answers[self.mix] = answer
        self._go_on(answer)

    @property
    def left(self) -> int:
        """How many units lie between good and bad now."""
        good, bad = self._between
        return (bad & ~good).bit_count()

    @property
    def estimate(self) -> int:
        """About how many more mixes must be tried, if there is one more culprit and nothing is skipped."""
        return 0 if self.verdict is not None else estimate(self.left) + 1

    def _go_on(self, answer: Answer | None) -> None:
        self.mix = None
        try:
            mask = next(self._running) if answer is None else self._running.send(answer)
            while (known := self.answers.get(self.board.names(mask))) is not None:
                mask = self._running.send(known)
        except StopIteration as end:
            self.verdict = end.value
            return
        self.mix = self.board.names(mask)


def estimate(between: int) -> int:
    """How many questions single out one of so many."""
    return max(between - 1, 0).bit_length()


def _hunt(board: Board, between: list[int], guess: int) -> _Search:
    """The culprits, one after the other; ``between`` is kept at (good, bad)."""
    good, bad = 0, board.whole
    if not bad:
        return Verdict(culprits=())
    if guess and guess != bad:
        answer = yield guess
        good = guess if answer == "good" else 0
        bad = guess if answer == "bad" else bad
    while True:
        culprits, held, verdict = yield from _collect(board, good, bad, between)
        if verdict.remaining:
            return verdict
        smaller = yield from _smaller(board, culprits, held)
        if smaller is None:
            return verdict
        good, bad = (
            0,
            smaller,
        )  # a mix is bad although more of it is good; the search goes on in the smaller one


def _collect(
    board: Board, seen: int, bad: int, between: list[int]
) -> Generator[int, Answer, tuple[list[int], int, Verdict]]:
    """Culprits inside ``bad`` that are bad together, with all that they need; ``seen`` is good."""
    culprits: list[int] = []
    held = 0
    doubtful = False  # whether ``held`` is good was never seen
    while True:
        good, bad = yield from _narrow(board, held | seen, bad, between)
        seen = 0
        doubtful = doubtful and good == held
        rest = [*_bits(bad & ~good)]
        if len(rest) > 1:
            return culprits, held, _verdict(board, culprits, rest, unproven=doubtful)
        # what another culprit needs is there with that one
        culprits = [u for u in culprits if not board.closures[rest[0]] >> u & 1] + rest
        held = board.closed(held | 1 << rest[0])
        answer: Answer = "bad" if held == bad else (yield held)
        if answer == "bad":
            return culprits, held, _verdict(board, culprits, unproven=doubtful)
        doubtful = answer == "skip"


def _narrow(
    board: Board, good: int, bad: int, between: list[int]
) -> Generator[int, Answer, tuple[int, int]]:
    """Bring ``good`` and ``bad`` as near to each other as mixes with an answer allow."""
    between[:] = good, bad
    while (bad & ~good).bit_count() > 1:
        for mask in _proposals(board, good, bad):
            answer = yield mask
            if answer == "good":
                good = mask
            elif answer == "bad":
                bad = mask
            else:
                continue
            between[:] = good, bad
            break
        else:
            break
    return good, bad


def _smaller(board: Board, culprits: list[int], held: int) -> Generator[int, Answer, int | None]:
    """A bad mix without one of several culprits, which others had hidden; None where there is none."""
    for unit in culprits if len(culprits) > 1 else ():
        mask = board.closed(_union(1 << other for other in culprits if other != unit))
        if mask == held or not mask:
            continue
        if (yield mask) == "bad":
            return mask
    return None


def _verdict(
    board: Board, culprits: Iterable[int], remaining: Iterable[int] = (), *, unproven: bool
) -> Verdict:
    guilty, rest = [*culprits] if unproven else sorted(culprits), [*remaining]
    own = _union(1 << i for i in guilty)
    needed = board.closed(own) & ~own & ~_union(1 << i for i in rest)
    return Verdict(
        culprits=tuple(board.units[i] for i in guilty),
        needed=tuple(sorted(board.names(needed))),
        remaining=tuple(board.units[i] for i in rest),
        unproven=unproven,
    )


def _proposals(board: Board, good: int, bad: int) -> Iterator[int]:
    """Mixes between ``good`` and ``bad``, the most telling first; each once."""
    seen = {good, bad}
    for mask in _all_proposals(board, good, bad):
        if mask not in seen:
            seen.add(mask)
            yield mask


def _all_proposals(board: Board, good: int, bad: int) -> Iterator[int]:
    rest = [*_bits(bad & ~good)]
    orders = [
        rest,
        rest[::-1],
        *([i for k in range(step) for i in rest[k::step]] for step in (2, 3)),
    ]
    for parts in ((1, 2), (1, 4), (3, 4)):
        for order in orders:
            yield _grown(board, good, order, max(1, len(rest) * parts[0] // parts[1]))
    if len(rest) <= _SINGLES:
        for unit in rest:
            yield board.closed(good | 1 << unit)
            yield board.without(bad, unit) | good


def _grown(board: Board, good: int, order: Sequence[int], count: int) -> int:
    """``good`` and units in this order, each with what it needs, until there are ``count`` more."""
    mask = good
    for unit in order:
        larger = mask | board.closures[unit]
        if mask != good and (larger & ~good).bit_count() > count:
            continue  # smaller ones may still fit
        mask = larger
        if (mask & ~good).bit_count() >= count:
            break
    return mask


@frozen
class Bounds:
    """Where a line of releases turns bad, as positions in it.

    Attributes:
        good: The last that is known to be good; -1 for what comes before the first.
        bad: The first that is known to be bad; the line's length for what comes after the last.
        skipped: What lies between them and could not be tried.
    """

    good: int
    bad: int
    skipped: tuple[int, ...] = ()


class LineSearch:
    """A search in a line of which the beginning is good and the end is bad: releases, Pythons.

    ``place`` is what is to be tried, ``bounds`` what is known in the end; one of the two is None.
    """

    def __init__(self, length: int, answers: Mapping[int, Answer] | None = None) -> None:
        self.answers: dict[int, Answer] = dict(answers or {})
        self._good, self._bad = -1, length
        self.place: int | None = None
        self.bounds: Bounds | None = None
        self._go_on()

    def tell(self, answer: Answer) -> None:
        """What came of trying ``place``."""
        assert self.place is not None
        self.answers[self.place] = answer
        self._go_on()

    @property
    def left(self) -> int:
        """How many lie between good and bad now, the bad one with them."""
        return self._bad - self._good

    @property
    def estimate(self) -> int:
        """About how many more must be tried, if nothing is skipped."""
        return 0 if self.bounds is not None else estimate(self.left)

    def _go_on(self) -> None:
        while True:
            self.place = self._next()
            answer = None if self.place is None else self.answers.get(self.place)
            if self.place is None or answer is None:
                break
            if answer == "good":
                self._good = self.place
            elif answer == "bad":
                self._bad = self.place
        if self.place is None:
            between = tuple(range(self._good + 1, self._bad))
            self.bounds = Bounds(good=self._good, bad=self._bad, skipped=between)

    def _next(self) -> int | None:
        """The place nearest to the middle that has not been skipped."""
        middle = (self._good + self._bad) // 2
        places = [p for p in range(self._good + 1, self._bad) if self.answers.get(p) != "skip"]
        return min(places, key=lambda place: (abs(place - middle), place), default=None)


@frozen
class Tries:
    """The results of running one thing several times."""

    answers: tuple[Answer, ...] = field(default_factory=tuple)

    def agreed(self, wanted: int) -> Answer | None:
        """The answer that all of ``wanted`` tries gave; ``skip`` where they differ; None before that."""
        if len({*self.answers}) > 1:
            return "skip"
        return self.answers[0] if len(self.answers) >= wanted else None


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _union(masks: Iterable[int]) -> int:
    found = 0
    for mask in masks:
        found |= mask
    return found

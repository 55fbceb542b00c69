"""Whether a version is affected, by the letter of the OSV schema ("Evaluation").

Never by :class:`packaging.specifiers.SpecifierSet`: for it ``<2.0`` leaves out ``2.0rc1``, and ``>1.11.0``
leaves out ``1.11.0.post1``; for a vulnerability both are plain comparisons.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from packaging.version import InvalidVersion, Version

from provenv.core.values import frozen
from provenv.model.advisory import Affected, Event, EventKind, version_key

Answer = Literal["affected", "unaffected", "unclear"]


@functools.lru_cache(maxsize=1 << 16)
def parsed(text: str) -> Version | None:
    """A version (PEP 440); None where it is none."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


@frozen
class _Side:
    """Where versions that PEP 440 cannot parse are taken to stand: below all, or above all."""

    above: bool

    def reached(self, version: Version, text: str) -> bool:
        """Whether ``version`` is at or beyond the version of an event."""
        if text == "0":
            return True
        limit = parsed(text)
        return not self.above if limit is None else version >= limit

    def passed(self, version: Version, text: str) -> bool:
        """Whether ``version`` is beyond the version of an event."""
        limit = parsed(text)
        return not self.above if limit is None else version > limit

    def order(self, event: Event) -> tuple[int, Version]:
        if event.version == "0":
            return (0, _NONE)
        limit = parsed(event.version)
        if limit is None:
            return (4 if self.above else 1, _NONE)
        return (2, limit)


_NONE = Version("0")
_AT_ONE_VERSION: tuple[EventKind, ...] = ("fixed", "introduced", "last_affected", "limit")
_SIDES = (_Side(above=False), _Side(above=True))


def answer(entries: Iterable[Affected], version: str) -> Answer:
    """Whether the entries of one package cover ``version``.

    ``unclear`` where the answer hangs on a version that PEP 440 cannot parse, in the record or at hand:
    what could not be decided is never taken for clean. A local version (``2.0+cpu``) is affected as well
    where the version that it was made from is.
    """
    own = parsed(version)
    answers = {_one(entry, version, own) for entry in entries}
    for found in ("affected", "unclear"):
        if found in answers:
            return found
    return "unaffected"


def _one(entry: Affected, text: str, version: Version | None) -> Answer:
    if version_key(text) in entry.versions:
        return "affected"
    if version is None:
        return "unclear" if entry.ranges else "unaffected"
    candidates = [version]
    if version.local is not None:
        candidates.append(Version(version.public))
        if version_key(version.public) in entry.versions:
            return "affected"
    found = {_in_range(events, one) for events in entry.ranges for one in candidates}
    if "affected" in found:
        return "affected"
    return "unclear" if "unclear" in found else "unaffected"


def _in_range(events: Sequence[Event], version: Version) -> Answer:
    answers = {_walk(events, version, side) for side in _SIDES}
    if len(answers) > 1:
        return "unclear"
    return "affected" if True in answers else "unaffected"


def _walk(events: Sequence[Event], version: Version, side: _Side) -> bool:
    """``IncludedInRanges`` of the schema, for one range."""
    limits = [event.version for event in events if event.kind == "limit"]
    if limits and not any(
        limit == "*" or not side.reached(version, limit) for limit in limits
    ):  # BeforeLimits
        return False
    inside = False
    for event in sorted_events(events, side.order):
        if event.kind == "introduced" and side.reached(version, event.version):
            inside = True
        elif (event.kind == "fixed" and side.reached(version, event.version)) or (
            event.kind == "last_affected" and side.passed(version, event.version)
        ):
            inside = False
    return inside


def sorted_events(
    events: Sequence[Event], order: Callable[[Event], tuple[int, Version]] = _SIDES[0].order
) -> list[Event]:
    """Events by version.

    At one version ``fixed`` ends the interval before it, then the next begins, and then its own
    ``last_affected`` is told: records list intervals that meet in any order.
    """
    return sorted(events, key=lambda event: (*order(event), _AT_ONE_VERSION.index(event.kind)))


def fixes(entries: Iterable[Affected], version: str) -> list[str]:
    """The versions above ``version`` that a range names as fixed, the lowest first."""
    own = parsed(version)
    found = {
        limit
        for entry in entries
        for events in entry.ranges
        for event in events
        if event.kind == "fixed" and (limit := parsed(event.version)) is not None
    }
    return [str(one) for one in sorted(found) if own is None or one > own]

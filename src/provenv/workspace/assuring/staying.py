"""What an upgrade does not move although something newer is there, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from packaging.version import Version

from provenv.core.errors import ProvenvError, UnsatisfiableError
from provenv.core.values import frozen
from provenv.model import bounds as versions_bounds
from provenv.workspace.assuring import bounds, candidates
from provenv.workspace.assuring.candidates import Candidate, Desk
from provenv.workspace.syncing import locking

_ASKED = 8
"""Of so many packages the resolver is asked what holds them back; of more it would take long."""
_NEEDS = re.compile(
    r"(\S+) depends? on ([A-Za-z0-9][A-Za-z0-9._-]*)((?:[<>=!~]=?=?[^\s,]+)(?:,[<>=!~][^\s,]+)*)"
)


@frozen
class Stayed:
    """A package that has a newer version on its index and does not move there.

    ``newest`` is None where the index does not say.
    """

    name: str
    locked: str
    newest: str | None
    reason: str


def stayed(
    desk: Desk, state: Candidate, steps: Sequence[str], reasons: Mapping[str, str]
) -> Iterator[Stayed]:
    """What has a newer version and is not at it; ``reasons`` are why steps left a package out."""
    asked = 0
    for name, versions in sorted(state.versions().items()):
        if name not in desk.market.addresses:
            continue
        offered = desk.offered(name)
        if offered.inconclusive is not None:
            yield Stayed(
                name=name, locked=joined(versions), newest=None, reason=offered.inconclusive
            )
            continue
        above = offered.above(versions[-1])
        if not above:
            continue
        reason = reasons.get(name) or _plain_reason(
            desk, state, steps, name, versions[-1], above[-1]
        )
        if reason is None and asked < _ASKED:
            asked += 1
            reason = _resolvers_reason(desk, state, name, above[-1])
        yield Stayed(
            name=name,
            locked=joined(versions),
            newest=str(above[-1]),
            reason=reason or "something else that is locked needs an older one",
        )


def _plain_reason(
    desk: Desk,
    state: Candidate,
    steps: Sequence[str],
    name: str,
    version: Version,
    newest: Version,
) -> str | None:
    """What can be said without the resolver: a bound, an advisory, a step that was not asked for."""
    held = bounds.stated_against(state.project, name, newest)
    if held:
        where = ", ".join(f"{one.requirement!r} ({one.place})" for one in held)
        return f"held by {where}"
    for row in locking.excluded_rows(state.locks[None].lock):
        if row.get("name") == name and row.get("version") in (None, str(newest)):
            return f"excluded by the rule {row.get('rule')!r}: {row.get('why')}"
    if desk.against(name).hits(str(newest)):
        return f"something is known against {newest}"
    wanted = versions_bounds.step(version, newest)
    if wanted not in steps:
        return f"{wanted} releases were not asked for"
    return None


def _resolvers_reason(desk: Desk, state: Candidate, name: str, newest: Version) -> str | None:
    try:
        candidates.resolved(desk, state, [f"{name}=={newest}"], upgrade=[name])
    except UnsatisfiableError as error:
        for who, what, clause in _NEEDS.findall(" ".join(error.message.split())):
            if what == name and who != "project":
                return f"{who} needs {what}{clause.rstrip('.')}"
        return short(error.message)
    except ProvenvError as error:
        return short(error.message)
    return "it would move others beyond what was asked for"


def short(message: str) -> str:
    """The first sentence or so of what a resolver says."""
    text = " ".join(message.split())
    return text if len(text) <= 240 else f"{text[:239]}…"


def joined(versions: Sequence[Version]) -> str:
    """Versions of one package, for people."""
    return ", ".join(map(str, versions))

"""What is newer than the lock: on the index, and within what the manifest allows."""

from __future__ import annotations

from packaging.pylock import Pylock
from packaging.version import Version

from provenv.core.events import Emit, silent
from provenv.core.http import redacted
from provenv.core.values import frozen
from provenv.model.lock import is_direct
from provenv.model.manifest import Manifest
from provenv.resolve.offers import offers, open_market
from provenv.resolve.pages import Pages
from provenv.resolve.resolver import resolve
from provenv.resolve.settings import ResolveSettings


@frozen
class Newest:
    """One locked distribution beside what could be had.

    Attributes:
        name: Normalized name.
        locked: The version in the lock; the highest one where it has several.
        allowed: The version that locking with everything upgraded would choose; None where it would
            not choose the distribution at all.
        latest: The newest version on its index, yanked ones and (unless the locked one is one)
            pre-releases left out; None where that could not be found out.
        newer: All that a person could move to from the locked version, the lowest first.
        index: The address of that index.
        inconclusive: Why ``latest`` could not be found out.
    """

    name: str
    locked: str
    allowed: str | None
    latest: str | None
    index: str
    newer: tuple[str, ...] = ()
    inconclusive: str | None = None

    @property
    def outdated(self) -> bool:
        """Whether a newer version is known to be there."""
        return self.latest is not None and Version(self.latest) > Version(self.locked)


def outdated(
    manifest: Manifest,
    lock: Pylock,
    *,
    project: str,
    settings: ResolveSettings,
    emit: Emit = silent,
    pages: Pages | None = None,
) -> tuple[Newest, ...]:
    """Every distribution of ``lock`` that came from an index, sorted by name.

    ``pages`` gets what the indexes said, for who needs more of it.

    Raises:
        UnsatisfiableError, NetworkError, BuildError: As for :func:`resolve`.
    """
    upgraded = resolve(
        manifest, project=project, previous={}, upgrade=True, settings=settings, emit=emit
    )
    allowed = _versions(upgraded[None])
    locked = _versions(lock)
    market = open_market(
        manifest, [lock], project=project, settings=settings, emit=emit, pages=pages
    )
    found = []
    for name, offered in offers(market, sorted(locked)).items():
        latest = max(offered.instead_of(locked[name]), default=None)
        none = None if latest is not None else "its index offers no version of it"
        found.append(
            Newest(
                name=name,
                locked=str(locked[name]),
                allowed=str(allowed[name]) if name in allowed else None,
                latest=str(latest) if latest is not None else None,
                newer=tuple(map(str, offered.above(locked[name]))),
                index=redacted(market.addresses[name]),
                inconclusive=offered.inconclusive or none,
            )
        )
    return tuple(found)


def _versions(lock: Pylock) -> dict[str, Version]:
    found: dict[str, Version] = {}
    for package in lock.packages:
        if package.version is not None and not is_direct(package):
            found[package.name] = max(package.version, found.get(package.name, package.version))
    return found


__all__ = ["Newest", "outdated"]

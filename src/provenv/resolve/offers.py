"""What the indexes offer of locked distributions: versions, and since when.

Read from the simple API in JSON (PEP 691), with the times of PEP 700.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from packaging.pylock import Pylock
from packaging.version import Version

from provenv.core.errors import NetworkError
from provenv.core.events import Emit, silent
from provenv.core.http import Transport
from provenv.core.values import field, frozen
from provenv.model.lock import is_direct
from provenv.model.manifest import Manifest
from provenv.model.origins import PYPI
from provenv.resolve.indexes import authorized, collect_indexes
from provenv.resolve.pages import IndexFile, Pages, listed, project_page
from provenv.resolve.settings import ResolveSettings

_WORKERS = 16


@frozen
class Offer:
    """One version on an index.

    Attributes:
        uploaded: When its first file was (RFC 3339); None where the index does not say.
        yanked: All of its files are.
    """

    version: Version
    uploaded: str | None = None
    yanked: bool = False


@frozen
class Offers:
    """What the index of one distribution has, the lowest version first.

    Attributes:
        inconclusive: Why that could not be found out; there are no versions then.
    """

    name: str
    versions: tuple[Offer, ...] = ()
    inconclusive: str | None = None

    def of(self, version: str) -> Offer | None:
        """What is offered under one version."""
        wanted = Version(version)
        return next((one for one in self.versions if one.version == wanted), None)

    def above(self, version: Version) -> list[Version]:
        """What a person could move to from ``version``, the lowest first.

        What is yanked is left out, and so are pre-releases where ``version`` is none.
        """
        return [one for one in self.instead_of(version) if one > version]

    def instead_of(self, version: Version) -> list[Version]:
        """The same, with ``version`` itself and what is below it."""
        return [
            one.version
            for one in self.versions
            if not one.yanked and (version.is_prerelease or not one.version.is_prerelease)
        ]


@frozen
class Market:
    """Where offers are asked for, each once; ``pages`` gets what was read for them, where it is wanted."""

    transport: Transport = field(repr=False)
    addresses: dict[str, str]
    known: dict[str, Offers] = field(default_factory=dict, repr=False)
    pages: Pages | None = field(default=None, repr=False)


def open_market(
    manifest: Manifest,
    locks: Iterable[Pylock],
    *,
    project: str,
    settings: ResolveSettings,
    emit: Emit = silent,
    pages: Pages | None = None,
) -> Market:
    """Where the distributions of some locks are offered: each at the index that it was locked from."""
    indexes = collect_indexes(manifest, project, settings.index_url)
    transport = Transport(authorized(settings, indexes), emit=emit)
    market = Market(transport=transport, addresses={}, pages=pages)
    learn(market, locks)
    return market


def learn(market: Market, locks: Iterable[Pylock]) -> None:
    """Take note of where the distributions of more locks come from."""
    for lock in locks:
        for package in lock.packages:
            if package.version is not None and not is_direct(package):
                market.addresses.setdefault(package.name, package.index or PYPI)


def offers(market: Market, names: Iterable[str]) -> dict[str, Offers]:
    """What is offered of some distributions; of those that come from no index, nothing."""
    wanted = list(dict.fromkeys(names))
    missing = [name for name in wanted if name not in market.known]
    if missing:
        with ThreadPoolExecutor(_WORKERS) as pool:
            for found in pool.map(lambda name: _ask(market, name), missing):
                market.known[found.name] = found
    return {name: market.known[name] for name in wanted}


def _ask(market: Market, name: str) -> Offers:
    index = market.addresses.get(name)
    if index is None:
        return Offers(name=name, inconclusive="it does not come from an index")
    if not index.startswith(("http://", "https://")):
        return Offers(
            name=name, inconclusive="its index is a folder, which does not say what it has"
        )
    try:
        page = project_page(market.transport, index, name)
    except NetworkError as error:
        return Offers(name=name, inconclusive=error.message)
    if page.state == "gone":
        return Offers(name=name, inconclusive=f"its index answered HTTP status {page.status}")
    if page.state == "silent":
        return Offers(name=name, inconclusive="its index does not speak JSON (PEP 691)")
    files = listed(page)
    if market.pages is not None:
        market.pages[index, name] = files
    return Offers(name=name, versions=_versions(files))


def _versions(files: Iterable[IndexFile]) -> tuple[Offer, ...]:
    found: dict[Version, list[IndexFile]] = {}
    for file in files:
        found.setdefault(Version(file.version), []).append(file)
    return tuple(
        Offer(
            version=version,
            uploaded=min((f.uploaded for f in found[version] if f.uploaded), default=None),
            yanked=all(file.yanked for file in found[version]),
        )
        for version in sorted(found)
    )

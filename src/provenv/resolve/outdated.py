"""What is newer than the lock: on the index, and within what the manifest allows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from packaging.pylock import Pylock
from packaging.version import Version

from provenv.core.errors import NetworkError
from provenv.core.events import Emit, silent
from provenv.core.http import Transport, redacted
from provenv.core.values import frozen
from provenv.model.lock import is_direct
from provenv.model.manifest import Manifest
from provenv.model.origins import PYPI
from provenv.resolve.indexes import authorized, collect_indexes
from provenv.resolve.pages import version_of
from provenv.resolve.resolver import resolve
from provenv.resolve.settings import ResolveSettings

_JSON = "application/vnd.pypi.simple.v1+json"
_WORKERS = 16


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
        index: The address of that index.
        inconclusive: Why ``latest`` could not be found out.
    """

    name: str
    locked: str
    allowed: str | None
    latest: str | None
    index: str
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
) -> tuple[Newest, ...]:
    """Every distribution of ``lock`` that came from an index, sorted by name.

    Raises:
        UnsatisfiableError, NetworkError, BuildError: As for :func:`resolve`.
    """
    upgraded = resolve(
        manifest, project=project, previous={}, upgrade=True, settings=settings, emit=emit
    )
    allowed = _versions(upgraded[None])
    locked = _versions(lock)
    addresses: dict[str, str] = {p.name: p.index or PYPI for p in lock.packages if p.name in locked}
    indexes = collect_indexes(manifest, project, settings.index_url)
    transport = Transport(authorized(settings, indexes), emit=emit)

    def one(name: str) -> Newest:
        latest, reason = latest_version(transport, addresses[name], name, locked[name])
        return Newest(
            name=name,
            locked=str(locked[name]),
            allowed=str(allowed[name]) if name in allowed else None,
            latest=str(latest) if latest is not None else None,
            index=redacted(addresses[name]),
            inconclusive=reason,
        )

    with ThreadPoolExecutor(_WORKERS) as pool:
        return tuple(pool.map(one, sorted(locked)))


def _versions(lock: Pylock) -> dict[str, Version]:
    found: dict[str, Version] = {}
    for package in lock.packages:
        if package.version is not None and not is_direct(package):
            found[package.name] = max(package.version, found.get(package.name, package.version))
    return found


def latest_version(
    transport: Transport, index: str, name: str, locked: Version
) -> tuple[Version | None, str | None]:
    """The newest version of ``name`` on ``index`` (PEP 691 JSON), or None and the reason."""
    if not index.startswith(("http://", "https://")):
        return None, "the index is a folder, which does not say what it has"
    try:
        answer = transport.get(f"{index.rstrip('/')}/{name}/", headers={"Accept": _JSON})
    except NetworkError as error:
        return None, error.message
    if answer.status != 200:
        return None, f"the index answered HTTP status {answer.status}"
    try:
        data = json.loads(answer.body)
        files = data["files"]
    except (ValueError, KeyError, TypeError):
        return None, "the index does not speak JSON (PEP 691)"
    candidates = [
        version for version in _offered(files) if locked.is_prerelease or not version.is_prerelease
    ]
    if not candidates:
        return None, "the index offers no version of it"
    return max(candidates), None


def _offered(files: Sequence[Mapping[str, Any]]) -> set[Version]:
    """The versions that have at least one file that is not yanked (PEP 592)."""
    found: set[Version] = set()
    for file in files:
        if file.get("yanked", False) is False:
            version = version_of(str(file.get("filename", "")))
            if version is not None:
                found.add(Version(version))
    return found


__all__ = ["Newest", "latest_version", "outdated"]

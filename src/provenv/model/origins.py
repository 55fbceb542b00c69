"""Origins: where the files of a lock may come from. The manifest says it, never the lock.

Whoever can edit a lock can also make its digest anew. So the addresses in it count only where the
manifest, which people read, leads to them: to one of its indexes, to a place that it names, or to what
``[tool.provenv] origins`` adds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from packaging.pylock import Package, Pylock
from packaging.requirements import Requirement

from provenv.core.errors import ProvenvError
from provenv.core.http import origin, redacted
from provenv.core.values import field, frozen
from provenv.model.manifest import Manifest, Member

PYPI = "https://pypi.org/simple"
# Indexes that everybody knows, and where they have their files.
_FILES_OF = {
    "https://pypi.org:443": "https://files.pythonhosted.org/",
    "https://pypi.python.org:443": "https://files.pythonhosted.org/",
    "https://test.pypi.org:443": "https://test-files.pythonhosted.org/",
    "https://download.pytorch.org:443": "https://download-r2.pytorch.org/",
}
_ODD = re.compile(r"[\x00-\x20\x7f\\]")  # read in different ways by different readers of addresses
_SHORT_SSH = re.compile(r"[^/@]+@([^/:]+):(?!//)(.+)")  # git@host:path
_UV_REQUIREMENTS = (
    "build-constraint-dependencies", "constraint-dependencies", "dev-dependencies",
    "override-dependencies",
)  # fmt: skip


class Place(NamedTuple):
    """All addresses of one origin (scheme, host, port) whose path begins with ``path``."""

    origin: str
    path: str


@frozen
class Origins:
    """Where files may come from.

    Attributes:
        places: For every package.
        pinned: Normalized name → places of the only index that it may come from.
        granted: What ``origins`` adds, for every package.
        direct: Addresses of single files and repositories that the manifest names.
        folders: Absolute: files below them may be used from this machine.
    """

    places: frozenset[Place]
    pinned: Mapping[str, frozenset[Place]] = field(default_factory=dict)
    granted: frozenset[Place] = frozenset()
    direct: frozenset[str] = frozenset()
    folders: tuple[str, ...] = ()

    def of(self, name: str) -> frozenset[Place]:
        """The places for one package."""
        return self.pinned.get(name, self.places) | self.granted


@frozen
class Stray:
    """A file of a lock that comes from nowhere that the manifest leads to.

    Attributes:
        address: Its URL without credentials, or its path.
        allow: What ``origins`` would have to hold for it; empty where it is no address at all.
    """

    name: str
    version: str
    address: str
    allow: str


def origins_of(
    manifest: Manifest,
    *,
    indexes: Mapping[str, str],
    more: Iterable[str],
    pins: Mapping[str, str],
    folders: Iterable[str],
) -> Origins:
    """What ``manifest`` leads to.

    Args:
        manifest: What asks.
        indexes: By name, each index that it declares.
        more: Addresses of further indexes: the default one, and that of this run.
        pins: Normalized distribution → name of the index that it must come from.
        folders: Absolute folders of the project; relative paths in the manifest begin at the first.
    """
    here, *around = folders
    addresses = [*indexes.values(), *more, *_uv_addresses(manifest)]
    direct = [*_direct(manifest), *(url for m in manifest.members.values() for url in _direct(m))]
    named = [here, *around]
    local = [path for address in (*addresses, *direct) if (path := _local(address)) is not None]
    named += [os.path.normpath(os.path.join(here, path)) for path in local]
    return Origins(
        places=frozenset(place for address in addresses for place in places_of(address)),
        pinned={
            name: frozenset(places_of(indexes[index]))
            for name, index in pins.items()
            if index in indexes
        },
        granted=frozenset(Place(*_parts(url)) for url in manifest.origins if _local(url) is None),
        direct=frozenset(_bare(address) for address in direct),
        folders=tuple(
            dict.fromkeys(
                [*named, *(path for url in manifest.origins if (path := _local(url)) is not None)]
            )
        ),
    )


def places_of(index: str) -> list[Place]:
    """Where the files of an index lie: on its own server, and where everybody knows that they do."""
    if _local(index) is not None or _ODD.search(index):
        return []
    try:
        own = origin(index)
    except ProvenvError:
        return []
    found = [Place(own, "/")]
    if own in _FILES_OF:
        found.append(Place(*_parts(_FILES_OF[own])))
    if own.startswith("http://") and own.endswith(":80"):  # its pages may name the safer way
        found.append(Place(f"https{own[4:-3]}:443", "/"))
    return found


def leads_to(origins: Origins, name: str, url: str) -> bool:
    """Whether files of the package ``name`` may come from the address ``url``."""
    return _allowed(url, None, origins.of(name), origins, "/") is not None


def strays(lock: Pylock, origins: Origins, folder: str) -> Iterator[Stray]:
    """The files of ``lock``, which lies in ``folder``, that come from elsewhere."""
    known: set[tuple[str, str]] = set()
    for package in lock.packages:
        pinned = package.name if package.name in origins.pinned else ""
        places = origins.of(package.name)
        for address, local in _addresses(package):
            start = address.find("/", 8)
            head = (pinned, address[:start])
            if head in known and not _ODD.search(address):
                continue
            found = _allowed(address, local, places, origins, folder)
            if found is None:
                yield Stray(
                    name=package.name,
                    version=str(package.version or ""),
                    address=redacted(address),
                    allow=_allow(address, local, folder),
                )
            elif found == "/" and start > 0:
                known.add(head)


def _allowed(
    address: str, local: str | None, places: frozenset[Place], origins: Origins, folder: str
) -> str | None:
    """The path below which everything there is allowed (``""``: this alone is); None where it is not."""
    if local is None and _ODD.search(address):
        return None
    try:
        if _bare(address) in origins.direct:
            return ""
        own, path = ("", local) if local is not None else _parts(address)
    except (ProvenvError, ValueError):
        return None
    if local is not None:
        path = os.path.normpath(os.path.join(folder, local))
        within = any(path == f or path.startswith(f"{f.rstrip('/')}/") for f in origins.folders)
        return "" if within else None
    for place in sorted(places, key=lambda place: len(place.path)):
        if place.origin == own and place.path == "/":
            return "/"
        if place.origin == own and path.startswith(place.path) and ".." not in path.split("/"):
            return ""
    return None


def _allow(address: str, local: str | None, folder: str) -> str:
    """The shortest that would allow an address: its server, its repository, its folder."""
    if local is not None:
        path = os.path.normpath(os.path.join(folder, local))
        return f"file://{quote(os.path.dirname(path))}/"
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    if not host and parts.scheme != "file":
        return ""
    if parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{host}/"
    return f"{parts.scheme}://{host}{parts.path}"


def _addresses(package: Package) -> Iterator[tuple[str, str | None]]:
    """The address of each file or repository of a package, and its path where it is on this machine."""
    for file in (*(package.wheels or ()), package.sdist, package.archive, package.vcs):
        if file is None:
            continue
        if file.url:
            yield file.url, _local(file.url) if file.url.startswith("file:") else None
        else:
            yield file.path or "", file.path


def _direct(asked: Manifest | Member) -> Iterator[str]:
    """Every address that stands in requirements and in ``[tool.uv.sources]``."""
    texts = [*asked.dependencies]
    for items in asked.optional_dependencies.values():
        texts += items
    if isinstance(asked, Manifest):
        for items in asked.groups.values():
            texts += items
        for key in _UV_REQUIREMENTS:
            texts += [item for item in asked.uv.get(key, ()) if isinstance(item, str)]
    for text in texts:
        if "@" in text and (url := Requirement(text).url):
            yield url
    for source in asked.sources.values():
        for entry in source if isinstance(source, list) else [source]:
            yield from _of_source(entry)


def _of_source(entry: Mapping[str, Any]) -> Iterator[str]:
    for key in ("git", "path", "url"):
        if isinstance(entry.get(key), str):
            yield entry[key]


def _uv_addresses(manifest: Manifest) -> Iterator[str]:
    """Indexes and lists of links of ``[tool.uv]`` that have no name."""
    for key in ("index-url", "extra-index-url", "find-links"):
        value = manifest.uv.get(key, ())
        for address in [value] if isinstance(value, str) else value:
            if isinstance(address, str):
                yield address


def _local(address: str) -> str | None:
    """The path of an address in a manifest, on this machine; None for all others."""
    if address.startswith("file:"):
        return unquote(urlsplit(address).path)
    return None if "://" in address or _SHORT_SSH.fullmatch(address) else address


def _parts(url: str) -> tuple[str, str]:
    """Scheme, host and port, and the path as it is meant."""
    return origin(url), unquote(urlsplit(url).path) or "/"


def _bare(url: str) -> str:
    """An address without what may differ between manifest and lock: credentials, revision, fragment."""
    if (short := _SHORT_SSH.fullmatch(url)) is not None:
        url = "ssh://{}/{}".format(*short.groups())
    parts = urlsplit(url.removeprefix("git+"))
    path = unquote(parts.path)
    if url.startswith("git+"):
        head, slash, last = path.rpartition("/")
        path = head + slash + last.partition("@")[0]
    path = path.rstrip("/").removesuffix(".git")
    host = parts.netloc.rpartition("@")[2].lower()
    return f"{parts.scheme}://{host}{path}?{parts.query}"

"""Locks of other tools in the standard form: ``pylock.toml``, ``pylock.NAME.toml`` (PEP 751)."""

from __future__ import annotations

from packaging.pylock import Package, Pylock

from provenv.core.errors import InputError
from provenv.formats.direct import source_table
from provenv.formats.foreign import (
    BASE,
    Direct,
    Edge,
    Foreign,
    Pin,
    PinnedFile,
    Place,
    Source,
    wrong,
)
from provenv.formats.markers import filled
from provenv.model.lock import parse_lock


def read_pylock(source: Source) -> tuple[Pylock, str]:
    """The lock and its text.

    Raises:
        InputError: It is not one.
    """
    text = source.text()
    try:
        return parse_lock(text, source.shown), text
    except InputError as error:
        if error.details.get("key") == "lock-version":
            raise
        raise wrong(source, "a lock (PEP 751)", error.message.partition(": ")[2]) from error


def read_lock(source: Source) -> Foreign:
    """What a lock pins. All of it is what it is entered by: it does not say what was asked for.

    Raises:
        InputError: It is not one.
    """
    lock, _ = read_pylock(source)
    pins = tuple(_pin(package) for package in lock.packages)
    return Foreign(
        kind="pylock",
        file=source.shown,
        files=(source.path,),
        requires_python=str(lock.requires_python or ""),
        sources={pin.name: source_table(pin.direct) for pin in pins if pin.direct is not None},
        roots=_roots(lock),
        pins=pins,
    )


def _roots(lock: Pylock) -> dict[Place, tuple[Edge, ...]]:
    """Each package in the project itself, or in the extras and groups that it is there for."""
    roots: dict[Place, list[Edge]] = {BASE: []}
    places: list[Place] = [("extra", name) for name in lock.extras or ()]
    places += [("group", name) for name in lock.dependency_groups or ()]
    for package in lock.packages:
        version = str(package.version) if package.version is not None else ""
        always = filled(package.marker, (), ())
        if always is not None:
            roots[BASE].append(Edge(name=package.name, version=version, marker=always))
            continue
        for place in places:
            groups, extras = ((place[1],), ()) if place[0] == "group" else ((), (place[1],))
            marker = filled(package.marker, groups, extras)
            if marker is not None:
                edge = Edge(name=package.name, version=version, marker=marker)
                roots.setdefault(place, []).append(edge)
    return {place: tuple(edges) for place, edges in roots.items()}


def _pin(package: Package) -> Pin:
    files = tuple(
        PinnedFile(
            hashes=dict(file.hashes),
            filename=(file.url or file.path or "").rpartition("/")[2],
            url=file.url or "",
            path=file.path or "",
            size=file.size,
        )
        for file in (*(package.wheels or ()), package.sdist, package.archive)
        if file is not None
    )
    return Pin(
        name=package.name,
        version=str(package.version) if package.version is not None else "",
        files=files,
        direct=_direct(package),
        index=package.index or "",
    )


def _direct(package: Package) -> Direct | None:
    if package.vcs is not None:
        return Direct(
            kind="vcs",
            url=package.vcs.url or "",
            path=package.vcs.path or "",
            commit=package.vcs.commit_id,
            revision=package.vcs.requested_revision or "",
            subdirectory=package.vcs.subdirectory or "",
            vcs=package.vcs.type,
        )
    if package.directory is not None:
        return Direct(
            kind="directory",
            path=package.directory.path,
            editable=bool(package.directory.editable),
            subdirectory=package.directory.subdirectory or "",
        )
    if package.archive is not None:
        return Direct(
            kind="archive", url=package.archive.url or "", path=package.archive.path or ""
        )
    return None

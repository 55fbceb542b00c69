"""Locks of other tools in the standard form: ``pylock.toml``, ``pylock.NAME.toml`` (PEP 751)."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.pylock import Package, Pylock

from provenv.core.errors import InputError
from provenv.formats.foreign import BASE, Direct, Edge, Foreign, Pin, PinnedFile, Source, wrong
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
    """What a lock pins, and what it is entered by: what nothing else in it needs.

    Raises:
        InputError: It is not one.
    """
    lock, _ = read_pylock(source)
    needed = {str(edge["name"]) for package in lock.packages for edge in package.dependencies or ()}
    roots = tuple(_edges(package for package in lock.packages if package.name not in needed))
    return Foreign(
        kind="pylock",
        file=source.shown,
        files=(source.path,),
        requires_python=str(lock.requires_python or ""),
        roots={BASE: roots},
        pins=tuple(_pin(package) for package in lock.packages),
    )


def _edges(packages: Iterator[Package]) -> Iterator[Edge]:
    for package in packages:
        version = str(package.version) if package.version is not None else ""
        yield Edge(name=package.name, version=version)


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

"""Where the files of a foreign lock lie: asked of its index, and held against the hashes in it.

``poetry.lock`` names files and hashes, ``Pipfile.lock`` and ``requirements.txt`` hashes alone. What was
found once for a set of hashes is kept in the cache; without a network, the store is asked, too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from provenv.core import digest
from provenv.core.errors import InputError, IntegrityError, NetworkError, UnsatisfiableError
from provenv.core.events import Noted
from provenv.core.files import write_atomic
from provenv.core.http import Transport, redacted
from provenv.core.values import as_dict, frozen
from provenv.formats.foreign import Foreign, Pin, PinnedFile
from provenv.formats.indexes import is_pypi
from provenv.resolve.indexes import collect_indexes
from provenv.resolve.pages import IndexFile, files_of, version_of
from provenv.store.objects import read_object
from provenv.workspace.host import access
from provenv.workspace.projects.context import Context, Project

_WORKERS = 12


@frozen
class _Lookup:
    """What one look-up needs besides the entry."""

    project: Project
    context: Context
    foreign: Foreign
    transport: Transport
    indexes: tuple[str, ...]
    anew: bool


def find_files(
    project: Project,
    context: Context,
    foreign: Foreign,
    pins: Sequence[Pin],
    *,
    anew: bool = False,
) -> dict[str, tuple[PinnedFile, ...]]:
    """The files of every entry that comes from an index, each with its address and sha256, by name.

    ``anew`` asks again where the lock has no hashes; what was found for hashes cannot change.

    Raises:
        IntegrityError: The index gives other bytes than the lock says; names the lock.
        UnsatisfiableError: No index has the version.
        NetworkError: An index does not answer, or is needed and the run is offline.
    """
    wanted = [pin for pin in pins if pin.direct is None]
    lacking = [pin for pin in wanted if not is_complete(pin)]
    found = {pin.name: pin.files for pin in wanted if is_complete(pin)}
    if not lacking:
        return found
    unproven = sorted(pin.name for pin in lacking if not pin.files)
    if unproven and anew:
        listed = ", ".join(unproven[:5]) + (" …" if len(unproven) > 5 else "")
        context.emit(
            Noted(
                message=f"{foreign.file} has no hashes for {len(unproven)} of {len(pins)} "
                f"distributions ({listed}): what the index gives today is taken on trust"
            )
        )
    indexes = collect_indexes(project.manifest, project.root, context.index_url)
    urls = [str(t["url"]) for t in indexes.tables if not t.get("explicit") and not t.get("default")]
    lookup = _Lookup(
        project=project,
        context=context,
        foreign=foreign,
        transport=Transport(
            access.http_settings(project, context),
            emit=context.emit,
            look_up=access.look_up(context),
        ),
        indexes=(*urls, indexes.default),
        anew=anew,
    )
    with ThreadPoolExecutor(_WORKERS) as pool:
        files = pool.map(lambda pin: _find(lookup, pin), lacking)
        return found | dict(zip((pin.name for pin in lacking), files, strict=True))


def own_index(project: Project, pin: Pin) -> str:
    """The index that an entry comes from, where it is not the default one; else empty.

    The default one may be replaced for a run (``--index-url``), the others not.
    """
    default = collect_indexes(project.manifest, project.root, None).default
    same = pin.index.rstrip("/") == default.rstrip("/")
    return "" if not pin.index or same or is_pypi(pin.index) else pin.index


def is_complete(pin: Pin) -> bool:
    """Whether the foreign lock itself says where each file lies, and its sha256."""
    return bool(pin.files) and all(
        file.filename and (file.url or file.path) and "sha256" in file.hashes for file in pin.files
    )


def _find(lookup: _Lookup, pin: Pin) -> tuple[PinnedFile, ...]:
    own = own_index(lookup.project, pin)
    indexes = (own,) if own else lookup.indexes
    key = digest.of_json(
        [list(indexes), pin.name, pin.version, sorted(str(dict(f.hashes)) for f in pin.files)]
    )
    cache = os.path.join(lookup.context.home.cache, "addresses", f"{key}.json")
    known = _recall(cache)
    if known is not None and (pin.files or not lookup.anew or lookup.context.offline):
        return known
    try:
        found = _ask(lookup, pin, indexes)
    except NetworkError as error:
        stored = _stored(lookup.context, pin, indexes[0]) if error.details.get("offline") else ()
        if not stored:
            raise
        return stored
    _remember(cache, found)
    return found


def _ask(lookup: _Lookup, pin: Pin, indexes: Sequence[str]) -> tuple[PinnedFile, ...]:
    """The files of the first index that has what the lock says."""
    differing: list[IndexFile] = []
    for index in dict.fromkeys(indexes):
        listed = files_of(lookup.transport, index, pin.name) or ()
        there = [file for file in listed if file.version == _normal(pin)]
        fitting = [file for file in (_vouched(pin, entry) for entry in there) if file is not None]
        if fitting:
            return tuple(fitting)
        differing += there
    asked = " and ".join(redacted(index) for index in dict.fromkeys(indexes))
    if differing:
        raise _mismatch(lookup, pin, differing, asked)
    raise UnsatisfiableError(
        f"{lookup.foreign.file} wants {pin.name} {pin.version}, and {asked} has no such version",
        hint="Add the index that has it with --index-url, or lock again with the file's own tool.",
    )


def _normal(pin: Pin) -> str:
    return version_of(f"x-{pin.version}.tar.gz") or pin.version


def _vouched(pin: Pin, entry: IndexFile) -> PinnedFile | None:
    """A file of the index, if the lock's hashes say that it is the one that was locked."""
    if not pin.files:
        hashes = dict(entry.hashes)
        return _pinned(entry, hashes) if "sha256" in hashes else None
    named = [file for file in pin.files if file.filename == entry.filename]
    for file in named or [file for file in pin.files if not file.filename]:
        common = file.hashes.keys() & entry.hashes.keys()
        if any(file.hashes[kind].lower() == entry.hashes[kind].lower() for kind in common):
            hashes = {**entry.hashes, **file.hashes}
            return _pinned(entry, hashes) if "sha256" in hashes else None
        if not common and file.filename and "sha256" in file.hashes:
            return _pinned(entry, dict(file.hashes))  # the bytes are held against it when they come
    return None


def _pinned(entry: IndexFile, hashes: Mapping[str, str]) -> PinnedFile:
    return PinnedFile(
        filename=entry.filename,
        url=entry.url.partition("#")[0],
        hashes={"sha256": hashes["sha256"].lower()},
        size=entry.size,
    )


def _mismatch(
    lookup: _Lookup, pin: Pin, there: Sequence[IndexFile], asked: str
) -> IntegrityError | InputError:
    if not pin.files:
        return InputError(
            f"{pin.name} {pin.version} has no sha256, neither here nor on {asked}",
            file=lookup.foreign.file,
            hint="provenv installs nothing that it cannot check; lock with hashes.",
        )
    names = {file.filename: file for file in pin.files if file.filename}
    both = next((file for file in there if file.filename in names), there[0])
    wanted = names.get(both.filename, pin.files[0]).hashes
    return IntegrityError(
        f"{lookup.foreign.file}: the hashes of {pin.name} {pin.version} are not those that {asked} "
        f"gives: {both.filename} is {_said(both.hashes)}",
        hint="Find out which of them is right before anything is installed.",
        details={"wanted": _said(wanted), "found": _said(both.hashes), "source": asked},
    )


def _said(hashes: Mapping[str, str]) -> str:
    return (
        ", ".join(f"{kind}:{value}" for kind, value in sorted(hashes.items())) or "without a hash"
    )


def _stored(context: Context, pin: Pin, index: str) -> tuple[PinnedFile, ...]:
    """The wheels of an entry that the store has, by the hashes in the lock."""
    found = []
    for file in pin.files:
        sha256 = file.hashes.get("sha256", "").lower()
        stored = read_object(context.home, sha256) if len(sha256) == 64 else None
        if stored is not None and stored.filename:
            url = f"{index.rstrip('/')}/{pin.name}/{stored.filename}"
            found.append(
                PinnedFile(
                    filename=stored.filename, url=url, hashes={"sha256": sha256}, size=stored.size
                )
            )
    return tuple(found)


def _recall(path: str) -> tuple[PinnedFile, ...] | None:
    try:
        with open(path, "rb") as stream:
            rows: list[dict[str, Any]] = json.load(stream)
        return tuple(PinnedFile(**row) for row in rows)
    except (OSError, ValueError, TypeError):
        return None


def _remember(path: str, files: Sequence[PinnedFile]) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_atomic(path, json.dumps([as_dict(file) for file in files]).encode())

"""What locked packages say of themselves: their metadata, from the store or from their index.

A wheel in the store has been verified against the lock, and its METADATA is held against its RECORD. Of
what was never fetched, the index serves the metadata alone.

One wheel of a version speaks for all of them, as it does for resolvers.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from packaging.pylock import Package

from provenv.audit import licences
from provenv.audit.licences import Licence
from provenv.core.errors import IntegrityError, ProvenvError
from provenv.core.events import PhaseFinished, PhaseStarted
from provenv.core.values import frozen, replace
from provenv.environments import generations, switch
from provenv.model.metadata import Metadata, parse_metadata
from provenv.model.origins import PYPI
from provenv.model.plan import Artifact, best_wheel
from provenv.resolve.pages import IndexFile
from provenv.store.documents import read_documents
from provenv.store.fetch import fetch_objects
from provenv.store.objects import read_object
from provenv.workspace.governing.served import Served, kept, sha256_of, speaker
from provenv.workspace.governing.subjects import Subject
from provenv.workspace.host import access, choosing
from provenv.workspace.projects.context import Context, Project, read_lock

_SHA256 = re.compile(r"[0-9a-f]{64}")
_WORKERS = 16
_T = TypeVar("_T")
_R = TypeVar("_R")


@frozen
class Described:
    """What is known of one release.

    Attributes:
        metadata: None where they cannot be told. ``reason``: Why.
        sha256: Of the wheel that they are of; empty where they are of none that is locked.
        documents: SBOMs that the wheel has of what is bundled in it (PEP 770), by path; None where the
            wheel itself is not here.
    """

    metadata: Metadata | None
    reason: str = ""
    sha256: str = ""
    documents: Mapping[str, bytes] | None = None

    @property
    def licence(self) -> Licence:
        """What it is under."""
        if self.metadata is None:
            return Licence(expression=None, reason=self.reason)
        return licences.of_metadata(self.metadata)


Known = dict[tuple[str, str], Described]


def describe(
    project: Project,
    context: Context,
    found: Sequence[Subject],
    *,
    fetch: bool = False,
    lock: str | None = None,
) -> Known:
    """What every one of the packages in a project's locks says of itself, by name and version.

    ``lock`` is the digest of the lock that they are of, where that is not the present one.

    With ``fetch``, and unless offline, what is not here is asked of the index; one that does not answer
    leaves its packages unknown.
    """
    built = _built(project, lock)
    known: Known = {}
    missing: list[tuple[Subject, str, str]] = []
    for subject in found:
        key = subject.name, subject.version
        known[key] = _here(context, subject, built.get(subject.name, {}))
        wheel = _wheel(subject.package)
        if known[key].metadata is None and wheel is not None:
            missing.append((subject, *wheel))
    if missing and fetch and not context.offline:
        known |= _fetched(project, context, missing)
    return known


def _here(context: Context, subject: Subject, built: Mapping[str, str]) -> Described:
    """From the store, else from what was fetched of the index before.

    ``built`` are objects by version; where the lock leaves the version open, all that were built count.
    """
    wheels = list(_hashes(subject.package))
    unknown = Described(metadata=None, reason=_absent(subject))
    made = [digest for version, digest in built.items() if subject.version in ("", version)]
    for sha256 in (*wheels, *made):
        said = of_object(context, sha256, subject.name, subject.version)
        if said is not None and said.metadata is not None:
            return said
        unknown = said or unknown
    for sha256 in wheels:
        text = kept(context, sha256)
        if text is not None:
            return _read(text, subject.name, subject.version, sha256)
    return unknown


def of_object(context: Context, sha256: str, name: str, version: str) -> Described | None:
    """What the wheel of that digest says, where the store has it; None where it does not."""
    stored = read_object(context.home, sha256)
    if stored is None:
        return None
    try:
        text, documents = read_documents(stored)
    except IntegrityError as error:
        return Described(metadata=None, reason=error.message, sha256=sha256)
    return replace(_read(text, name, version or stored.version, sha256), documents=documents)


def _read(text: bytes, name: str, version: str, sha256: str) -> Described:
    try:
        metadata = parse_metadata(text)
    except ValueError as error:
        return Described(metadata=None, reason=f"its metadata cannot be used: {error}")
    if not metadata.is_of(name, version):
        said = f"its metadata are of {metadata.name} {metadata.version}"
        return Described(metadata=None, reason=said)
    return Described(metadata=metadata, sha256=sha256)


def _absent(subject: Subject) -> str:
    if _wheel(subject.package) is None:
        return "it has to be built before it can be asked; `packages` of the rule may say it"
    return "its metadata are not on this machine: `provenv sync` or `provenv sbom` brings them"


def _built(project: Project, digest: str | None) -> dict[str, dict[str, str]]:
    """Objects that environments have by the present locks, or that of ``digest``: name → version → digest.

    What was built is found by this alone: its wheel is in no lock.
    """
    found: dict[str, dict[str, str]] = {}
    for spec in project.manifest.all_instances():
        folder = project.folder(spec)
        if switch.current(folder) is None:
            continue
        lock = read_lock(project, project.lock_key(spec))
        wanted = {digest, lock.digest if lock is not None else None}
        for made in generations.read_all(folder):
            if made.lock_digest in wanted and made.source is None:
                for package in made.packages:
                    found.setdefault(package.name, {})[package.version] = package.sha256
    return found


def _hashes(package: Package | None) -> Iterator[str]:
    """The digests of a package's wheels."""
    if package is None:
        return
    rows = [wheel.hashes for wheel in package.wheels or ()]
    rows += [package.archive.hashes] if package.archive is not None else []
    for hashes in rows:
        sha256 = hashes.get("sha256", "").lower()
        if _SHA256.fullmatch(sha256):
            yield sha256


def _wheel(package: Package | None) -> tuple[str, str] | None:
    """Filename and digest of the wheel that an index is asked about; the one for any platform first."""
    rows = [
        (wheel.filename, wheel.hashes.get("sha256", "").lower())
        for wheel in (package.wheels if package is not None else None) or ()
    ]
    usable = [row for row in rows if _SHA256.fullmatch(row[1])]
    return min(usable, key=lambda row: (not row[0].endswith("-any.whl"), row[0]), default=None)


def _fetched(
    project: Project, context: Context, missing: Sequence[tuple[Subject, str, str]]
) -> Known:
    served = Served(project, context)

    def one(row: tuple[Subject, str, str]) -> tuple[tuple[str, str], Described]:
        subject, filename, sha256 = row
        assert subject.package is not None
        index = subject.package.index or PYPI
        key = subject.name, subject.version
        if not index.startswith(("http://", "https://")):
            return key, Described(metadata=None, reason=_absent(subject))
        return key, _told(served.of_wheel(index, subject.name, filename, sha256), *key, sha256)

    return dict(_at_once(context, one, missing))


def describe_offers(
    project: Project, context: Context, subject: Subject, files: Sequence[IndexFile]
) -> dict[str, Described]:
    """What every version that an index has of a package says of itself, by version; as far as it tells.

    ``files`` are those on the index's page.
    """
    index = (subject.package.index if subject.package is not None else None) or PYPI
    versions: dict[str, list[IndexFile]] = {}
    for file in files:
        versions.setdefault(file.version, []).append(file)
    chosen = [(version, one) for version, rows in versions.items() if (one := speaker(rows))]
    if context.offline or not index.startswith(("http://", "https://")):
        return {}
    served = Served(project, context)

    def ask(row: tuple[str, IndexFile]) -> tuple[str, Described]:
        version, wheel = row
        text = served.of_file(index, wheel)
        return version, _told(text, subject.name, version, sha256_of(wheel))

    return dict(_at_once(context, ask, chosen))


def bring_wheels(project: Project, context: Context, found: Sequence[Subject]) -> None:
    """Have the wheels of packages in the store, whose index serves no metadata: `sync` wants them anyway.

    Those that fit an interpreter of this machine. What cannot be fetched stays unknown.
    """
    if context.offline:
        return
    with contextlib.suppress(ProvenvError):
        python = project.manifest.environment().python[:1]
        rank = {
            tag: at
            for at, tag in enumerate(choosing.default_interpreter(project, context, python).tags)
        }
        artifacts = [
            Artifact(
                name=one.name,
                version=one.version,
                kind="wheel",
                filename=wheel.filename,
                sha256=wheel.hashes["sha256"].lower(),
                size=wheel.size,
                url=wheel.url or "",
                path=wheel.path or "",
                index=one.package.index or "",
            )
            for one in found
            if one.package is not None
            and (wheel := best_wheel(one.package.wheels or (), rank)) is not None
            and _SHA256.fullmatch(wheel.hashes.get("sha256", "").lower())
        ]
        fetch_objects(
            context.home,
            artifacts,
            base=project.locker.root,
            http=access.http_settings(project, context),
            emit=context.emit,
            look_up=access.look_up(context),
        )


def _told(text: bytes | str, name: str, version: str, sha256: str) -> Described:
    if isinstance(text, str):
        return Described(metadata=None, reason=text)
    return _read(text, name, version, sha256)


def _at_once(context: Context, one: Callable[[_T], _R], rows: Sequence[_T]) -> list[_R]:
    started = time.monotonic()
    context.emit(PhaseStarted(phase="fetch", total=len(rows)))
    with ThreadPoolExecutor(_WORKERS) as pool:
        found = list(pool.map(one, rows))
    seconds = time.monotonic() - started
    context.emit(PhaseFinished(phase="fetch", count=len(rows), seconds=seconds))
    return found

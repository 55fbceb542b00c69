"""What locked packages say of themselves: their metadata, from the store or from their index.

A wheel in the store has been verified against the lock, and its METADATA is held against its RECORD. Of
what was never fetched, the index serves the metadata alone (PEP 658). They are believed where they have
the hash that the index's page gives beside that very wheel, and kept under the wheel's own hash.

One wheel of a version speaks for all of them, as it does for resolvers.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from packaging.pylock import Package

from provenv.audit import licences
from provenv.audit.licences import Licence
from provenv.core.errors import DiskError, IntegrityError, NetworkError
from provenv.core.events import PhaseFinished, PhaseStarted
from provenv.core.files import ensure_folder, write_atomic
from provenv.core.http import Transport, redacted
from provenv.core.seal import is_sealed, sealed
from provenv.core.values import frozen, replace
from provenv.environments import generations, switch
from provenv.model.metadata import Metadata, parse_metadata
from provenv.model.origins import PYPI
from provenv.resolve.pages import files_of
from provenv.store.documents import read_documents
from provenv.store.objects import read_object
from provenv.workspace.governing.subjects import Subject
from provenv.workspace.host import access
from provenv.workspace.projects.context import Context, Project, read_lock

_SHA256 = re.compile(r"[0-9a-f]{64}")
_WORKERS = 16


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
    project: Project, context: Context, found: Sequence[Subject], *, fetch: bool = False
) -> Known:
    """What every one of the packages in a project's locks says of itself, by name and version.

    With ``fetch``, and unless offline, what is not here is asked of the index; one that does not answer
    leaves its packages unknown.
    """
    built = _built(project)
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
        text = _kept(context, sha256)
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
        return "it has to be built before it can be asked: `provenv sync` does"
    return "its metadata are not on this machine: `provenv sync` or `provenv sbom` brings them"


def _built(project: Project) -> dict[str, dict[str, str]]:
    """Objects that environments have by the present locks: name → version → digest.

    What was built is found by this alone: its wheel is in no lock.
    """
    found: dict[str, dict[str, str]] = {}
    for spec in project.manifest.all_instances():
        folder = project.folder(spec)
        number = switch.current(folder)
        lock = read_lock(project, project.lock_key(spec)) if number is not None else None
        if number is None or lock is None:
            continue
        with contextlib.suppress(IntegrityError):
            made = generations.read_generation(folder, number)
            if made.lock_digest == lock.digest and made.source is None:
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
    transport = Transport(
        access.http_settings(project, context), emit=context.emit, look_up=access.look_up(context)
    )

    silent: set[str] = set()  # an index that does not answer is not asked about all that is left

    def one(row: tuple[Subject, str, str]) -> tuple[tuple[str, str], Described]:
        subject, filename, sha256 = row
        text = _from_index(transport, subject, filename, sha256, silent)
        if isinstance(text, str):
            return (subject.name, subject.version), Described(metadata=None, reason=text)
        _keep(context, sha256, text)
        found = _read(text, subject.name, subject.version, sha256)
        return (subject.name, subject.version), found

    started = time.monotonic()
    context.emit(PhaseStarted(phase="fetch", total=len(missing)))
    with ThreadPoolExecutor(_WORKERS) as pool:
        found = dict(pool.map(one, missing))
    seconds = time.monotonic() - started
    context.emit(PhaseFinished(phase="fetch", count=len(missing), seconds=seconds))
    return found


def _from_index(
    transport: Transport, subject: Subject, filename: str, sha256: str, silent: set[str]
) -> bytes | str:
    """The metadata of a wheel as its index serves it, verified; or why there is none.

    ``silent`` are indexes that do not answer; this may find another one.
    """
    assert subject.package is not None
    index = subject.package.index or PYPI
    if not index.startswith(("http://", "https://")):
        return _absent(subject)
    if index in silent:
        return _silence(index)
    try:
        files = files_of(transport, index, subject.name) or ()
        file = next((f for f in files if f.filename == filename), None)
        if file is None or file.hashes.get("sha256", "").lower() != sha256:
            return f"{redacted(index)} has no such file any more"
        wanted = file.metadata.get("sha256", "").lower()
        if not wanted:
            return (
                f"{redacted(index)} serves no metadata with a hash: `provenv sync` brings the wheel"
            )
        answer = transport.get(f"{file.url}.metadata")
    except NetworkError as error:
        if "status" in error.details:
            return error.message
        silent.add(index)
        return _silence(index)
    if answer.status != 200:
        return f"{redacted(index)} answered HTTP status {answer.status} for its metadata"
    if hashlib.sha256(answer.body).hexdigest() != wanted:
        return f"the metadata that {redacted(index)} serves have another hash than its page says"
    return answer.body


def _silence(index: str) -> str:
    return f"{redacted(index)} does not answer"


def _place(context: Context, sha256: str) -> str:
    return os.path.join(context.home.cache, "metadata", sha256[:2], f"{sha256}.json")


def _kept(context: Context, sha256: str) -> bytes | None:
    """What was fetched for a wheel before; None where that is not here, or not as it was written."""
    try:
        with open(_place(context, sha256), "rb") as stream:
            text = stream.read()
        if not is_sealed(text):
            return None
        data = json.loads(text)
        return (
            str(data["text"]).encode("utf-8", "surrogateescape") if data["of"] == sha256 else None
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(context: Context, sha256: str, text: bytes) -> None:
    data = {"of": sha256, "text": text.decode("utf-8", "surrogateescape")}
    path = _place(context, sha256)
    with contextlib.suppress(OSError, DiskError):  # it is asked for again, and nothing else
        ensure_folder(os.path.dirname(path))
        write_atomic(path, sealed(json.dumps(data).encode()))

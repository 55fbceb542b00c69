"""What an index said of a project's releases, kept on this machine: one file for each project of an index.

Two sealed lines of JSON: what audits ask of every package (when the index was asked, the project's status,
its versions, which are yanked), then every file with its upload time and where its attestations lie. A
file that is damaged counts as one that is not there.

The page: PEP 691 (JSON), PEP 592 (``yanked``), PEP 700 (``upload-time``), PEP 740 (``provenance``), PEP 792
(``project-status``).
"""

from __future__ import annotations

import json
import os
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from provenv.core import digest
from provenv.core.files import disk_error, ensure_folder, write_atomic
from provenv.core.seal import is_sealed, sealed
from provenv.core.values import field, frozen, replace

SCHEMA = 1
STATUSES = ("active", "archived", "deprecated", "quarantined")
"""Those that PEP 792 has."""
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,198}[a-z0-9])?")
_MAJOR = "1"  # of the API's version, which a client must refuse to guess about (PEP 629)
_LONGEST = 300  # characters of a reason
_UNNAMED = ("claims", "environment", "kind")  # what does not tell one publisher from another


@frozen
class File:
    """One file of a release.

    Attributes:
        uploaded: When; None where the index does not say.
        provenance: The address of its attestations; None where it has none.
        publishers: Who published it, as its attestations say, each in one word a field; None where that has
            not been asked.
    """

    name: str
    uploaded: datetime | None = None
    provenance: str | None = None
    publishers: tuple[str, ...] | None = None


@frozen
class Facts:
    """What an index said of one project.

    Attributes:
        fetched: When it was asked last. ``etag``: Of that answer.
        state: ``silent``: its page is not JSON, and says nothing of what is kept here; ``gone``: it does
            not know the name any more.
        status: The project's (PEP 792), with ``reason``; None where the index does not say.
        attests: Whether the index says anything of attestations (PEP 740).
        versions: That it lists, as files spell them (normalized).
        yanked: Version → reason (empty where none is given); one yanked file of it is enough.
        files: By version; empty where only the head was read.
        digest: Of all that the index said, whenever that was; empty before it is kept.
    """

    index: str
    name: str
    fetched: datetime
    state: Literal["read", "silent", "gone"] = "read"
    etag: str | None = None
    status: str | None = None
    reason: str = ""
    attests: bool = False
    versions: tuple[str, ...] = ()
    yanked: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, tuple[File, ...]] = field(default_factory=dict, repr=False)
    digest: str = field(default="", compare=False)

    def lists(self, version: str) -> bool:
        """Whether the index has a file of that version."""
        return normal(version) in self.versions

    def why_yanked(self, version: str) -> str | None:
        """The reason why a version is yanked, perhaps empty; None where it is not."""
        return self.yanked.get(normal(version))

    def file(self, version: str, name: str) -> File | None:
        """A file of a version, by its name."""
        row = self.files.get(normal(version), ())
        return next((one for one in row if one.name == name), None)

    def uploaded(self, version: str) -> datetime | None:
        """When the newest file of a version was uploaded; None where that is not said of all."""
        times = [one.uploaded for one in self.files.get(normal(version), ())]
        known = [time for time in times if time is not None]
        return max(known) if known and len(known) == len(times) else None

    def below(self, version: str) -> Iterator[str]:
        """The versions below one that one would choose instead of it, the highest first.

        Without what is yanked; pre-releases where it is one itself.
        """
        own, known = Version(version), ordered(self.versions)
        for one in reversed(known[: bisect_left(known, own)]):
            if own.is_prerelease or not one.is_prerelease:
                text = str(one)
                if text not in self.yanked:
                    yield text


@lru_cache(maxsize=256)
def ordered(versions: tuple[str, ...]) -> tuple[Version, ...]:
    """Versions of an index, the lowest first. Some projects have thousands, and all are judged at once."""
    return tuple(sorted(map(Version, versions)))


@frozen
class Spoken:
    """What indexes have said, taken together.

    Attributes:
        known: Of how many packages it is known what their index says; ``of``: how many have one.
        oldest: When the one that was asked first was. ``digest``: Of all that they said; the same data, the
            same digest. None where nothing is known.
    """

    known: int = 0
    of: int = 0
    oldest: datetime | None = None
    digest: str | None = None


def together(facts: Sequence[Facts | None]) -> Spoken:
    """What is known of several projects that have an index; None: it was never asked."""
    told = [one for one in facts if one is not None and one.state != "silent"]
    rows = sorted({(one.index, one.name, one.digest) for one in told})
    return Spoken(
        known=len(told),
        of=len(facts),
        oldest=min((one.fetched for one in told), default=None),
        digest=digest.of_json([list(row) for row in rows]) if rows else None,
    )


@frozen
class Standing:
    """All that is known of one version of one package as a release.

    Attributes:
        files: That could be installed, by name, each with the time that the lock has for it.
        facts: What its index said; None where it was never asked.
        why: Why its index cannot be asked: it has none, or the lock does not name it.
        fixes: Earlier version → names of the vulnerabilities of that one which name this one as their fix.
    """

    files: Mapping[str, datetime | None] = field(default_factory=dict)
    facts: Facts | None = None
    why: str | None = None
    fixes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def uploaded(self, version: str) -> dict[str, datetime | None]:
        """When each file was uploaded: by the lock or by the index, the later one where both say."""
        found: dict[str, datetime | None] = {}
        for name, locked in self.files.items():
            row = self.facts.file(version, name) if self.facts is not None else None
            known = [one for one in (locked, row.uploaded if row else None) if one is not None]
            found[name] = max(known, default=None)
        return found


def normal(version: str) -> str:
    """A version as facts spell it; one that PEP 440 does not know, as it is."""
    try:
        return str(Version(version))
    except InvalidVersion:
        return version


def is_version(text: str) -> bool:
    """Whether PEP 440 knows it."""
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def facts_of_page(
    page: Mapping[str, Any],
    *,
    index: str,
    name: str,
    url: str,
    fetched: datetime,
    etag: str | None,
    version_of: Callable[[str], str | None],
) -> Facts:
    """What a page says; a row that makes no sense is left out, a time that makes none is not known.

    ``version_of`` reads the version from a file's name; ``url`` is where the page came from.

    Raises:
        ValueError: It is a page of another API, or about another project.
    """
    meta = page.get("meta")
    told = meta.get("api-version") if isinstance(meta, Mapping) else None
    if isinstance(told, str) and told.partition(".")[0] != _MAJOR:
        raise ValueError(f"it speaks version {told} of the API, and 1 is known")
    about = page.get("name")
    if isinstance(about, str) and canonicalize_name(about) != canonicalize_name(name):
        raise ValueError(f"it is about {about}")
    rows = [row for row in page.get("files", ()) if isinstance(row, Mapping)]
    files: dict[str, list[File]] = {}
    yanked: dict[str, str] = {}
    for row in rows:
        filename = row.get("filename")
        version = version_of(filename) if isinstance(filename, str) else None
        if version is None or not isinstance(filename, str):
            continue
        files.setdefault(version, []).append(
            File(
                name=filename,
                uploaded=moment(row.get("upload-time")),
                provenance=_address(row.get("provenance"), url),
            )
        )
        if row.get("yanked") not in (None, False):
            said = row["yanked"]
            yanked[version] = _text(said) if isinstance(said, str) else yanked.get(version, "")
    status, reason = _status(page.get("project-status"))
    return Facts(
        index=index,
        name=canonicalize_name(name),
        fetched=fetched,
        etag=etag,
        status=status,
        reason=reason,
        attests=any("provenance" in row for row in rows),
        versions=tuple(files),
        yanked=yanked,
        files={version: tuple(found) for version, found in files.items()},
    )


def moment(said: object) -> datetime | None:
    """A time as an index writes it (RFC 3339), or a lock; None where it is none."""
    if isinstance(said, str):
        try:
            said = datetime.fromisoformat(said)
        except ValueError:
            return None
    if not isinstance(said, datetime):
        return None
    try:
        return said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)
    except OverflowError:  # at the very end of the calendar
        return None


def _address(said: object, base: str) -> str | None:
    """Where attestations lie; an address that is less safe than the index's is none."""
    if not isinstance(said, str) or not said:
        return None
    try:
        made = urljoin(base, said)
        scheme = urlsplit(made).scheme
    except ValueError:
        return None
    known = ("https",) if base.startswith("https:") else ("http", "https")
    return made if scheme in known else None


def _status(said: object) -> tuple[str | None, str]:
    if not isinstance(said, Mapping) or not isinstance(said.get("status"), str):
        return None, ""
    reason = said.get("reason")
    return _text(said["status"]), _text(reason) if isinstance(reason, str) else ""


def _text(said: str) -> str:
    """What somebody else wrote, as one line without anything that a terminal obeys."""
    line = "".join(c for c in " ".join(said.split()) if c.isprintable())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"


def publishers_of(body: bytes) -> tuple[str, ...]:
    """Who published a file, as a provenance object says (PEP 740): ``GitHub octo/tool release.yml``.

    The environment that a publisher may name is left out, and so are its claims: they change without
    anybody else publishing.

    Raises:
        ValueError: It is none.
    """
    try:
        bundles = json.loads(body)["attestation_bundles"]
        found = {_publisher(bundle["publisher"]) for bundle in bundles if bundle["attestations"]}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("it is no provenance object (PEP 740)") from error
    if not found:
        raise ValueError("it holds no attestation")
    return tuple(sorted(found))


def _publisher(row: Mapping[str, Any]) -> str:
    named = {key: value for key, value in row.items() if isinstance(value, str)}
    words = [named["kind"], *(named[key] for key in sorted(named) if key not in _UNNAMED)]
    return " ".join("_".join(_text(word).split()) for word in words)


def remembered(facts: Facts, before: Facts | None) -> Facts:
    """``facts``, with the publishers that are known already: what a file's attestations say stays so."""
    known = {
        (one.name, one.provenance): one.publishers
        for row in (before.files.values() if before is not None else ())
        for one in row
        if one.publishers is not None
    }
    return with_publishers(facts, known) if known else facts


def with_publishers(
    facts: Facts, known: Mapping[tuple[str, str | None], tuple[str, ...] | None]
) -> Facts:
    """``facts``, with what is known of files by their name and the address of their attestations."""
    return replace(
        facts,
        files={
            version: tuple(
                replace(one, publishers=known.get((one.name, one.provenance), one.publishers))
                for one in row
            )
            for version, row in facts.files.items()
        },
    )


def place(folder: str, index: str, name: str) -> str | None:
    """The file with the facts of a project; None for a name that none has."""
    normal = canonicalize_name(name)
    if not _NAME.fullmatch(normal):
        return None
    return os.path.join(folder, _place_of(index.rstrip("/")), f"{normal}.json")


@lru_cache(maxsize=64)
def _place_of(index: str) -> str:
    return digest.of_bytes(index.encode())[:16]


def save(folder: str, facts: Facts) -> None:
    """Keep facts; whole, or what was there stays.

    Raises:
        DiskError: The file system refused.
    """
    path = place(folder, facts.index, facts.name)
    if path is None:
        return
    body = {"files": {version: _rows(row) for version, row in facts.files.items()}}
    said = {
        "index": facts.index,
        "name": facts.name,
        "state": facts.state,
        "status": facts.status,
        "reason": facts.reason,
        "attests": facts.attests,
        "versions": list(facts.versions),
        "yanked": dict(facts.yanked),
    }
    head = {
        "schema": SCHEMA,
        "fetched": facts.fetched.isoformat(timespec="seconds"),
        "etag": facts.etag,
        "digest": digest.of_json({**said, **body}),
        **said,
    }
    ensure_folder(os.path.dirname(path))
    write_atomic(path, b"".join(sealed(json.dumps(part).encode()) for part in (head, body)))


def _rows(files: Iterable[File]) -> list[list[Any]]:
    return [
        [
            one.name,
            one.uploaded.isoformat() if one.uploaded is not None else None,
            one.provenance,
            list(one.publishers) if one.publishers is not None else None,
        ]
        for one in files
    ]


def load(folder: str, index: str, name: str) -> Facts | None:
    """What is known of a project of an index.

    None where nothing is, or what is there is damaged or of another version of provenv.

    Raises:
        DiskError: The file system refused.
    """
    path = place(folder, index, name)
    return None if path is None else _read(path, whole=True)


def load_head(folder: str, index: str, name: str) -> Facts | None:
    """The same without its files: what an audit asks of every package, of every project of a machine.

    Raises:
        DiskError: The file system refused.
    """
    path = place(folder, index, name)
    try:
        found = os.stat(path) if path is not None else None
    except OSError:
        found = None
    if path is None or found is None:
        return None
    return _head(path, (found.st_ino, found.st_mtime_ns, found.st_size))


@lru_cache(maxsize=4096)
def _head(path: str, identity: tuple[int, ...]) -> Facts | None:
    del identity  # another file is read anew
    return _read(path, whole=False)


def _read(path: str, *, whole: bool) -> Facts | None:
    try:
        with open(path, "rb") as stream:
            head = stream.readline()
            body = stream.readline() if whole else b""
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise disk_error(error, "read", path) from error
    if not is_sealed(head) or (whole and not is_sealed(body)):
        return None
    told = json.loads(head)
    if told["schema"] != SCHEMA:
        return None
    rows = json.loads(body)["files"] if whole else {}
    return Facts(
        index=told["index"],
        name=told["name"],
        fetched=datetime.fromisoformat(told["fetched"]),
        state=told["state"],
        etag=told["etag"],
        status=told["status"],
        reason=told["reason"],
        attests=told["attests"],
        versions=tuple(told["versions"]),
        yanked=told["yanked"],
        files=_Files(rows),
        digest=told["digest"],
    )


class _Files(Mapping[str, tuple[File, ...]]):
    """The files of each version, made when they are asked for: of thousands, a rule wants a few."""

    def __init__(self, rows: Mapping[str, list[list[Any]]]) -> None:
        self._rows = rows

    def __getitem__(self, version: str) -> tuple[File, ...]:
        return tuple(map(_file, self._rows[version]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def _file(row: list[Any]) -> File:
    name, uploaded, provenance, publishers = row
    return File(
        name=name,
        uploaded=moment(uploaded),
        provenance=provenance,
        publishers=tuple(publishers) if publishers is not None else None,
    )

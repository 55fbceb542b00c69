"""The advisories of this machine: one SQLite file, written once, and never changed afterwards.

An import makes a new file beside the old one and then moves the pointer (``current``), so that a reader
sees the old data or the new, whatever happens. The digest that verdicts name is that of the
records: the same records have the same one on every machine. The file is named by its own SHA-256.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from provenv.core import digest
from provenv.core.errors import IntegrityError
from provenv.core.files import disk_error, ensure_folder, replace_symlink, temporary_name
from provenv.core.values import as_dict, field, frozen
from provenv.model.advisory import Advisory, Affected, Event, parse_advisory

SCHEMA = 1
_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE record (id TEXT PRIMARY KEY, modified TEXT NOT NULL, raw BLOB NOT NULL);
CREATE TABLE affected (
    package TEXT NOT NULL, record TEXT NOT NULL, versions TEXT, ranges TEXT, severity TEXT
);
CREATE TABLE exploited (cve TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE likely (cve TEXT PRIMARY KEY, score REAL NOT NULL, percentile REAL NOT NULL) WITHOUT ROWID;
"""
_INDEX = "CREATE INDEX by_package ON affected (package)"


@frozen
class Facts:
    """What is known of the data itself.

    Attributes:
        digest: SHA-256 over the records; what a verdict names.
        imported: When (RFC 3339, UTC); ``source``: From where.
        newest: When the newest record was changed.
        records: How many. ``packages``: About how many packages.
        exploited: The date of CISA's catalogue; ``likely``: Of the EPSS scores. None where there are none.
    """

    digest: str
    imported: str
    source: str
    newest: str
    records: int
    packages: int
    exploited: str | None = None
    likely: str | None = None


_REFUSALS = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
}


@frozen
class Contents:
    """What a database is made from: raw records by id, and the two lists of CVEs."""

    records: Mapping[str, bytes] = field(repr=False)
    exploited: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    exploited_date: str | None = None
    likely: Mapping[str, tuple[float, float]] = field(default_factory=dict, repr=False)
    likely_date: str | None = None


def current(folder: str) -> str | None:
    """The file that is in use; None where nothing was imported yet."""
    path = os.path.join(folder, "current")
    return os.path.realpath(path) if os.path.exists(path) else None


def build(
    folder: str,
    contents: Contents,
    *,
    source: str,
    imported: str,
    check: Callable[[Facts], None] | None = None,
) -> Facts:
    """Make a database of ``contents``, and the current one. The one before it stays; older ones go.

    ``check`` is shown the new data before it becomes current, and raises where it must not.

    Raises:
        ValueError: A record is none; the text names it.
        DiskError: The file system refused; what was current stays.
    """
    try:
        ensure_folder(folder)
        temporary = temporary_name(os.path.join(folder, "advisories.sqlite"))
        try:
            facts = _write(temporary, contents, source, imported)
            if check is not None:
                check(facts)
            name = f"advisories-{digest.of_file(temporary)}.sqlite"
            before = current(folder)
            os.chmod(temporary, 0o444)
            os.replace(temporary, os.path.join(folder, name))
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
    except (OSError, sqlite3.OperationalError) as error:
        raise disk_error(_refused(error), "write the advisories into", folder) from error
    replace_symlink(os.path.join(folder, "current"), name)
    _forget(folder, {name, os.path.basename(before or "")})
    return facts


def _write(path: str, contents: Contents, source: str, imported: str) -> Facts:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        # nobody else sees the file before it is whole and on disk
        connection.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {_TABLES}")
        connection.execute("BEGIN")
        total = hashlib.sha256()
        newest, packages = "", set()
        for name, raw in sorted(contents.records.items()):
            advisory = _parsed(name, raw)
            total.update(f"{advisory.id} {hashlib.sha256(raw).hexdigest()}\n".encode())
            newest = max(newest, advisory.modified, key=_moment)
            packages |= {entry.package for entry in advisory.affected}
            _insert(connection, advisory, raw)
        for cve, body in contents.exploited.items():
            connection.execute("INSERT INTO exploited VALUES (?, ?)", (cve, json.dumps(dict(body))))
        connection.executemany(
            "INSERT INTO likely VALUES (?, ?, ?)",
            ((cve, *scores) for cve, scores in contents.likely.items()),
        )
        facts = Facts(
            digest=total.hexdigest(), imported=imported, source=source, newest=newest,
            records=len(contents.records), packages=len(packages),
            exploited=contents.exploited_date, likely=contents.likely_date,
        )  # fmt: skip
        rows = {"schema": SCHEMA, "facts": as_dict(facts)}
        connection.executemany(
            "INSERT INTO meta VALUES (?, ?)",
            ((key, json.dumps(value)) for key, value in rows.items()),
        )
        connection.execute("COMMIT")
        connection.execute(_INDEX)
    finally:
        connection.close()
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())
    return facts


def _refused(error: OSError | sqlite3.OperationalError) -> OSError:
    """What the file system refused. SQLite has words of its own for it."""
    if isinstance(error, OSError):
        return error
    code = _REFUSALS.get(error.sqlite_errorcode & 0xFF)
    if code is None:
        raise error
    return OSError(code, os.strerror(code))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text) if text else datetime.min.replace(tzinfo=UTC)


def _parsed(name: str, raw: bytes) -> Advisory:
    try:
        advisory = parse_advisory(json.loads(raw))
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are of its kind
        raise ValueError(f"{name}: {error}") from error
    if advisory.id != name:
        raise ValueError(f"{name}: says that it is {advisory.id}")
    return advisory


def _insert(connection: sqlite3.Connection, advisory: Advisory, raw: bytes) -> None:
    connection.execute(
        "INSERT INTO record VALUES (?, ?, ?)",
        (advisory.id, advisory.modified, zlib.compress(raw, 1)),
    )
    connection.executemany(
        "INSERT INTO affected VALUES (?, ?, ?, ?, ?)",
        (
            (
                entry.package,
                advisory.id,
                "\n".join(entry.versions) or None,
                json.dumps([[[e.kind, e.version] for e in events] for events in entry.ranges])
                if entry.ranges
                else None,
                json.dumps(entry.severity) if entry.severity else None,
            )
            for entry in advisory.affected
        ),
    )


def _forget(folder: str, kept: set[str]) -> None:
    for name in os.listdir(folder):
        if name.startswith("advisories-") and name not in kept:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, name))


class Database:
    """Reading one file of advisories."""

    def __init__(self, connection: sqlite3.Connection, facts: Facts) -> None:
        self._connection = connection
        self.facts = facts
        self._said: dict[str, dict[str, list[Affected]]] = {}
        self._read: dict[str, Advisory | None] = {}
        self.told: dict[tuple[str, str], tuple[Any, ...]] = {}
        """What was worked out of it, by package and version, for who asks of one again."""

    def affected(self, package: str) -> dict[str, list[Affected]]:
        """What is said of a package (normalized name), by the record's id. Withdrawn ones as well."""
        known = self._said.get(package)
        if known is not None:  # many versions of one package are asked about
            return known
        found: dict[str, list[Affected]] = {}
        for record, versions, ranges, severity in self._connection.execute(
            "SELECT record, versions, ranges, severity FROM affected WHERE package = ?", (package,)
        ):
            entry = Affected(
                package=package,
                versions=tuple(versions.split("\n")) if versions else (),
                ranges=tuple(_events(events) for events in json.loads(ranges)) if ranges else (),
                severity=_pairs(json.loads(severity)) if severity else (),
            )
            found.setdefault(record, []).append(entry)
        self._said[package] = found
        return found

    def records(self, ids: Iterable[str]) -> dict[str, Advisory]:
        """Records by their id, those that are here."""
        found = {}
        for one in ids:
            if one not in self._read:
                self._read[one] = self._record(one)
            advisory = self._read[one]
            if advisory is not None:
                found[one] = advisory
        return found

    def _record(self, one: str) -> Advisory | None:
        row = self._connection.execute("SELECT raw FROM record WHERE id = ?", (one,)).fetchone()
        return None if row is None else parse_advisory(json.loads(zlib.decompress(row[0])))

    def contents(self) -> Contents:
        """All of it, as a new database is made from it."""
        select = self._connection.execute
        return Contents(
            records={
                one: zlib.decompress(raw) for one, raw in select("SELECT id, raw FROM record")
            },
            exploited={cve: json.loads(body) for cve, body in select("SELECT * FROM exploited")},
            exploited_date=self.facts.exploited,
            likely={cve: (score, share) for cve, score, share in select("SELECT * FROM likely")},
            likely_date=self.facts.likely,
        )

    def modified(self) -> dict[str, str]:
        """When each record was changed last."""
        return dict(self._connection.execute("SELECT id, modified FROM record"))

    def exploited(self, cve: str) -> dict[str, Any] | None:
        """CISA's entry for a CVE that is known to be exploited."""
        row = self._connection.execute(
            "SELECT body FROM exploited WHERE cve = ?", (cve,)
        ).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def likely(self, cve: str) -> tuple[float, float] | None:
        """The EPSS score and percentile of a CVE, each from 0 to 1."""
        row = self._connection.execute(
            "SELECT score, percentile FROM likely WHERE cve = ?", (cve,)
        ).fetchone()
        return None if row is None else (float(row[0]), float(row[1]))


@contextlib.contextmanager
def opened(path: str, *, late: bool = False) -> Iterator[Database]:
    """The database in the file ``path``, for reading.

    Its bytes are compared with its digest before anything is read; with ``late`` meanwhile, and the block
    fails at its end where they differ: for those who say nothing before that.

    Raises:
        IntegrityError: It is damaged, or of another version of provenv.
    """
    with ThreadPoolExecutor(1) as pool:  # hashing lets other threads work
        proof = pool.submit(digest.of_file, path)
        if not late:
            _prove(path, proof)
        try:
            connection = sqlite3.connect(f"file:{_quoted(path)}?mode=ro&immutable=1", uri=True)
        except sqlite3.Error as error:
            raise _damaged(path, str(error)) from error
        try:
            yield Database(connection, _facts(connection, path))
        except sqlite3.Error as error:
            raise _damaged(path, str(error)) from error
        except (ValueError, KeyError, TypeError, IndexError, zlib.error):
            _prove(path, proof)  # what damaged rows are taken for may be anything
            raise
        finally:
            connection.close()
        _prove(path, proof)


def _prove(path: str, proof: Future[str]) -> None:
    """Wait for the digest of the file, and compare it with the one that it is named by."""
    if proof.result() != os.path.basename(path).removeprefix("advisories-").partition(".")[0]:
        raise _damaged(path, "its bytes are not those that were written")


def _facts(connection: sqlite3.Connection, path: str) -> Facts:
    try:
        rows = {key: json.loads(value) for key, value in connection.execute("SELECT * FROM meta")}
        facts = Facts(**rows["facts"])
    except (KeyError, ValueError, TypeError) as error:
        raise _damaged(path, str(error)) from error
    if rows["schema"] != SCHEMA:
        raise _damaged(path, f"it is of schema {rows['schema']}, and this provenv reads {SCHEMA}")
    return facts


def _damaged(path: str, reason: str) -> IntegrityError:
    return IntegrityError(
        f"the advisories in {path} cannot be used: {reason}",
        hint="`provenv advisories update` fetches them anew.",
    )


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(path)


def _events(rows: Iterable[Any]) -> tuple[Event, ...]:
    return tuple(Event(kind=kind, version=version) for kind, version in rows)


def _pairs(rows: Iterable[Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(kind), str(value)) for kind, value in rows)

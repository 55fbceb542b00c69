"""``advisories``: what is known of vulnerabilities, brought to this machine, for audits offline."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urljoin

from provenv.audit import database, feeds
from provenv.audit.database import Contents, Facts
from provenv.core.errors import (
    CheckFailedError,
    InputError,
    IntegrityError,
    NetworkError,
    UndecidedError,
    UsageError,
)
from provenv.core.events import PhaseFinished, PhaseStarted, Warned
from provenv.core.files import ensure_folder, locked
from provenv.core.http import Transport, status_error
from provenv.core.values import frozen
from provenv.workspace.host import access
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import Context

OSV = "https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip"
KEV = "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json"
EPSS = "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz"
_ONE_BY_ONE = 200
"""Up to so many changed records are asked for singly; for more the whole archive is quicker."""
_SHRUNK = 0.9
"""An archive with fewer records than this share of what is here is not believed."""


@frozen
class Update:
    """What an import or update did: the data as it is now, and how many records are new or changed."""

    facts: Facts
    added: int
    changed: int
    removed: int
    already: bool


def read_status(context: Context) -> Facts:
    """What is known of the advisories that are here.

    Raises:
        UndecidedError: There are none; IntegrityError: they are damaged.
    """
    with database.opened(path(context)) as found:
        return found.facts


def path(context: Context) -> str:
    """The file with the advisories of this machine.

    Raises:
        UndecidedError: Nothing was imported yet.
    """
    found = database.current(context.home.advisories)
    if found is None:
        raise UndecidedError(
            "there are no advisories on this machine, so nothing can be said of vulnerabilities",
            hint="`provenv advisories update` fetches them; `provenv advisories import FILE` reads a file.",
        )
    return found


def open_late(context: Context) -> contextlib.AbstractContextManager[database.Database]:
    """The advisories of this machine; that they are whole is proven when the block ends, or it fails.

    Raises:
        UndecidedError: Nothing was imported yet. IntegrityError: They are damaged.
    """
    return database.opened(path(context), late=True)


def age(facts: Facts, now: datetime) -> timedelta:
    """How long ago the data was fetched."""
    return now - datetime.fromisoformat(facts.imported)


def import_files(
    context: Context,
    archive: str | None,
    *,
    kev: str | None = None,
    epss: str | None = None,
    force: bool = False,
) -> Update:
    """Read files: OSV's archive for PyPI, CISA's catalogue, EPSS scores. Those not given stay as they are.

    Raises:
        UsageError: None was given. InputError: One cannot be used; what was here stays.
        CheckFailedError: It has much less than what is here, or is older; ``force`` takes it.
    """
    if archive is None and kev is None and epss is None:
        raise UsageError("which file?", hint="OSV's all.zip for PyPI; --kev and --epss besides.")
    records = None if archive is None else feeds.read_archive(_bytes(archive), archive)
    lists = [_read(kev), _read(epss)]
    with recorded(context, "advisories-import") as operation:
        return _store(operation.context, records, archive or "", *lists, force=force)


def update(
    context: Context,
    *,
    url: str = OSV,
    kev: str | None = None,
    epss: str | None = None,
    force: bool = False,
) -> Update:
    """Fetch what is new: only the records that have changed, where the source lists them.

    ``url`` is the archive's address, or a path. ``kev`` and ``epss`` are fetched where given.

    Raises:
        NetworkError: The source did not answer as it must; what was here stays.
        InputError: What it gave cannot be used. CheckFailedError: As :func:`import_files`.
    """
    if context.offline:
        raise UsageError("`advisories update` needs the network; --offline forbids it")
    transport = Transport(access.http_settings(None, context), emit=context.emit)
    context.emit(PhaseStarted(phase="fetch"))
    records = _fetched(context, transport, url)
    lists = [None if where is None else (where, _get(transport, where)) for where in (kev, epss)]
    context.emit(PhaseFinished(phase="fetch", count=len(records), seconds=0.0))
    with recorded(context, "advisories-update") as operation:
        return _store(operation.context, records, url, lists[0], lists[1], force=force)


def _fetched(context: Context, transport: Transport, url: str) -> Mapping[str, bytes]:
    if url.endswith("all.zip") and "://" in url:
        with _usable(context) as here:
            if here is not None and here.facts.source == url:
                some = _changed(transport, url, here)
                if some is not None:
                    return some
    return feeds.read_archive(_get(transport, url), url)


@contextlib.contextmanager
def _usable(context: Context) -> Iterator[database.Database | None]:
    """The advisories that are here; None where there are none, or they are damaged: new ones mend that."""
    with contextlib.ExitStack() as stack:
        known = database.current(context.home.advisories)
        here = None
        if known is not None:
            try:
                here = stack.enter_context(database.opened(known))
            except IntegrityError as error:
                context.emit(Warned(message=error.message))
        yield here


def _changed(transport: Transport, url: str, here: database.Database) -> Mapping[str, bytes] | None:
    """All records, only the changed ones fetched anew; None where the whole archive is quicker."""
    where = urljoin(url, "modified_id.csv")
    try:
        listed = feeds.read_changes(_get(transport, where).decode(), where)
    except (NetworkError, UnicodeDecodeError, InputError):
        return None  # not every mirror has the list
    before = here.modified()
    fresh = [one for one, when in listed.items() if not _same(before.get(one), when)]
    if len(fresh) > _ONE_BY_ONE or not listed:
        return None
    kept = {one: raw for one, raw in here.contents().records.items() if one in listed}
    return {**kept, **{one: _get(transport, urljoin(url, f"{one}.json")) for one in fresh}}


def _same(one: str | None, other: str) -> bool:
    if one is None:
        return False
    try:
        return datetime.fromisoformat(one) == datetime.fromisoformat(other)
    except ValueError:
        return one == other


def _store(
    context: Context,
    records: Mapping[str, bytes] | None,
    source: str,
    kev: tuple[str, bytes] | None,
    epss: tuple[str, bytes] | None,
    *,
    force: bool,
) -> Update:
    exploited = None if kev is None else feeds.read_exploited(kev[1], kev[0])
    likely = None if epss is None else feeds.read_likely(epss[1], epss[0])
    folder = context.home.advisories
    ensure_folder(folder)
    with locked(os.path.join(folder, "lock")):
        with _usable(context) as here:
            before = None if here is None else here.contents()
            facts = None if here is None else here.facts
        if records is None:
            records = before.records if before is not None else {}
            source = facts.source if facts is not None else ""
        contents = Contents(
            records=records,
            exploited=exploited[1] if exploited else before.exploited if before else {},
            exploited_date=exploited[0] if exploited else before.exploited_date if before else None,
            likely=likely[1] if likely else before.likely if before else {},
            likely_date=likely[0] if likely else before.likely_date if before else None,
        )
        made = _made(context, contents, source, facts, force=force)
    old = before.records if before is not None else {}
    return Update(
        facts=made,
        added=len(records.keys() - old.keys()),
        changed=sum(old[one] != raw for one, raw in records.items() if one in old),
        removed=len(old.keys() - records.keys()),
        already=facts is not None and _content(facts) == _content(made),
    )


def _content(facts: Facts) -> tuple[str | None, ...]:
    """What tells one state of the data from another."""
    return facts.digest, facts.exploited, facts.likely


def _made(
    context: Context, contents: Contents, source: str, facts: Facts | None, *, force: bool
) -> Facts:
    try:
        return database.build(
            context.home.advisories,
            contents,
            source=source,
            imported=datetime.now(UTC).isoformat(timespec="seconds"),
            check=None if force or facts is None else lambda new: _believe(new, facts),
        )
    except ValueError as error:
        raise InputError(
            f"a record cannot be used: {error}",
            file=source,
            hint="Nothing was changed; the advisories that were here stay.",
        ) from error


def _believe(new: Facts, old: Facts) -> None:
    stays = "What was here stays; --force takes it all the same."
    if new.records < old.records * _SHRUNK:
        raise CheckFailedError(
            f"{new.source} has {new.records} advisories, and {old.records} are here", hint=stays
        )
    if datetime.fromisoformat(new.newest) < datetime.fromisoformat(old.newest):
        raise CheckFailedError(
            f"the newest advisory in {new.source} is of {new.newest}, and here is one of {old.newest}",
            hint=stays,
        )


def _get(transport: Transport, where: str) -> bytes:
    if "://" not in where:
        return _bytes(where)
    answer = transport.get(where)
    if answer.status != 200:
        raise status_error(answer.status, where)
    return answer.body


def _read(where: str | None) -> tuple[str, bytes] | None:
    return None if where is None else (where, _bytes(where))


def _bytes(file: str) -> bytes:
    try:
        with open(file, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=file) from error

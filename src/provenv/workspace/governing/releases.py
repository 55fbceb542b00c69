"""What indexes say of what a project locks: asked by whoever has the network, and kept for who has not.

``audit --refresh`` and ``advisories update`` ask about every package in the locks; ``lock`` where a policy
needs it. All else reads what is here, and says how old it is.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from packaging.pylock import Package

from provenv.audit import database, release_rules
from provenv.audit import releases as kept
from provenv.audit.findings import vulnerabilities
from provenv.audit.policies import Policies
from provenv.audit.releases import Facts, File, Standing
from provenv.core.errors import NetworkError, UsageError
from provenv.core.events import ItemFinished, ItemStarted, PhaseFinished, PhaseStarted, Warned
from provenv.core.files import write_atomic
from provenv.core.http import Transport, redacted, split_credentials
from provenv.core.values import frozen, replace
from provenv.model.lock import is_direct
from provenv.model.policy import Rule
from provenv.workspace.host import access
from provenv.workspace.projects.context import Context, Project

_WORKERS = 16
JUST_NOW = timedelta(minutes=10)
"""What was asked so lately is not asked again by who only needs to know (``lock``)."""


@frozen
class Inquiry:
    """What came of asking indexes.

    Attributes:
        asked: Packages that an index was asked about. ``changed``: Those of which it says something else.
        silent: Packages whose index says nothing of what is kept (no JSON).
        failed: Index → why it could not be asked; what was known before stays.
    """

    asked: int = 0
    changed: int = 0
    silent: int = 0
    failed: tuple[tuple[str, str], ...] = ()


def wanted(policies: Policies, packages: Sequence[Package]) -> list[Package]:
    """The packages of which a rule asks what only the index says.

    Of upload times alone, those that the lock has none for, and those that are too young: what there is
    instead is asked then.
    """
    kinds = {rule.kind for rule in policies.rules} & set(release_rules.KINDS)
    if kinds - {"release-age"}:
        return list(packages)
    ages = [rule.least_age for rule in policies.rules if rule.kind == "release-age"]
    if not ages:
        return []
    now = datetime.now(UTC)
    return [
        one
        for one in packages
        if any(time is None or now - time < max(ages) for time in files_of(one).values())
    ]


def wants_publishers(policies: Policies) -> bool:
    """Whether a rule compares publishers, for which attestations are fetched."""
    return any(rule.publisher_unchanged for rule in policies.rules)


def ask(
    project: Project | None,
    context: Context,
    packages: Iterable[Package],
    *,
    publishers: bool = False,
    unless_since: timedelta | None = None,
) -> Inquiry:
    """Ask the index of each package what it says of it, and keep the answers.

    ``publishers``: fetch the attestations of the locked files too, and of the version below. What was
    asked within ``unless_since`` is not asked again.

    Never raises for the network: what was known stays, and why is in the answer.

    Raises:
        DiskError: The answers cannot be kept.
    """
    from concurrent.futures import (
        ThreadPoolExecutor,
    )  # audits, which ask nobody, are quicker without

    pages: dict[tuple[str, str], set[str]] = {}
    for one in packages:
        if (index := index_of(one)) is not None:
            pages.setdefault((index, one.name), set()).add(str(one.version))
    if not pages:
        return Inquiry()
    work = _Work(project, context, publishers=publishers, unless_since=unless_since)
    started = time.monotonic()
    context.emit(PhaseStarted(phase="ask", total=len(pages)))
    try:
        with ThreadPoolExecutor(_WORKERS) as pool:
            rows = list(pool.map(lambda key: work.one(key[0], key[1], pages[key]), pages))
    finally:
        if work.news:
            write_atomic(mark(context), f"{datetime.now(UTC).isoformat()}\n".encode())
    seconds = time.monotonic() - started
    context.emit(PhaseFinished(phase="ask", count=len(rows), seconds=seconds))
    for where, reasons in sorted(work.failed.items()):
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        context.emit(Warned(message=f"{where} was not asked anew: {reasons[0]}{more}"))
    return Inquiry(
        asked=sum(row not in ("failed", "not-asked") for row in rows),
        changed=rows.count("changed"),
        silent=rows.count("silent"),
        failed=tuple((where, one) for where, row in sorted(work.failed.items()) for one in row),
    )


class _Work:
    """One round of asking; an index that does not answer, or lets nobody in, is not asked again."""

    def __init__(
        self,
        project: Project | None,
        context: Context,
        *,
        publishers: bool,
        unless_since: timedelta | None,
    ) -> None:
        self._emit = context.emit
        self._folder = context.home.indexes
        self._publishers = publishers
        self._unless_since = unless_since
        self._guard = threading.Lock()
        self._transport = Transport(
            access.http_settings(project, context),
            emit=context.emit,
            look_up=access.look_up(context),
        )
        self._dead: set[str] = set()
        self.failed: dict[str, list[str]] = {}
        self.news = False

    def one(self, index: str, name: str, versions: Iterable[str]) -> str:
        """Ask about one package: ``changed``, ``same``, ``silent``, ``failed`` or ``not-asked``."""
        self._emit(ItemStarted(phase="ask", name=name))
        try:
            return self._one(index, name, versions)
        finally:
            self._emit(ItemFinished(phase="ask", name=name))

    def _one(self, index: str, name: str, versions: Iterable[str]) -> str:
        before = kept.load(self._folder, index, name)
        now = datetime.now(UTC)
        recent = (
            before is not None
            and self._unless_since is not None
            and timedelta(0) <= now - before.fetched < self._unless_since
        )
        if index in self._dead:
            return "failed"
        try:
            facts = before if recent and before else self._asked(index, name, before, now)
        except NetworkError as error:
            self._fail(index, error)
            return "failed"
        if self._publishers and facts.state == "read":
            facts = self._with_publishers(facts, versions)
        if facts is not before:
            kept.save(self._folder, facts)
        moved = before is None or replace(before, fetched=facts.fetched, etag=facts.etag) != facts
        self.news = self.news or moved
        if facts.state == "silent":
            return "silent"
        if recent:
            return "not-asked"
        return "changed" if moved else "same"

    def _fail(self, index: str, error: NetworkError) -> None:
        """Remember why; where no other page would be answered either, for all of them."""
        with self._guard:
            if index in self._dead:
                return
            if error.details.get("status") in (None, 401, 403) and not error.details.get("page"):
                self._dead.add(index)
            self.failed.setdefault(redacted(index), []).append(error.message)

    def _asked(self, index: str, name: str, before: Facts | None, now: datetime) -> Facts:
        from provenv.resolve.pages import project_page, version_of

        etag = before.etag if before is not None and before.state == "read" else None
        page = project_page(self._transport, index, name, etag=etag)
        now = now.replace(microsecond=0)
        if page.state == "same" and before is not None:
            return replace(before, fetched=now)
        if page.state == "silent":
            if before is not None and before.state == "read":  # it has spoken before
                raise _no_facts(page.url, "it is not JSON (PEP 691)")
            return Facts(index=index, name=name, fetched=now, state="silent")
        if page.data is None:
            return Facts(index=index, name=name, fetched=now, state="gone")
        try:
            facts = kept.facts_of_page(
                page.data,
                index=index,
                name=name,
                url=page.url,
                fetched=now,
                etag=page.etag,
                version_of=version_of,
            )
        except ValueError as error:
            raise _no_facts(page.url, str(error)) from error
        return kept.remembered(facts, before)

    def _with_publishers(self, facts: Facts, versions: Iterable[str]) -> Facts:
        """With who published locked versions, and for each the one below it."""
        both = {one for version in versions for one in (version, *islice(facts.below(version), 1))}
        rows = [file for version in both for file in facts.files.get(version, ())]
        wanted = [one for one in rows if one.provenance is not None and one.publishers is None]
        found = {(one.name, one.provenance): self._publisher(one, facts.index) for one in wanted}
        return kept.with_publishers(facts, found) if found else facts

    def _publisher(self, file: File, index: str) -> tuple[str, ...] | None:
        """None where the attestations cannot be read: it is not known who it was, then."""
        url = file.provenance or ""
        try:
            answer = self._transport.get(url, headers={"Accept": "application/json"})
            if answer.status != 200:
                raise _no_facts(url, f"HTTP status {answer.status}")
            return kept.publishers_of(answer.body)
        except ValueError as error:
            self._fail(index, _no_facts(url, str(error)))
        except NetworkError as error:
            error.details["page"] = True
            self._fail(index, error)
        return None


def _no_facts(url: str, reason: str) -> NetworkError:
    """An answer that is of no use, of a server that answers."""
    return NetworkError(
        f"{redacted(url)}: the answer cannot be used: {reason}",
        hint="What was known before stays.",
        details={"url": redacted(url), "page": True},
    )


def mark(context: Context) -> str:
    """A file that is written anew whenever an index says something else than before."""
    return os.path.join(context.home.indexes, "changed")


def index_of(package: Package) -> str | None:
    """The index that a package was locked from, without credentials; None where none is named."""
    if package.index is None or package.version is None or is_direct(package):
        return None
    try:
        bare, _ = split_credentials(package.index)
    except UsageError:  # no address at all
        return None
    return bare.rstrip("/")


def files_of(package: Package) -> dict[str, datetime | None]:
    """The files of a package that could be installed, with the upload times that the lock has."""
    files = [*(package.wheels or ()), *((package.sdist,) if package.sdist is not None else ())]
    return {one.filename: kept.moment(one.upload_time) for one in files}


def standing(context: Context, package: Package) -> Standing:
    """What is known of a locked package as a release. Offline."""
    if is_direct(package) or package.version is None:
        return Standing(why="it does not come from an index")
    index = index_of(package)
    if index is None:
        return Standing(files=files_of(package), why="the lock does not say which index it is from")
    facts = kept.load(context.home.indexes, index, package.name)
    return Standing(files=files_of(package), facts=facts)


def with_fixes(
    standing: Standing,
    name: str,
    version: str,
    rules: Sequence[Rule],
    here: database.Database | None,
    now: datetime,
) -> Standing:
    """The same, with what the version fixes of the ones that one would have instead of it."""
    if here is None:
        return standing
    asked = release_rules.Asked(
        name=name, version=version, standing=standing, now=now, max_age=timedelta(0)
    )
    fixes: dict[str, tuple[str, ...]] = {}
    for rule in rules:
        young = any(
            time is not None and now - time < rule.least_age
            for time in standing.uploaded(version).values()
        )
        older = release_rules.instead(rule, asked) if rule.bypass and young else None
        if older is not None and older not in fixes:
            fixes[older] = tuple(_mended(here, name, older, version))
    return replace(standing, fixes=fixes)


def _mended(here: database.Database, name: str, older: str, version: str) -> Iterator[str]:
    """Vulnerabilities of ``older`` that name ``version`` as their fix, and that it has not itself."""
    still = {known for one in vulnerabilities(here, name, version) for known in one.names}
    for one in vulnerabilities(here, name, older):
        counts = one.certain and not one.malware and still.isdisjoint(one.names)
        if counts and any(_same(fix, version) for fix in one.fixed):
            yield one.id


def _same(one: str, other: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return False


def head(context: Context, index: str, name: str) -> Facts | None:
    """What an index said of a project, without its files: what an audit asks of every package."""
    return kept.load_head(context.home.indexes, index, name)

"""Which versions the rules exclude of what indexes have, as constraints for the resolver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from provenv.audit import excluding, release_rules
from provenv.audit.database import Database
from provenv.audit.excluding import Excluded, Exclusion
from provenv.audit.findings import vulnerabilities
from provenv.audit.licences import Licence
from provenv.audit.matching import parsed
from provenv.audit.policies import Policies
from provenv.audit.releases import Facts, Standing
from provenv.audit.verdict import Item, Question
from provenv.core.errors import NetworkError, UnsatisfiableError
from provenv.core.http import Transport
from provenv.core.values import frozen, replace
from provenv.model.lock import tool_table
from provenv.model.policy import Kind
from provenv.workspace.governing import policies as governing
from provenv.workspace.governing import releases
from provenv.workspace.governing.certain import certain
from provenv.workspace.governing.judging import Judged, Locks, judge_locks, parts
from provenv.workspace.governing.subjects import Subject
from provenv.workspace.governing.supplying import learn_licences, of_offers
from provenv.workspace.host import access
from provenv.workspace.projects.context import Context, Project

if TYPE_CHECKING:
    from packaging.pylock import Package, Pylock

    from provenv.resolve.pages import IndexFile, Pages

_MENDED_ABOVE = ("malware", "vulnerability")  # a fix is a newer version
_BY_FILES = ("licence", "no-sdist")  # rules that ask what files a version has
BLIND = 4
"""So many versions of a package are tried whose licence nobody tells before they are locked."""


def learn(project: Project, context: Context, policies: Policies, locks: Locks) -> None:
    """Ask the indexes what the rules need of locks, unless that was done just now."""
    Work(project, context, policies).learn(locks)


@frozen
class Offered:
    """What indexes have of the packages of some locks, and what the rules say of it.

    Attributes:
        judged: The locks themselves.
        excluded: Of the versions that an index has, by package, those that the rules do not let in.
    """

    judged: Judged
    excluded: Mapping[str, Mapping[str, Exclusion]]


def offered(
    project: Project, context: Context, policies: Policies, locks: Locks, pages: Pages
) -> Offered:
    """Hold every version that an index has of the locked packages against the rules.

    ``pages`` were read just now; an index is asked for the others.
    """
    work = Work(project, context, policies, pages)
    work.learn(locks)
    judged = judge_locks(project, context, policies, locks)
    excluded: dict[str, Mapping[str, Exclusion]] = {}
    for (name, _), subject in judged.subjects.items():
        if name not in excluded and not subject.direct:
            excluded[name] = work.offered(subject, judged.question)
    return Offered(judged=judged, excluded=excluded)


def refused(
    project: Project,
    context: Context,
    environment: str,
    package: Package,
    versions: Iterable[str],
) -> Mapping[str, Exclusion]:
    """Of ``versions`` of a package, those that the rules keep out of an environment.

    Where its index is not known, what its files would tell is not known either.

    Raises:
        InputError: A policy cannot be used. IntegrityError: The advisories are damaged.
    """
    policies = governing.policies_of(project, context)
    if not policies.rules:
        return {}
    subject = Subject(
        name=package.name,
        version=str(package.version or ""),
        environments=(environment,),
        package=package,
    )
    question, _ = governing.ask(context, policies, (environment,), (subject,))
    found = Work(project, context, policies).offered(subject, question, versions)
    spelled = {parsed(version): one for version, one in found.items()}
    return {version: one for version in versions if (one := spelled.get(parsed(version)))}


class Work:
    """What one locking asks again and again: who governs, and what the indexes have."""

    def __init__(
        self,
        project: Project,
        context: Context,
        policies: Policies,
        pages: Pages | None = None,
    ) -> None:
        self.project = project
        self.context = context
        self.policies = policies
        self.names = tuple(
            dict.fromkeys(s.name for p in parts(project) for s in p.manifest.all_instances())
        )
        self._releases = [r for r in policies.rules if r.kind in release_rules.KINDS]
        self._known: dict[str, Mapping[str, Licence]] = {}
        self._blind: Counter[str] = Counter()
        self._transport: Transport | None = None
        self._pages: Pages = dict(pages or {})

    def learn(self, locks: Locks) -> None:
        """Ask the indexes what the rules need of these locks, unless that was done just now."""
        packages = [package for lock in locks.values() for package in lock.packages]
        self._ask(releases.wanted(self.policies, packages))
        learn_licences(self.project, self.context, self.policies, packages)

    def _ask(self, packages: Sequence[Package]) -> None:
        if self.context.offline:
            return
        releases.ask(
            self.project,
            self.context,
            packages,
            publishers=releases.wants_publishers(self.policies),
            unless_since=releases.JUST_NOW,
        )

    def begin(self, previous: Locks, free: frozenset[str]) -> dict[str, Excluded]:
        """What is excluded before anything is resolved; of ``free`` nothing that the locks say."""
        standing = dict(self.certain)
        if None not in previous:
            return standing
        self.learn(previous)
        judged = judge_locks(self.project, self.context, self.policies, previous, partial=True)
        for one in (*self._recorded(previous[None], judged), *self.excluded(judged)):
            known = standing.get(one.package)
            if one.package not in free and not excluding.holds(known, one):
                standing[one.package] = excluding.joined(known, one)
        return standing

    @cached_property
    def certain(self) -> Mapping[str, Excluded]:
        """What is excluded whatever is locked."""
        return certain(self.project, self.context, self.policies, self.names)

    def excluded(self, judged: Judged) -> Iterator[Excluded]:
        """For each package that breaks a rule: all its versions that do, as one constraint."""
        told: dict[str, list[Exclusion]] = {}
        for one in judged.broken:
            told.setdefault(one.package, []).append(one)
        for name, ours in told.items():
            subject = judged.subjects[name, ours[0].version]
            pages = self._page(subject)
            versions = {file.version for file in pages} | {one.version for one in ours}
            self._refuse_blind(subject, ours, pages)
            bad = self._bad(subject, judged.question, pages, versions)
            bad |= {one.version: one for one in ours}
            whole = len(bad) == len(versions) and all(self._by_name(one) for one in bad.values())
            if whole:
                left = excluding.nothing(name)
            elif pages:
                left = excluding.constraint(name, versions, bad)
            else:  # nobody says what lies between
                left = excluding.without(name, bad)
            newer = ""
            if pages and all(map(self.mends_above, ours)):
                newer = excluding.above(name, _newest(ours), versions, bad)
            yield Excluded(
                package=name,
                constraint=newer or left,
                told=tuple(ours),
                wider=left if newer and newer != left else "",
            )

    def mends_above(self, one: Exclusion) -> bool:
        """Whether a newer version is to be expected to comply, and an older one is no gain."""
        return self._kind(one) in _MENDED_ABOVE

    def _kind(self, one: Exclusion) -> Kind | None:
        rule = governing.rule_named(self.policies, one.rule)
        return None if rule is None else rule.kind

    def offered(
        self, subject: Subject, asked: Question, more: Iterable[str] = ()
    ) -> dict[str, Exclusion]:
        """Of the versions that the index has of a package, and ``more``, the excluded ones, and why."""
        pages = self._page(subject)
        versions = dict.fromkeys((*(file.version for file in pages), *more))
        return self._bad(subject, asked, pages, versions)

    def _by_name(self, one: Exclusion) -> bool:
        return self._kind(one) == "package"

    def _refuse_blind(
        self, subject: Subject, ours: Sequence[Exclusion], pages: Sequence[IndexFile]
    ) -> None:
        """Give up where licences have to be found out version by version, and none is allowed.

        Raises:
            UnsatisfiableError: Several versions of a package were not, and its index tells of no other.
        """
        denied = next((one for one in ours if self._kind(one) == "licence"), None)
        if denied is None:
            return
        if any(one.expression is not None for one in self._licences(subject, pages).values()):
            return
        self._blind[subject.name] += 1
        if self._blind[subject.name] == BLIND:
            raise UnsatisfiableError(
                f"{denied}, nor were the {BLIND - 1} versions tried before; its index does not say what "
                "others are under",
                hint="Name a version in pyproject.toml, or let the rule allow this licence or package.",
                details={
                    "excluded": excluding.as_rows(
                        [Excluded(package=subject.name, constraint=subject.name, told=tuple(ours))]
                    )
                },
            )

    def _licences(self, subject: Subject, pages: Sequence[IndexFile]) -> Mapping[str, Licence]:
        """What the versions of a package are under, as far as its index says; asked once."""
        if subject.name not in self._known:
            self._known[subject.name] = of_offers(
                self.project, self.context, self.policies, subject, pages
            )
        return self._known[subject.name]

    def _bad(
        self,
        subject: Subject,
        asked: Question,
        pages: Sequence[IndexFile],
        versions: Iterable[str],
    ) -> dict[str, Exclusion]:
        """Version → why the rules exclude it, of the versions of one package."""
        facts = self._facts(subject)
        licences = self._licences(subject, pages)
        with governing.known(self.context) as here:
            items = tuple(
                replace(
                    self._offer(
                        subject, version, [f for f in pages if f.version == version], facts, here
                    ),
                    licence=licences.get(version),
                )
                for version in versions
            )
        return excluding.of_versions(self.policies, replace(asked, items=items, pythons=()))

    def _facts(self, subject: Subject) -> Facts | None:
        """What the index says of the package's releases, where a rule asks for that."""
        if not self._releases or subject.package is None:
            return None
        self._ask([subject.package])
        return releases.standing(self.context, subject.package).facts

    def _offer(
        self,
        subject: Subject,
        version: str,
        files: Sequence[IndexFile],
        facts: Facts | None,
        here: Database | None,
    ) -> Item:
        """One version that an index has, as a policy sees it."""
        rows = facts.files.get(version, ()) if facts is not None else ()
        names = [one.filename for one in files] or [one.name for one in rows]
        standing = Standing(files=dict.fromkeys(names), facts=facts)
        if facts is not None:
            now = datetime.now(UTC)
            standing = releases.with_fixes(
                standing, subject.name, version, self._releases, here, now
            )
        return Item(
            name=subject.name,
            version=version,
            environments=subject.environments,
            urls=tuple(dict.fromkeys(file.url for file in files)),
            index=subject.package.index if subject.package is not None else None,
            built=bool(names) and not any(name.endswith(".whl") for name in names),
            vulnerabilities=vulnerabilities(here, subject.name, version)
            if here is not None
            else (),
            standing=standing,
        )

    def _recorded(self, lock: Pylock, judged: Judged) -> Iterator[Excluded]:
        """What the lock says that was excluded, as far as the rules still do."""
        table = tool_table(lock)
        same = table.get("policy-digest") == self.policies.digest
        places: dict[str, Subject] = {}
        for found in judged.subjects.values():
            places.setdefault(found.name, found)
        for one in excluding.from_rows(table):
            versions = [told.version for told in one.told if told.version]
            subject = places.get(one.package) or Subject(name=one.package, version="")
            if not subject.environments:
                subject = replace(subject, environments=self.names)
            if subject.direct or not versions:
                continue
            bad = self._bad(subject, judged.question, self._page(subject, one), versions)
            kept = [t for t in one.told if t.version in bad and self._still(t)]
            if same and len(kept) == len(versions):
                yield replace(one, told=tuple(kept))
            elif kept:
                left = excluding.without(one.package, [told.version for told in kept])
                yield Excluded(package=one.package, constraint=left, told=tuple(kept))

    def _still(self, told: Exclusion) -> bool:
        return governing.rule_named(self.policies, told.rule) is not None

    def _page(self, subject: Subject, recorded: Excluded | None = None) -> Sequence[IndexFile]:
        """What its index has of a package; nothing where it cannot be asked.

        What was ``recorded`` by rules that the advisories alone decide needs no index.
        """
        if recorded is not None:
            rules = [governing.rule_named(self.policies, name) for name in recorded.rules]
            if all(rule is None or rule.kind not in _BY_FILES for rule in rules):
                return ()
        from provenv.resolve.pages import files_of

        index = subject.package.index if subject.package is not None else None
        if index is None:  # a folder of files; and nobody else is told the name
            return ()
        key = (index, subject.name)
        if key not in self._pages:
            if self._transport is None:
                settings = access.http_settings(self.project, self.context)
                self._transport = Transport(
                    settings, emit=self.context.emit, look_up=access.look_up(self.context)
                )
            try:
                self._pages[key] = files_of(self._transport, *key) or ()
            except NetworkError:  # then versions are excluded one by one
                self._pages[key] = ()
        return self._pages[key]


def _newest(told: Iterable[Exclusion]) -> str:
    return str(max(filter(None, (parsed(one.version) for one in told)), default=""))

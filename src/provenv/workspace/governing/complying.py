"""Locking until the rules are kept: what they exclude is constrained away, and resolved again.

Before the first resolution stands what is certain without it: rules about packages, what the lock says
that was excluded (where it still is), and what of the locked versions the rules exclude today. Then every
lock that is made is judged, and each package that breaks a rule loses all versions that do.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from provenv.audit import excluding, release_rules
from provenv.audit.database import Database
from provenv.audit.excluding import Excluded, Exclusion
from provenv.audit.findings import vulnerabilities
from provenv.audit.licences import Licence
from provenv.audit.matching import parsed
from provenv.audit.policies import Policies
from provenv.audit.releases import Facts, Standing
from provenv.audit.verdict import Item, Question, Verdict, judge
from provenv.core.errors import NetworkError, UnsatisfiableError
from provenv.core.events import Noted, Warned
from provenv.core.http import Transport
from provenv.core.values import frozen, replace
from provenv.model.lock import tool_table
from provenv.model.policy import Kind
from provenv.workspace.governing import auditing, releases, sboms, subjects
from provenv.workspace.governing import policies as governing
from provenv.workspace.governing.subjects import Subject
from provenv.workspace.governing.supplying import learn_licences, of_offers, with_licences
from provenv.workspace.host import access
from provenv.workspace.projects.context import Context, Project, make_project, read_text

if TYPE_CHECKING:
    from packaging.pylock import Package, Pylock
    from packaging.version import Version

    from provenv.resolve.pages import IndexFile

Locks = Mapping[str | None, "Pylock"]
_ENDS = ("0", "99999999")  # what an advisory says of both, it says of every version
_MENDED_ABOVE = ("malware", "vulnerability")  # a fix is a newer version
_BY_FILES = ("licence", "no-sdist")  # rules that ask what files a version has
BLIND = 4
"""So many versions of a package are tried whose licence nobody tells before they are locked."""
ROUNDS = 30
"""So often is resolved at most: each round excludes something, and most need one or two."""


@frozen
class Judged:
    """Locks, held against the rules; ``subjects``: the packages in them, by name and version."""

    question: Question
    verdict: Verdict
    subjects: Mapping[tuple[str, str], Subject]

    @property
    def broken(self) -> tuple[Exclusion, ...]:
        """What another version would mend. What comes from a path or a repository has no other."""
        return tuple(
            one
            for one in excluding.broken(self.verdict.decisions)
            if not self.subjects[one.package, one.version].direct
        )


def judge_locks(
    project: Project,
    context: Context,
    policies: Policies,
    locks: Locks,
    *,
    partial: bool = False,
) -> Judged:
    """Hold locks, which need not lie there yet, against the rules, for all environments.

    ``partial``: Some may be missing, as those of environments that were declared just now.
    """
    found: dict[tuple[str, str], Subject] = {}
    names: dict[str, None] = {}
    pythons = []
    for part in _parts(project):
        specs = part.manifest.all_instances()
        names |= dict.fromkeys(spec.name for spec in specs)
        pythons += [auditing.python_of(part, spec) for spec in specs]
        for subject in subjects.of_pylocks(part, locks, partial=partial):
            known = found.setdefault((subject.name, subject.version), subject)
            both = dict.fromkeys((*known.environments, *subject.environments))
            found[subject.name, subject.version] = replace(known, environments=tuple(both))
    made = [python for python in pythons if python.version is not None]
    question, _ = governing.ask(context, policies, tuple(names), tuple(found.values()), made)
    question = with_licences(question, project, context, policies, tuple(found.values()))
    question = replace(question, sboms={name: sboms.unwritten(name) for name in names})
    return Judged(question=question, verdict=judge(policies, question), subjects=found)


def _parts(project: Project) -> Iterator[Project]:
    """The projects whose environments the lock is for: the members, where they share one."""
    workspace = project.workspace
    if workspace is None or not workspace.spec.shared_lock:
        yield project
        return
    for folder in workspace.folders:
        path = os.path.join(folder, "pyproject.toml")
        yield make_project(folder, workspace.texts.get(path) or read_text(path), workspace)


def comply(
    project: Project,
    context: Context,
    previous: Locks,
    resolve: Callable[[Sequence[str]], Locks],
    *,
    upgrade: bool | frozenset[str] = False,
) -> Locks:
    """Locks that keep every rule that another version can keep, with what was excluded written into them.

    ``resolve`` makes locks under constraints. ``previous`` are the locks that were there; what they say
    that was excluded is forgotten of what ``upgrade`` names (True: all). Where no policy holds, nothing is
    judged.

    Raises:
        UnsatisfiableError: Nothing is left; the message joins the resolver's reasons with the rules'.
        InputError, NetworkError: As resolving says.
    """
    policies = governing.policies_of(project, context)
    if not policies.rules:
        return resolve(())
    work = _Work(project, context, policies)
    standing = work.begin(
        {} if upgrade is True else previous, frozenset() if isinstance(upgrade, bool) else upgrade
    )
    leaning = standing != work.certain
    for _ in range(ROUNDS):
        try:
            made = resolve([one.constraint for one in standing.values()])
        except UnsatisfiableError as error:
            if any(one.wider for one in standing.values()):
                standing = {name: excluding.widened(one) for name, one in standing.items()}
                continue
            if not leaning:
                _refuse(error, standing, previous)
            # what stood since the last lock may be about environments that have it no more
            standing, leaning = dict(work.certain), False
            continue
        work.learn(made)
        judged = judge_locks(project, context, policies, made)
        if not judged.broken:
            told = _told(standing, previous, judged)
            _tell(context, judged.verdict, told)
            mended = [one for e in standing.values() for one in e.told if work.mends_above(one)]
            _tell_older(context, mended, made, previous)
            return _written(made, policies, standing)
        for one in work.excluded(judged):
            if one.package in standing and _holds(standing[one.package], one):
                _refuse_override(one)
            standing[one.package] = _with(standing.get(one.package), one)
    raise UnsatisfiableError(
        f"after {ROUNDS} resolutions the rules still exclude something of what is chosen",
        hint="`provenv policy explain NAME` says why; a narrower requirement leads there at once.",
    )


def learn(project: Project, context: Context, policies: Policies, locks: Locks) -> None:
    """Ask the indexes what the rules need of locks, unless that was done just now."""
    _Work(project, context, policies).learn(locks)


def why_not(project: Project, context: Context, policies: Policies, locks: Locks) -> str | None:
    """What of locks that are there the rules exclude today, in a few words; None where nothing is."""
    found = judge_locks(project, context, policies, locks).broken
    if not found:
        return None
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"the rules exclude {found[0]}{more}"


@frozen
class Offered:
    """What indexes have of the packages of some locks, and what the rules say of it.

    Attributes:
        judged: The locks themselves.
        excluded: Of the versions that an index has, by package, those that the rules do not let in.
    """

    judged: Judged
    excluded: Mapping[str, Mapping[str, Exclusion]]


def offered(project: Project, context: Context, policies: Policies, locks: Locks) -> Offered:
    """Hold every version that an index has of the locked packages against the rules."""
    work = _Work(project, context, policies)
    work.learn(locks)
    judged = judge_locks(project, context, policies, locks)
    excluded: dict[str, Mapping[str, Exclusion]] = {}
    for (name, _), subject in judged.subjects.items():
        if name not in excluded and not subject.direct:
            excluded[name] = work.offered(subject, judged.question)
    return Offered(judged=judged, excluded=excluded)


class _Work:
    """What one locking asks again and again: who governs, and what the indexes have."""

    def __init__(self, project: Project, context: Context, policies: Policies) -> None:
        self.project = project
        self.context = context
        self.policies = policies
        self.names = tuple(
            dict.fromkeys(s.name for p in _parts(project) for s in p.manifest.all_instances())
        )
        self._releases = [r for r in policies.rules if r.kind in release_rules.KINDS]
        self._known: dict[str, Mapping[str, Licence]] = {}
        self._blind: Counter[str] = Counter()
        self._transport: Transport | None = None
        self._pages: dict[tuple[str, str], tuple[IndexFile, ...]] = {}

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
            if one.package not in free and (known is None or not _holds(known, one)):
                standing[one.package] = _with(known, one)
        return standing

    @cached_property
    def certain(self) -> Mapping[str, Excluded]:
        """What is excluded whatever is locked."""
        found: dict[str, Excluded] = {}
        for one in (*excluding.certain(self.policies, self.names), *self._hostile()):
            found[one.package] = _with(found.get(one.package), one)
        return found

    def _hostile(self) -> Iterator[Excluded]:
        """What the manifest itself asks for and an advisory calls hostile: not even its metadata is built.

        As far as the advisory says so of versions by their names, or of all of them.
        """
        kinds = ("malware", "vulnerability")
        rules = [r for r in self.policies.rules if r.binding and r.kind in kinds]
        rules = [rule for rule in rules if all(map(rule.concerns, self.names))]
        if not rules:
            return
        policies = replace(self.policies, rules=tuple(rules))
        with governing.known(self.context) as here:
            if here is None:
                return
            for name in _asked_for(self.project):
                known = here.affected(name).items()
                rows = [row for record, own in known if record.startswith("MAL-") for row in own]
                if rows:
                    listed = [version for row in rows for version in row.versions]
                    yield from self._of_hostile(policies, here, name, listed)

    def _of_hostile(
        self, policies: Policies, here: Database, name: str, listed: Iterable[str]
    ) -> Iterator[Excluded]:
        items = tuple(
            Item(
                name=name,
                version=version,
                environments=self.names,
                vulnerabilities=tuple(
                    one for one in vulnerabilities(here, name, version) if one.malware
                ),
            )
            for version in {*listed, *_ENDS}
        )
        now = datetime.now(UTC)
        asked = Question(environments=self.names, items=items, pythons=(), fetched=now, now=now)
        bad = excluding.of_versions(policies, asked)
        if all(end in bad for end in _ENDS):
            told = (replace(bad[_ENDS[0]], version=""),)
            yield Excluded(package=name, constraint=excluding.nothing(name), told=told)
            return
        found = [bad[version] for version in sorted(set(bad) - set(_ENDS))]
        if found:
            left = excluding.without(name, [one.version for one in found])
            yield Excluded(package=name, constraint=left, told=tuple(found))

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

    def offered(self, subject: Subject, asked: Question) -> dict[str, Exclusion]:
        """Of the versions that the index has of a package, those that the rules exclude, and why."""
        pages = self._page(subject)
        versions = dict.fromkeys(file.version for file in pages)
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


def _asked_for(project: Project) -> list[str]:
    """The packages that the manifests ask for from an index, by normalized name."""
    found: dict[str, None] = {}
    for part in _parts(project):
        manifest = part.manifest
        lists = (*manifest.optional_dependencies.values(), *manifest.groups.values())
        for text in (*manifest.dependencies, *(item for items in lists for item in items)):
            asked = Requirement(text)
            if asked.url is None:
                found[canonicalize_name(asked.name)] = None
    return list(found)


def _with(known: Excluded | None, one: Excluded) -> Excluded:
    return one if known is None else excluding.joined(known, one)


def _holds(standing: Excluded, one: Excluded) -> bool:
    """Whether what stands excludes those versions already."""
    left = Requirement(standing.constraint).specifier
    return not any(left.contains(told.version, prereleases=True) for told in one.told)


def _told(standing: Mapping[str, Excluded], previous: Locks, judged: Judged) -> list[Exclusion]:
    """What a person has not been told when the lock before this was made."""
    table = tool_table(previous[None]) if None in previous else {}
    before = {told for one in excluding.from_rows(table) for told in one.told}
    there = {name for name, _ in judged.subjects}
    return [
        told
        for one in standing.values()
        for told in one.told
        if told not in before and (told.version or told.package in there)
    ]


def _tell(context: Context, verdict: Verdict, told: Iterable[Exclusion]) -> None:
    for one in told:
        said = f"excluded: {one}" if one.version else f"by the rule {one.rule!r}: {one.why}"
        context.emit(Noted(message=said))
    if verdict.outcome == "pass":
        return
    counting = [one for one in verdict.decisions if one.counts]
    first = f"{counting[0].rule.id}: {counting[0].subject}: {counting[0].text}" if counting else ""
    said = first or verdict.doubts[0]
    mends = "No other version mends that. " if first else ""
    context.emit(
        Warned(
            message=f"the policy's verdict on this lock is {verdict.outcome}: {said}",
            hint=f"{mends}`provenv policy check` says all of it.",
        )
    )


def _tell_older(context: Context, told: Iterable[Exclusion], made: Locks, previous: Locks) -> None:
    """Warn where what complies is older than what was refused: advisories may not speak of it any more."""
    now, before = _versions(made), _versions(previous)
    for one in told:
        there, refused = now.get(one.package), parsed(one.version)
        if not there or refused is None or there == before.get(one.package):
            continue
        if max(there) < refused:
            context.emit(
                Warned(
                    message=f"{one.package} {max(there)} complies, and is older than {one.version}, which "
                    f"is excluded by {one.rule}",
                    hint=f"Nothing newer is possible: `provenv why {one.package}` says who asks for it. "
                    "Advisories may not speak of versions that nobody mends any more.",
                )
            )


def _versions(locks: Locks) -> dict[str, set[Version]]:
    found: dict[str, set[Version]] = {}
    for lock in locks.values():
        for package in lock.packages:
            if package.version is not None:
                found.setdefault(package.name, set()).add(package.version)
    return found


def _newest(told: Iterable[Exclusion]) -> str:
    return str(max(filter(None, (parsed(one.version) for one in told)), default=""))


def _written(made: Locks, policies: Policies, standing: Mapping[str, Excluded]) -> Locks:
    """The locks, with the policy's digest and what was excluded."""
    names = {package.name for lock in made.values() for package in lock.packages}
    found = [
        one
        for one in standing.values()
        if one.package in names or any(told.version for told in one.told)
    ]
    rows = excluding.as_rows(found)
    more = {"policy-digest": policies.digest, **({"excluded": rows} if rows else {})}
    return {
        key: replace(lock, tool={**(lock.tool or {}), "provenv": {**tool_table(lock), **more}})
        for key, lock in made.items()
    }


def _refuse(
    error: UnsatisfiableError, standing: Mapping[str, Excluded], previous: Locks
) -> NoReturn:
    """Raise the resolver's error with the rules' reasons, where they have a part in it.

    Raises:
        UnsatisfiableError: Always.
    """
    part = [one for one in standing.values() if _mentions(error.message, one.package)]
    if not part:
        raise error
    lines = [_attributed(error.message, part)]
    for one in part:
        lines += [f"  excluded: {told}" for told in one.told]
        left = one.constraint.removeprefix(one.package)
        lines.append(f"  left of {one.package}: {left if left != '<0' else 'nothing'}")
    locked = _versions(previous)  # of others there is nothing to explain
    first = next((one.package for one in part if one.package in locked), None)
    more = f"`provenv policy explain {first}` says more. " if first else ""
    raise UnsatisfiableError(
        "\n".join(lines),
        hint=f"{more}Ask for other versions, or have it waived.",
        details={**error.details, "excluded": excluding.as_rows(part)},
    ) from error


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text) is not None


def _attributed(text: str, part: Sequence[Excluded]) -> str:
    """The resolver takes constraints for wishes of whoever depends: each is given back to its rule."""
    for one in part:
        rules = ", ".join(map(repr, one.rules))
        noun = "rule" if len(one.rules) == 1 else "rules"
        said = f"what the {noun} {rules} leave{'s' if len(one.rules) == 1 else ''} of {one.package}"
        for spelled in excluding.spelled(one.constraint):
            text = re.sub(rf"(?<![\w.-]){spelled}(?!\.?\w|,?[<>=!~*+-])", said, text)
    return text


def _refuse_override(one: Excluded) -> NoReturn:
    told = one.told[0]
    raise UnsatisfiableError(
        f"the rules exclude {told}, and the resolver takes it all the same",
        hint="Look for an override of it in [tool.uv].",
        details={"excluded": excluding.as_rows([one])},
    )

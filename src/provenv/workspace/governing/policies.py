"""``policy``: which policies hold for a project, and what they say of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from packaging.pylock import Package

from provenv.audit import database, release_rules
from provenv.audit.excluding import Excluded, from_rows
from provenv.audit.findings import vulnerabilities
from provenv.audit.policies import Policies, combine
from provenv.audit.releases import Spoken, Standing, together
from provenv.audit.verdict import Item, Python, Question, Verdict, judge
from provenv.core.errors import InputError, UsageError
from provenv.core.values import frozen, replace
from provenv.model import toml
from provenv.model.lock import tool_table
from provenv.model.policy import Policy, Rule, parse_policy
from provenv.workspace import fast
from provenv.workspace.governing import auditing, releases, signatures, subjects
from provenv.workspace.governing.subjects import Subject
from provenv.workspace.governing.supplying import supplied
from provenv.workspace.projects.context import Context, Project, read_lock, read_text


@frozen
class Checked:
    """A verdict, and what it is about.

    Attributes:
        advisories: The digest of the data; None where there is none.
        spoken: What indexes have said, where a rule asks for that.
    """

    title: str
    policies: Policies
    question: Question
    verdict: Verdict
    advisories: str | None
    spoken: Spoken | None = None


@frozen
class Draft:
    """A changed policy: the text in ``file``, as if it stood in ``place``, whether or not that is there."""

    file: str
    place: str
    text: str

    def stands_for(self, path: str) -> bool:
        """Whether it is in the place of the policy in ``path``."""
        return os.path.realpath(path) == os.path.realpath(self.place)


def policies_of(project: Project | None, context: Context, draft: Draft | None = None) -> Policies:
    """The policies that hold: the organisation's, the machine's, the project's.

    ``draft``: In place of one of them.

    Raises:
        InputError: One cannot be used, or loosens one before it.
    """
    found: list[tuple[Policy, str]] = []
    named = context.environ.get("PROVENV_POLICY")
    for path in fast.policies_above(context.home.root, context.environ):
        if draft is not None and draft.stands_for(path):
            found.append(read_policy(draft.file, draft.text))
        elif path == named or os.path.lexists(path):
            found.append(read_policy(path, read_text(path)))
    if project is not None:
        found += _own(project, draft)
    return combine(found)


def read_policy(path: str, text: str) -> tuple[Policy, str]:
    """A policy, with its text.

    Raises:
        InputError: It cannot be used.
    """
    return parse_policy(toml.parse(text, path), path, text=text), text


def _own(project: Project, draft: Draft | None) -> list[tuple[Policy, str]]:
    """The project's own: a file beside the manifest of what is locked, or a table in that."""
    locker = project.locker
    path = os.path.join(locker.root, fast.POLICY)
    if draft is not None and draft.stands_for(path):
        return [read_policy(draft.file, draft.text)]
    data = toml.parse(locker.manifest_text, locker.manifest_path)
    inner = data.get("tool", {}).get("provenv", {}).get("policy")
    if os.path.lexists(path):
        if inner is not None:
            raise InputError(
                f"there is a {fast.POLICY} as well",
                file=locker.manifest_path,
                key="tool.provenv.policy",
                hint="Keep one of them.",
            )
        return [read_policy(path, read_text(path))]
    if inner is None:
        return []
    where = "tool.provenv.policy"
    policy = parse_policy(inner, locker.manifest_path, text=locker.manifest_text, path=where)
    return [(policy, repr(inner))]


def check(project: Project, context: Context, environments: Sequence[str] = ()) -> Checked:
    """Judge a project's locks by the policies that hold for it; ``environments``: all unless given.

    Raises:
        UsageError: No policy holds. InputError: One cannot be used, or there is no lock.
    """
    policies = policies_of(project, context)
    if not policies.files:
        raise UsageError(
            "no policy holds for this project",
            hint=f"Write a {fast.POLICY}; docs/how-to/policy.md has one to begin with.",
        )
    specs = [spec for name in environments for spec in project.manifest.instances(name)]
    specs = specs or list(project.manifest.all_instances())
    found = subjects.of_locks(project)
    pythons = tuple(auditing.python_of(project, spec) for spec in specs)
    names = tuple(spec.name for spec in specs)
    question, digest = ask(context, policies, names, found, pythons)
    question = replace(question, signatures=signatures.of_environments(project, policies))
    question = supplied(question, project, context, policies, found)
    return Checked(
        title=project.title,
        policies=policies,
        question=question,
        verdict=judge(policies, question),
        advisories=digest,
        spoken=_spoken(policies, question),
    )


def _spoken(policies: Policies, question: Question) -> Spoken | None:
    if not any(rule.kind in release_rules.KINDS for rule in policies.rules):
        return None
    return together([one.standing.facts for one in question.items if one.standing.why is None])


def ask(
    context: Context,
    policies: Policies,
    names: Sequence[str],
    found: Sequence[Subject],
    pythons: Sequence[Python] = (),
) -> tuple[Question, str | None]:
    """What is asked of the rules about packages in the environments ``names``, and the advisories' digest.

    Raises:
        IntegrityError: The advisories are damaged.
    """
    now = datetime.now(UTC)
    chosen = [subject for subject in found if not set(names).isdisjoint(subject.environments)]
    with known(context) as here:
        facts = here.facts if here is not None else None
        items = [_item(one, names, here) for one in chosen]
        question = Question(
            environments=tuple(names),
            items=tuple(_stood(context, policies, items, chosen, here, now)),
            pythons=tuple(pythons),
            fetched=None if facts is None else datetime.fromisoformat(facts.imported),
            now=now,
            doubts=() if facts is None else auditing.doubts(facts, now),
        )
    return question, None if facts is None else facts.digest


@contextlib.contextmanager
def known(context: Context) -> Iterator[database.Database | None]:
    """The advisories of this machine; None where there are none.

    Raises:
        IntegrityError: They are damaged.
    """
    path = database.current(context.home.advisories)
    if path is None:
        yield None
        return
    with database.opened(path) as here:
        yield here


def _item(subject: Subject, names: Sequence[str], here: database.Database | None) -> Item:
    package = subject.package
    assert package is not None
    known = (
        vulnerabilities(here, subject.name, subject.version)
        if here is not None and subject.version
        else ()
    )
    urls, hashed = _files(package)
    wheel = package.archive is not None and urls[-1].endswith(".whl")
    return Item(
        name=subject.name,
        version=subject.version,
        environments=tuple(name for name in subject.environments if name in names),
        urls=tuple(dict.fromkeys(urls)),
        index=package.index,
        built=not package.wheels and not wheel,
        hashed=hashed,
        unaudited=None if known else auditing.unaudited(subject),
        vulnerabilities=known,
    )


def _stood(
    context: Context,
    policies: Policies,
    items: Sequence[Item],
    found: Sequence[Subject],
    here: database.Database | None,
    now: datetime,
) -> list[Item]:
    """The same, each with what its index says, where a rule asks for that."""
    rules = [rule for rule in policies.rules if rule.kind in release_rules.KINDS]
    if not rules:
        return list(items)
    made = []
    for item, subject in zip(items, found, strict=True):
        assert subject.package is not None
        standing = releases.standing(context, subject.package)
        standing = releases.with_fixes(standing, item.name, item.version, rules, here, now)
        made.append(replace(item, standing=standing))
    return made


def _files(package: Package) -> tuple[list[str], bool]:
    """Where the files of a package come from, and whether each has a hash."""
    rows = [(wheel.url, wheel.hashes) for wheel in package.wheels or ()]
    if package.sdist is not None:
        rows.append((package.sdist.url, package.sdist.hashes))
    if package.archive is not None:
        rows.append((package.archive.url, package.archive.hashes))
    if package.vcs is not None:
        rows.append((package.vcs.url, {}))
    if package.directory is not None:
        rows.append((None, {}))
    return [url or "file://" for url, _ in rows], all(hashes for _, hashes in rows)


@frozen
class Known:
    """What is known of one locked version as a release."""

    version: str
    standing: Standing


def known_of(project: Project, context: Context, name: str) -> tuple[Known, ...]:
    """What indexes said of the locked versions of a package (normalized name), whatever the rules ask."""
    return tuple(
        Known(version=one.version, standing=releases.standing(context, one.package))
        for one in subjects.of_locks(project)
        if one.name == name and one.package is not None
    )


def excluded(project: Project) -> tuple[Excluded, ...]:
    """What the rules did not let in when the project's lock was made: the lock says it.

    Raises:
        InputError: It cannot be read.
    """
    lock = read_lock(project, None)
    return () if lock is None else from_rows(tool_table(lock.lock))


def rule_named(policies: Policies, name: str) -> Rule | None:
    """The rule that is called so."""
    return next((rule for rule in policies.rules if rule.id == name), None)

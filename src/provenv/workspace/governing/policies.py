"""``policy``: which policies hold for a project, and what they say of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from packaging.pylock import Package

from provenv.audit import database
from provenv.audit.findings import vulnerabilities
from provenv.audit.policies import Policies, combine
from provenv.audit.verdict import Item, Python, Question, Verdict, judge
from provenv.core.errors import InputError, UsageError
from provenv.core.values import frozen
from provenv.environments import generations, switch
from provenv.interpreters.lifetimes import end_of_life
from provenv.model import toml
from provenv.model.manifest import EnvironmentSpec
from provenv.model.policy import Policy, Rule, parse_policy
from provenv.workspace.governing import auditing, subjects
from provenv.workspace.governing.subjects import Subject
from provenv.workspace.projects.context import Context, LockFile, Project, read_text

FILE = "provenv-policy.toml"
SYSTEM = "/etc/provenv/policy.toml"


@frozen
class Checked:
    """A verdict, and what it is about. ``advisories``: The digest of the data; None where there is none."""

    title: str
    policies: Policies
    question: Question
    verdict: Verdict
    advisories: str | None


def policies_of(project: Project | None, context: Context) -> Policies:
    """The policies that hold: the organisation's, the machine's, the project's.

    Raises:
        InputError: One cannot be used, or loosens one before it.
    """
    found: list[tuple[Policy, str]] = []
    named = context.environ.get("PROVENV_POLICY")
    for path in (named, SYSTEM, os.path.join(context.home.root, "policy.toml")):
        if path and (path == named or os.path.lexists(path)):
            text = read_text(path)
            found.append((parse_policy(toml.parse(text, path), path, text=text), text))
    if project is not None:
        found += _own(project)
    return combine(found)


def _own(project: Project) -> list[tuple[Policy, str]]:
    """The project's own: a file beside the manifest of what is locked, or a table in that."""
    locker = project.locker
    path = os.path.join(locker.root, FILE)
    data = toml.parse(locker.manifest_text, locker.manifest_path)
    inner = data.get("tool", {}).get("provenv", {}).get("policy")
    if os.path.lexists(path):
        if inner is not None:
            raise InputError(
                f"there is a {FILE} as well",
                file=locker.manifest_path,
                key="tool.provenv.policy",
                hint="Keep one of them.",
            )
        text = read_text(path)
        return [(parse_policy(toml.parse(text, path), path, text=text), text)]
    if inner is None:
        return []
    where = "tool.provenv.policy"
    policy = parse_policy(inner, locker.manifest_path, text=locker.manifest_text, path=where)
    return [(policy, repr(inner))]


def check(
    project: Project,
    context: Context,
    environments: Sequence[str] = (),
    locks: Mapping[str | None, LockFile] | None = None,
) -> Checked:
    """Judge a project's locks by the policies that hold for it; ``environments``: all unless given.

    ``locks``: In place of those that lie there.

    Raises:
        UsageError: No policy holds. InputError: One cannot be used, or there is no lock.
    """
    policies = policies_of(project, context)
    if not policies.files:
        raise UsageError(
            "no policy holds for this project",
            hint=f"Write a {FILE}; docs/how-to/policy.md has one to begin with.",
        )
    specs = [spec for name in environments for spec in project.manifest.instances(name)]
    specs = specs or list(project.manifest.all_instances())
    found = subjects.of_locks(project, locks=locks)
    question, digest = _question(project, context, specs, found)
    return Checked(
        title=project.title,
        policies=policies,
        question=question,
        verdict=judge(policies, question),
        advisories=digest,
    )


def _question(
    project: Project, context: Context, specs: Sequence[EnvironmentSpec], found: Sequence[Subject]
) -> tuple[Question, str | None]:
    now = datetime.now(UTC)
    names = tuple(spec.name for spec in specs)
    chosen = [subject for subject in found if not set(names).isdisjoint(subject.environments)]
    path = database.current(context.home.advisories)
    fetched: datetime | None = None
    digest: str | None = None
    doubts: tuple[str, ...] = ()
    items: list[Item]
    if path is None:
        items = [_item(subject, names, None) for subject in chosen]
    else:
        with database.opened(path) as here:
            items = [_item(subject, names, here) for subject in chosen]
            facts = here.facts
            fetched, digest = datetime.fromisoformat(facts.imported), facts.digest
            doubts = auditing.doubts(facts, now)
    return (
        Question(
            environments=names,
            items=tuple(items),
            pythons=tuple(_python(project, spec) for spec in specs),
            fetched=fetched,
            now=now,
            doubts=doubts,
        ),
        digest,
    )


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


def _python(project: Project, spec: EnvironmentSpec) -> Python:
    """The interpreter of an environment as it is made; unknown where it is not."""
    folder = project.folder(spec)
    number = switch.current(folder)
    if number is None:
        return Python(environment=spec.name, version=None, end=None)
    version = generations.read_generation(folder, number).python
    minor = ".".join(version.split(".")[:2])
    return Python(environment=spec.name, version=version, end=end_of_life(minor))


def rule_named(policies: Policies, name: str) -> Rule | None:
    """The rule that is called so."""
    return next((rule for rule in policies.rules if rule.id == name), None)

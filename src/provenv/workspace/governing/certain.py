"""What rules exclude before anything is resolved: by name, or because it is known to be hostile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from provenv.audit import excluding
from provenv.audit.database import Database
from provenv.audit.excluding import Excluded
from provenv.audit.findings import vulnerabilities
from provenv.audit.policies import Policies
from provenv.audit.verdict import Item, Question
from provenv.core.values import replace
from provenv.workspace.governing import policies as governing
from provenv.workspace.governing.judging import parts
from provenv.workspace.projects.context import Context, Project

_ENDS = ("0", "99999999")  # what an advisory says of both, it says of every version


def certain(
    project: Project, context: Context, policies: Policies, names: tuple[str, ...]
) -> dict[str, Excluded]:
    """What is excluded by package, whatever is locked; ``names`` are all environments."""
    found: dict[str, Excluded] = {}
    hostile = _hostile(project, context, policies, names)
    for one in (*excluding.certain(policies, names), *hostile):
        found[one.package] = excluding.joined(found.get(one.package), one)
    return found


def _hostile(
    project: Project, context: Context, policies: Policies, names: tuple[str, ...]
) -> Iterator[Excluded]:
    """What the manifest itself asks for and an advisory calls hostile: not even its metadata is built.

    As far as the advisory says so of versions by their names, or of all of them.
    """
    kinds = ("malware", "vulnerability")
    rules = [r for r in policies.rules if r.binding and r.kind in kinds]
    rules = [rule for rule in rules if all(map(rule.concerns, names))]
    if not rules:
        return
    asked = replace(policies, rules=tuple(rules))
    with governing.known(context) as here:
        if here is None:
            return
        for name in _asked_for(project):
            known = here.affected(name).items()
            rows = [row for record, own in known if record.startswith("MAL-") for row in own]
            if rows:
                listed = [version for row in rows for version in row.versions]
                yield from _of_hostile(asked, here, name, names, listed)


def _of_hostile(
    policies: Policies,
    here: Database,
    name: str,
    environments: tuple[str, ...],
    listed: Iterable[str],
) -> Iterator[Excluded]:
    items = tuple(
        Item(
            name=name,
            version=version,
            environments=environments,
            vulnerabilities=tuple(
                one for one in vulnerabilities(here, name, version) if one.malware
            ),
        )
        for version in {*listed, *_ENDS}
    )
    now = datetime.now(UTC)
    asked = Question(environments=environments, items=items, pythons=(), fetched=now, now=now)
    bad = excluding.of_versions(policies, asked)
    if all(end in bad for end in _ENDS):
        told = (replace(bad[_ENDS[0]], version=""),)
        yield Excluded(package=name, constraint=excluding.nothing(name), told=told)
        return
    found = [bad[version] for version in sorted(set(bad) - set(_ENDS))]
    if found:
        left = excluding.without(name, [one.version for one in found])
        yield Excluded(package=name, constraint=left, told=tuple(found))


def _asked_for(project: Project) -> list[str]:
    """The packages that the manifests ask for from an index, by normalized name."""
    found: dict[str, None] = {}
    for part in parts(project):
        manifest = part.manifest
        lists = (*manifest.optional_dependencies.values(), *manifest.groups.values())
        for text in (*manifest.dependencies, *(item for items in lists for item in items)):
            asked = Requirement(text)
            if asked.url is None:
                found[canonicalize_name(asked.name)] = None
    return list(found)

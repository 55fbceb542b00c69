"""Bounds of the manifest: which of a project's own requirements stand in the way of a version."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from provenv.audit.matching import parsed
from provenv.core.errors import UnsatisfiableError
from provenv.core.values import frozen, replace
from provenv.model import bounds
from provenv.workspace.assuring.candidates import Candidate
from provenv.workspace.projects import specifiers
from provenv.workspace.projects.context import MANIFEST_FILE, Project, make_project, read_text


@frozen
class Bound:
    """A requirement that stands in the way.

    Attributes:
        file: The manifest that it stands in. ``place``: The dotted path of its array there.
        name: Normalized. ``requirement``: As it stands there. ``wanted``: What it would have to be.
        enough: With these alone it goes; else they are in the way, among others.
    """

    file: str
    place: str
    name: str
    requirement: str
    wanted: str
    enough: bool = True


def in_the_way(
    candidate: Candidate, names: Collection[str], resolve: Callable[[Candidate], Candidate]
) -> tuple[Bound, ...]:
    """The requirements on ``names`` without whose bounds ``resolve`` would succeed; found by doing that.

    Empty where it fails all the same, or nothing can be said of it: the project's dependencies are its
    build backend's to say, or its lock is that of a whole workspace.
    """
    project = candidate.project
    if project.shared is not None:
        return ()
    text = project.manifest_text
    asked = [row for row in _stated(project.manifest_path, text) if row.name in names]
    for one in asked:
        bare = _opened(one.requirement)
        text = specifiers.swap(text, one.file, one.place, one.requirement, bare)
    if text == project.manifest_text:
        return ()
    try:
        made = resolve(replace(candidate, project=make_project(project.root, text)))
    except UnsatisfiableError:
        return ()
    versions = made.versions()
    return tuple(
        replace(one, wanted=_lifted(one.requirement, found))
        for one in asked
        if (found := versions.get(one.name)) and not allows(one.requirement, found)
    )


def stated_against(project: Project, name: str, version: Version) -> tuple[Bound, ...]:
    """The requirements on one package that do not let a version in, in every manifest that is locked."""
    roots = [project.root]
    if project.shared is not None and project.workspace is not None:
        roots = list(project.workspace.folders)
    found = []
    for root in roots:
        path = os.path.join(root, MANIFEST_FILE)
        text = project.manifest_text if root == project.root else read_text(path)
        for one in _stated(path, text):
            if one.name == name and not allows(one.requirement, [version]):
                wanted = _lifted(one.requirement, [version])
                found.append(replace(one, wanted=wanted, enough=False))
    return tuple(found)


def lifted(candidate: Candidate, wanted: Collection[Bound]) -> Candidate:
    """The candidate with these requirements as they would have to be."""
    text = candidate.project.manifest_text
    for one in wanted:
        text = specifiers.swap(text, one.file, one.place, one.requirement, one.wanted)
    return replace(candidate, project=make_project(candidate.project.root, text))


def _stated(file: str, text: str) -> Iterator[Bound]:
    for place, item in specifiers.stated(text, file):
        requirement = Requirement(item)
        if requirement.url is None:
            name = canonicalize_name(requirement.name)
            yield Bound(file=file, place=place, name=name, requirement=item, wanted=item)


def _opened(text: str) -> str:
    """A requirement without what bounds it from above."""
    found = Requirement(text)
    kept = [str(clause) for clause in found.specifier if clause.operator in (">", ">=")]
    kept += [
        f">={version}"
        for clause in found.specifier
        if clause.operator in ("==", "~=", "===")
        and (version := parsed(clause.version.removesuffix(".*"))) is not None
    ]
    found.specifier = SpecifierSet(",".join(kept))
    return str(found)


def allows(text: str, versions: Collection[Version]) -> bool:
    """Whether a requirement lets all of some versions in."""
    requirement = Requirement(text)
    return all(bounds.allows(requirement, version) for version in versions)


def _lifted(text: str, versions: Collection[Version]) -> str:
    for version in versions:
        text = bounds.lifted(Requirement(text), version)
    return text

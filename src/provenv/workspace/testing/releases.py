"""The releases of one distribution between two of its versions, and locks that differ in it alone."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

from packaging.pylock import Package
from packaging.version import InvalidVersion, Version

from provenv.core.events import silent
from provenv.core.http import Transport
from provenv.core.values import replace
from provenv.model.interpreter import Interpreter
from provenv.model.lock import is_direct
from provenv.resolve import resolve_requirements
from provenv.resolve.indexes import authorized, collect_indexes
from provenv.resolve.pages import files_of
from provenv.workspace.host import access
from provenv.workspace.projects.context import Context, LockFile, Project
from provenv.workspace.projects.governed import may_be_governed

_DAY = len("2026-11-22")
_BECAUSE = re.compile(r"Because (.+?)(?: and your project|, we can conclude|$)", re.DOTALL)
_LONG = 160


def releases_between(
    project: Project,
    context: Context,
    interpreter: Interpreter,
    package: Package,
    before: str,
    after: str,
) -> tuple[str, ...]:
    """The versions on the index of ``package`` between two others, from ``before`` to ``after``.

    Yanked ones are left out, pre-releases where neither of the two is one, and what the project itself
    leaves out as too new (``exclude-newer`` of ``[tool.uv]``).

    Raises:
        NetworkError: The index does not answer.
    """
    settings = access.resolve_settings(project, context, interpreter)
    indexes = collect_indexes(project.manifest, project.root, settings.index_url)
    transport = Transport(authorized(settings, indexes), emit=context.emit)
    first, last = Version(before), Version(after)
    low, high = sorted((first, last))
    early = first.is_prerelease or last.is_prerelease
    until = _moment(project.manifest.uv.get("exclude-newer"))
    found: set[Version] = set()
    for file in files_of(transport, package.index or indexes.default, package.name) or ():
        version = _version(file.version)
        if version is None or file.yanked or not low < version < high:
            continue
        uploaded = _moment(file.uploaded)
        if until is not None and uploaded is not None and uploaded >= until:
            continue
        if early or not version.is_prerelease:
            found.add(version)
    return tuple(map(str, sorted(found, reverse=first > last)))


def learn(project: Project, context: Context, lock: LockFile) -> None:
    """Have here what the rules of policies will ask of a lock that was not made here, or long ago.

    Raises:
        InputError: A policy cannot be used.
    """
    if not may_be_governed(project, context):
        return
    from provenv.workspace.governing import offering
    from provenv.workspace.governing.policies import policies_of

    policies = policies_of(project, context)
    if policies.rules:
        offering.learn(project, context, policies, {None: lock.lock})


def refused_among(
    project: Project,
    context: Context,
    environment: str,
    package: Package,
    versions: Collection[str],
) -> dict[str, str]:
    """Of these versions of ``package``, those that a policy keeps out of the environment, and why.

    Raises:
        InputError: A policy cannot be used. IntegrityError: The advisories are damaged.
    """
    if not versions or not may_be_governed(project, context):
        return {}
    from provenv.workspace.governing.offering import refused

    found = refused(project, context, environment, package, versions)
    return {version: f"the policy refuses it: {one}" for version, one in found.items()}


def is_indexed(package: Package) -> bool:
    """Whether an index gave it: nobody is asked about the name of what lies in a folder here."""
    paths = [wheel.path for wheel in package.wheels or ()]
    paths += [package.sdist.path] if package.sdist is not None else []
    return not is_direct(package) and bool(paths) and not any(paths)


def _moment(text: object) -> datetime | None:
    """A time as ISO 8601; None for what is none, as a span (``1 week``). A day ends with itself."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    if len(str(text)) == _DAY:
        found += timedelta(days=1)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def packages_with(
    project: Project,
    context: Context,
    interpreter: Interpreter,
    held: Mapping[str, Package],
    free: Collection[str],
    wanted: str,
    ranges: Mapping[str, str] | None = None,
) -> list[Package]:
    """The packages of a mix with another release of one: ``wanted`` (``werkzeug==3.0.4``).

    ``held`` stay as they are, but for ``ranges``: name → what it may move within (``flask>=2.2,<=3.0``).
    ``free`` is what may move with the release; what it needs besides comes.

    Raises:
        UnsatisfiableError: It does not go together with the others.
        NetworkError, BuildError: As they say.
    """
    kept = {name: package for name, package in held.items() if name not in free}
    base = os.path.dirname(project.lock_path(None))
    made = resolve_requirements(
        [wanted, *((ranges or {}).get(name) or _pin(kept[name], base) for name in kept)],
        interpreter=interpreter,
        settings=access.resolve_settings(project, context, interpreter),
        emit=silent,
        manifest=replace(project.manifest, sources={}),
        project=project.root,
    )
    return [_same(package, kept.get(package.name)) for package in made.packages]


def _same(made: Package, kept: Package | None) -> Package:
    """The entry that was there, where it is of the same version: with its own files and hashes."""
    if kept is None or (made.version != kept.version and not is_direct(kept)):
        return made
    return kept


def _pin(package: Package, base: str) -> str:
    """The very same package, PEP 508."""
    if not is_direct(package):
        return f"{package.name}=={package.version}"
    entry = package.archive or package.directory or package.vcs
    url, path = getattr(entry, "url", None), getattr(entry, "path", None)
    address = url or f"file://{os.path.normpath(os.path.join(base, str(path)))}"
    if package.vcs is not None:
        address = f"{package.vcs.type}+{address}@{package.vcs.commit_id}"
    folder = getattr(entry, "subdirectory", None)
    return f"{package.name} @ {address}" + (f"#subdirectory={folder}" if folder else "")


def why(message: str) -> str:
    """Why something does not go together, in a line, out of a resolver's explanation."""
    found = _BECAUSE.search(message)
    text = " ".join((found[1] if found else message.splitlines()[0]).split())
    return f"{text[:_LONG]} …" if len(text) > _LONG else text

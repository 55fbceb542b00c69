"""What `test --bounds` and `--ahead` ask first: what a project depends on, and what there is of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from packaging.pylock import Package
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from provenv.audit import releases as kept
from provenv.core.errors import InputError, UndecidedError
from provenv.core.values import frozen, replace
from provenv.model.lock import is_direct
from provenv.model.manifest import EnvironmentSpec, Manifest
from provenv.workspace.governing import releases
from provenv.workspace.projects.context import Context, LockFile, Project
from provenv.workspace.testing.resolutions import with_manifests

LATELY = timedelta(minutes=10)


@frozen
class Dependency:
    """What a project depends on itself, and what there is of it.

    Attributes:
        requirements: All that the manifest says of it, without its dependency groups.
        locked: The highest version in the lock.
        versions: That the index has and has not yanked, in no order.
        why: Why these are not known; None where they are.
    """

    name: str
    requirements: tuple[Requirement, ...]
    locked: str
    versions: tuple[str, ...] = ()
    why: str | None = None


def dependencies(
    project: Project,
    context: Context,
    spec: EnvironmentSpec,
    lock: LockFile,
    *,
    fresh: bool = False,
) -> list[Dependency]:
    """What the project itself depends on, with the extras of ``spec``; indexes are asked what there is.

    What they were asked in the last minutes is not asked again, unless ``fresh``.

    Dependency groups are not among it: they are for those who work on it, and bind nobody who uses it.

    Raises:
        InputError: The build backend decides on them.
        UndecidedError: Nothing that comes from an index is among them; or the project shares a lock with
            others that depend on it, for whom its bounds cannot be thought away.
    """
    manifest = project.manifest
    if any("dependencies" in field for field in manifest.dynamic):
        raise InputError(
            "are decided on by the build backend (`dynamic`), so that no bound can be offered",
            file=manifest.file,
            key="project.dependencies",
            hint="Declare them in `dependencies`.",
        )
    asked: dict[str, list[Requirement]] = {}
    extras = (item for name in spec.extras for item in manifest.optional_dependencies[name])
    for text in (*manifest.dependencies, *extras):
        requirement = Requirement(text)
        asked.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    own = canonicalize_name(manifest.name or "")
    if project.shared is not None and own in project.shared.manifest.members:
        raise UndecidedError(
            f"other members of the workspace depend on {manifest.name}: its bounds hold for the lock that "
            "all of them share",
            hint="Take `shared-lock` out of [tool.provenv.workspace] for as long as it takes.",
        )
    packages = _locked(lock)
    wanted = [packages[name] for name in asked if name in packages]
    if not wanted:
        raise UndecidedError(
            f"{project.title} depends on nothing that comes from an index",
            hint="There are no bounds to look for.",
        )
    releases.ask(project, context, wanted, unless_since=None if fresh else LATELY)
    return [
        _dependency(name, tuple(requirements), packages[name], context)
        for name, requirements in sorted(asked.items())
        if name in packages
    ]


def _locked(lock: LockFile) -> dict[str, Package]:
    """By name, the highest version of each package that comes from an index."""
    found: dict[str, Package] = {}
    for package in lock.lock.packages:
        if package.version is None or is_direct(package):
            continue
        before = found.get(package.name)
        if before is None or before.version is None or before.version < package.version:
            found[package.name] = package
    return found


def _dependency(
    name: str, requirements: tuple[Requirement, ...], package: Package, context: Context
) -> Dependency:
    index = releases.index_of(package)
    facts = kept.load(context.home.indexes, index, name) if index is not None else None
    known = facts is not None and facts.state == "read"
    return Dependency(
        name=name,
        requirements=requirements,
        locked=str(package.version),
        versions=tuple(v for v in facts.versions if v not in facts.yanked)
        if facts is not None and known
        else (),
        why=None if known else "its index does not say what versions it has",
    )


def with_requirements(project: Project, change: Callable[[str], str]) -> Project:
    """The project with every requirement as ``change`` gives it, and those of other members, too."""

    def each(items: Sequence[str]) -> tuple[str, ...]:
        return tuple(change(item) for item in items)

    def all_of(table: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        return {name: each(items) for name, items in table.items()}

    def changed(manifest: Manifest) -> Manifest:
        return replace(
            manifest,
            dependencies=each(manifest.dependencies),
            optional_dependencies=all_of(manifest.optional_dependencies),
            groups=all_of(manifest.groups),
            members={
                name: replace(
                    member,
                    dependencies=each(member.dependencies),
                    optional_dependencies=all_of(member.optional_dependencies),
                )
                for name, member in manifest.members.items()
            },
        )

    return with_manifests(project, changed)

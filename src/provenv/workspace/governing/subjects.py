"""What is audited: packages with their versions, where they are, and what brings them in."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from packaging.pylock import Package, Pylock

from provenv.core.errors import InputError
from provenv.core.values import field, frozen, mutable, replace
from provenv.model import graph
from provenv.model.lock import is_direct
from provenv.model.manifest import EnvironmentSpec
from provenv.model.plan import canonical
from provenv.workspace.projects.context import Project, read_locks


@frozen
class Subject:
    """One version of one package.

    Attributes:
        version: Empty where what is locked says none (a directory, a repository).
        environments: The project's environments that may get it, on whatever platform.
        paths: For each requirement that leads to it, that requirement and the names on the way.
        direct: It comes from a path, an address or a repository, not from an index.
        package: Its entry in the lock; None where it is from elsewhere.
    """

    name: str
    version: str
    environments: tuple[str, ...] = ()
    paths: tuple[tuple[str, ...], ...] = ()
    direct: bool = False
    package: Package | None = field(default=None, repr=False, compare=False)


def of_locks(project: Project, environment: str | None = None) -> tuple[Subject, ...]:
    """All packages in the project's locks, or those of one environment.

    Every environment and platform is in it: what no environment gets is in it as well, unless one is
    asked for.

    Raises:
        InputError: There is no lock, or it cannot be read.
    """
    locks = {key: file.lock for key, file in read_locks(project).items()}
    if None not in locks:
        raise InputError("is missing", file=project.lock_path(None), hint="Run `provenv lock`.")
    return of_pylocks(project, locks, environment)


def of_pylocks(
    project: Project,
    locks: Mapping[str | None, Pylock],
    environment: str | None = None,
    *,
    partial: bool = False,
) -> tuple[Subject, ...]:
    """The same of locks that need not lie there yet.

    Raises:
        InputError: That of an environment is not among them, unless they are ``partial``.
    """
    specs = (
        project.manifest.instances(environment)
        if environment is not None
        else project.manifest.all_instances()
    )
    found: dict[tuple[str, str], _Seen] = {}
    rows: dict[tuple[object, ...], list[tuple[Package, list[tuple[str, ...]]]]] = {}
    for spec in specs:
        key = project.lock_key(spec)
        if key not in locks and partial:
            continue
        if key not in locks:
            raise InputError("is missing", file=project.lock_path(key), hint="Run `provenv lock`.")
        # environments that differ in other things, such as their Python, get the same packages
        same = (key, spec.groups, spec.extras, spec.seed)
        if same not in rows:
            rows[same] = list(_reached(project, locks[key], spec))
        for package, paths in rows[same]:
            _add(found, package, spec.name, paths)
    if environment is None:
        for lock in locks.values():
            for package in lock.packages:
                if not _is_own(project, package):
                    _add(found, package, None, ())
    return tuple(_subject(found[key]) for key in sorted(found))


def _reached(
    project: Project, lock: Pylock, spec: EnvironmentSpec
) -> Iterator[tuple[Package, list[tuple[str, ...]]]]:
    """The packages that an environment may get, each with the paths that lead to it."""
    made, packages = graph.make_whole_graph(lock, project.manifest, spec)
    whole = graph.why_all(made)
    for package in packages:
        if not _is_own(project, package):
            yield (
                package,
                [(p.root.requirement, *p.names[1:]) for p in whole.get(package.name, ())],
            )


def of_packages(
    project: Project, packages: Iterable[Package], environment: str
) -> tuple[Subject, ...]:
    """Packages of a lock, all of which the environment gets."""
    found: dict[tuple[str, str], _Seen] = {}
    for package in packages:
        if not _is_own(project, package):
            _add(found, package, environment, ())
    return tuple(_subject(found[key]) for key in sorted(found))


def _is_own(project: Project, package: Package) -> bool:
    """Whether it is source of the same repository: nobody publishes advisories about that."""
    if package.directory is None:
        return False
    locker = project.locker.root
    top = os.path.realpath(project.workspace.root if project.workspace is not None else locker)
    place = os.path.realpath(os.path.join(locker, package.directory.path))
    return place == top or place.startswith(f"{top}/")


@mutable
class _Seen:
    """What is gathered of one package; the keys of both are in their order."""

    package: Package
    environments: dict[str, None]
    paths: dict[tuple[str, ...], None]


def _add(
    found: dict[tuple[str, str], _Seen],
    package: Package,
    environment: str | None,
    paths: Iterable[tuple[str, ...]],
) -> None:
    key = package.name, str(package.version or "")
    seen = found.get(key)
    if seen is None:
        seen = found[key] = _Seen(package, {}, {})
    if environment is not None:
        seen.environments[environment] = None
        seen.paths |= dict.fromkeys(paths)


def _subject(seen: _Seen) -> Subject:
    return replace(
        of_package(seen.package), environments=tuple(seen.environments), paths=tuple(seen.paths)
    )


def of_package(package: Package) -> Subject:
    """An entry of a lock, wherever it is needed."""
    version = str(package.version or "")
    return Subject(name=package.name, version=version, direct=is_direct(package), package=package)


def of_folder(site: str, environment: str) -> tuple[Subject, ...]:
    """The distributions that a ``site-packages`` folder holds, by their metadata.

    Raises:
        InputError: There is no such folder.
    """
    from importlib.metadata import distributions

    if not os.path.isdir(site):
        raise InputError("is no folder", file=site)
    found = {}
    for distribution in distributions(path=[site]):
        name = canonical(distribution.metadata["Name"] or "")
        if not name:
            raise InputError(
                "a distribution without a name", file=str(distribution.locate_file(""))
            )
        direct = distribution.read_text("direct_url.json") is not None
        found[name, distribution.version] = Subject(
            name=name,
            version=distribution.version,
            environments=(environment,),
            direct=direct,
        )
    return tuple(found[key] for key in sorted(found))

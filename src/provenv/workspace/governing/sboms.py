"""Whether an environment has an SBOM that was written for its lock as it is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from provenv.core.errors import InputError
from provenv.formats.inventories import components, recorded
from provenv.model.inventory import ENVIRONMENT, LOCK, SCOPE
from provenv.model.plan import canonical
from provenv.workspace.governing.subjects import Subject
from provenv.workspace.projects.context import Project, read_lock, read_text

FOLDERS = ("", "sbom")
"""Where they are looked for, in the project."""


def problem(
    project: Project, environment: str, found: Sequence[Subject], digest: str | None = None
) -> str | None:
    """What is wrong with the SBOM of an environment; None where one is right.

    ``found`` are the packages that the environment may get: every one of them must be in it. ``digest``
    is that of the lock, where that is not the project's present one.
    """
    wanted = {
        (one.name, one.version)
        for one in found
        if environment in one.environments
        and one.package is not None
        and one.package.directory is None
    }
    said = []
    for path in filter(os.path.lexists, places(project, environment)):
        wrong = _problem(path, environment, digest or _present(project, environment), wanted)
        if wrong is None:
            return None
        said.append(f"{os.path.relpath(path, project.root)} {wrong}")
    if not said:
        return unwritten(environment)
    return said[0]


def unwritten(environment: str) -> str:
    """What is wrong where nobody has written one; no lock has one in the moment in which it is made."""
    return f"there is none for this lock: `provenv sbom -e {environment} -o .` writes it"


def _present(project: Project, environment: str) -> str:
    """The digest of the lock that an environment has today; empty where it has none."""
    lock = read_lock(project, project.lock_key(project.manifest.environment(environment)))
    return lock.digest if lock is not None else ""


def places(project: Project, environment: str) -> Iterator[str]:
    """Where an SBOM of an environment may lie."""
    for folder in FOLDERS:
        for short in ("cdx", "spdx"):
            yield os.path.join(project.root, folder, f"sbom.{environment}.{short}.json")


def _problem(path: str, environment: str, digest: str, wanted: set[tuple[str, str]]) -> str | None:
    try:
        data = read_text(path).encode()
        about = recorded(data) or {}
        if about.get(LOCK) is None or about.get(SCOPE) != "lock":
            return "does not say for which lock it was written"
        if about.get(ENVIRONMENT) != environment:
            return f"is of environment {about.get(ENVIRONMENT)!r}"
        if about[LOCK] != digest:
            return "was written for another lock"
        listed = components(data, path) if wanted else []
    except InputError as error:
        return f"cannot be used: {error.message}"
    missing = wanted - {(canonical(one.name), one.version) for one in listed or ()}
    if missing:
        name, version = min(missing)
        return f"does not list {name} {version}".rstrip()
    return None

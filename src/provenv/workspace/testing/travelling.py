"""What travels to another machine besides a project's files, and what cannot."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

from provenv.core.errors import UsageError
from provenv.core.values import replace
from provenv.model.lock import render_lock
from provenv.workspace.projects.context import LockFile, Project


def root_of(project: Project) -> str:
    """The folder that travels: the project's, or that of the workspace that it is a member of."""
    return os.path.realpath(project.workspace.root if project.workspace else project.root)


def lock_text(lock: LockFile, wheels: str | None) -> str:
    """The lock as a worker is to see it: with ``wheels``, its files lie there, under their own names."""
    if wheels is None:
        return lock.text

    def led(file: Any) -> Any:
        return replace(file, url=f"{wheels.rstrip('/')}/{quote(file.filename)}", path=None)

    packages = [
        replace(
            package,
            wheels=[led(wheel) for wheel in package.wheels] if package.wheels else package.wheels,
            sdist=led(package.sdist) if package.sdist else None,
        )
        for package in lock.lock.packages
    ]
    return render_lock(replace(lock.lock, packages=packages))


def refuse_distant(lock: LockFile, project: Project, *, led: bool) -> None:
    """Refuse what lies beside the project, and so does not travel with it; ``led``: files come from a URL.

    Raises:
        UsageError: There is something; names it.
    """
    root, base = root_of(project), os.path.dirname(lock.path)
    for package in lock.lock.packages:
        files = [] if led else [*(package.wheels or ()), package.sdist]
        for local in (package.directory, package.archive, *files):
            if local is None or local.path is None or getattr(local, "url", None) is not None:
                continue
            path = os.path.realpath(os.path.join(base, local.path))
            if path != root and not path.startswith(f"{root}/"):
                raise UsageError(
                    f"{package.name} comes from {path}, which is not sent to other machines",
                    hint="Put it into the project, or make both members of one workspace.",
                )

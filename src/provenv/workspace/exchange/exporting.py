"""``export``: the lock of one environment in the format of another tool."""

from __future__ import annotations

import os
from typing import Any

from packaging.pylock import PackageDirectory, Pylock
from packaging.utils import canonicalize_name

from provenv.core.errors import CheckFailedError, ForeignError, InputError
from provenv.core.files import write_atomic
from provenv.core.values import frozen, replace
from provenv.environments import generations
from provenv.formats.foreign import Left
from provenv.formats.writing import MARK, Cut, cut, writer
from provenv.model.manifest import EnvironmentSpec
from provenv.workspace.exchange.containers import CONTAINER_FILES, container_file
from provenv.workspace.projects.context import Context, Project, read_locks, read_text
from provenv.workspace.projects.handing import hand
from provenv.workspace.syncing import locking


@frozen
class ExportResult:
    """What ``export`` made.

    Attributes:
        environment: Its name. ``format``: As asked for.
        text: The file's text. ``filename``: What such a file is called.
        path: Where it was written; None where it was not. ``changed``: The file was not there so.
        left: What the format cannot say.
        packages: How many entries of the lock it holds.
    """

    environment: str
    format: str
    text: str
    filename: str
    path: str | None
    changed: bool
    left: tuple[Left, ...]
    packages: int


def export(
    project: Project,
    context: Context,
    *,
    environment: str | None = None,
    form: str = "requirements",
    hashes: bool = True,
    output: str | None = None,
) -> ExportResult:
    """What an environment has by the lock, as text in a foreign format.

    Args:
        project: Whose environment.
        context: The world.
        environment: Its name; the default environment where None.
        form: A name in ``formats.writing.WRITERS``, or in ``containers.CONTAINER_FILES``.
        hashes: Write hashes, where the format can hold them.
        output: Where it is written, absolute; a folder gets a file of the format's own name. None
            writes nothing.

    Raises:
        InputError: There is no lock, or no such format.
        CheckFailedError: The lock does not answer the manifest.
        ForeignError: A file is there that provenv did not make.
    """
    if form in CONTAINER_FILES:
        return _container(project, context, environment, form, output)
    spec = project.manifest.environment(environment)
    known = writer(form)
    made = _cut(project, spec, form, hashes=hashes)
    written = known.write(made)
    filename = known.filename.format(environment=spec.name)
    path, changed = None, False
    if output is not None:
        path = os.path.join(output, filename) if os.path.isdir(output) else output
        changed = _write(path, written.text)
    return ExportResult(
        environment=spec.name,
        format=known.name,
        text=written.text,
        filename=filename,
        path=path,
        changed=changed,
        left=written.left,
        packages=len(made.lock.packages),
    )


def _container(
    project: Project, context: Context, environment: str | None, form: str, output: str | None
) -> ExportResult:
    """A container file: a Dockerfile is about ``prod`` unless something else is said."""
    usual = "prod" if form == "dockerfile" and "prod" in project.manifest.environments else None
    spec = project.manifest.environment(environment or usual)
    made = _cut(project, spec, form, hashes=True)
    text = container_file(project, context, form, spec)
    filename = CONTAINER_FILES[form].filename
    path, changed = None, False
    if output is not None:
        path = os.path.join(output, filename) if os.path.isdir(output) else output
        changed = hand(path, text).done != "same"
    return ExportResult(
        environment=spec.name,
        format=form,
        text=text,
        filename=filename,
        path=path,
        changed=changed,
        left=(),
        packages=len(made.lock.packages),
    )


def _cut(project: Project, spec: EnvironmentSpec, form: str, *, hashes: bool) -> Cut:
    source = generations.source_of(project.folder(spec))
    if source is not None:
        raise InputError(
            f"environment {spec.name!r} is made from {source}, not from the project's own lock",
            hint=f"Have the tool that writes {source} export it, or `provenv import {source}` first.",
        )
    locks = read_locks(project)
    key = project.lock_key(spec)
    if key not in locks:
        path = project.lock_path(key)
        raise InputError("is missing", file=path, hint="Run `provenv lock`.")
    stale = locking.why_stale(project, locks)
    if stale is not None:
        raise CheckFailedError(stale, hint="Run `provenv lock`.")
    command = f"provenv export --format {form} -e {spec.name}" + ("" if hashes else " --no-hashes")
    return Cut(
        lock=_seen_from(
            project, spec, cut(locks[key].lock, project.selector(replace(spec, seed=())))
        ),
        environment=spec.name,
        project=project.title,
        origin=os.path.basename(locks[key].path),
        installable=project.title if project.manifest.installable else "",
        hashes=hashes,
        command=command,
    )


def _seen_from(project: Project, spec: EnvironmentSpec, lock: Pylock) -> Pylock:
    """The lock as it reads in the project's folder: a common one lies in the workspace's.

    Members of the workspace are installed as in the environment: in place, or not.
    """
    if project.workspace is None:
        return lock
    own = canonicalize_name(project.manifest.name or "")
    folders = project.workspace.folders

    def near(entry: Any) -> Any:
        if entry is None or getattr(entry, "path", None) is None:
            return entry
        full = os.path.normpath(os.path.join(project.locker.root, entry.path))
        path = os.path.relpath(full, project.root).replace(os.sep, "/")
        if isinstance(entry, PackageDirectory) and os.path.realpath(full) in folders:
            return replace(entry, path=path, editable=bool(entry.editable) and spec.editable)
        return replace(entry, path=path)

    packages = [
        replace(
            package,
            directory=near(package.directory),
            archive=near(package.archive),
            vcs=near(package.vcs),
            sdist=near(package.sdist),
            wheels=[near(wheel) for wheel in package.wheels] if package.wheels else package.wheels,
        )
        for package in lock.packages
        if package.name != own
    ]
    return replace(lock, packages=packages)


def _write(path: str, text: str) -> bool:
    there = read_text(path) if os.path.exists(path) else None
    if there == text:
        return False
    if there is not None and "[tool.provenv]" in there:
        raise ForeignError(
            f"{path} is a lock of a project, and is not overwritten",
            hint="Give another name with --output.",
        )
    if there is not None and not there.startswith(f"# {MARK} "):
        raise ForeignError(
            f"{path} was not made by `provenv export`, and is not overwritten",
            hint="Give another name with --output, or move it away.",
        )
    write_atomic(path, text.encode())
    return True

"""The ends of a bisection: generations, lock files, revisions of the lock, dates; each becomes a lock.

An end is cut down to what one environment gets on one interpreter, so that two of them can be compared.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from packaging.pylock import Package, Pylock

from provenv.core.errors import InputError, UsageError
from provenv.core.values import frozen, replace
from provenv.environments import generations, switch
from provenv.model import graph
from provenv.model.interpreter import Interpreter
from provenv.model.layout import base_name
from provenv.model.lock import packages_digest, parse_lock, render_lock, tool_table
from provenv.model.manifest import EnvironmentSpec, Manifest, parse_manifest
from provenv.model.plan import best_wheel, choose_packages
from provenv.tools.git import Commit, Git
from provenv.workspace.projects.context import MANIFEST_FILE, Context, LockFile, Project
from provenv.workspace.syncing import sourcing

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@frozen
class End:
    """One end.

    Attributes:
        label: What it is, for people: ``generation 12``.
        text: A lock of what the environment gets there, and of nothing else.
        roots: What is asked for by itself there, PEP 508; empty where nobody knows.
        python: The Python that it was made for, where it was made.
    """

    label: str
    text: str
    roots: tuple[str, ...] = ()
    python: str | None = None


@frozen
class _Found:
    label: str
    lock: Pylock
    file: str
    manifest: Manifest | None = None
    spec: EnvironmentSpec | None = None
    python: str | None = None


def find_end(
    project: Project, context: Context, spec: EnvironmentSpec, interpreter: Interpreter, text: str
) -> End:
    """The end that ``text`` names: a generation's number, a file, a date (ISO 8601), a git revision.

    Raises:
        UsageError: It names nothing.
        InputError: What it names holds no lock that can be used.
    """
    found = (
        _generation(project, spec, text)
        or _file(project, context, spec, interpreter, text)
        or _date(project, context, spec, text)
        or _revision(project, context, spec, text)
    )
    if found is None:
        raise _nothing(project, context, spec, text)
    then = _then(found, project, spec)
    selector = found.spec or then or project.selector(spec)
    chosen = choose_packages(found.lock, selector, interpreter, found.file)
    return End(
        label=found.label,
        text=lock_text(_slim(package, interpreter) for package in chosen.values()),
        roots=_roots(found, project, then or spec, interpreter),
        python=found.python,
    )


def _slim(package: Package, interpreter: Interpreter) -> Package:
    """With the one file that is installed: the others are for other Pythons, and take long to read."""
    rank = {tag: position for position, tag in enumerate(interpreter.tags)}
    wheel = best_wheel(package.wheels or (), rank)
    return package if wheel is None else replace(package, wheels=[wheel], sdist=None)


def _then(found: _Found, project: Project, spec: EnvironmentSpec) -> EnvironmentSpec | None:
    """The environment as it was declared then; None where that is not known, or another lock decides."""
    if found.manifest is None or project.shared is not None:
        return None
    try:
        return found.manifest.environment(base_name(spec.name))
    except UsageError:
        return None


def lock_text(packages: Iterable[Package]) -> str:
    """A lock of exactly these packages, whatever the environment."""
    bare = [
        replace(package, marker=None, requires_python=None, dependencies=None)
        for package in sorted(packages, key=lambda package: package.name)
    ]
    lock = Pylock.from_dict({"lock-version": "1.0", "created-by": "provenv", "packages": []})
    table = {"packages-digest": packages_digest(bare)}
    return render_lock(
        replace(lock, packages=bare, tool={"provenv": table}),
        header="Made by provenv for a bisection: what one environment gets.",
    )


def open_lock(project: Project, text: str) -> LockFile:
    """A lock that :func:`lock_text` wrote, as if it lay beside the project's own."""
    path = project.lock_path(None)
    return LockFile(path=path, text=text, lock=parse_lock(text, path))


def _generation(project: Project, spec: EnvironmentSpec, text: str) -> _Found | None:
    if not text.isdecimal():
        return None
    folder = project.folder(spec)
    return _of_generation(folder, generations.known_number(folder, int(text)))


def _of_generation(folder: str, number: int) -> _Found:
    made = generations.read_generation(folder, number)
    file = generations.own_file(folder, number, "pylock.toml")
    manifest = generations.own_text(folder, number, MANIFEST_FILE)
    return _Found(
        label=f"generation {number}",
        lock=parse_lock(generations.own_text(folder, number, "pylock.toml"), file),
        file=file,
        manifest=_manifest(manifest, file) if made.source is None else None,
        python=made.python,
    )


def _file(
    project: Project,
    context: Context,
    spec: EnvironmentSpec,
    interpreter: Interpreter,
    text: str,
) -> _Found | None:
    if not os.path.isabs(text) or not os.path.isfile(text):
        return None
    name = os.path.relpath(text, project.root)
    opened = sourcing.open_source(project, context, spec, name)
    lock = sourcing.lock_for(opened, context, interpreter)
    own = tool_table(lock.lock).get("manifest-digest") == project.locker.manifest.lock_digest()
    return _Found(
        label=name if not name.startswith("..") else text,
        lock=lock.lock,
        file=name,
        manifest=project.manifest if own else None,
        spec=None if own else opened.spec,
    )


def _date(project: Project, context: Context, spec: EnvironmentSpec, text: str) -> _Found | None:
    """The newest generation up to a moment, else the newest revision of the lock; a day to its end."""
    if not _DATE.match(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no date", hint="Write it as 2026-11-22, or 2026-11-22T14:30."
        ) from error
    if _DATE.fullmatch(text):
        moment += timedelta(days=1, seconds=-1)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    folder = project.folder(spec)
    made = [
        one.number
        for one in generations.read_all(folder)
        if datetime.fromisoformat(one.created) <= moment
    ]
    if made:
        found = _of_generation(folder, made[-1])
        return replace(found, label=f"{found.label}, the newest on {text}")
    git = Git(project.locker.root, context.environ)
    commit = git.before(moment.isoformat(), _lock_name(project, spec))
    if commit is None:
        raise UsageError(
            f"nothing is known of {text}: no generation, and no commit of "
            f"{_lock_name(project, spec)}, is that old",
            hint="`provenv history` lists the generations, `git log -- pylock.toml` the commits.",
        )
    return _of_commit(git, project, spec, commit, f"{commit.short}, the newest on {text}")


def _revision(
    project: Project, context: Context, spec: EnvironmentSpec, text: str
) -> _Found | None:
    git = Git(project.locker.root, context.environ)
    commit = git.commit(text)
    if commit is None:
        return None
    label = text if commit.name.startswith(text) else f"{text} ({commit.short})"
    return _of_commit(git, project, spec, commit, label)


def _of_commit(
    git: Git, project: Project, spec: EnvironmentSpec, commit: Commit, label: str
) -> _Found:
    name = _lock_name(project, spec)
    file = f"{commit.short}:{name}"
    text = git.read(commit, name)
    if text is None:
        raise InputError(
            "is not there",
            file=file,
            hint=f"`git log -- {name}` lists the commits that have one.",
        )
    manifest = Git(project.root, git.environ).read(commit, MANIFEST_FILE)
    return _Found(
        label=label,
        lock=parse_lock(text, file),
        file=file,
        manifest=_manifest(manifest, file) if manifest is not None else None,
    )


def _lock_name(project: Project, spec: EnvironmentSpec) -> str:
    path = project.lock_path(project.lock_key(spec))
    return os.path.relpath(path, project.locker.root)


def _manifest(text: str, file: str) -> Manifest | None:
    """What was asked for then; None where this version of provenv does not understand it."""
    try:
        return parse_manifest(text, f"{file}: {MANIFEST_FILE}")
    except InputError:
        return None


def _roots(
    found: _Found, project: Project, spec: EnvironmentSpec, interpreter: Interpreter
) -> tuple[str, ...]:
    if found.manifest is None:
        return ()
    selector = project.selector(spec) if project.shared is not None else None
    made = graph.make_graph(found.lock, found.manifest, spec, interpreter.markers, selector)
    return tuple(dict.fromkeys(root.requirement for root in made.roots))


def _nothing(project: Project, context: Context, spec: EnvironmentSpec, text: str) -> UsageError:
    numbers = switch.numbers(project.folder(spec))
    listed = f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else str(*numbers) or "none"
    git = (
        "a git revision"
        if Git(project.root, context.environ).there
        else "a git revision (no git here)"
    )
    return UsageError(
        f"{text!r} is no generation, no file, no date and no git revision",
        hint=f"Name a generation (here: {listed}), a lock file, {git}, or a date as 2026-11-22.",
    )

"""``doctor``: what goes wrong with this project, shell and machine, and what mends it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from provenv import __version__
from provenv.core.errors import InputError, ProvenvError, UsageError
from provenv.core.events import silent
from provenv.core.values import frozen, replace
from provenv.doctor import registry
from provenv.doctor.facts import EnvironmentSubject, Subject
from provenv.doctor.gathering import gather
from provenv.doctor.rule import Rule
from provenv.environments import generations, switch
from provenv.formats.sarif import sarif
from provenv.model.finding import Finding, count
from provenv.model.manifest import EnvironmentSpec
from provenv.workspace.examining.fixing import Mended, mend
from provenv.workspace.projects.context import (
    MANIFEST_FILE,
    Context,
    LockFile,
    Project,
    find_root,
    open_project,
    read_lock,
)
from provenv.workspace.projects.outside import is_outside
from provenv.workspace.syncing import locking
from provenv.workspace.syncing.inspection import pending_changes

_SIGNS = (
    "Pipfile",
    "environment.yml",
    "manage.py",
    "requirements.txt",
    "setup.cfg",
    "setup.py",
)


@frozen
class DoctorResult:
    """What was found.

    Attributes:
        root: The project's folder; None outside of every project.
        repository: The folder of the git repository that it lies in, or None.
        findings: The heaviest first.
        ignored: Code → the reason that ``[tool.provenv.doctor]`` gives, of what was found and left out.
        mended: What ``--fix`` did, in order. ``findings`` are what is left after that.
    """

    root: str | None
    repository: str | None
    findings: tuple[Finding, ...]
    ignored: Mapping[str, str]
    mended: tuple[Mended, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """No finding of weight ``error`` remains."""
        return count(self.findings, "error") == 0


def diagnose(
    context: Context,
    *,
    start: str,
    root: str | None = None,
    environments: Sequence[str] = (),
    only: Sequence[str] = (),
    ignore: Sequence[str] = (),
    fix: bool = False,
    today: date | None = None,
) -> DoctorResult:
    """Look at the project that ``start`` lies in (or the one in ``root``), at shell and machine.

    Of the project's environments those named are looked at, without any all that are there. ``only``
    and ``ignore`` hold codes, or how they begin (``PV4``). A folder without ``pyproject.toml`` is taken
    for a project where it looks like one; elsewhere shell and machine are looked at. With ``fix``, what
    can be mended safely is, and everything is looked at again.

    Raises:
        UsageError: An unknown code or environment.
    """
    started = time.monotonic()
    where = root or find_root(start) or _folder_of_sources(start, context.user_home)
    asked = _Asked(
        start=start,
        root=os.path.realpath(where) if where is not None else None,
        environments=tuple(environments),
    )
    day = today or datetime.now(UTC).date()
    wanted = registry.chosen(only) if only else registry.chosen(["PV"])
    wanted -= registry.chosen(ignore)
    subject, project = _subject(context, asked, day)
    silenced = _silenced(project)
    facts = gather(subject, context.emit)
    noticed = registry.examine(facts, wanted)
    mended: list[Mended] = []
    if fix:
        told = [n for n in noticed if n.finding.code not in silenced]
        mended = mend(told, asked.root, project, context)
    if mended:
        subject, project = _subject(context, asked, day)
        facts = gather(subject, context.emit)
        noticed = registry.examine(facts, wanted)
    found = {n.finding.code for n in noticed}
    return DoctorResult(
        root=subject.root,
        repository=facts.git.top if facts.git is not None else None,
        findings=tuple(n.finding for n in noticed if n.finding.code not in silenced),
        ignored={code: reason for code, reason in silenced.items() if code in found},
        mended=tuple(mended),
        seconds=time.monotonic() - started,
    )


def explain(code: str) -> Rule:
    """What there is to say of one kind of finding.

    Raises:
        UsageError: There is none of that code.
    """
    return registry.find_rule(code)


def as_sarif(result: DoctorResult) -> dict[str, Any]:
    """The findings as a SARIF 2.1.0 document."""
    top = result.repository or result.root  # hosts know files by their place in the repository
    manifest = os.path.join(result.root, MANIFEST_FILE) if result.root is not None else ""
    return sarif(
        result.findings,
        registry.kinds(),
        tool="provenv doctor",
        version=__version__,
        root=top,
        manifest=manifest if os.path.isfile(manifest) else None,
    )


def _silenced(project: Project | None) -> dict[str, str]:
    """Code → reason, of what the manifest leaves out.

    Raises:
        InputError: It names a code that does not exist.
    """
    found: dict[str, str] = {}
    for text, reason in project.manifest.doctor_ignore.items() if project else ():
        try:
            found |= dict.fromkeys(registry.chosen([text]), reason)
        except UsageError as error:
            assert project is not None
            raise InputError(
                error.message,
                file=project.manifest_path,
                key="tool.provenv.doctor.ignore",
                hint=error.hint,
            ) from error
    return found


def _folder_of_sources(start: str, user_home: str) -> str | None:
    """The nearest folder that holds what a Python project had before ``pyproject.toml``.

    The user's home is none, nor is anything above it.
    """
    folder, home = os.path.realpath(start), os.path.realpath(user_home)
    while not (home == folder or home.startswith(f"{folder.rstrip('/')}/")):
        if any(os.path.isfile(os.path.join(folder, name)) for name in _SIGNS):
            return folder
        folder = os.path.dirname(folder)
        if folder == os.path.dirname(folder):
            break
    return None


@frozen
class _Asked:
    """Where the question comes from, and what it is about."""

    start: str
    root: str | None
    environments: tuple[str, ...]


def _subject(context: Context, asked: _Asked, today: date) -> tuple[Subject, Project | None]:
    """What to look at, and the project where it has a manifest that can be read."""
    root = asked.root
    if root is None and asked.environments:
        raise UsageError(
            f"there is no project here, and so no environment {asked.environments[0]!r}",
            hint="--directory chooses another folder.",
        )
    project, troubles = _read_project(root)
    locks: dict[str | None, LockFile] = {}
    if project is not None:
        locks, more = _read_locks(project)
        troubles += more
    stale = None
    if project is not None and not troubles:
        stale = locking.why_stale(project, locks)
    environments: list[EnvironmentSubject] = []
    if project is not None:
        known = locks if stale is None else {}
        environments = _environments(project, context, known, asked.environments)
    return Subject(
        start=asked.start,
        environ=context.environ,
        user_home=context.user_home,
        home=context.home,
        root=root,
        manifest=project.manifest if project is not None else None,
        troubles=tuple(troubles),
        stale=stale,
        environments=tuple(environments),
        today=today,
    ), project


def _read_project(root: str | None) -> tuple[Project | None, list[InputError]]:
    if root is None or not os.path.isfile(os.path.join(root, MANIFEST_FILE)):
        return None, []
    try:
        return open_project(root), []
    except InputError as error:
        return None, [error]


def _read_locks(project: Project) -> tuple[dict[str | None, LockFile], list[InputError]]:
    """The project's locks, and why others of them cannot be read."""
    found: dict[str | None, LockFile] = {}
    troubles: list[InputError] = []
    keys = [None, *(project.lock_key(spec) for spec in project.manifest.environments.values())]
    for key in dict.fromkeys(keys):
        try:
            lock = read_lock(project, key)
        except InputError as error:
            troubles.append(error)
            continue
        if lock is not None:
            found[key] = lock
    return found, troubles


def _environments(
    project: Project,
    context: Context,
    locks: Mapping[str | None, LockFile],
    names: Sequence[str],
) -> list[EnvironmentSubject]:
    """The default environment, and the others that are there; or those that are asked for."""
    found = []
    default = project.manifest.environment().name
    outside = is_outside(context.home, project.root)
    for spec in _specs(project, names):
        folder = project.folder(spec)
        if not names and spec.name != default and not os.path.lexists(folder):
            continue
        lock = locks.get(project.lock_key(spec))
        found.append(
            EnvironmentSubject(
                name=spec.name,
                folder=folder,
                default=spec.name == default,
                pending=_pending(project, context, spec, lock) if lock is not None else (),
                options=("-e", spec.name) if outside or spec.name != default else (),
            )
        )
    return found


def _pending(
    project: Project, context: Context, spec: EnvironmentSpec, lock: LockFile
) -> tuple[str, ...]:
    """What ``sync`` would change, where an environment was made from another lock."""
    folder = project.folder(spec)
    number = switch.current(folder)
    if number is None:
        return ()
    try:
        generation = generations.read_generation(folder, number)
        if generation.lock_digest == lock.digest:
            return ()
        quiet = replace(context, emit=silent)  # what is wrong with its interpreter has a finding
        found = pending_changes(project, quiet, spec, folder, lock, generation)
    except ProvenvError:
        return ()  # whatever keeps it from being told has a finding of its own
    return tuple(f"{c.name} {c.before or 'none'} → {c.after or 'none'}" for c in found)


def _specs(project: Project, names: Sequence[str]) -> list[EnvironmentSpec]:
    if not names:
        return list(project.manifest.all_instances())
    found = [spec for name in names for spec in project.manifest.instances(name)]
    return list({spec.name: spec for spec in found}.values())

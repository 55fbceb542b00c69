"""``audit --all``: every project of this machine, the worst first; what cannot be asked is never clean."""

from __future__ import annotations

import os
from collections.abc import Sequence

from provenv.audit.database import Database
from provenv.core.errors import InputError, ProvenvError, UndecidedError
from provenv.core.events import silent
from provenv.core.room import cores
from provenv.core.values import frozen, replace
from provenv.environments import switch
from provenv.workspace.governing import advisories, auditing
from provenv.workspace.governing.auditing import AuditResult, Verdict
from provenv.workspace.governing.subjects import Subject
from provenv.workspace.host import claims, registry
from provenv.workspace.host.parallel import run_all
from provenv.workspace.host.registry import ABSENCES
from provenv.workspace.projects.context import Context, Project, project_in

_MANY = 24
"""So many projects are worth the processes to share them out to."""
_ORDER: tuple[Verdict, ...] = ("fail", "inconclusive", "pass")


@frozen
class ProjectAudit:
    """One project of this machine: its audit, or why there is none.

    Attributes:
        root: Its folder; where an entry of the store cannot be read, that entry.
        title: Its name; the folder's where the project cannot be read.
    """

    root: str
    title: str
    result: AuditResult | None = None
    error: ProvenvError | None = None

    @property
    def verdict(self) -> Verdict:
        """That of its audit; ``inconclusive`` where there is none."""
        return "inconclusive" if self.result is None else self.result.verdict


@frozen
class MachineAudit:
    """All projects of this machine, the worst first."""

    projects: tuple[ProjectAudit, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of all."""
        verdicts = {one.verdict for one in self.projects}
        return next((verdict for verdict in _ORDER if verdict in verdicts), "pass")


def audit_machine(
    context: Context, here: Project | None = None, *, tolerate: frozenset[str] = frozenset()
) -> MachineAudit:
    """Audit the locks of every project that has an environment on this machine, and of the one at hand.

    An environment that no lock of provenv decides on is audited as it is installed. Projects that are gone,
    or cannot be read, have an error in place of a result. ``tolerate``: Kinds of notices that do not fail.

    Raises:
        UndecidedError: There are no advisories. IntegrityError: They are damaged.
    """
    folders, unread = _folders(context)
    if here is not None and not here.bare:
        folders.setdefault(os.path.realpath(here.root), [])
    quiet = replace(context, emit=silent)  # a thousand projects are no thousand phases
    advisories.path(context)
    found = _shared_out(quiet, list(folders.items()), tolerate)
    found += [
        _lost(path, UndecidedError(f"the store's entry {path} cannot be read")) for path in unread
    ]
    return MachineAudit(projects=tuple(sorted(found, key=_worst)))


def _shared_out(
    context: Context, folders: Sequence[tuple[str, list[str]]], tolerate: frozenset[str]
) -> list[ProjectAudit]:
    """Audit them one after the other; where they are many, in several processes."""

    def some(rows: Sequence[tuple[str, list[str]]]) -> list[ProjectAudit]:
        with advisories.open_late(context) as data:
            return [_audited(context, root, own, tolerate, data) for root, own in rows]

    if len(folders) < _MANY or cores() == 1:
        return some(folders)
    parts = [folders[at :: cores()] for at in range(cores())]
    results = run_all(
        [lambda emit, rows=rows: some(rows) for rows in parts],  # type: ignore[misc]  # noqa: ARG005
        hear=lambda number, event: None,  # noqa: ARG005
        begun=lambda number: None,  # noqa: ARG005
        done=lambda number, result: None,  # noqa: ARG005
    )
    found = []
    for result in results:
        if isinstance(result, ProvenvError):
            raise result
        found += result
    return found


def _folders(context: Context) -> tuple[dict[str, list[str]], list[str]]:
    """The environments by the project that they belong to, and entries of the store that cannot be read."""
    found: dict[str, list[str]] = {}
    unread = []
    for entry in claims.entries(context):
        if entry.folder is None:
            unread.append(entry.path)
        elif not entry.folder.startswith(f"{context.home.trials}/"):
            found.setdefault(registry.project_folder(entry.folder), []).append(entry.folder)
    return found, unread


def _audited(
    context: Context, root: str, folders: list[str], tolerate: frozenset[str], data: Database
) -> ProjectAudit:
    try:
        reasons = [registry.absence(folder) for folder in folders]
        if reasons and all(reason in ("gone", "unreachable") for reason in reasons):
            worst = next(reason for reason in reasons if reason is not None)
            raise UndecidedError(f"{root} is not there: {ABSENCES[worst]}")
        project = project_in(root)
        if os.path.exists(project.lock_path(None)):
            result = auditing.audit(project, context, tolerate=tolerate, here=data)
        else:
            result = _installed(context, project, folders, tolerate, data)
        # what they lock is of no use any more, and would have to be handed from process to process
        bare = tuple(replace(subject, package=None) for subject in result.subjects)
        result = replace(result, subjects=bare)
        return ProjectAudit(root=root, title=project.title, result=result)
    except ProvenvError as error:
        return _lost(root, error)
    except OSError as error:
        return _lost(root, UndecidedError(f"{root} cannot be read: {error.strerror or error}"))


def _installed(
    context: Context,
    project: Project,
    folders: list[str],
    tolerate: frozenset[str],
    data: Database,
) -> AuditResult:
    """What lies in the environments of a project that has no lock: another tool's decides on them."""
    subjects: list[Subject] = []
    for folder in folders:
        number = switch.current(folder)
        if number is not None:
            place = f"{folder}/generations/{number}"
            subjects += auditing.of_installed(place, os.path.basename(folder))
    if not subjects:
        raise InputError("is missing", file=project.lock_path(None), hint="Run `provenv lock`.")
    what = f"{project.title}, as it is installed"
    return auditing.judge_subjects(context, what, subjects, tolerate=tolerate, here=data)


def _lost(root: str, error: ProvenvError) -> ProjectAudit:
    return ProjectAudit(root=root, title=os.path.basename(root), error=error)


def _worst(one: ProjectAudit) -> tuple[int, int, float, int, str]:
    """Exploited and hostile ones first, then by the gravest score, then by how many."""
    findings = one.result.findings if one.result is not None else ()
    known = [found.vulnerability for found in findings]
    urgent = sum(v.malware or v.exploited is not None for v in known)
    gravest = max((v.severity.score or 0.0 for v in known), default=0.0)
    return (_ORDER.index(one.verdict), -urgent, -gravest, -len(known), one.root)

"""Asking indexes about all that a project locks, for audits and for policies."""

from __future__ import annotations

from provenv.core.errors import UsageError
from provenv.workspace.governing import releases, subjects
from provenv.workspace.governing.policies import policies_of
from provenv.workspace.governing.releases import Inquiry
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import Context, Project


def refresh(project: Project, context: Context, verb: str = "audit") -> Inquiry:
    """Ask the indexes about every package in the project's locks; ``verb``: recorded in the operations log.

    Raises:
        UsageError: Nothing may be fetched. InputError: There is no lock. DiskError: See there.
    """
    if context.offline:
        raise UsageError("to ask indexes needs the network; --offline forbids it")
    found = subjects.of_locks(project)
    packages = [subject.package for subject in found if subject.package is not None]
    publishers = releases.wants_publishers(policies_of(project, context))
    with recorded(context, verb, root=project.root) as operation:
        return releases.ask(project, operation.context, packages, publishers=publishers)

"""Whether what happens to a project may be recorded as evidence, told without importing what records."""

from __future__ import annotations

from provenv.workspace.projects.context import Context, Project
from provenv.workspace.projects.governed import may_be_governed


def may_be_recorded(project: Project, context: Context) -> bool:
    """False where certainly nothing is: no policy holds, and the project does not ask for it."""
    return project.locker.manifest.evidence is not None or may_be_governed(project, context)

"""Whether a policy may hold for a project: told by a few ``lstat`` calls, without reading one."""

from __future__ import annotations

import os

from provenv.workspace import fast
from provenv.workspace.projects.context import Context, Project


def may_be_governed(project: Project, context: Context) -> bool:
    """False where certainly none does: what asks the policies need not be imported then."""
    locker = project.locker
    if context.environ.get("PROVENV_POLICY") or "policy" in locker.manifest_text:
        return True
    above = fast.policies_above(context.home.root, context.environ)
    return any(map(os.path.lexists, (*above, os.path.join(locker.root, fast.POLICY))))

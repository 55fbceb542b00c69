"""Whether a policy may hold for a project: told by a few ``lstat`` calls, without reading one."""

from __future__ import annotations

import os
import re

from provenv.workspace import fast
from provenv.workspace.projects.context import Context, Project

# A key `policy`, in whatever table; or an escape, with which a key can be spelled otherwise.
_KEY = re.compile(r"\bpolicy[\"']?\s*[].=]|\\[uU]")


def may_be_governed(project: Project, context: Context) -> bool:
    """False where certainly none does: what asks the policies need not be imported then."""
    locker = project.locker
    if fast.governed_above(context.home.root, context.environ):
        return True
    own = os.path.join(locker.root, fast.POLICY)
    return os.path.lexists(own) or _KEY.search(locker.manifest_text) is not None

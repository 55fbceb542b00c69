"""Writing the files of a project: each whole, and nothing left over where a command was killed."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping

from provenv.core.files import is_left_over, write_atomic
from provenv.environments import stamp
from provenv.workspace.projects.context import MANIFEST_FILE, Project

_LEFT = re.compile(
    r"\.(?:pyproject\.toml|pylock(?:\..+)?\.toml|\.gitignore|\.python-version)\.\d+\.\d+\.tmp"
)


def write(project: Project, texts: Mapping[str, str]) -> None:
    """Replace files of the project, each in one step: locks first, the manifest as the last one.

    The environments' stamps go first, so that after a kill the next command takes the long way, and
    sweeps.

    Raises:
        DiskError: The file system refused.
    """
    for spec in project.manifest.all_instances():
        stamp.forget(project.folder(spec))
    for path in sorted(texts, key=lambda path: os.path.basename(path) == MANIFEST_FILE):
        write_atomic(path, texts[path].encode())


def sweep(root: str) -> None:
    """Remove temporary files that processes which are no more left in a project's folder."""
    with contextlib.suppress(OSError):
        for name in os.listdir(root):
            if _LEFT.fullmatch(name) and is_left_over(name):
                os.unlink(os.path.join(root, name))

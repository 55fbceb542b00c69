"""Writing the files of a project: each whole, and nothing left over where a command was killed."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping

from provenv.core.files import write_atomic
from provenv.core.mark import mark
from provenv.environments import stamp
from provenv.workspace.projects.context import MANIFEST_FILE, Project

_LEFT = re.compile(
    r"\.(?:pyproject\.toml|pylock(?:\..+)?\.toml|\.gitignore|\.python-version)\.((\d+)(?:-[0-9a-f]+)?)\.\d+\.tmp"
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
            match = _LEFT.fullmatch(name)
            if match is None or match[1] == mark():
                continue
            pid = int(
                match[2]
            )  # this process's own number, with another mark: a dead one had it, too
            if pid == os.getpid() or not _is_running(pid):
                os.unlink(os.path.join(root, name))


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True

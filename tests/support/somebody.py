"""Somebody who may use an environment and a store, and not write them: a service that root installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from support.project import Project, command

needs_somebody = pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None, reason="setpriv is not installed"
)


@contextlib.contextmanager
def closed(project: Project) -> Iterator[None]:
    """Nothing of the project, its environments and the store can be written by :func:`as_somebody`."""
    folders = [folder for top in (project.home, project.folder) for folder, _, _ in os.walk(top)]
    paths = [*folders, str(project.home / "provenv/store/lock")]
    modes = [(path, os.stat(path).st_mode) for path in paths]
    for path, mode in modes:
        os.chmod(path, mode & 0o555)
    try:
        yield
    finally:
        for path, mode in modes:
            os.chmod(path, mode)


def as_somebody(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run provenv as somebody whom file modes stop, as they do not stop root."""
    stopped = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]
    return subprocess.run(
        [*(stopped if os.geteuid() == 0 else []), *command(), *arguments],
        cwd=project.folder, env=project.env, capture_output=True, text=True, check=False,
    )  # fmt: skip

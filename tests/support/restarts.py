"""A machine that was started anew, made by hand: what was written before carries another boot id."""

from __future__ import annotations

import os
from pathlib import Path

from provenv.core.boot import boot_id
from support.project import Project

EARLIER = "00000000-0000-0000-0000-000000000000"


def journals(project: Project) -> Path:
    return project.home / "provenv/store/unsettled"


def start_anew(project: Project) -> None:
    """What the store's journal and the stamp look like after the machine was started anew."""
    (journals(project) / boot_id()).rename(journals(project) / EARLIER)
    stamp = project.folder / ".venv/.stamp"
    times = stamp.stat().st_atime_ns, stamp.stat().st_mtime_ns
    stamp.write_text(stamp.read_text().replace(boot_id(), EARLIER))
    os.utime(stamp, ns=times)

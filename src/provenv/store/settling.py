"""Settling: objects that were stored shortly before a power cut are compared with their hashes.

Objects are not synced to the disk one by one: that would cost more than fetching them. A rename may
survive a power cut, and the data of the file behind it may not. So each batch is first written into a
journal, one for every start of the machine, and that is synced. A journal of an earlier start means that
its objects may be damaged; they are verified before anything is linked from the store.

``store/unsettled/<boot id>`` holds one sha256 a line. What was written ten minutes before the next
batch is on the disk by then, and leaves the journal.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable

from provenv.core.boot import SETTLED, boot_id, earlier
from provenv.core.files import disk_error, ensure_folder, locked
from provenv.model.layout import HomeLayout
from provenv.store.objects import read_object


def note(layout: HomeLayout, objects: Iterable[str]) -> None:
    """Write down that ``objects`` (sha256) are about to be stored. The caller holds the store's lock.

    Raises:
        DiskError: The file system refused.
    """
    boot = boot_id()
    if boot == "-":
        return
    path = os.path.join(layout.unsettled, boot)
    try:
        ensure_folder(layout.unsettled)
        with locked(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                if abs(time.time() - os.fstat(descriptor).st_mtime) > SETTLED:
                    os.ftruncate(descriptor, 0)
                os.write(descriptor, "".join(f"{sha256}\n" for sha256 in objects).encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    except OSError as error:
        raise disk_error(error, "write", path) from error


def unsettled(layout: HomeLayout) -> list[str]:
    """The journals of earlier starts of the machine, as paths; usually none."""
    return [os.path.join(layout.unsettled, name) for name in earlier(layout.unsettled)]


def objects_of(journal: str) -> list[str]:
    """The objects that a journal names and that may be hurt, each once."""
    with contextlib.suppress(OSError), open(journal, encoding="ascii", errors="replace") as stream:
        return list(dict.fromkeys(line.strip() for line in stream if len(line.strip()) == 64))
    return []


def is_whole(layout: HomeLayout, sha256: str) -> bool:
    """Whether an object is as it was stored, or not there at all."""
    from provenv.store.verify import verify_object

    folder = layout.object(sha256)
    if not os.path.lexists(folder):
        return True
    stored = read_object(layout, sha256)
    return stored is not None and not verify_object(stored)


def forget(journal: str) -> None:
    """Its objects were looked at."""
    with contextlib.suppress(OSError):
        os.unlink(journal)

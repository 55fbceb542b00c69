"""After a power cut: what may have been hurt is verified before anything else happens."""

from __future__ import annotations

import time

from provenv.core.events import Noted, PhaseFinished, PhaseStarted
from provenv.store import settling
from provenv.workspace.projects.context import Context


def settle(context: Context) -> bool:
    """Verify what was stored shortly before the machine went down; note what is damaged.

    The notes are those of ``verify``: the next ``sync`` mends. The caller holds the store's lock, shared.

    Returns:
        Whether there was anything to look at.

    Raises:
        DiskError: The file system refused.
    """
    journals = settling.unsettled(context.home)
    if not journals:
        return False
    from provenv.workspace.proving import suspects, verification  # hashing loads OpenSSL: 10 ms

    objects = dict.fromkeys(sha for path in journals for sha in settling.objects_of(path))
    context.emit(Noted(message=_said(len(objects))))
    started = time.monotonic()
    context.emit(PhaseStarted(phase="verify", total=len(objects)))
    damaged = [sha256 for sha256 in objects if not settling.is_whole(context.home, sha256)]
    context.emit(
        PhaseFinished(phase="verify", count=len(objects), seconds=time.monotonic() - started)
    )
    if damaged:
        folders = verification.environments_holding(context, damaged)
        if not suspects.note(context, damaged, folders):
            return True  # a full disk: what the journals name is compared once more, the next time
    for journal in journals:
        settling.forget(journal)
    return True


def _said(count: int) -> str:
    noun = "object" if count == 1 else "objects"
    return (
        f"the machine was started anew: comparing {count:,} {noun} stored before with their hashes"
    )

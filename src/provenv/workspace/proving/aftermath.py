"""After a power cut: what may have been hurt is verified before anything else happens."""

from __future__ import annotations

import time
from collections.abc import Sequence

from provenv.core.errors import IntegrityError
from provenv.core.events import ItemFinished, Noted, PhaseFinished, PhaseStarted
from provenv.environments import generations, stamp
from provenv.store import settling
from provenv.workspace import fast
from provenv.workspace.projects.context import Context

_NAMED = 3  # paths in a message; the rest stands in its details


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

    damaged = _damaged(context, _unsettled(context))
    if damaged:
        folders = verification.environments_holding(context, damaged)
        if not suspects.note(context, damaged, folders):
            return True  # a full disk: what the journals name is compared once more, the next time
    for journal in journals:
        settling.forget(journal)
    return True


def require_whole(context: Context, folder: str, number: int) -> None:
    """For somebody who may use an environment and not write it, as a service may that root installed.

    What :func:`settle` and the next ``sync`` would compare of generation ``number`` is compared, and
    nothing is written down: that is done each time, until its owner syncs.

    Raises:
        IntegrityError: It is not as it was made; names the files, and the objects of the store.
    """
    unsettled = fast.unsettled(context.home.root)
    if not unsettled and stamp.read(folder) is not None:
        return
    from provenv.environments.drift import find_altered

    hurt: list[str] = []
    if unsettled:
        held = {package.sha256 for package in generations.read_generation(folder, number).packages}
        objects = [sha256 for sha256 in _unsettled(context) if sha256 in held]
        hurt += [context.home.object(sha256) for sha256 in _damaged(context, objects)]
    tree = f"{folder}/generations/{number}"
    hurt += [
        f"{tree}/{generations.OWN_FOLDER}/{n}" for n in generations.damaged_own(folder, number)
    ]
    recipe, hashes = generations.read_recipe(folder, number), generations.own_hashes(folder, number)
    altered = find_altered(recipe, tree, context.home.root, hashes)
    hurt += [f"{tree}/{drift.path}" for drift in altered]
    if hurt:
        raise IntegrityError(
            "not as it was made, as after a power cut: " + ", ".join(hurt[:_NAMED]),
            hint="Whoever it belongs to mends it with `provenv sync`.",
            details={"paths": hurt},
        )


def _unsettled(context: Context) -> list[str]:
    """The objects that were stored shortly before the machine went down, each once."""
    journals = settling.unsettled(context.home)
    return list(dict.fromkeys(sha for path in journals for sha in settling.objects_of(path)))


def _damaged(context: Context, objects: Sequence[str]) -> list[str]:
    """Those of ``objects`` that are not as they were stored."""
    if not objects:
        return []
    context.emit(Noted(message=_said(len(objects))))
    started = time.monotonic()
    context.emit(PhaseStarted(phase="verify", total=len(objects)))
    damaged = []
    for sha256 in objects:
        if not settling.is_whole(context.home, sha256):
            damaged.append(sha256)
        context.emit(ItemFinished(phase="verify", name=sha256))
    context.emit(
        PhaseFinished(phase="verify", count=len(objects), seconds=time.monotonic() - started)
    )
    return damaged


def _said(count: int) -> str:
    noun = "object" if count == 1 else "objects"
    return (
        f"the machine was started anew: comparing {count:,} {noun} stored before with their hashes"
    )

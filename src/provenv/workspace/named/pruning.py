"""``env prune``: what is left of environments that nobody needs any more, and taking it away."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from provenv.core.errors import DiskError, UndecidedError
from provenv.core.files import disk_error, locked
from provenv.core.values import frozen, replace
from provenv.environments import switch
from provenv.model.layout import EnvironmentLayout
from provenv.workspace.host import claims, processes, registry
from provenv.workspace.named import inventory
from provenv.workspace.named.inventory import Listed
from provenv.workspace.named.removing import take_away
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import Context
from provenv.workspace.proving import copies

_UNUSABLE = frozenset({"undeclared", "unfinished"})
_BUSY = "another command works on it"
_LASTING = frozenset({"current", "held", "stale", "interpreter-gone", "unreadable", "no-project"})


@frozen
class Leftover:
    """One environment and what becomes of it.

    Attributes:
        listed: The environment. ``reason``: Why it may go, or why it stays.
        link: Only the store's link to it is left.
    """

    listed: Listed
    reason: str
    link: bool = False


@frozen
class PruneResult:
    """What ``env prune`` removed, or would remove.

    Attributes:
        links: Environments that are not there; the store has forgotten them.
        removed: Environments that were taken away.
        kept: What was spared, with the reason.
        left: Paths that provenv did not make, and left where they are.
    """

    links: tuple[Leftover, ...]
    removed: tuple[Leftover, ...]
    kept: tuple[Leftover, ...]
    left: tuple[str, ...]
    dry_run: bool

    @property
    def count(self) -> int:
        """How many go."""
        return len(self.links) + len(self.removed)


def find_leftovers(context: Context, *, unused_days: float | None = None) -> PruneResult:
    """What ``prune`` would remove: dead links, and environments that are stale for good.

    With ``unused_days``, also environments that nobody has used for so long. What a process runs in
    stays, and an environment that another command works on.
    """
    used = processes.generations_in_use()
    links: list[Leftover] = []
    removed: list[Leftover] = []
    kept: list[Leftover] = []
    for item in inventory.list_environments(context).environments:
        if item.state in inventory.ABSENT or item.state == "foreign":
            waits = _waits(context, item)
            (kept if waits else links).append(
                Leftover(listed=item, reason=waits or item.detail or "it is gone", link=True)
            )
            continue
        reason = _reason(item, unused_days)
        if reason is None:
            continue
        spared = _spared(context, item.folder, used)
        if spared is not None:
            kept.append(Leftover(listed=item, reason=f"{spared} ({reason})"))
        else:
            removed.append(Leftover(listed=item, reason=reason))
    return PruneResult(
        links=tuple(links), removed=tuple(removed), kept=tuple(kept), left=(), dry_run=True
    )


def _waits(context: Context, item: Listed) -> str | None:
    """Why the link to an environment that is not there must wait; None where it may go."""
    if item.state != "unreachable":
        return None
    since = claims.missed_since(claims.of(context, item.folder), note=False)
    rest = since + claims.patience(context) - time.time()
    if rest <= 0:
        return None
    return f"{item.detail}; forgotten in {int(rest // 86400) + 1} days, or by `gc` then"


def _reason(item: Listed, unused_days: float | None) -> str | None:
    if item.state in _UNUSABLE:
        return item.detail
    if unused_days is None or item.state not in _LASTING or item.used is None:
        return None
    used = datetime.fromisoformat(item.used)
    days = (datetime.now(UTC) - used).total_seconds() / 86400
    return f"unused for {int(days)} days" if days >= unused_days else None


def _spared(context: Context, folder: str, used: processes.InUse) -> str | None:
    """Why an environment must stay although it may go; None where nothing speaks for it."""
    spared = _used(context, folder, used)
    if spared is not None:
        return spared
    try:
        with locked(EnvironmentLayout(folder).lock, wait=False):
            return None
    except DiskError as error:
        return error.message
    except UndecidedError:
        return _BUSY


def _used(context: Context, folder: str, used: processes.InUse) -> str | None:
    numbers = switch.numbers(folder)
    if any(used.holds(folder, number) for number in numbers):
        return "a process is using it"
    for number in numbers:
        edited = copies.unreleased(context, folder, number)
        if edited:
            return f"generation {number} has edits of {', '.join(edited)}"
    return None


def prune(context: Context, found: PruneResult) -> PruneResult:
    """Remove what :func:`find_leftovers` found; what came into use meanwhile stays.

    Raises:
        DiskError: The file system refused; what was removed before stays removed.
    """
    with recorded(context, "env-prune") as operation:
        done = _prune(operation.context, found)
        gone = [*done.links, *done.removed]
        operation.facts["folders"] = [item.listed.folder for item in gone]
        return done


def _prune(context: Context, found: PruneResult) -> PruneResult:
    links: list[Leftover] = []
    removed: list[Leftover] = []
    kept = list(found.kept)
    left: list[str] = []
    for item in kept:
        if item.listed.state == "unreachable":
            claims.missed_since(claims.of(context, item.listed.folder), note=True)
    for item in found.links:
        if item.listed.state != "foreign" and registry.absence(item.listed.folder) is None:
            kept.append(replace(item, reason="it is there again"))
        else:
            _forget(context, item.listed.folder)
            links.append(item)
    for item in found.removed:
        folder = item.listed.folder
        spared = _used(context, folder, processes.generations_in_use())
        if spared is None:
            try:
                left += take_away(context, folder, wait=False)
            except DiskError:
                raise
            except UndecidedError:
                spared = _BUSY
            except OSError as error:
                raise disk_error(error, "remove", error.filename or folder) from error
        if spared is not None:
            kept.append(replace(item, reason=f"{spared} ({item.reason})"))
            continue
        removed.append(item)
    return PruneResult(
        links=tuple(links),
        removed=tuple(removed),
        kept=tuple(kept),
        left=tuple(left),
        dry_run=False,
    )


def _forget(context: Context, folder: str) -> None:
    try:
        claims.forget(context, claims.of(context, folder))
    except OSError as error:
        raise disk_error(error, "forget", error.filename or folder) from error

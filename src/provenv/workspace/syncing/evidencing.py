"""What locking and syncing put into the evidence log; where there is none, nothing is imported for it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from provenv.core.errors import CheckFailedError, InputError
from provenv.model.generation import Change
from provenv.workspace.projects.context import Context, LockFile, Project, read_locks
from provenv.workspace.projects.governed import may_be_governed
from provenv.workspace.projects.recorded import may_be_recorded

Record = Callable[[Project, Iterable[LockFile], Sequence[Change]], None]
"""What records locks: the project as it is now, its locks, and what moved."""


def record_locks(
    project: Project,
    context: Context,
    made: Iterable[LockFile],
    changes: Sequence[Change],
    *,
    back: bool = False,
) -> None:
    """Record that locks were written; ``back``: they are again what they were.

    Raises:
        DiskError, IntegrityError: It cannot be, and the project requires it.
    """
    if may_be_recorded(project, context):
        from provenv.workspace.governing import evidence

        evidence.locked(project, context, made, changes, back=back)


@contextlib.contextmanager
def locks_recorded(project: Project, context: Context) -> Iterator[Record]:
    """What records locks that are written in a block; where that fails, that they are taken back.

    Raises:
        DiskError, IntegrityError: It cannot be recorded, and the project requires it.
    """
    written = False

    def record(now: Project, made: Iterable[LockFile], changes: Sequence[Change]) -> None:
        nonlocal written
        record_locks(now, context, made, changes)
        written = True

    before: Mapping[str | None, LockFile] = {}
    if may_be_recorded(project, context):
        with contextlib.suppress(InputError):
            before = read_locks(project)
    try:
        yield record
    except BaseException:
        if written:
            record_locks(project, context, before.values(), (), back=True)
        raise


def record_generation(
    project: Project,
    context: Context,
    environment: str,
    number: int,
    previous: int | None,
    changes: Sequence[Change],
    *,
    kind: Literal["sync", "rollback"] = "sync",
) -> None:
    """Record that an environment has another generation.

    Raises:
        DiskError, IntegrityError: It cannot be, and the project requires it.
    """
    if may_be_recorded(project, context):
        from provenv.workspace.governing import evidence

        evidence.synced(project, context, environment, number, previous, changes=changes, kind=kind)


def signature_check(
    project: Project, context: Context, environment: str, *, asked: bool
) -> Callable[[LockFile], None] | None:
    """What refuses a lock that is not signed as it must be; None where no signature is wanted.

    Raises:
        InputError: A policy cannot be used.
    """
    if not asked and not may_be_governed(project, context):
        return None
    from provenv.workspace.governing import signing

    if not asked and not signing.binding(project, context, environment):
        return None
    return lambda lock: signing.require(project, context, environment, lock, asked=asked)


def refuse_stale(path: str, stale: str | None) -> None:
    """Refuse to make a lock anew on the way that somebody must sign first.

    Raises:
        CheckFailedError: It is ``stale``.
    """
    if stale is not None:
        raise CheckFailedError(
            f"{stale}; {os.path.basename(path)} must be signed, and is not made anew on the way",
            hint="`provenv lock --sign`, by somebody who may.",
        )

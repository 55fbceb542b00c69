"""Fetch: make sure that the store holds what a plan wants; what it lacks is handed to `fetching`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from provenv.core.disk import doing
from provenv.core.events import Emit, Warned, silent
from provenv.core.files import locked
from provenv.core.http import Credentials, HttpSettings, load
from provenv.model.layout import HomeLayout
from provenv.model.plan import Artifact
from provenv.store.objects import (
    StoredObject,
    close_object,
    has_object,
    read_object,
    require_object,
)

if TYPE_CHECKING:
    from provenv.store.crew import Crew

_MAX_WORKERS = 4
ALONE = 3 << 20  # bytes of wheels up to which starting workers costs more than it saves


def fetch(
    layout: HomeLayout,
    artifacts: Sequence[Artifact],
    *,
    base: str,
    http: HttpSettings,
    emit: Emit = silent,
    look_up: Callable[[str], Credentials | None] | None = None,
    workers: int | None = None,
    crew: Crew | None = None,
) -> Mapping[str, str]:
    """Make sure that the store holds every wheel of ``artifacts``.

    Args:
        layout: Of the home folder.
        artifacts: Wheels only; each with its sha256.
        base: The folder that relative paths begin at.
        http: How servers are reached.
        emit: Hears of the phase ``fetch`` and of each download; called from several threads.
        look_up: Asked for credentials of an origin that answered 401.
        workers: How many processes unpack; 0 = this one; None = as many as make sense.
        crew: From :func:`ahead`: these unpack instead, and are ended.

    Returns:
        ``sha256`` of each artifact → ``sha256`` that names its object.

    Raises:
        ValueError: An artifact is not a wheel.
        NetworkError, IntegrityError, InputError, DiskError: The first failure; it stops the rest,
            and what was ingested before it stays.
    """
    for artifact in artifacts:
        if artifact.kind != "wheel" or not artifact.sha256:
            raise ValueError(f"{artifact.label} is not a wheel: {artifact.kind}")
    with locked(layout.lock, shared=True):
        wanted = {artifact.sha256: artifact for artifact in artifacts}
        missing = [a for sha256, a in wanted.items() if not has_object(layout, sha256)]
        if missing:
            from provenv.store.fetching import bring  # what it needs loads OpenSSL: 20 ms

            with doing("fetching", layout.tmp):
                bring(layout, missing, base, http, emit, look_up, workers, crew)
        for sha256 in wanted:
            close_object(layout, sha256)
    return {sha256: sha256 for sha256 in wanted}


def fetch_objects(
    layout: HomeLayout,
    artifacts: Sequence[Artifact],
    *,
    base: str,
    http: HttpSettings,
    emit: Emit = silent,
    look_up: Callable[[str], Credentials | None] | None = None,
    crew: Crew | None = None,
) -> dict[str, StoredObject]:
    """As :func:`fetch`, and read what is there; what cannot be read is fetched again, once.

    Returns:
        ``sha256`` of each artifact → its object.

    Raises:
        IntegrityError: An object cannot be read right after it was ingested.
        NetworkError, InputError, DiskError: As :func:`fetch`; what cannot be read is where it was.
    """
    fetch(layout, artifacts, base=base, http=http, emit=emit, look_up=look_up, crew=crew)
    found = {artifact.sha256: read_object(layout, artifact.sha256) for artifact in artifacts}
    broken = [artifact for artifact in artifacts if found[artifact.sha256] is None]
    if broken:
        from provenv.store.fetching import bring

        names = ", ".join(artifact.label for artifact in broken)
        emit(Warned(message=f"damaged in the store, and fetched again: {names}"))
        with locked(layout.lock, shared=True):
            bring(layout, broken, base, http, emit, look_up, None, None)
    return {
        sha256: stored if stored is not None else require_object(layout, sha256)
        for sha256, stored in found.items()
    }


@contextmanager
def ahead(layout: HomeLayout, sizes: Iterable[int]) -> Iterator[Crew | None]:
    """Start what a great :func:`fetch` needs while its caller finds out what is to be fetched.

    It is done where the store is empty and wheels of ``sizes`` (bytes; what will be fetched at
    least) are many; else None is given. What was started is ended with the ``with`` block.

    Raises:
        DiskError: As :func:`fetch`.
    """
    if os.path.isdir(layout.wheels) or sum(sizes) <= ALONE:
        yield None
        return
    from provenv.store.crew import Crew

    crew = Crew(layout, most_workers())
    threading.Thread(target=_load, daemon=True).start()
    try:
        yield crew
    finally:
        crew.end()


def _load() -> None:
    """Load ahead what the first download would otherwise wait for."""
    load()
    import provenv.store.fetching  # noqa: F401


def most_workers() -> int:
    """How many processes may unpack here: as many as there are processors, and at most four."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    return min(processors, _MAX_WORKERS)

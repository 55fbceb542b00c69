"""Fetching: threads bring what the store lacks, and worker processes unpack it.

Most of the threads begin with the biggest wheels, which take longest, and a few with the smallest, so
that there is something to unpack at once. The workers take the biggest that has arrived, so that they
end together. Credentials stay in this process.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from queue import PriorityQueue, SimpleQueue
from typing import NamedTuple

from provenv.core.events import Emit, PhaseFinished, PhaseStarted
from provenv.core.http import HttpSettings, Transport
from provenv.model.layout import HomeLayout
from provenv.model.plan import Artifact
from provenv.store.crew import Crew, Worker
from provenv.store.download import PHASE, Courier, LookUp, StoppedError
from provenv.store.fetch import ALONE, most_workers
from provenv.store.ingest import unpack
from provenv.store.settling import note

_CONNECTIONS = 8
_SMALL_FIRST = 2  # of them
_UNKNOWN = 1 << 20  # what a wheel is taken for where the lock gives no size


def _weight(artifact: Artifact) -> int:
    return _UNKNOWN if artifact.size is None else artifact.size


def bring(
    layout: HomeLayout,
    missing: Sequence[Artifact],
    base: str,
    http: HttpSettings,
    emit: Emit,
    look_up: LookUp | None,
    workers: int | None,
    crew: Crew | None,
) -> None:
    """Download, verify and ingest all of ``missing``; arguments and errors as of :func:`fetch.fetch`."""
    note(layout, [artifact.sha256 for artifact in missing])
    ordered = sorted(missing, key=_weight, reverse=True)
    sizes = [artifact.size for artifact in ordered]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    emit(PhaseStarted(phase=PHASE, total=len(ordered), size=total))
    begin = time.monotonic()
    courier = Courier(base, Transport(http, emit=emit, look_up=look_up), emit)
    if crew is None or not crew.workers:
        crew = Crew(layout, _crew_size(ordered, workers))
    _Fetching(layout, ordered, courier, crew).run()
    took = time.monotonic() - begin
    emit(PhaseFinished(phase=PHASE, count=len(ordered), seconds=took))


def _crew_size(missing: Sequence[Artifact], asked: int | None) -> int:
    if asked is not None:
        return min(asked, len(missing))
    if len(missing) == 1 or sum(map(_weight, missing)) <= ALONE:
        return 0
    return min(most_workers(), len(missing))


class _Arrived(NamedTuple):
    artifact: Artifact
    path: str


class _Arrivals:
    """What is to be unpacked, the biggest first; an error, or the word to stop, before all."""

    def __init__(self) -> None:
        self._queue: PriorityQueue[tuple[float, int, _Arrived | BaseException | None]]
        self._queue = PriorityQueue()
        self._number = count()  # keeps the queue from comparing what it holds

    def put(self, item: _Arrived | BaseException | None) -> None:
        rank = -_weight(item.artifact) if isinstance(item, _Arrived) else -math.inf
        self._queue.put((rank, next(self._number), item))

    def get(self) -> _Arrived | BaseException | None:
        return self._queue.get()[2]


class _Fetching:
    """One run: a pile of artifacts, threads that bring them, and whoever unpacks them."""

    def __init__(
        self, layout: HomeLayout, missing: Sequence[Artifact], courier: Courier, crew: Crew
    ) -> None:
        self._layout = layout
        self._pile = deque(missing)
        self._count = len(missing)
        self._courier = courier
        self._crew = crew
        self._workspace = crew.workspace
        self._threads: list[threading.Thread] = []
        self._arrived = _Arrivals()
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()

    def run(self) -> None:
        """Bring and unpack everything; whatever happens, no temporary file stays behind."""
        try:
            for number in range(min(_CONNECTIONS, self._count)):
                smallest = number >= _CONNECTIONS - _SMALL_FIRST
                self._start(self._bring, self._pile.pop if smallest else self._pile.popleft)
            if self._crew.workers:
                self._supervise()
            else:
                self._unpack_here()
        finally:
            self._courier.stop()
            self._crew.stop()
            for thread in self._threads:
                thread.join(0.2)
            self._crew.end()

    def _start(self, target: object, *arguments: object) -> None:
        # daemons: a download that hangs must not keep a process alive that wants to end
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        thread.start()
        self._threads.append(thread)

    def _bring(self, take: Callable[[], Artifact]) -> None:
        try:
            while True:
                try:
                    artifact = take()
                except IndexError:
                    return
                path = os.path.join(self._workspace, f"{artifact.sha256}.whl")
                self._courier.bring(artifact, path)
                self._arrived.put(_Arrived(artifact, path))
        except StoppedError:
            return
        except BaseException as error:  # noqa: BLE001  # raised again where fetch was called
            self._arrived.put(error)
            self._done.put(error)

    def _unpack_here(self) -> None:
        for _ in range(self._count):
            item = self._arrived.get()
            if isinstance(item, BaseException):
                raise item
            assert item is not None
            unpack(
                self._layout,
                item.path,
                filename=item.artifact.filename,
                sha256=item.artifact.sha256,
                workspace=self._workspace,
            )
            os.unlink(item.path)

    def _supervise(self) -> None:
        for worker in self._crew.workers:
            self._start(self._feed, worker)
        try:
            for _ in range(self._count):
                if (error := self._done.get()) is not None:
                    raise error
        finally:
            for _ in self._crew.workers:
                self._arrived.put(None)

    def _feed(self, worker: Worker) -> None:
        try:
            while isinstance(item := self._arrived.get(), _Arrived):
                worker.unpack(
                    item.path, filename=item.artifact.filename, sha256=item.artifact.sha256
                )
                os.unlink(item.path)
                self._done.put(None)
        except BaseException as error:  # noqa: BLE001  # raised again where fetch was called
            self._done.put(error)

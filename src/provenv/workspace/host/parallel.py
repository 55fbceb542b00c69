"""Many jobs at once, each in a worker process.

A sync forks and holds file locks, so that threads will not do. The workers are forked before
anything here starts a thread; they hand back events and results by pipe. A worker outlives its
parent by one job at most.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any

from provenv.core.errors import ProvenvError, UndecidedError
from provenv.core.events import Emit, Event
from provenv.core.files import unforeseen
from provenv.core.room import cores

Job = Callable[[Emit], Any]
Hear = Callable[[int, Event], None]
Tell = Callable[[int, "Any | ProvenvError"], None]


def run_all(
    jobs: Sequence[Job],
    *,
    hear: Hear,
    begun: Callable[[int], None],
    done: Tell,
    workers: int | None = None,
    settle: Callable[[int], None] = lambda _: None,
) -> list[Any | ProvenvError]:
    """Do every job in one of ``workers`` processes; one that fails does not stop the others.

    A job is handed an ``emit``; what it returns must be pickled. ``begun``, ``hear`` and ``done`` are
    called here, with the job's number, as things happen. ``settle`` is called in each worker before its
    first job, with the worker's number; the jobs at the head of the list go to them in this order.

    Returns:
        For each job what it returned, or the error that it failed with.

    Raises:
        KeyboardInterrupt: It was interrupted; every worker has taken its way out.
    """
    results: list[Any | ProvenvError] = [UndecidedError("was not begun") for _ in jobs]
    waiting = list(range(len(jobs)))
    count = min(len(jobs), workers or cores())
    team: dict[Connection, _Worker] = {}
    try:
        for _ in range(count):
            worker = _Worker(jobs, list(team), settle)
            team[worker.pipe] = worker
        for worker in team.values():  # only now: whoever listens may start threads
            worker.hand(waiting, begun)
        while team:
            for pipe in wait(list(team)):
                assert isinstance(pipe, Connection)
                worker = team[pipe]
                for number, result in worker.listen(hear):
                    results[number] = result
                    done(number, result)
                if worker.idle and not worker.hand(waiting, begun):
                    team.pop(pipe).end()
    finally:
        _dismiss(list(team.values()))
    for number in waiting:  # nobody was left to do them
        results[number] = UndecidedError("was not begun: no worker process is left")
        done(number, results[number])
    return results


class _Worker:
    """The parent's side of one process."""

    def __init__(
        self, jobs: Sequence[Job], others: Sequence[Connection], settle: Callable[[int], None]
    ) -> None:
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        self.idle = True
        self._dead = False
        self._number = -1
        self._process: ForkProcess = context.Process(
            target=_serve, args=(jobs, theirs, [self.pipe, *others], settle), daemon=False
        )
        self._process.start()
        theirs.close()

    def hand(self, waiting: list[int], begun: Callable[[int], None]) -> bool:
        """Give the process its next job; False where there is none, or nobody to do it."""
        if not waiting or self._dead:
            return False
        self._number = waiting.pop(0)
        self.idle = False
        begun(self._number)
        with contextlib.suppress(OSError):  # it is gone, as `listen` will find
            self.pipe.send(self._number)
        return True

    def listen(self, hear: Hear) -> list[tuple[int, Any]]:
        """One message: an event is passed on, a result returned with the number of its job."""
        try:
            kind, value = self.pipe.recv()
        except (EOFError, OSError):
            self._dead = self.idle = True
            self._process.join()
            code = self._process.exitcode or 0
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            return [(self._number, UndecidedError(f"the worker process {how}"))]
        if kind == "event":
            hear(self._number, value)
            return []
        self.idle = True
        if kind == "done":
            return [(self._number, value)]
        from provenv.store.worker import decode_error  # it brings the store with it

        return [(self._number, decode_error(value))]

    def end(self) -> None:
        """Let the process end: it has nothing to do."""
        self.pipe.close()
        self._process.join()

    def interrupt(self) -> None:
        """Have the process take its way out."""
        self._process.terminate()

    def has_ended(self, within: float) -> bool:
        """Whether the process has ended, or does so within some seconds."""
        self._process.join(within)
        return not self._process.is_alive()

    def kill(self) -> None:
        """End the process where it is: nothing is half-done even then."""
        self._process.kill()


def _dismiss(team: Sequence[_Worker]) -> None:
    """End what still works, and wait for it; who asks a second time does not wait.

    The signal is sent until it is heard: one that comes while Python deals with another (Ctrl-C, which
    all of them got) may lie there until the next. Who has heard it ignores the rest.
    """
    left = list(team)
    try:
        while left:
            for worker in left:
                worker.interrupt()
            left = [worker for worker in left if not worker.has_ended(within=0.1)]
        for worker in team:
            worker.end()
    except KeyboardInterrupt:
        for worker in team:
            worker.kill()
        raise


def _serve(
    jobs: Sequence[Job],
    pipe: Connection,
    others: Sequence[Connection],
    settle: Callable[[int], None],
) -> None:
    """The worker's side: do what is asked for until the pipe ends.

    ``others`` are the parent's ends of its pipe and of those of the workers before it.
    """
    for other in others:
        other.close()
    # Ctrl-C reaches the whole group. Here it is the parent's to say; programs started get it as ever.
    signal.signal(signal.SIGINT, lambda *_: None)

    def emit(event: Event) -> None:
        with contextlib.suppress(OSError):
            pipe.send(("event", event))

    try:
        settle(len(others) - 1)
        while True:
            number = pipe.recv()
            pipe.send(_do(jobs[number], emit))
    except (EOFError, OSError):
        os._exit(0)  # nobody asks any more
    except BaseException:  # noqa: BLE001  # a signal: the way out has been taken
        os._exit(1)


def _do(job: Job, emit: Emit) -> tuple[str, Any]:
    failed: ProvenvError
    try:
        return "done", job(emit)
    except ProvenvError as error:
        failed = error
    except OSError as error:
        failed = unforeseen(error)
    except Exception as error:  # noqa: BLE001  # the parent must hear of it, whatever it is
        text = f"provenv failed where it should not: {type(error).__name__}: {error}"
        failed = UndecidedError(text, hint="Please report this.")
    from provenv.store.worker import encode_error

    return "failed", encode_error(failed)

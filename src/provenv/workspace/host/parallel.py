"""Many jobs at once, each in a worker process.

A sync forks and holds file locks, so that threads will not do. The workers are forked before
anything here starts a thread; they take one job after another, and hand back events and results by
pipe. A worker outlives its parent by one job at most.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any, Self

from provenv.core.errors import ProvenvError, UndecidedError
from provenv.core.events import Emit, Event
from provenv.core.files import unforeseen
from provenv.core.room import cores

Job = Callable[[Emit], Any]
Hear = Callable[[int, Event], None]
Tell = Callable[[int, "Any | ProvenvError"], None]
_WIDTH = 4  # bytes of a number


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
    results: dict[int, Any | ProvenvError] = {}
    count = min(len(jobs), workers or cores())
    team: dict[Connection, _Worker] = {}
    with _Turns(count, len(jobs)) as turns:
        try:
            for _ in range(count):
                worker = _Worker(jobs, turns, list(team), settle)
                team[worker.pipe] = worker
            while team:
                for pipe in wait(list(team)):
                    assert isinstance(pipe, Connection)
                    for number, result in team[pipe].listen(hear, begun):
                        results[number] = result
                        done(number, result)
                    if team[pipe].has_left:
                        team.pop(pipe).end()
        finally:
            _dismiss(list(team.values()))
    for number in range(len(jobs)):
        if number not in results:
            results[number] = UndecidedError("was not begun: no worker process is left")
            done(number, results[number])
    return [results[number] for number in range(len(jobs))]


class _Turns:
    """The numbers of jobs that nobody has begun: a file whose place all forks of this process share.

    So a worker takes its next job by itself, also from a parent that is busy. A read that moves the place
    is one step, whoever is killed meanwhile (POSIX, 2.9.7).
    """

    def __init__(self, first: int, end: int) -> None:
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("turns")
        else:
            descriptor, path = tempfile.mkstemp()
            os.unlink(path)
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        self._file.write(b"".join(n.to_bytes(_WIDTH, "little") for n in range(first, end)))
        self._file.seek(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def next(self) -> int | None:
        """The next job; None where there is none left."""
        taken = self._file.read(_WIDTH)
        return int.from_bytes(taken, "little") if taken else None


class _Worker:
    """The parent's side of one process."""

    def __init__(
        self,
        jobs: Sequence[Job],
        turns: _Turns,
        others: Sequence[Connection],
        settle: Callable[[int], None],
    ) -> None:
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        self.has_left = False
        self._number: int | None = None
        self._process: ForkProcess = context.Process(
            target=_serve, args=(jobs, turns, theirs, [self.pipe, *others], settle), daemon=False
        )
        self._process.start()
        theirs.close()

    def listen(self, hear: Hear, begun: Callable[[int], None]) -> list[tuple[int, Any]]:
        """One message: what is begun or happens is passed on, a result returned with the job's number."""
        try:
            kind, value = self.pipe.recv()
        except (EOFError, OSError):
            self.has_left = True
            if self._number is None:
                return []
            self._process.join()
            code = self._process.exitcode or 0
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            return [(self._number, UndecidedError(f"the worker process {how}"))]
        if kind == "begun":
            self._number = value
            begun(value)
            return []
        assert self._number is not None
        number = self._number
        if kind == "event":
            hear(number, value)
            return []
        self._number = None
        if kind == "done":
            return [(number, value)]
        from provenv.store.worker import decode_error  # it brings the store with it

        return [(number, decode_error(value))]

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
    turns: _Turns,
    pipe: Connection,
    others: Sequence[Connection],
    settle: Callable[[int], None],
) -> None:
    """The worker's side: do one job after another, the first of them by its number among the workers.

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
        number: int | None = len(others) - 1
        settle(len(others) - 1)
        while number is not None:
            pipe.send(("begun", number))
            pipe.send(_do(jobs[number], emit))
            number = turns.next()
    except OSError:
        os._exit(0)  # nobody asks any more
    except BaseException:  # noqa: BLE001  # a signal: the way out has been taken
        os._exit(1)
    os._exit(0)


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

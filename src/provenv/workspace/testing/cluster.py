"""`test --on`: the cells of a matrix on the workers of a Dask scheduler, each where its Python is.

Dask carries questions, answers and one task a cell; what it would do by itself is left off. Where a task
goes is decided here, and named to the scheduler: Dask would give it to anybody, and begin it again
elsewhere as often as it likes. A cell is begun at most so many times, each time under a number of its own,
and has one result: the first that arrives.

Everything here happens in one event loop, in the thread that calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import secrets
import time
import warnings
import zlib
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Self
from urllib.parse import quote

import provenv
from provenv.core import digest
from provenv.core.errors import NetworkError, ProvenvError, UndecidedError, UsageError
from provenv.core.events import CommandStarted, CommandWrote, Event, Noted, Warned
from provenv.core.files import disk_error, ensure_folder, write_atomic
from provenv.core.values import as_dict, field, frozen, mutable, replace
from provenv.core.watchdog import last_line
from provenv.model.lock import render_lock
from provenv.store.worker import decode_error
from provenv.trials.cells import Cell, CellResult
from provenv.workspace.projects.context import Context, LockFile, Project
from provenv.workspace.testing import archive, serving
from provenv.workspace.testing.cells import failed
from provenv.workspace.testing.elsewhere import Order
from provenv.workspace.testing.pythons import Distant, Missing

_CONNECT = 10.0  # seconds for the first answer of the scheduler
_ANSWER = 30.0  # seconds for a worker's answer to a short question
_SEND = 600.0  # seconds for a project to arrive, and for the Pythons to be looked for
_GREETINGS = 3  # to a worker that does not answer
_LOOK = 0.5  # seconds between two looks at who is there
_LOOK_LOGS = 1.0  # and at what the commands wrote: each is a line in the log of a worker
_PATIENCE = 20.0  # seconds that are waited for a worker that fits, or for a scheduler that is gone

Data = dict[str, Any]


@frozen
class Entry:
    """What workers call, by name: ``answer`` to a short question, ``perform`` to run a cell."""

    answer: Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
    perform: Callable[[Mapping[str, Any]], dict[str, Any]]


@mutable
class _Member:
    """A worker, as far as it is known."""

    address: str
    name: str = ""
    threads: int = 1
    busy: int = 0
    ready: bool = False
    refused: bool = False
    pythons: dict[str, dict[str, Any]] = field(default_factory=dict)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def has(self, python: str) -> bool:
        """Whether the Python of that request is there."""
        return self.ready and "version" in self.pythons.get(python, {})


class Cluster:
    """The workers of one scheduler, for one call of `test` with these ``cells``. A context manager.

    A cell is begun ``attempts`` times at most. ``wheels`` is the URL of a folder with the files of
    the locks.
    """

    def __init__(
        self,
        address: str,
        entry: Entry,
        project: Project,
        context: Context,
        cells: Sequence[Cell],
        *,
        attempts: int = 3,
        wheels: str | None = None,
    ) -> None:
        self.address = address
        self.run_id = secrets.token_hex(8)
        self._entry = entry
        self._project = project
        self._context = context
        self._cells = tuple({cell.python: cell for cell in cells}.values())
        self.attempts = attempts
        self._wheels = wheels
        self._locks: dict[str, str] = {}
        self.members: dict[str, _Member] = {}
        self._refused: dict[str, str] = {}
        self._silent: Counter[str] = Counter()
        self._runner = asyncio.Runner()
        self.client: Any = None  # distributed.Client, imported only here
        self._packed = archive.Packed(sha256="", data=b"", files=0)
        self.losses = 0
        self._changed = 0.0  # when a worker came or went

    def __enter__(self) -> Self:
        try:
            self._drive(self._open())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._drive(self._close())
        finally:
            self._runner.close()

    @property
    def threads(self) -> int:
        """How many cells can run at once."""
        return sum(member.threads for member in self.members.values() if member.ready)

    def pythons(self) -> dict[str, Distant | Missing]:
        """By request, the Python that some worker has for it, or why there is none."""
        return {cell.python: self._python(cell.python) for cell in self._cells}

    def _python(self, request: str) -> Distant | Missing:
        told = [m.pythons.get(request, {}) for m in self.members.values() if m.ready]
        for one in told:
            if "version" in one:
                return Distant(version=one["version"], implementation=one["implementation"])
        reasons = dict.fromkeys(one["reason"].splitlines()[0] for one in told if "reason" in one)
        return Missing(request=request, reason=f"no worker has it: {'; '.join(reasons)}")

    def run(
        self,
        orders: Sequence[Order],
        *,
        begun: Callable[[int], None],
        hear: Callable[[int, Event], None],
        done: Callable[[int, CellResult], None],
    ) -> None:
        """Run every cell. The three are called in this thread, with the order's number.

        Raises:
            KeyboardInterrupt: It was interrupted; the cells have been ended on the workers.
        """
        self._drive(self._run(_Run(self, orders, begun, hear, done)))

    # -- coming together

    async def _open(self) -> None:
        distributed = _distributed()
        _silence()
        try:
            with warnings.catch_warnings():  # other versions of Python and Dask do no harm here
                warnings.simplefilter("ignore")
                self.client = distributed.Client(
                    self.address,
                    asynchronous=True,
                    timeout=_CONNECT,
                    set_as_default=False,
                    name="provenv",
                )
                await asyncio.wait_for(_started(self.client), _CONNECT + 2)
        except OSError as error:
            raise NetworkError(
                f"no Dask scheduler answers at {self.address}: {_short(error)}",
                hint="`dask scheduler` starts one, and tells its address.",
            ) from error
        except (ValueError, TypeError, ImportError, RuntimeError) as error:
            raise _unusable(self.address, error, distributed.__version__) from error
        self._pack()
        await self._gather()

    def _pack(self) -> None:
        project, context = self._project, self._context
        self._packed = archive.pack(_root(project), context.environ)
        if self._packed.left:
            names = ", ".join(self._packed.left[:3])
            context.emit(
                Warned(
                    message=f"links that lead out of the project are not sent: {names}",
                    hint="A test that needs what they lead to fails on other machines.",
                )
            )

    async def _gather(self) -> None:
        """Wait until there is a worker that can be used, and all that are there have answered.

        Raises:
            UndecidedError: There is none; says what is wrong with those that are there.
        """
        over = time.monotonic() + _PATIENCE
        told = False
        while time.monotonic() < over:
            await asyncio.gather(*await self.meet())
            if any(member.ready for member in self.members.values()):
                return
            if self._refused:
                break
            if not self.members and not told:
                told = True
                self._context.emit(Noted(message=f"waiting for a worker of {self.address}"))
            await asyncio.sleep(_LOOK)
        if self._refused:
            raise UndecidedError(
                f"no worker of {self.address} can be used",
                hint=f"They need Python packages: provenv[dask]=={provenv.__version__}.",
                details={"workers": self._refused},
            )
        raise UndecidedError(
            f"the scheduler at {self.address} has no worker",
            hint=f"`dask worker {self.address}` starts one, where provenv[dask] is installed.",
        )

    async def meet(self) -> list[asyncio.Task[None]]:
        """Note who is gone, and greet those who are new, each in a task.

        Raises:
            OSError: The scheduler does not answer any more.
        """
        there: dict[str, int] = await asyncio.wait_for(self.client.nthreads(), _ANSWER)
        for address in set(self.members) - set(there):
            self._lose(address)
        new = [_Member(a, threads=max(1, n)) for a, n in there.items() if a not in self.members]
        self.members |= {member.address: member for member in new}
        return [asyncio.create_task(self._greet(member)) for member in new]

    def _lose(self, address: str) -> None:
        member = self.members.pop(address)
        member.gone.set()
        self.losses += 1
        self._changed = time.monotonic()

    @property
    def is_connected(self) -> bool:
        """Whether the scheduler is there. Dask would wait for another one at the same address."""
        return bool(self.client.status == "running")

    def lose_all(self) -> None:
        """Nobody can be reached any more."""
        for address in [*self.members]:
            self._lose(address)

    @property
    def may_still_come(self) -> bool:
        """Whether a worker is just being greeted, or one was lost that may be started again."""
        if any(not (member.ready or member.refused) for member in self.members.values()):
            return True
        return self.losses > 0 and time.monotonic() - self._changed < _PATIENCE

    async def _greet(self, member: _Member) -> None:
        """Make a worker ready: the same provenv, the project, and what Pythons it has."""
        try:
            hello = await self.ask(member, "hello", {})
            member.name = f"{hello['host']} ({member.address.rpartition('/')[2]})"
            if (hello["protocol"], hello["version"]) != (serving.PROTOCOL, provenv.__version__):
                self._refuse(
                    member, f"it has provenv {hello['version']}, and here is {provenv.__version__}"
                )
                return
            await self._bring_project(member)
            member.pythons = await self.ask(
                member,
                "pythons",
                {**self._place(), "cells": [as_dict(cell) for cell in self._cells]},
                within=_SEND,
            )
        except ProvenvError as error:
            self._refuse(member, error.message)
        except OSError as error:
            self._silent[member.address] += 1
            if self._silent[member.address] >= _GREETINGS:
                self._refuse(member, f"it does not answer ({_short(error)})")
            elif member.address in self.members:
                self._lose(
                    member.address
                )  # and greeted once more, where the scheduler still knows it
        except Exception as error:  # noqa: BLE001  # what the other side raised, or its text
            lacking = isinstance(error, ImportError) or "ModuleNotFoundError" in str(error)
            why = (
                f"it has no provenv, or an old one ({_short(error)})" if lacking else _short(error)
            )
            self._refuse(member, why)
        else:
            member.ready = True
            self._changed = time.monotonic()

    def _refuse(self, member: _Member, why: str) -> None:
        name = member.name or member.address
        member.refused = True
        if name not in self._refused:
            self._refused[name] = why
            self._context.emit(Warned(message=f"the worker {name} is not used: {why}"))

    async def _bring_project(self, member: _Member) -> None:
        question = {"project": self._packed.sha256}
        if await self.ask(member, "has", question):
            return
        data = zlib.compress(self._packed.data, 1)
        await self.ask(member, "receive", {**question, "data": data}, within=_SEND)

    def _place(self) -> dict[str, str]:
        root = _root(self._project)
        return {
            "project": self._packed.sha256,
            "member": os.path.relpath(os.path.realpath(self._project.root), os.path.realpath(root)),
        }

    async def ask(
        self, member: _Member, verb: str, question: Mapping[str, Any], within: float = _ANSWER
    ) -> Any:
        """A worker's answer.

        Raises:
            ProvenvError: What the worker raised.
            OSError: It is gone, or does not answer.
        """
        asked = self.client.run(
            self._entry.answer, verb, dict(question), workers=[member.address], on_error="raise"
        )
        answers = await asyncio.wait_for(asked, within)
        if member.address not in answers:
            raise ConnectionError(f"{member.address} is gone")
        answer = answers[member.address]
        if "error" in answer:
            raise decode_error(answer["error"])
        return answer["answer"]

    def refuse(self, order: Order) -> None:
        """Refuse an order whose lock leads to what does not travel.

        Raises:
            UsageError: It does; says to what.
        """
        _refuse_distant(order.lock, self._project, led=self._wheels is not None)

    def inputs(self, order: Order) -> str:
        """A digest of all that decides on an order's result but the worker's interpreter."""
        return digest.of_json([provenv.__version__, self._asked(order)])

    def _asked(self, order: Order) -> Data:
        return {
            **self._place(),
            "cell": as_dict(order.cell),
            "lock": self._lock_text(order.lock),
            "lock_path": os.path.relpath(order.lock.path, _root(self._project)),
        }

    def _lock_text(self, lock: LockFile) -> str:
        if lock.digest not in self._locks:  # many cells share one
            self._locks[lock.digest] = _lock_text(lock, self._wheels)
        return self._locks[lock.digest]

    async def perform(self, order: Order, attempt: int, member: _Member) -> Data:
        """Have an order carried out by one worker, once; the state ``unknown`` where nobody can tell."""
        key = f"provenv-{self.run_id}-{order.cell.id}-{attempt}"
        data = {
            **self._asked(order),
            "inputs": self.inputs(order),
            "key": key,
            "run": self.run_id,
            "attempt": attempt,
            "fresh": order.fresh,
        }
        future = self.client.submit(
            self._entry.perform,
            data,
            key=key,
            workers=[member.address],
            allow_other_workers=False,
            retries=0,
            pure=False,
        )
        result: asyncio.Task[Data] = asyncio.create_task(future.result())
        gone = asyncio.create_task(member.gone.wait())
        try:
            await asyncio.wait({result, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not result.done() or result.cancelled():
                return {"state": "unknown", "reason": f"the worker {member.name} died"}
            if (error := result.exception()) is not None:
                return {"state": "unknown", "reason": f"{member.name}: {_short(error)}"}
            answer: Data = result.result()
            return answer
        finally:
            for task in (result, gone):
                task.cancel()
            await asyncio.gather(result, gone, return_exceptions=True)
            future.release()

    async def _run(self, run: _Run) -> None:
        watching = [asyncio.create_task(one) for one in (run.watch_workers(), run.watch_logs())]
        try:
            await run.all()
        finally:
            for task in (*watching, *run.tasks):
                task.cancel()
            await asyncio.gather(*watching, *run.tasks, return_exceptions=True)
            if self.is_connected:
                await self._end_cells()

    async def _end_cells(self) -> None:
        """Whatever still runs is ended; what was kept for this run is taken away."""
        ready = [member for member in self.members.values() if member.ready]
        for verb in ("cancel", "finish"):
            asked = [self.ask(member, verb, {"run": self.run_id}) for member in ready]
            await asyncio.gather(*asked, return_exceptions=True)

    async def _close(self) -> None:
        if self.client is not None:
            with contextlib.suppress(OSError):  # the scheduler is gone
                await asyncio.wait_for(self.client.close(1), _CONNECT)

    def _drive(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` to its end, also where a signal raises in the middle of the loop."""
        tasks: list[asyncio.Task[Any]] = []

        async def main() -> None:
            tasks.append(asyncio.current_task())  # type: ignore[arg-type]  # here is one
            await work

        try:
            self._runner.run(main())
        except BaseException:
            if tasks and not tasks[0].done():
                tasks[0].cancel()
                self._runner.run(_wait_for(tasks[0]))
            raise


async def _started(client: Any) -> None:
    await client


async def _wait_for(task: asyncio.Task[Any]) -> None:
    await asyncio.wait({task})


class _Run:
    """Orders on their way to workers and back.

    One loop (:meth:`all`) hands them out and takes their answers; a task an order waits for its worker.
    """

    def __init__(
        self,
        cluster: Cluster,
        orders: Sequence[Order],
        begun: Callable[[int], None],
        hear: Callable[[int, Event], None],
        done: Callable[[int, CellResult], None],
    ) -> None:
        self.tasks: set[asyncio.Task[tuple[int, Data]]] = set()
        self._cluster = cluster
        self._orders = orders
        self._begun = begun
        self._hear = hear
        self._done = done
        self._waiting: dict[str, deque[int]] = {}  # by the Python that they need
        self._tried: dict[int, list[str]] = {number: [] for number in range(len(orders))}
        self._why: dict[int, str] = {}
        self._at_work: dict[str, _AtWork] = {}
        self._lost: str | None = None  # why the scheduler is not to be had any more
        self._bell = asyncio.Event()
        for number, order in enumerate(orders):
            self._waiting.setdefault(order.cell.python, deque()).append(number)

    async def all(self) -> None:
        """Until every order has its result."""
        self._refuse()
        await self._ask_who_knows()
        while self._waiting or self.tasks:
            self._look_at_scheduler()
            self._hand_out()
            self._give_up()
            if not self.tasks and not self._waiting:
                return
            self._bell.clear()
            bell = asyncio.create_task(self._bell.wait())
            finished, _ = await asyncio.wait(
                [*self.tasks, bell], timeout=_LOOK, return_when=asyncio.FIRST_COMPLETED
            )
            bell.cancel()
            for task in [one for one in self.tasks if one in finished]:
                self.tasks.discard(task)
                self._settle(*task.result())

    def _refuse(self) -> None:
        """Orders that cannot be carried out on any other machine."""
        for number, order in enumerate(self._orders):
            try:
                self._cluster.refuse(order)
            except UsageError as error:
                self._waiting[order.cell.python].remove(number)
                self._done(number, failed(order.cell, error))

    async def _ask_who_knows(self) -> None:
        """Orders of which a worker keeps the result go there at once, however busy it is."""
        numbers = {
            self._cluster.inputs(order): number
            for number, order in enumerate(self._orders)
            if not order.fresh
        }
        ready = [member for member in self._cluster.members.values() if member.ready]
        question = {"inputs": list(numbers)}
        answers = await asyncio.gather(
            *(self._cluster.ask(member, "known", question) for member in ready),
            return_exceptions=True,
        )
        for member, known in zip(ready, answers, strict=True):
            for inputs in known if isinstance(known, list) else ():
                number = numbers[inputs]
                waiting = self._waiting.get(self._orders[number].cell.python, deque())
                if number in waiting:
                    waiting.remove(number)
                    self._send(number, member)

    def _send(self, number: int, member: _Member) -> None:
        self._begun(number)
        member.busy += 1
        self._tried[number].append(member.name)
        self.tasks.add(asyncio.create_task(self._attempt(number, member)))

    def _hand_out(self) -> None:
        for python, numbers in [*self._waiting.items()]:
            while numbers and (member := self._free(python, self._tried[numbers[0]])):
                self._send(numbers.popleft(), member)
            if not numbers:
                del self._waiting[python]

    def _free(self, python: str, tried: Sequence[str]) -> _Member | None:
        """A worker with that Python that has room: one that has not been tried, with the most room."""
        free = [
            member
            for member in self._cluster.members.values()
            if member.has(python) and member.busy < member.threads
        ]
        return min(free, key=lambda m: (m.name in tried, m.busy / m.threads), default=None)

    def _give_up(self) -> None:
        """Orders that nobody can carry out, now and for a while."""
        cluster = self._cluster
        for python, numbers in [*self._waiting.items()]:
            if self._lost is None and (
                any(m.has(python) for m in cluster.members.values()) or cluster.may_still_come
            ):
                continue
            left = "is left that " if cluster.losses else ""
            why = self._lost or f"no worker {left}has Python {python}"
            del self._waiting[python]
            for number in numbers:
                before = self._why.get(number) if self._lost is None else None
                self._fail(number, f"{why}; {before}" if before else why)

    def _settle(self, number: int, answer: Data) -> None:
        """One answer: the order is done, or has to be carried out once more."""
        order, tried = self._orders[number], self._tried[number]
        if answer["state"] == "unknown":
            self._why[number] = answer["reason"]
            self._look_at_scheduler()
            if len(tried) < self._cluster.attempts or self._lost is not None:
                if self._lost is None:
                    again = f"{answer['reason']}; the cell is begun again"
                    self._hear(number, Warned(message=again))
                self._waiting.setdefault(order.cell.python, deque()).appendleft(number)
            else:
                times = "once" if len(tried) == 1 else f"{len(tried)} times"
                self._fail(number, f"was begun {times}, on {', '.join(tried)}: {answer['reason']}")
            return
        log = answer.pop("log", b"")
        if log:
            ensure_folder(os.path.dirname(order.log))
            write_atomic(order.log, log)
        answer |= {"attempts": len(tried), "worker": tried[-1], "log": order.log if log else None}
        self._done(number, CellResult(cell=order.cell, **answer))

    def _fail(self, number: int, reason: str) -> None:
        order, tried = self._orders[number], self._tried[number]
        result = CellResult(
            cell=order.cell,
            state="error",
            reason=reason,
            hint="The same command goes on from here: what has passed is not run again.",
            log=order.log if tried and os.path.exists(order.log) else None,
            attempts=len(tried),
            worker=tried[-1] if tried else "",
        )
        self._done(number, result)

    async def _attempt(self, number: int, member: _Member) -> tuple[int, Data]:
        """What a worker answers; the state ``unknown`` where it does not come to that."""
        order = self._orders[number]
        attempt = len(self._tried[number])
        name = f"{order.cell.id}-{attempt}"
        self._at_work[name] = _AtWork(number, member)
        _begin_log(order.log)
        try:
            return number, await self._cluster.perform(order, attempt, member)
        finally:
            del self._at_work[name]
            member.busy -= 1

    async def watch_workers(self) -> None:
        """Note who comes and who goes; where the scheduler is gone, everything is over."""
        greeting: set[asyncio.Task[None]] = set()
        try:
            while self._lost is None:
                try:
                    greeting |= set(await self._cluster.meet())
                except (OSError, asyncio.CancelledError) as error:
                    current = asyncio.current_task()
                    if current is not None and current.cancelling():
                        raise
                    del error
                    self._lose_scheduler()
                greeting = {task for task in greeting if not task.done()}
                self._bell.set()
                await asyncio.sleep(_LOOK)
        finally:
            for task in greeting:
                task.cancel()

    def _look_at_scheduler(self) -> None:
        if self._lost is None and not self._cluster.is_connected:
            self._lose_scheduler()

    def _lose_scheduler(self) -> None:
        """Nothing more can be handed out, and nothing that is at work will answer."""
        self._lost = f"the scheduler at {self._cluster.address} is gone"
        self._cluster.lose_all()

    async def watch_logs(self) -> None:
        """Fetch what the commands write while they run."""
        while True:
            busy = {one.member.address: one.member for one in self._at_work.values()}
            asked = [self._fetch_logs(member) for member in busy.values()]
            await asyncio.gather(*asked, return_exceptions=True)
            await asyncio.sleep(_LOOK_LOGS)

    async def _fetch_logs(self, member: _Member) -> None:
        offsets = {name: one.offset for name, one in self._at_work.items() if one.member is member}
        question = {"run": self._cluster.run_id, "offsets": offsets}
        for told in await self._cluster.ask(member, "look", question):
            one = self._at_work.get(told["name"])
            if one is None or one.offset != told["offset"]:
                continue  # it has ended meanwhile
            if told["prepared"] is not None and not one.started:
                one.started = True
                self._hear(one.number, CommandStarted(seconds=told["prepared"]))
            if told["text"]:
                log = self._orders[one.number].log
                with open(log, "ab") as stream:
                    stream.write(told["text"])
                one.offset += len(told["text"])
                if (line := last_line(log)) != one.line:
                    one.line = line
                    self._hear(one.number, CommandWrote(line=line))


@mutable
class _AtWork:
    """An order that a worker carries out at this moment, and how far its log has been read."""

    number: int
    member: _Member
    offset: int = 0
    started: bool = False
    line: str = ""


def _begin_log(path: str) -> None:
    ensure_folder(os.path.dirname(path))
    try:
        with open(path, "wb"):
            pass
    except OSError as error:
        raise disk_error(error, "write", path) from error


def _root(project: Project) -> str:
    """What has to travel: the project, or the workspace that it is a member of."""
    return os.path.realpath(project.workspace.root if project.workspace else project.root)


def _lock_text(lock: LockFile, wheels: str | None) -> str:
    """The lock as a worker is to see it: with ``wheels``, its files lie there, under their own names."""
    if wheels is None:
        return lock.text

    def led(file: Any) -> Any:
        return replace(file, url=f"{wheels.rstrip('/')}/{quote(file.filename)}", path=None)

    packages = [
        replace(
            package,
            wheels=[led(wheel) for wheel in package.wheels] if package.wheels else package.wheels,
            sdist=led(package.sdist) if package.sdist else None,
        )
        for package in lock.lock.packages
    ]
    return render_lock(replace(lock.lock, packages=packages))


def _refuse_distant(lock: LockFile, project: Project, *, led: bool) -> None:
    """Refuse what lies beside the project, and so does not travel with it; ``led``: files come from a URL.

    Raises:
        UsageError: There is something; names it.
    """
    root, base = _root(project), os.path.dirname(lock.path)
    for package in lock.lock.packages:
        files = [] if led else [*(package.wheels or ()), package.sdist]
        for local in (package.directory, package.archive, *files):
            if local is None or local.path is None or getattr(local, "url", None) is not None:
                continue
            path = os.path.realpath(os.path.join(base, local.path))
            if path != root and not path.startswith(f"{root}/"):
                raise UsageError(
                    f"{package.name} comes from {path}, which is not sent to other machines",
                    hint="Put it into the project, or make both members of one workspace.",
                )


def _distributed() -> Any:
    """The package ``distributed``.

    Raises:
        UsageError: It is not installed.
    """
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise UsageError(
            "running cells on other machines needs Dask, which is not installed",
            hint="pip install 'provenv[dask]'",
        ) from error


def _unusable(address: str, error: Exception, version: str) -> ProvenvError:
    """Why Dask refused an address before it asked anybody, or could not understand the answer."""
    if isinstance(error, ValueError):
        return UsageError(
            f"{address} is no address of a Dask scheduler: {_short(error)}",
            hint="It looks like tcp://HOST:8786, or tls://HOST:8786.",
        )
    if "ssl" in str(error).lower():
        return UsageError(
            f"Dask has no certificates for {address}: {_short(error)}",
            hint="Its configuration names them: distributed.comm.tls.",
        )
    return UndecidedError(
        f"the scheduler at {address} cannot be talked with: {_short(error)}",
        hint=f"Dask wants the same version on all sides; here it is distributed {version}.",
    )


def _silence() -> None:
    """Dask writes to standard error what is told here in other words; each of its loggers has a level."""
    for name in [*logging.root.manager.loggerDict, "distributed"]:
        if name.partition(".")[0] in ("distributed", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _short(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

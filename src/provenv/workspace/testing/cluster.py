"""`test --on`: the cells of a matrix on the workers of a Dask scheduler, each where its Python is.

A cell is begun at most so many times, each time under a number of its own and bound to one worker, and has
one result: the first that arrives.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Callable, Sequence

from provenv.core.errors import DiskError, UsageError
from provenv.core.events import CommandStarted, CommandWrote, Event, Warned
from provenv.core.files import ensure_folder, write_atomic
from provenv.core.values import mutable
from provenv.core.watchdog import last_line
from provenv.trials.cells import CellResult
from provenv.workspace.testing.cells import failed
from provenv.workspace.testing.elsewhere import Order
from provenv.workspace.testing.workers import Data, Member, Workers

_LOOK = 0.5  # seconds between two looks at who is there
_LOOK_LOGS = 1.0  # and at what the commands wrote: each is a line in the log of a worker


class Cluster(Workers):
    """Workers, and how orders are carried out by them."""

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
        self.drive(self._run(_Run(self, orders, begun, hear, done)))

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
                self._cluster.check(order)
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

    def _send(self, number: int, member: Member) -> None:
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

    def _free(self, python: str, tried: Sequence[str]) -> Member | None:
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
        if answer["state"] in ("unknown", "cancelled"):  # who cancels here asks for no answer
            self._why[number] = f"{tried[-1]}: {answer['reason']}"
            self._look_at_scheduler()
            if len(tried) < self._cluster.attempts or self._lost is not None:
                if self._lost is None:
                    again = f"{self._why[number]}; the cell is begun again"
                    self._hear(number, Warned(message=again))
                self._waiting.setdefault(order.cell.python, deque()).appendleft(number)
            else:
                times = "once" if len(tried) == 1 else f"{len(tried)} times"
                self._fail(number, f"was begun {times}, on {', '.join(tried)}; {self._why[number]}")
            return
        log = answer.pop("log", b"")
        kept = bool(log) and _keep_log(order.log, log)
        answer |= {"attempts": len(tried), "worker": tried[-1], "log": order.log if kept else None}
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

    async def _attempt(self, number: int, member: Member) -> tuple[int, Data]:
        """What a worker answers; the state ``unknown`` where it does not come to that."""
        order = self._orders[number]
        attempt = len(self._tried[number])
        name = f"{order.cell.id}-{attempt}"
        self._at_work[name] = _AtWork(number, member)
        _keep_log(order.log, b"")
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

    async def _fetch_logs(self, member: Member) -> None:
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
    member: Member
    offset: int = 0
    started: bool = False
    line: str = ""


def _keep_log(path: str, data: bytes) -> bool:
    """Write a log; where the disk refuses, the result counts without."""
    with contextlib.suppress(DiskError):
        ensure_folder(os.path.dirname(path))
        write_atomic(path, data)
        return True
    return False

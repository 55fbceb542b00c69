"""The workers of a Dask scheduler: greeted, given the project, known by the Pythons that they have.

Dask carries questions, answers and one task a cell; what it would do by itself is left off. Where a task
goes is decided by who asks, and named to the scheduler: Dask would give it to anybody, and begin it again
elsewhere as often as it likes.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Self

import provenv
from provenv.core import digest
from provenv.core.errors import ProvenvError, UndecidedError
from provenv.core.events import Noted, Warned
from provenv.core.values import as_dict, field, frozen, mutable
from provenv.store.worker import decode_error
from provenv.trials.cells import Cell
from provenv.workspace.projects.context import Context, LockFile, Project
from provenv.workspace.testing import archive, scheduler, serving, travelling
from provenv.workspace.testing.elsewhere import Order
from provenv.workspace.testing.pythons import Distant, Missing, in_short

_ANSWER = 30.0  # seconds for a worker's answer to a short question
_SEND = 600.0  # seconds for a project to arrive, and for the Pythons to be looked for
_GREETINGS = 3  # to a worker that does not answer
_LOOK = 0.5  # seconds between two looks at who is there
_PATIENCE = 20.0  # seconds that are waited for a worker that fits, or for a scheduler that is gone

Data = dict[str, Any]


@frozen
class Entry:
    """What workers call, by name: ``answer`` to a short question, ``perform`` to run a cell."""

    answer: Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
    perform: Callable[[Mapping[str, Any]], dict[str, Any]]


@mutable
class Member:
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


class Workers:
    """The workers of one scheduler, for one call of `test` with these ``cells``. A context manager.

    Everything happens in one event loop, in the thread that calls.

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
        self.members: dict[str, Member] = {}
        self._refused: dict[str, str] = {}
        self._silent: Counter[str] = Counter()
        self._runner = asyncio.Runner()
        self.client: Any = None  # distributed.Client, imported only here
        self._packed = archive.Packed(sha256="", data=b"", files=0)
        self.losses = 0
        self._changed = 0.0  # when a worker came or went

    def __enter__(self) -> Self:
        try:
            self.drive(self._open())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.drive(scheduler.close(self.client))
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
        reasons = dict.fromkeys(in_short(one["reason"]) for one in told if "reason" in one)
        return Missing(request=request, reason=f"no worker has it: {'; '.join(reasons)}")

    async def _open(self) -> None:
        self.client = await scheduler.connect(self.address)
        self._pack()
        await self._gather()

    def _pack(self) -> None:
        project, context = self._project, self._context
        self._packed = archive.pack(travelling.root_of(project), context.environ)
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
        new = [Member(a, threads=max(1, n)) for a, n in there.items() if a not in self.members]
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

    async def _greet(self, member: Member) -> None:
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
                self._refuse(member, f"it does not answer ({scheduler.short(error)})")
            elif member.address in self.members:
                self._lose(
                    member.address
                )  # and greeted once more, where the scheduler still knows it
        except Exception as error:  # noqa: BLE001  # what the other side raised, or its text
            lacking = isinstance(error, ImportError) or "ModuleNotFoundError" in str(error)
            why = (
                f"it has no provenv, or an old one ({scheduler.short(error)})"
                if lacking
                else scheduler.short(error)
            )
            self._refuse(member, why)
        else:
            member.ready = True
            self._changed = time.monotonic()

    def _refuse(self, member: Member, why: str) -> None:
        name = member.name or member.address
        member.refused = True
        if name not in self._refused:
            self._refused[name] = why
            self._context.emit(Warned(message=f"the worker {name} is not used: {why}"))

    async def _bring_project(self, member: Member) -> None:
        question = {"project": self._packed.sha256}
        if await self.ask(member, "has", question):
            return
        data = zlib.compress(self._packed.data, 1)
        await self.ask(member, "receive", {**question, "data": data}, within=_SEND)

    def _place(self) -> dict[str, str]:
        root = travelling.root_of(self._project)
        return {
            "project": self._packed.sha256,
            "member": os.path.relpath(os.path.realpath(self._project.root), os.path.realpath(root)),
        }

    async def ask(
        self, member: Member, verb: str, question: Mapping[str, Any], within: float = _ANSWER
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

    def check(self, order: Order) -> None:
        """Refuse an order whose lock leads to what does not travel.

        Raises:
            UsageError: It does; says to what.
        """
        travelling.refuse_distant(order.lock, self._project, led=self._wheels is not None)

    def inputs(self, order: Order) -> str:
        """A digest of all that decides on an order's result but the worker's interpreter."""
        return digest.of_json([provenv.__version__, self._asked(order)])

    def _asked(self, order: Order) -> Data:
        return {
            **self._place(),
            "cell": as_dict(order.cell),
            "lock": self._lock_text(order.lock),
            "lock_path": os.path.relpath(order.lock.path, travelling.root_of(self._project)),
        }

    def _lock_text(self, lock: LockFile) -> str:
        if lock.digest not in self._locks:  # many cells share one
            self._locks[lock.digest] = travelling.lock_text(lock, self._wheels)
        return self._locks[lock.digest]

    async def perform(self, order: Order, attempt: int, member: Member) -> Data:
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
                return {"state": "unknown", "reason": "the worker died"}
            if (error := result.exception()) is not None:
                return {"state": "unknown", "reason": scheduler.short(error)}
            answer: Data = result.result()
            return answer
        finally:
            for task in (result, gone):
                task.cancel()
            await asyncio.gather(result, gone, return_exceptions=True)
            future.release()

    def drive(self, work: Coroutine[Any, Any, None]) -> None:
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


async def _wait_for(task: asyncio.Task[Any]) -> None:
    await asyncio.wait({task})

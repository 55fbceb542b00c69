"""Other machines, as far as a matrix needs to know them: what they have, and that they run cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, Self

from provenv.core.events import Event
from provenv.core.values import frozen
from provenv.trials.cells import Cell, CellResult
from provenv.workspace.projects.context import LockFile
from provenv.workspace.testing.pythons import Distant, Missing


@frozen
class Order:
    """A cell that another machine is to run: with its lock, and the file that its log goes to.

    ``fresh``: what that machine knows from before is no answer.
    """

    cell: Cell
    lock: LockFile
    log: str
    fresh: bool = False


class Elsewhere(Protocol):
    """Other machines that run cells. They are there, with the project, between enter and exit."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *what: object) -> None: ...

    @property
    def threads(self) -> int: ...  # noqa: D102  # how many cells run there at once

    def pythons(self) -> Mapping[str, Distant | Missing]: ...  # noqa: D102  # by request

    def run(  # noqa: D102  # as `run_all`; each order has one result
        self,
        orders: Sequence[Order],
        *,
        hear: Callable[[int, Event], None],
        begun: Callable[[int], None],
        done: Callable[[int, CellResult], None],
    ) -> None: ...

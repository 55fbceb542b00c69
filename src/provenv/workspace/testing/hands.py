"""What worker processes run commands with: each has a supervisor, which serves it to its end."""

from __future__ import annotations

from collections.abc import Sequence

from provenv.core.supervisor import Supervisor
from provenv.core.watchdog import forked


class Hand:
    """One worker's supervisor; another is started where somebody killed it."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def supervisor(self) -> Supervisor:
        """Whom to ask.

        Raises:
            DiskError, UndecidedError: The system cannot start one.
        """
        if self._supervisor.life < 0:
            self._supervisor = forked()
        return self._supervisor


class Hands:
    """The supervisors of all workers, started before these are forked.

    The process that hands out cells lets go of them, so that the end of a worker is what its supervisor
    sees; it waits for them in the end.
    """

    def __init__(self, jobs: int) -> None:
        self._supervisors: Sequence[Supervisor] = ()
        self._own: Hand | None = None
        try:
            for _ in range(jobs):
                self._supervisors = (*self._supervisors, forked())
        except BaseException:
            self.end()
            raise

    def take(self, worker: int) -> None:
        """In a worker: its own one, and none of the others."""
        for number, supervisor in enumerate(self._supervisors):
            if number != worker:
                supervisor.let_go()
        self._own = Hand(self._supervisors[worker])

    @property
    def own(self) -> Hand:
        """In a worker: what it took."""
        assert self._own is not None
        return self._own

    def let_go(self) -> None:
        """Leave them to the workers."""
        for supervisor in self._supervisors:
            supervisor.let_go()

    def end(self) -> None:
        """Wait until they are no more."""
        for supervisor in self._supervisors:
            supervisor.end()

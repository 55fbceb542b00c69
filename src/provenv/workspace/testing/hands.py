"""What worker processes run commands with: each has a supervisor, which serves it to its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from provenv.core.supervisor import Supervisor
from provenv.core.watchdog import Outcome, Watched, forked, watch_out
from provenv.workspace.begun import Begun
from provenv.workspace.testing.running import reading, run_logged


class Hand:
    """One worker's supervisor; another is started where somebody killed it.

    ``begun`` is a command that runs under it already.
    """

    def __init__(self, supervisor: Supervisor, begun: Begun | None) -> None:
        self._supervisor = supervisor
        self._begun = begun

    def run(
        self,
        command: Sequence[str],
        *,
        environ: Mapping[str, str],
        cwd: str,
        log: str,
        timeout: float | None,
        wrote: Callable[[str], None],
    ) -> Outcome:
        """As :func:`run_logged`; a command that was begun, and is the very same, is taken over.

        Raises:
            DiskError, UndecidedError: As that, and where no supervisor can be started.
        """
        begun = self._begun
        if begun is not None and begun.meets(command, cwd, environ, log, timeout):
            self._begun = None
            watched = Watched(self._supervisor, command, cwd, kept=True)
            return watch_out(watched, reading(log, wrote))
        self.drop()
        if self._supervisor.life < 0:
            self._supervisor = forked()
        return run_logged(
            command,
            environ=environ,
            cwd=cwd,
            log=log,
            timeout=timeout,
            wrote=wrote,
            supervisor=self._supervisor,
        )

    def drop(self) -> None:
        """End what was begun, and not taken over."""
        begun, self._begun = self._begun, None
        if begun is not None:
            Watched(self._supervisor, begun.command, begun.cwd, kept=True).kill()


class Hands:
    """The supervisors of all workers, started before these are forked.

    The process that hands out cells lets go of them, so that the end of a worker is what its supervisor
    sees; it waits for them in the end. ``begun`` are commands that the first workers take over.
    """

    def __init__(self, jobs: int, begun: Sequence[Begun | None] = ()) -> None:
        self._begun = [*begun, *[None] * (jobs - len(begun))]
        self._supervisors: list[Supervisor] = []
        self._own: Hand | None = None
        try:
            for one in self._begun:
                self._supervisors.append(one.supervisor if one is not None else forked())
        except BaseException:
            self.end()
            raise

    def take(self, worker: int) -> None:
        """In a worker: its own one, and none of the others."""
        for number, supervisor in enumerate(self._supervisors):
            if number != worker:
                supervisor.let_go()
        self._own = Hand(self._supervisors[worker], self._begun[worker])

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

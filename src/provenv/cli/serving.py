"""Both ends of `test --on`: what workers are asked to call, from their process's environment to a use case.

These functions are named to workers, which import them from the provenv that they have. No command: what
they answer is data for the provenv that asks.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from provenv.cli import signals
from provenv.cli.world import make_context
from provenv.core.errors import ProvenvError
from provenv.core.files import unforeseen
from provenv.store.worker import encode_error
from provenv.workspace.projects.context import Context
from provenv.workspace.testing import serving

if TYPE_CHECKING:
    from provenv.trials.cells import Cell
    from provenv.workspace.projects.context import Project
    from provenv.workspace.testing.cluster import Cluster

_VERBS: Mapping[str, Callable[[Context, Mapping[str, Any]], Any]] = {
    "cancel": lambda _, asked: serving.cancel(asked["run"]),
    "finish": lambda context, asked: serving.finish(context, asked["run"]),
    "has": lambda context, asked: serving.has(context, asked["project"]),
    "hello": lambda context, _: serving.hello(context),
    "known": lambda context, asked: serving.known(context, asked["inputs"]),
    "look": lambda _, asked: serving.look(asked["run"], asked["offsets"]),
    "pythons": serving.pythons,
    "receive": lambda context, asked: serving.receive(context, asked["project"], asked["data"]),
}


def cluster(
    address: str,
    project: Project,
    context: Context,
    cells: Sequence[Cell],
    *,
    attempts: int = 3,
    wheels: str | None = None,
) -> Cluster:
    """The workers of the Dask scheduler at ``address``, for ``run_matrix(…, elsewhere=…)``.

    A cell is begun ``attempts`` times at most, where workers die. ``wheels`` is the URL of a folder with
    the files of the lock, for workers that reach no index.
    """
    from provenv.workspace.testing.cluster import Cluster
    from provenv.workspace.testing.workers import Entry

    return Cluster(
        address,
        Entry(answer=answer, perform=perform),
        project,
        context,
        cells,
        attempts=attempts,
        wheels=wheels,
    )


async def answer(verb: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a question without keeping the worker from its own: ``{"answer": …}`` or ``{"error": …}``."""
    import asyncio  # 45 ms, which a process that runs a cell can do without

    return await asyncio.to_thread(_answered, verb, asked)


def _answered(verb: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"answer": _VERBS[verb](_context(), asked)}
    except ProvenvError as error:
        return {"error": encode_error(error)}
    except OSError as error:
        return {"error": encode_error(unforeseen(error))}


def perform(order: Mapping[str, Any]) -> dict[str, Any]:
    """Run one cell in a thread of a worker; it ends early where the scheduler has given it up."""
    try:
        return serving.perform(_context(), order, _wanted(order["key"]))
    except ProvenvError as error:
        return {"state": "unknown", "reason": error.message}
    except OSError as error:
        return {"state": "unknown", "reason": unforeseen(error).message}


def _wanted(key: str) -> Callable[[], bool]:
    from distributed import get_worker  # who calls this has it

    worker = get_worker()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        given_up = task is None or task.state in ("cancelled", "released", "forgotten")
        return not given_up and worker.status.name not in ("closing", "closed", "failed")

    return wanted


def run_request(folder: str) -> int:
    """Run the cell whose order lies in ``folder``: what the child of a worker does."""
    signals.take_way_out()
    try:
        serving.run_order(_context(), folder)
    except KeyboardInterrupt as error:
        return signals.exit_code(error)
    return 0


def _context() -> Context:
    return make_context(dict(os.environ), cause="provenv test")

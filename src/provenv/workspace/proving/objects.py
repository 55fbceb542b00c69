"""Objects compared with their hashes, by as many processes as there are processors."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

from provenv.core.errors import ProvenvError
from provenv.core.events import Emit, Event, ItemFinished, ItemStarted, PhaseStarted
from provenv.core.room import cores
from provenv.core.values import frozen
from provenv.environments.beside import may_fork
from provenv.model.layout import HomeLayout
from provenv.store.bytecode import Compiled, Known, compiled_in
from provenv.store.objects import DESCRIPTION, read_object
from provenv.store.verify import Damage, verify_object
from provenv.workspace.host.parallel import run_all
from provenv.workspace.projects.context import Context

_FEW = 6  # objects: up to that many, other processes cost more than they save
_SHARES = 8  # for each process, so that they end together


@frozen
class Compared:
    """What one object is: ``name`` is empty where it cannot be read; then nothing else is known."""

    sha256: str
    name: str = ""
    version: str = ""
    folder: str = ""
    files: int = 0
    size: int = 0
    damage: tuple[Damage, ...] = ()
    compiled: tuple[Compiled, ...] = ()


def compare_objects(context: Context, objects: Sequence[str], known: Known) -> dict[str, Compared]:
    """Every file of ``objects`` (sha256), and what is to be said of byte code beside them.

    Raises:
        ProvenvError: A process did not end well.
    """
    home = context.home
    started = PhaseStarted(phase="verify", total=len(objects))
    if len(objects) <= _FEW or cores() == 1 or not may_fork():
        context.emit(started)
        return {sha256: _compare(home, sha256, known, context.emit) for sha256 in objects}
    shares = _shares(home, objects)
    jobs = [
        lambda emit, share=share: [_compare(home, sha256, known, emit) for sha256 in share]
        for share in shares
    ]
    unsaid = [started]

    def begun(_: int) -> None:  # only now: who listens may start threads, and then nothing forks
        if unsaid:
            context.emit(unsaid.pop())

    def hear(_: int, event: Event) -> None:
        context.emit(event)

    results = run_all(jobs, hear=hear, begun=begun, done=lambda number, result: None)  # noqa: ARG005
    found: dict[str, Compared] = {}
    for result in results:
        if isinstance(result, ProvenvError):
            raise result
        found |= {item.sha256: item for item in result}
    return found


def _shares(home: HomeLayout, objects: Sequence[str]) -> list[list[str]]:
    """The objects in shares of about the same work, the biggest first, told by their descriptions."""
    weights: dict[str, int] = {}
    for sha256 in objects:
        weights[sha256] = 1000
        with contextlib.suppress(OSError):
            weights[sha256] += os.stat(os.path.join(home.object(sha256), DESCRIPTION)).st_size
    enough = sum(weights.values()) / (cores() * _SHARES)
    shares: list[list[str]] = []
    room = 0.0
    for sha256 in sorted(objects, key=lambda sha256: -weights[sha256]):
        if room <= 0:
            shares.append([])
            room = enough
        shares[-1].append(sha256)
        room -= weights[sha256]
    return shares


def _compare(home: HomeLayout, sha256: str, known: Known, emit: Emit) -> Compared:
    stored = read_object(home, sha256)
    if stored is None:
        return Compared(sha256=sha256)
    emit(ItemStarted(phase="verify", name=stored.name))
    found = Compared(
        sha256=sha256,
        name=stored.name,
        version=stored.version,
        folder=stored.folder,
        files=count_files(stored.tree),
        size=stored.unpacked,
        damage=tuple(verify_object(stored)),
        compiled=tuple(compiled_in(stored, known)),
    )
    emit(ItemFinished(phase="verify", name=stored.name))
    return found


def count_files(tree: Mapping[str, Any]) -> int:
    """How many files a tree, or a directory in it, holds."""
    tables = tree.values()
    return sum(len(table.get("f", {})) + count_files(table.get("d", {})) for table in tables)

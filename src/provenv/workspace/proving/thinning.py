"""Which generations of an environment must stay, why, and when each was used last."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from datetime import datetime

from provenv.core.errors import InputError, IntegrityError
from provenv.core.values import frozen
from provenv.environments import generations, switch
from provenv.model.manifest import parse_manifest
from provenv.workspace.host import processes
from provenv.workspace.projects.context import Context
from provenv.workspace.proving import copies

_KEEP = 5


@frozen
class Choice:
    """What becomes of the generations of one environment; ``kept`` are all that stay.

    Attributes:
        gone: Those that nothing needs.
        in_use: Kept because a process runs in them. ``edited``: Because a private copy in them has
            edits that are nowhere else. ``recent``: Because they were used a short time ago.
    """

    kept: tuple[int, ...]
    gone: tuple[int, ...]
    in_use: tuple[int, ...]
    edited: tuple[int, ...]
    recent: tuple[int, ...]


def choose(
    context: Context,
    folder: str,
    *,
    keep: int | None,
    unused: float,
    used: processes.InUse,
) -> Choice:
    """Choose by number, never by time: the current one, and the last ``keep`` others.

    ``keep`` is what the project says where it is None. What was used within ``unused`` seconds stays
    besides.
    """
    there = switch.numbers(folder)
    now = switch.current(folder)
    others = [number for number in there if number != now]
    count = _kept(folder, now) if keep is None else keep
    wanted = {*others[max(0, len(others) - count) :], *([now] if now is not None else [])}
    rest = [number for number in there if number not in wanted]
    in_use = [number for number in rest if used.holds(folder, number)]
    rest = [number for number in rest if number not in in_use]
    edited = [number for number in rest if copies.unreleased(context, folder, number)]
    rest = [number for number in rest if number not in edited]
    times = last_uses(folder) if unused > 0 and rest else {}
    today = time.time()
    recent = [number for number in rest if today - times.get(number, today) < unused]
    gone = [number for number in rest if number not in recent]
    return Choice(
        kept=tuple(number for number in there if number not in gone),
        gone=tuple(gone),
        in_use=tuple(in_use),
        edited=tuple(edited),
        recent=tuple(recent),
    )


def _kept(folder: str, current: int | None) -> int:
    """How many former generations the project wants to keep (``[tool.provenv] keep``)."""
    try:
        path = generations.own_file(folder, current or 0, "pyproject.toml")
        with open(path, encoding="utf-8") as stream:
            return parse_manifest(stream.read(), path).keep
    except (OSError, ValueError, InputError):
        return _KEEP


def last_uses(folder: str) -> dict[int, float]:
    """When each generation was used last: until the switch to the next one.

    The current one until the environment was used last; one that was never switched to, until it was
    made.
    """
    found: dict[int, float] = {}
    log = [(entry.generation, moment) for entry, moment in _moments(folder)]
    for (number, moment), (_, until) in zip(log, [*log, (0, 0.0)][1:], strict=True):
        found[number] = max(found.get(number, 0.0), until or moment)
    for number in set(switch.numbers(folder)) - found.keys():
        with contextlib.suppress(IntegrityError, ValueError):
            found[number] = _seconds(generations.read_generation(folder, number).created)
    current = switch.current(folder)
    if current is not None:
        found[current] = max(found.get(current, 0.0), environment_used(folder))
    return found


def environment_used(folder: str) -> float:
    """When a command used the environment last; 0 where nothing tells."""
    try:
        return os.stat(f"{folder}/.used").st_mtime
    except OSError:
        return 0.0


def _moments(folder: str) -> Iterator[tuple[generations.LogEntry, float]]:
    for entry in generations.read_log(folder):
        try:
            yield entry, _seconds(entry.time)
        except ValueError:
            continue


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()

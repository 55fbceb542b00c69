"""Two processes for one job: making a tree and looking at what it links, half and half.

Both are system calls, thousands of them, and independent of each other; a forked child costs half a
millisecond. Imports nothing but ``os``.
"""

from __future__ import annotations

import os

from provenv.environments import looking, tree

TYPE_CHECKING = False  # `typing` costs 4 ms to import
if TYPE_CHECKING:
    from provenv.environments.tree import Steps

_FEW = 200  # steps: below that, a second process costs more than it saves
_SHARE = 0.47  # of the links; the child has its memory to copy, too


class ChildError(Exception):
    """The child did not end well; what it left is to be removed, and all is to be done here."""


def may_fork() -> bool:
    """Whether this process may be forked: not with threads, whose locks would be copied held."""
    import sys

    threading = sys.modules.get("threading")
    return hasattr(os, "fork") and (threading is None or threading.active_count() == 1)


def make_and_look(
    steps: Steps, home: str, plan: str, root: str, *, project: str, alone: bool
) -> tuple[bool, list[str]]:
    """Make the tree in ``root``, an empty folder, and look at the objects that it links.

    Returns:
        Whether all hard links share inodes with the store, and the objects that are damaged (folders
        relative to the home); the tree is of use only where there are none.

    Raises:
        ChildError: The other process failed; not with ``alone``.
        OSError: What the file system says.
        ValueError: The checks are not whole.
    """
    checks = f"{plan}/checks"
    if alone or len(steps) < _FEW or not may_fork():
        shared = tree.make(steps, home, plan, root, project=project)
        return shared, looking.damaged(checks, home)
    rest = [step for step in steps if step[0] != "D"]
    tree.make([step for step in steps if step[0] == "D"], home, plan, root)
    middle = int(len(rest) * _SHARE)
    reader, writer = os.pipe()
    child = _fork()
    if child == 0:
        _child(reader, writer, rest[:middle], (home, plan, root, project), checks)
    os.close(writer)
    try:
        shared = tree.make(rest[middle:], home, plan, root, project=project)
        bad = looking.second_part(checks, home)
    finally:
        with os.fdopen(reader, "rb") as stream:
            lines = os.fsdecode(stream.read()).split("\n")
        _, status = os.waitpid(child, 0)
    if status != 0 or lines[-1] != ".":
        raise ChildError(f"status {status}")
    return shared and lines[0] == "shared", [*lines[1:-1], *bad]


def _fork() -> int:
    """Fork with signals held back: the parent alone is interrupted, and not inside of the fork.

    Python runs hooks there (``logging`` has one), and what a signal raises in them is lost. The child
    ends within milliseconds; it shares the lock of the environment, so that no other command begins
    while it still writes, even if the parent was killed.
    """
    import _signal as signal  # type: ignore[import-not-found]  # `signal` would import enum: 3 ms

    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    child = -1
    try:
        child = os.fork()
    finally:
        if child != 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return child


def _child(
    reader: int, writer: int, steps: Steps, places: tuple[str, str, str, str], checks: str
) -> None:
    """Do the child's half and end; its answer is ``shared``, the damaged objects, and a dot."""
    status = 1
    try:
        os.close(reader)
        home, plan, root, project = places
        shared = tree.make(steps, home, plan, root, project=project)
        bad = looking.first_part(checks, home)
        answer = os.fsencode("\n".join(["shared" if shared else "copied", *bad, "."]))
        while answer:
            answer = answer[os.write(writer, answer) :]
        status = 0
    finally:
        os._exit(status)

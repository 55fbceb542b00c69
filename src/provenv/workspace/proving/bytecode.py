"""Byte code, compared with its sources by the interpreters that environments here are made from.

What was compared is remembered in ``cache/bytecode.json``, so that the next time only what is new is
compiled again.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from provenv.core.errors import DiskError, ProvenvError
from provenv.core.events import ItemFinished, PhaseFinished, PhaseStarted
from provenv.core.files import ensure_folder
from provenv.core.room import cores
from provenv.environments.tree import Steps
from provenv.store import bytecode
from provenv.store.bytecode import Compiled, Known, compare
from provenv.store.verify import CACHE
from provenv.workspace.projects.context import Context

_SHARE = 200  # files that one process compares: about a second of work


def known(context: Context) -> Known:
    """What was compared before."""
    return bytecode.read_known(_path(context))


def _path(context: Context) -> str:
    return os.path.join(context.home.cache, "bytecode.json")


def in_generation(recipe: Steps, root: str, known: Known) -> Iterator[Compiled]:
    """Byte code in the real folders of a generation; that of linked folders is their object's."""
    names: dict[str, set[str]] = {}
    for kind, _, path in recipe:
        folder, _, name = path.rpartition("/")
        if kind != "D" and name.endswith(".py"):
            names.setdefault(folder, set()).add(name)
    for folder in sorted(names):
        yield from bytecode.compiled_beside(f"{root}/{folder}", names[folder], known)


def judge(
    context: Context,
    found: Sequence[Compiled],
    executables: Iterable[Callable[[], Iterable[str]]],
    *,
    everything: bool,
) -> tuple[list[Compiled], list[Compiled]]:
    """Compare what is new, and remember what is right.

    ``executables`` give interpreters; the later are asked only where those before could not judge all.
    ``everything`` is true where ``found`` is all that there is: then the rest is forgotten.

    Returns:
        What is not as Python would write it, and what nobody here can judge.
    """
    wrong = [item for item in found if item.print is None or item.state == "changed"]
    unjudged = [item for item in found if item.print is not None and not item.source]
    open_ones = [item for item in found if item.state == "new" and item.print and item.source]
    signs = _signs(context, open_ones, executables) if open_ones else {}
    wrong += [item for item in open_ones if signs[item.path] == "!"]
    unjudged += [item for item in open_ones if signs[item.path] == "?"]
    right = [i for i in found if i.state == "known" or signs.get(i.path) == "="]
    before = known(context)
    kept = {} if everything else {path: before[path] for path in before if os.path.exists(path)}
    now = kept | {item.path: item.print for item in right if item.print}
    if now.keys() != before.keys() or open_ones:
        with contextlib.suppress(OSError, ProvenvError):
            ensure_folder(context.home.cache)
            bytecode.write_known(_path(context), now)
    return wrong, unjudged


def _signs(
    context: Context,
    files: Sequence[Compiled],
    executables: Iterable[Callable[[], Iterable[str]]],
) -> dict[str, str]:
    """By path, what the interpreters say; ``=`` of one of them is enough."""
    signs = dict.fromkeys((item.path for item in files), "?")
    started = time.monotonic()
    context.emit(PhaseStarted(phase="compile", total=-(-len(files) // _SHARE)))
    asked: set[str] = set()
    for some in executables:
        rest = [item for item in files if signs[item.path] != "="]
        for executable in sorted(set(some()) - asked) if rest else ():
            asked.add(executable)
            rest = [item for item in files if signs[item.path] != "="]
            if not os.access(executable, os.X_OK) or not rest:
                continue
            try:
                ensure_folder(context.home.cache)
                answers = _ask(context, executable, rest)
            except (OSError, DiskError):
                break  # nothing can be written: what is new is judged by nobody
            signs |= {path: sign for path, sign in answers.items() if sign != "?"}
    seconds = time.monotonic() - started
    context.emit(PhaseFinished(phase="compile", count=len(files), seconds=seconds))
    return signs


def _ask(context: Context, executable: str, files: Sequence[Compiled]) -> dict[str, str]:
    """Ask one interpreter, in as many processes as there are processors."""
    shares = [files[start : start + _SHARE] for start in range(0, len(files), _SHARE)]
    signs: dict[str, str] = {}
    pool = ThreadPoolExecutor(max_workers=cores())  # they wait for their process, and nothing else
    try:
        asked = [pool.submit(compare, executable, share, context.home.cache) for share in shares]
        for share, given in zip(shares, asked, strict=True):
            pairs = zip(share, given.result(), strict=True)
            signs |= {item.path: sign for item, sign in pairs}
            context.emit(ItemFinished(phase="compile", name=share[-1].path))
    finally:
        pool.shutdown(cancel_futures=True)
    return signs


def remove(paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """Remove byte code: Python writes it again.

    Returns:
        What is gone now, and what could not be removed.
    """
    gone: list[str] = []
    stuck: list[str] = []
    for path in paths:
        if os.path.basename(os.path.dirname(path)) == CACHE:
            with contextlib.suppress(OSError):
                os.unlink(path)
        (stuck if os.path.lexists(path) else gone).append(path)
    return gone, stuck

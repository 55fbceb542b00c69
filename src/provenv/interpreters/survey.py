"""Everything on this machine that is an interpreter or looks like one, the broken ones with the reason."""

from __future__ import annotations

import os
from collections.abc import Iterator

from provenv.core.errors import UndecidedError
from provenv.core.values import frozen
from provenv.interpreters.cache import ProbeCache
from provenv.interpreters.discovery import (
    Candidate,
    candidates,
    hint_of,
    installation_folders,
    python_names,
)
from provenv.interpreters.executables import base_executable, is_executable, python_in
from provenv.interpreters.probe import TIME_LIMIT, probe
from provenv.interpreters.pyenv import read_shim
from provenv.interpreters.requests import Hint
from provenv.interpreters.search import Search
from provenv.model.interpreter import Interpreter

_THREADS = 2  # as in finding: these are other processes that we wait for


@frozen
class Sighting:
    """Something that is an interpreter, or should be one.

    Attributes:
        path: As it was found. ``source``: As in :class:`Candidate`.
        interpreter: What it is, where it answers.
        hint: What its names promise.
        kind: ``interpreter``, ``shim`` (of a version manager, starting nothing), ``missing`` (an
            installation or a link without a program) or ``broken`` (it hangs, crashes, prints rubbish).
        reason: Why it cannot be used; None for an interpreter.
    """

    path: str
    source: str
    interpreter: Interpreter | None
    hint: Hint
    kind: str
    reason: str | None = None


def survey(search: Search, *, cache: str, time_limit: float = TIME_LIMIT) -> list[Sighting]:
    """Interpreters in the order of :class:`Search`, each once, and then what cannot be used."""
    from concurrent.futures import ThreadPoolExecutor

    known = ProbeCache(cache)

    def ask(candidate: Candidate) -> Sighting:
        try:
            interpreter = probe(
                candidate.executable,
                source=candidate.source,
                cache=known,
                time_limit=time_limit,
                trusting=True,
            )
        except UndecidedError as error:
            reason = error.message.removeprefix(f"{candidate.executable} ")
            return _sighting(candidate, "broken", reason)
        return _sighting(candidate, "interpreter", None, interpreter)

    try:
        with ThreadPoolExecutor(_THREADS) as pool:
            asked = list(pool.map(ask, candidates(search)))
    finally:
        known.save()
    working: dict[str, Sighting] = {}
    for sighting in asked:
        if sighting.interpreter is not None:  # a wrapper and what it starts are one
            working.setdefault(sighting.interpreter.executable, sighting)
    broken = [sighting for sighting in asked if sighting.interpreter is None]
    return [*working.values(), *broken, *_wrecks(search)]


def _sighting(
    candidate: Candidate, kind: str, reason: str | None, interpreter: Interpreter | None = None
) -> Sighting:
    return Sighting(
        path=candidate.path,
        source=candidate.source,
        interpreter=interpreter,
        hint=candidate.hint,
        kind=kind,
        reason=reason,
    )


def _wrecks(search: Search) -> Iterator[Sighting]:
    """What lies where interpreters do and is none."""
    seen: set[str] = set()
    for path, source, kind, reason in _reasons(search):
        if path not in seen:
            seen.add(path)
            yield Sighting(
                path=path,
                source=source,
                interpreter=None,
                hint=hint_of(path, search),
                kind=kind,
                reason=reason,
            )


def _reasons(search: Search) -> Iterator[tuple[str, str, str, str]]:
    for folder, source in installation_folders(search):
        if not os.path.exists(folder):
            yield folder, source, "missing", f"leads to {os.readlink(folder)}, which is not there"
        elif os.path.isdir(folder) and python_in(folder) is None:
            yield folder, source, "missing", "there is no interpreter in it"
    for folder in (*search.path, *search.system):
        for path in python_names(folder):
            if not os.path.exists(path):
                target = os.path.realpath(path)
                yield path, "path", "missing", f"leads to {target}, which is not there"
            elif not is_executable(path):
                continue
            elif base_executable(path) is None:
                yield (
                    path, "path", "missing",
                    "belongs to a virtual environment whose base interpreter is gone",
                )  # fmt: skip
            elif (shim := read_shim(path, search, search.folder)) and shim.starts is None:
                yield path, "pyenv", "shim", shim.reason()

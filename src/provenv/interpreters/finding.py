"""Choosing an interpreter: the first that fits, and as few of them run as will do."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from provenv.core.errors import UndecidedError, UnsatisfiableError, UsageError
from provenv.core.events import Emit, Warned, silent
from provenv.core.values import field, mutable
from provenv.interpreters.cache import ProbeCache
from provenv.interpreters.discovery import Candidate, candidates
from provenv.interpreters.executables import base_executable, is_executable, python_in
from provenv.interpreters.probe import TIME_LIMIT, probe
from provenv.interpreters.pyenv import pyenv_python, read_shim, version_folder
from provenv.interpreters.requests import Hint, Request, parse_request
from provenv.interpreters.search import Search
from provenv.interpreters.versions import allows, checked_specifier
from provenv.model.interpreter import Interpreter

_ANY = Request(text="any Python")
_THREADS = 2  # probing is waiting for other processes; more would crowd out a small machine


def find(
    requests: Sequence[str],
    requires_python: str | None,
    search: Search,
    *,
    cache: str,
    emit: Emit = silent,
    time_limit: float = TIME_LIMIT,
) -> Interpreter:
    """The interpreter that a project should use.

    With ``requests``, the first of them that an interpreter here meets, which must satisfy
    ``requires_python`` as well. Without, the pins (``PYENV_VERSION``, else ``.python-version``), and then
    whatever comes first in the order of :class:`Search`. A final release goes before pre-releases and
    free-threaded builds, and CPython before others, unless asked for.

    Interpreters that hang (``time_limit`` seconds), crash or print rubbish are skipped with a
    :class:`Warned` event. What was found is remembered in the file ``cache``; where nothing else fits,
    those that did not answer a while ago are asked again.

    Raises:
        UsageError: A request or ``requires_python`` cannot be understood.
        UnsatisfiableError: Nothing fits; the message lists what was found, or names the request and the
            ``requires_python`` that contradict each other.
    """
    if requires_python is not None:
        checked_specifier(requires_python, "requires-python")
    finder = _Finder(search, requires_python, ProbeCache(cache), emit, time_limit)
    try:
        parsed = [read_request(text, search) for text in requests]
        try:
            return finder.chosen(parsed)
        except UnsatisfiableError:
            if not finder.distrust():
                raise
        return finder.chosen(parsed)
    finally:
        finder.cache.save()


def list_interpreters(
    search: Search, *, cache: str, emit: Emit = silent, time_limit: float = TIME_LIMIT
) -> list[Interpreter]:
    """Every interpreter that works, in the order of :class:`Search`; the others are warned about."""
    finder = _Finder(search, None, ProbeCache(cache), emit, time_limit)
    try:
        return finder.all()
    finally:
        finder.cache.save()


def read_request(text: str, search: Search) -> Request:
    """A request, which may also be the name of a pyenv version.

    Raises:
        UsageError: It is none that provenv knows; the hint gives examples.
    """
    try:
        return parse_request(text)
    except UsageError:
        path = pyenv_python(search, text.strip())
        if path is None:
            raise
        return Request(text=text, path=path)


def meets(text: str, interpreter: Interpreter, search: Search) -> bool:
    """Whether ``interpreter`` is what a request or a pin asks for; a path must lead to it.

    pyenv's ``system`` asks for nothing.

    Raises:
        UsageError: It is no request that provenv knows.
    """
    if text == "system":
        return True
    request = read_request(text, search)
    if request.path is None:
        return request.matches(interpreter)
    executable = python_in(request.path) if os.path.isdir(request.path) else request.path
    return executable is not None and base_executable(executable) == interpreter.executable


@mutable
class _Finder:
    """One search: its candidates, what they have said so far, and which did not answer."""

    search: Search
    requires: str | None
    cache: ProbeCache
    emit: Emit
    time_limit: float
    found: dict[str, Interpreter | None] = field(default_factory=dict)
    contradictions: list[tuple[Request, str]] = field(default_factory=list)
    trusting: bool = True
    distrusted: list[str] = field(default_factory=list)

    def chosen(self, requests: Sequence[Request]) -> Interpreter:
        """What is asked for, or else what is pinned, or else the first that fits."""
        if requests:
            return self.preferred(requests)
        found = self.pinned() or self.first(_ANY)
        if found is None:
            raise self.nothing(())
        return found

    def distrust(self) -> bool:
        """Ask those again that only the cache says do not answer; False where there are none."""
        again, self.distrusted = self.distrusted, []
        for executable in again:
            self.found.pop(executable, None)
        self.trusting = False
        self.contradictions.clear()
        return bool(again)

    def first(self, request: Request) -> Interpreter | None:
        """The best interpreter that meets ``request`` and ``requires_python``."""
        if request.path is not None:
            return self._at(request, request.path)
        fallback: list[tuple[tuple[bool, ...], Interpreter]] = []
        postponed: list[Candidate] = []
        for candidate in self._possible(request):
            if any(_hint_rank(candidate.hint, request)):
                postponed.append(candidate)
                continue
            interpreter = self._fitting(candidate, request)
            if interpreter is not None:
                rank = request.rank(interpreter)
                if not any(rank):
                    return interpreter
                fallback.append((rank, interpreter))
        for candidate in postponed:
            interpreter = self._fitting(candidate, request)
            if interpreter is not None:
                fallback.append((request.rank(interpreter), interpreter))
        return min(fallback, key=lambda entry: entry[0])[1] if fallback else None

    def preferred(self, requests: Sequence[Request]) -> Interpreter:
        """What meets the first request that anything meets."""
        refusal: UnsatisfiableError | None = None
        for request in requests:
            try:
                if found := self.first(request):
                    return found
            except UnsatisfiableError as error:  # a path: nothing else can stand for it
                refusal = refusal or error
        raise refusal or self.nothing(requests)

    def pinned(self) -> Interpreter | None:
        """What the pins ask for; one that cannot be met is warned about and does not count."""
        where = "PYENV_VERSION" if self.search.pyenv_version else self.search.pins_file
        for pin in self.search.pyenv_version or self.search.pins:
            if pin == "system":
                continue  # pyenv's word for "whatever PATH has"
            hint = f"Install it (`provenv python install {pin}`), or change {where}."
            try:
                request = self._pin(pin)
                found = self.first(request)
                reason = "no interpreter here is that"
                if contradicted := dict(self.contradictions).get(request):
                    reason = f"requires-python {self.requires!r} excludes Python {contradicted}"
                    hint = f"Change {where}, or requires-python in pyproject.toml."
            except (UsageError, UnsatisfiableError) as error:
                found, reason, hint = None, error.message, f"Change {where}."
            if found is not None:
                return found
            self.emit(
                Warned(message=f"the pinned Python {pin} is passed over: {reason}", hint=hint)
            )
        return None

    def _pin(self, pin: str) -> Request:
        """A pin: the pyenv version of just that name before any other of that version."""
        folder = version_folder(self.search, pin)
        exact = python_in(folder) if folder and os.path.basename(folder) == pin else None
        return Request(text=pin, path=exact) if exact else read_request(pin, self.search)

    def all(self) -> list[Interpreter]:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(_THREADS) as pool:
            answers = list(pool.map(self._probe, candidates(self.search)))
        # a wrapper and the interpreter that it starts are one
        unique = {answer.executable: answer for answer in reversed(answers) if answer is not None}
        return list(reversed(unique.values()))

    def nothing(self, requests: Sequence[Request]) -> UnsatisfiableError:
        """What to say when nothing fits."""
        contradicted = next((pair for pair in self.contradictions if pair[0] in requests), None)
        if contradicted is not None:
            request, version = contradicted
            return UnsatisfiableError(
                f"Python {request.text} is asked for, but requires-python is {self.requires!r}, "
                f"which excludes Python {version}",
                hint="Ask for another version, or change requires-python in pyproject.toml.",
                details={"requests": [r.text for r in requests], "requires-python": self.requires},
            )
        installed = self.all()
        wanted = " or ".join(request.text for request in requests)
        if self.requires is not None:
            satisfying = f"what requires-python asks for: {self.requires!r}"
            wanted = f"{wanted} and {satisfying}" if wanted else satisfying
        wanted = wanted or "a Python"
        lines = [f"no interpreter here is {wanted}; found:"]
        lines += [
            f"  {i.implementation} {i.version}  {i.executable}  ({i.source})" for i in installed
        ]
        return UnsatisfiableError(
            "\n".join(lines)
            if installed
            else f"no interpreter here is {wanted}; none was found at all",
            hint="Install such a Python (`provenv python install`, pyenv, your system), "
            "or ask for another.",
            details={
                "requests": [request.text for request in requests],
                "requires-python": self.requires,
                "found": [{"version": i.version, "path": i.executable} for i in installed],
            },
        )

    def _possible(self, request: Request) -> Iterator[Candidate]:
        return (c for c in candidates(self.search) if request.may_match(c.hint))

    def _fitting(self, candidate: Candidate, request: Request) -> Interpreter | None:
        """The candidate's interpreter, where it is what is asked for; run only if its names allow that."""
        version = _full_version(candidate.hint)
        if version and not allows(request.specifier, version):
            return None
        if version and request is _ANY and not allows(self.requires, version):
            return None
        interpreter = self._probe(candidate)
        if interpreter is None or not request.matches(interpreter):
            return None
        if allows(self.requires, interpreter.version):
            return interpreter
        if request is not _ANY:
            self.contradictions.append((request, interpreter.version))
        return None

    def _probe(self, candidate: Candidate) -> Interpreter | None:
        if candidate.executable not in self.found:
            recalled = self.trusting and self.cache.problem(candidate.executable) is not None
            try:
                answer = probe(
                    candidate.executable,
                    source=candidate.source,
                    cache=self.cache,
                    time_limit=self.time_limit,
                    trusting=self.trusting,
                )
            except UndecidedError as error:
                if recalled:
                    self.distrusted.append(candidate.executable)
                self.emit(Warned(message=f"interpreter skipped: {error.message}", hint=error.hint))
                answer = None
            self.found[candidate.executable] = answer
        return self.found[candidate.executable]

    def _at(self, request: Request, path: str) -> Interpreter:
        """The interpreter that is named by its path."""
        executable = python_in(path) if os.path.isdir(path) else path
        if executable is None or not is_executable(executable):
            raise UnsatisfiableError(
                f"there is no Python interpreter at {path}",
                hint="Name an executable, or the folder of an environment or installation that holds one.",
                details={"requests": [request.text]},
            )
        shim = read_shim(executable, self.search, self.search.folder)
        if shim is not None:
            if shim.starts is None:
                raise UnsatisfiableError(
                    f"{executable} cannot be run: {shim.reason()}",
                    hint=shim.hint(),
                    details={"requests": [request.text], "having": list(shim.having)},
                )
            executable = shim.starts
        try:
            interpreter = probe(
                executable, source="request", cache=self.cache, time_limit=self.time_limit
            )
        except UndecidedError as error:
            raise UnsatisfiableError(
                error.message, hint=error.hint, details={"requests": [request.text]}
            ) from error
        if not allows(self.requires, interpreter.version):
            self.contradictions.append((request, interpreter.version))
            raise self.nothing([request])
        return interpreter


def _hint_rank(hint: Hint, request: Request) -> tuple[bool, ...]:
    other = hint.implementation not in (None, "cpython")
    threads = bool(hint.free_threaded)
    return request.demerits(hint.release, hint.pre, other=other, threads=threads)


def _full_version(hint: Hint) -> str | None:
    """The version that a name gives in full; None where it leaves something open."""
    if len(hint.release) < 3 or hint.pre == "dev" or hint.implementation != "cpython":
        return None
    return ".".join(map(str, hint.release)) + hint.pre

"""``bisect --over python``: with which Python a command breaks, the packages being those of the lock.

First those of this machine, then, where that is wanted, those between that are installed for it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from packaging.version import Version

from provenv.core.errors import InputError, UndecidedError, UnsatisfiableError, UsageError
from provenv.core.events import Noted, silent
from provenv.core.values import frozen, replace
from provenv.core.words import many
from provenv.interpreters.survey import survey
from provenv.model.interpreter import Interpreter
from provenv.trials.bisecting import Answer, LineSearch
from provenv.workspace.host import access, choosing
from provenv.workspace.host.installing import install_pythons
from provenv.workspace.host.pythons import list_pythons
from provenv.workspace.projects.context import Context, LockFile, Project, read_lock
from provenv.workspace.testing import trail as trails
from provenv.workspace.testing.culprits import (
    BisectResult,
    Breakage,
    Culprit,
    hold_back,
    span,
)
from provenv.workspace.testing.ends import End
from provenv.workspace.testing.trail import BisectTask, Trail
from provenv.workspace.testing.trying import Trying, check_end, make_trying


def begin(project: Project, context: Context, folder: str, task: BisectTask) -> Trail:
    """What is to be found out, and the two Pythons.

    Raises:
        UsageError: They are the same, or of different kinds; or ``task`` names one more.
        UnsatisfiableError: One is not here, or the project excludes it.
        InputError: There is no lock.
    """
    if task.python is not None:
        raise UsageError("--over python tries many: it takes no --python")
    spec = project.manifest.environment(task.environment)
    lock = read_lock(project, project.lock_key(spec))
    if lock is None:
        path = project.lock_path(project.lock_key(spec))
        raise InputError("is missing", file=path, hint="Run `provenv lock`.")
    good, bad = (
        choosing.default_interpreter(project, context, (text,)) for text in (task.good, task.bad)
    )
    if good.executable == bad.executable:
        raise UsageError(
            f"nothing lies between {task.good} and {task.bad}: both are {_name(good)} at "
            f"{good.executable}",
            hint="`provenv python list` lists those there are.",
        )
    if (good.implementation, good.free_threaded) != (bad.implementation, bad.free_threaded):
        raise UsageError(
            f"{_name(good)} and {_name(bad)} are of different kinds: nothing lies between them",
            hint="Name two of one implementation.",
        )
    ends = (End(label=_name(one), text=lock.text, python=one.executable) for one in (good, bad))
    return trails.begin(folder, task, good.executable, *ends)


def follow(project: Project, context: Context, trail: Trail, good: Interpreter) -> BisectResult:
    """Halve the Pythons of this machine between two.

    Raises:
        UsageError: Good is bad, or bad is good.
        UndecidedError: An end says nothing.
    """
    started = time.monotonic()
    spec = project.manifest.environment(trail.task.environment)
    lock = read_lock(project, project.lock_key(spec))
    if lock is None or lock.text != trail.good.text:
        raise UsageError(
            f"{project.lock_path(project.lock_key(spec))} has changed since this bisection was begun",
            hint="Begin anew, without --continue.",
        )
    bad = choosing.default_interpreter(project, context, (str(trail.bad.python),))
    line = _between(project, context, good, bad)
    count = many(len(line), "other Python", "other Pythons")
    lie = "lies" if len(line) == 1 else "lie"
    context.emit(
        Noted(message=f"between {_name(good)} and {_name(bad)} {lie} {count} of this machine")
    )
    trying = make_trying(project, context, trail, good)
    ends: tuple[tuple[Interpreter, Answer], ...] = ((good, "good"), (bad, "bad"))
    for one, wanted in ends:
        what = f"{_name(one)}, the {wanted} end"
        check_end(trying.step("end", (wanted,), what, lock, interpreter=one), wanted, _name(one))
    search = LineSearch(len(line))
    while (place := search.place) is not None:
        _tried(trying, lock, line[place], search)
    assert search.bounds is not None
    every = [good, *line, bad]
    last, first = every[search.bounds.good + 1], every[search.bounds.bad + 1]
    skipped = [line[place].version for place in search.bounds.skipped]
    found = _Narrowed(last=last.version, first=first.version, skipped=tuple(skipped))
    more = _more(project, context, good, found)
    if trail.task.install and more:
        found = _installed(trying, lock, found, more)
        more = _more(project, context, good, found)
    return _result(trail, spec.name, good, found, more, started)


@frozen
class _Narrowed:
    """The last good version, the first bad one, and what could not be tried between them."""

    last: str
    first: str
    skipped: tuple[str, ...] = ()


def _tried(trying: Trying, lock: LockFile, one: Interpreter, search: LineSearch) -> None:
    trying.step("python", (one.version,), _name(one), lock, interpreter=one, search=search)


def _installed(trying: Trying, lock: LockFile, found: _Narrowed, more: Sequence[str]) -> _Narrowed:
    """The same with Pythons that are installed for it, one after the other; each stays."""
    line = [*more] if Version(found.last) < Version(found.first) else [*reversed(more)]
    search = LineSearch(len(line))
    while (place := search.place) is not None:
        version = line[place]
        try:
            install_pythons(trying.context, [version], project=trying.project)
            one = choosing.default_interpreter(trying.project, trying.context, (version,))
        except (UnsatisfiableError, UndecidedError) as error:
            reason = error.message.splitlines()[0]
            trying.skip("python", (version,), f"Python {version}", reason, search)
        else:
            _tried(trying, lock, one, search)
    assert search.bounds is not None
    every = [found.last, *line, found.first]
    return _Narrowed(
        last=every[search.bounds.good + 1],
        first=every[search.bounds.bad + 1],
        skipped=tuple(line[place] for place in search.bounds.skipped),
    )


def _between(
    project: Project, context: Context, good: Interpreter, bad: Interpreter
) -> list[Interpreter]:
    """Interpreters of the same kind between two, from the good one to the bad one, each version once."""
    first, last = Version(good.version), Version(bad.version)
    low, high = sorted((first, last))
    found: dict[Version, Interpreter] = {}
    for sighting in survey(access.search(context, project.root), cache=context.home.interpreters):
        one = sighting.interpreter
        if one is None or not one.satisfies(project.manifest.requires_python):
            continue
        same = (one.implementation, one.free_threaded) == (good.implementation, good.free_threaded)
        if same and low < Version(one.version) < high:
            found.setdefault(Version(one.version), one)
    return [found[version] for version in sorted(found, reverse=first > last)]


def _result(
    trail: Trail,
    environment: str,
    good: Interpreter,
    found: _Narrowed,
    more: tuple[str, ...],
    started: float,
) -> BisectResult:
    culprit = Culprit(
        name="python",
        before=good.version,
        after=trail.bad.label.removeprefix("Python "),
        last_good=found.last,
        first_bad=found.first,
        skipped=found.skipped,
        constraint=_hold_back(found),
    )
    breakage = Breakage(
        culprits=(culprit,),
        needed=(),
        remaining=(),
        unproven=False,
        told=True,
        alike=True,
        sentence=f"good with Python {found.last}, bad from {span(found.skipped, found.first)}",
    )
    return BisectResult(
        good=trail.good.label,
        bad=trail.bad.label,
        over="python",
        environment=environment,
        command=trail.task.command,
        python=good.version,
        changes=(),
        followers=(),
        breakages=(breakage,),
        whole=None,
        steps=tuple(trail.steps),
        runs=sum(step.runs for step in trail.steps),
        seconds=round(time.monotonic() - started, 3),
        folder=trail.folder,
        more=more,
    )


def _hold_back(found: _Narrowed) -> str | None:
    """``python<3.12`` where 3.12.1 is bad: nobody has seen that 3.12.0 is better."""
    last, first = Version(found.last), Version(found.first)
    if last < first and not found.skipped and last.release[:2] != first.release[:2]:
        return f"python<{first.major}.{first.minor}"
    return hold_back("python", found.last, found.first, skipped=bool(found.skipped))


def _more(
    project: Project, context: Context, good: Interpreter, found: _Narrowed
) -> tuple[str, ...]:
    """Versions that could be installed and were not tried, between the last good and the first bad one."""
    if good.implementation != "cpython" or good.free_threaded:
        return ()
    quiet = replace(context, emit=silent)
    known = list_pythons(quiet, project=project, every=True).installable or ()
    low, high = sorted((Version(found.last), Version(found.first)))
    versions = {
        Version(build.version)
        for build in known
        if build.implementation == good.implementation and not build.free_threaded
    }
    tried = {Version(version) for version in found.skipped}
    return tuple(str(v) for v in sorted(versions - tried) if low < v < high)


def _name(interpreter: Interpreter) -> str:
    kind = "" if interpreter.implementation == "cpython" else f" ({interpreter.implementation})"
    return f"Python {interpreter.version}{kind}"

"""``bisect --over python``: with which Python a command breaks, the packages being those of the lock."""

from __future__ import annotations

import time
from collections.abc import Sequence

from packaging.version import Version

from provenv.core.errors import InputError, UsageError
from provenv.core.events import Noted, silent
from provenv.core.values import replace
from provenv.core.words import many
from provenv.interpreters.survey import survey
from provenv.model.interpreter import Interpreter
from provenv.trials.bisecting import Answer, LineSearch
from provenv.workspace.host import access, choosing
from provenv.workspace.host.pythons import list_pythons
from provenv.workspace.projects.context import Context, Project, read_lock
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
from provenv.workspace.testing.trying import check_end, make_trying


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
    context.emit(
        Noted(message=f"between {_name(good)} and {_name(bad)} lie {count} of this machine")
    )
    trying = make_trying(project, context, trail, good)
    ends: tuple[tuple[Interpreter, Answer], ...] = ((good, "good"), (bad, "bad"))
    for one, wanted in ends:
        what = f"{_name(one)}, the {wanted} end"
        check_end(trying.step("end", (wanted,), what, lock, interpreter=one), wanted, _name(one))
    search = LineSearch(len(line))
    while (place := search.place) is not None:
        one, left = line[place], max(search.estimate - 1, 0)
        step = trying.step(
            "python", (one.executable,), _name(one), lock, interpreter=one, left=left
        )
        search.tell(step.answer)
    assert search.bounds is not None
    every = [good, *line, bad]
    last, first = every[search.bounds.good + 1], every[search.bounds.bad + 1]
    skipped = [line[place].version for place in search.bounds.skipped]
    return _result(project, context, trail, spec.name, last, first, skipped, started)


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
    project: Project,
    context: Context,
    trail: Trail,
    environment: str,
    last: Interpreter,
    first: Interpreter,
    skipped: Sequence[str],
    started: float,
) -> BisectResult:
    culprit = Culprit(
        name="python",
        before=last.version,
        after=first.version,
        last_good=last.version,
        first_bad=first.version,
        skipped=tuple(skipped),
        constraint=_hold_back(last, first, skipped),
    )
    breakage = Breakage(
        culprits=(culprit,),
        needed=(),
        remaining=(),
        unproven=False,
        told=True,
        alike=True,
        sentence=f"good with Python {last.version}, bad from {span(skipped, first.version)}",
    )
    return BisectResult(
        good=trail.good.label,
        bad=trail.bad.label,
        over="python",
        environment=environment,
        command=trail.task.command,
        python=last.version,
        changes=(),
        followers=(),
        breakages=(breakage,),
        whole=None,
        steps=tuple(trail.steps),
        runs=sum(step.runs for step in trail.steps),
        seconds=round(time.monotonic() - started, 3),
        folder=trail.folder,
        more=_more(project, context, last, first),
    )


def _hold_back(last: Interpreter, first: Interpreter, skipped: Sequence[str]) -> str | None:
    """``python<3.12`` where 3.12.1 is bad: nobody has seen that 3.12.0 is better."""
    forward = Version(last.version) < Version(first.version)
    if forward and not skipped and last.minor != first.minor:
        return f"python<{first.minor}"
    return hold_back("python", last.version, first.version, skipped=bool(skipped))


def _more(
    project: Project, context: Context, last: Interpreter, first: Interpreter
) -> tuple[str, ...]:
    """Versions that could be installed, and lie between the last good and the first bad one."""
    quiet = replace(context, emit=silent)
    known = list_pythons(quiet, project=project, every=True).installable or ()
    low, high = sorted((Version(last.version), Version(first.version)))
    found = {
        Version(build.version)
        for build in known
        if (build.implementation, build.free_threaded) == (last.implementation, last.free_threaded)
        and low < Version(build.version) < high
    }
    return tuple(map(str, sorted(found)))


def _name(interpreter: Interpreter) -> str:
    kind = "" if interpreter.implementation == "cpython" else f" ({interpreter.implementation})"
    return f"Python {interpreter.version}{kind}"

"""``bisect``: which change of a dependency broke it, and from which release on."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping, Sequence

from packaging.pylock import Package

from provenv.core.errors import (
    BuildError,
    CommandError,
    NetworkError,
    UnsatisfiableError,
    UsageError,
    say_safe,
)
from provenv.core.events import Noted, Warned
from provenv.core.files import locked
from provenv.core.values import frozen, replace
from provenv.core.words import many
from provenv.model.interpreter import Interpreter
from provenv.model.layout import base_name
from provenv.model.lock import is_direct
from provenv.model.manifest import EnvironmentSpec
from provenv.model.plan import Artifact
from provenv.trials.bisecting import Bounds, LineSearch, Search, Verdict
from provenv.trials.cells import Cell
from provenv.trials.mixing import Changed, mixed, survey
from provenv.workspace.host import choosing
from provenv.workspace.projects.context import Context, LockFile, Project, require_manifest
from provenv.workspace.testing import trail as trails
from provenv.workspace.testing.cells import cell_environment, spec_of, trials_folder
from provenv.workspace.testing.culprits import BisectResult, Culprit, hold_back, sentence
from provenv.workspace.testing.ends import End, find_end, lock_text, open_lock
from provenv.workspace.testing.releases import packages_with, releases_between
from provenv.workspace.testing.sides import Installed, artifacts_of, changed, look
from provenv.workspace.testing.trail import BisectTask, Step, Trail
from provenv.workspace.testing.trying import Trying, require

_FOLDER = "bisect"


def bisect(project: Project, context: Context, task: BisectTask) -> BisectResult:
    """Find the smallest set of changes between two locks that turns good into bad.

    All that is seen is kept as it is seen (:func:`bisect_on` goes on from there); what an earlier
    bisection of this project kept is gone.

    Raises:
        UsageError: An end names nothing; nothing differs; good is bad, or bad is good.
        CommandError: The command is not there.
        UndecidedError: An end says nothing: it cannot be made, or is not the same each time.
        ProvenvError: As finding and reading the ends says.
    """
    require_manifest(project)
    folder = os.path.join(trials_folder(project, context), _FOLDER)
    with locked(f"{folder}.lock", wait=False):
        spec = _spec(project, task)
        where = project.folder(project.manifest.environment(task.environment))
        interpreter = choosing.choose_interpreter(project, context, spec, where, task.python)
        good, bad = (
            find_end(project, context, replace(spec, name=task.environment), interpreter, text)
            for text in (task.good, task.bad)
        )
        _refuse_same(good, bad, spec, project, interpreter)
        trail = trails.begin(folder, task, interpreter.executable, good, bad)
        return _followed(project, context, trail, interpreter)


def bisect_on(project: Project, context: Context) -> BisectResult:
    """Go on with the bisection of this project that was begun last.

    Raises:
        UsageError: There is none. Else as :func:`bisect`.
    """
    folder = os.path.join(trials_folder(project, context), _FOLDER)
    with locked(f"{folder}.lock", wait=False):
        trail = trails.resume(folder)
        interpreter = choosing.default_interpreter(project, context, (trail.executable,))
        return _followed(project, context, trail, interpreter)


def _spec(project: Project, task: BisectTask) -> EnvironmentSpec:
    spec = project.manifest.environment(task.environment)
    return replace(spec, name=base_name(spec.name))


def _refuse_same(
    good: End, bad: End, spec: EnvironmentSpec, project: Project, interpreter: Interpreter
) -> None:
    before, after = (
        artifacts_of(open_lock(project, e.text), spec, interpreter) for e in (good, bad)
    )
    if changed(before, after):
        return
    raise UsageError(
        f"nothing lies between {good.label} and {bad.label}: environment {spec.name!r} holds the same "
        f"{many(len(after), 'package')} at both",
        hint="`provenv history` and `provenv diff` show what changed when. "
        + (
            "Their Pythons differ: `--over python` finds out about those."
            if good.python != bad.python
            else "Was it the project itself? `git bisect` finds out."
        ),
    )


def _followed(
    project: Project, context: Context, trail: Trail, interpreter: Interpreter
) -> BisectResult:
    try:
        return _Bisection(project, context, trail, interpreter).run()
    except (UsageError, CommandError):
        raise
    except BaseException as error:
        count = many(len(trail.steps), "step")
        say_safe(error, f"{count} kept; `provenv bisect --continue` goes on")
        raise


@frozen
class _End:
    """An end that was looked into."""

    lock: LockFile
    packages: Mapping[str, Package]
    artifacts: Mapping[str, Artifact]
    installed: Installed


class _Bisection:
    def __init__(
        self, project: Project, context: Context, trail: Trail, interpreter: Interpreter
    ) -> None:
        self.project = project
        self.context = context
        self.trail = trail
        self.interpreter = interpreter
        task = trail.task
        name = base_name(task.environment)
        self.cell = Cell(python="", environment=name, command=task.command, timeout=task.timeout)
        self.trying = Trying(
            project=project,
            context=context,
            trail=trail,
            cell=self.cell,
            interpreter=interpreter,
        )
        self.spec = spec_of(self.cell, project)

    def run(self) -> BisectResult:
        started = time.monotonic()
        self._check_ends()
        self.good, self.bad = self._look(self.trail.good), self._look(self.trail.bad)
        self.ground = survey(self.good.installed.side, self.bad.installed.side)
        self.changes = {change.name: change for change in self.ground.changes}
        verdict = self._search()
        culprits = tuple(self._culprit(verdict, unit) for unit in verdict.culprits)
        return self._result(verdict, culprits, time.monotonic() - started)

    def _check_ends(self) -> None:
        good, bad = self.trail.good, self.trail.bad
        before = artifacts_of(open_lock(self.project, good.text), self.spec, self.interpreter)
        after = artifacts_of(open_lock(self.project, bad.text), self.spec, self.interpreter)
        count = many(len(changed(before, after)), "distribution")
        said = (
            f"{good.label} and {bad.label} differ in {count}, on Python {self.interpreter.version}"
        )
        self.context.emit(Noted(message=said))
        if good.python != bad.python and good.python and bad.python:
            self.context.emit(
                Warned(
                    message=f"{good.label} was made for Python {good.python}, {bad.label} for "
                    f"{bad.python}; all is tried with {self.interpreter.version}",
                    hint="--python chooses another; `--over python` finds out about the Pythons.",
                )
            )
        for end, wanted, other in ((good, "good", "bad"), (bad, "bad", "good")):
            lock = open_lock(self.project, end.text)
            step = self.trying.step("end", (wanted,), f"{end.label} (said to be {wanted})", lock)
            require(
                step,
                "good" if wanted == "good" else "bad",
                end.label,
                lambda end=end, step=step, other=other: _wrong_end(end, step, other),  # type: ignore[misc]
            )

    def _look(self, end: End) -> _End:
        lock = open_lock(self.project, end.text)
        made = cell_environment(self.spec, lock, self.project, self.context, self.interpreter)
        artifacts = artifacts_of(lock, self.spec, self.interpreter)
        return _End(
            lock=lock,
            packages={package.name: package for package in lock.lock.packages},
            artifacts=artifacts,
            installed=look(self.context, end, made, artifacts, self.interpreter),
        )

    def _search(self) -> Verdict:
        search = Search([*self.changes], self.ground.needs)
        while search.mix is not None:
            mix = search.mix
            key, left = tuple(sorted(mix)), max(search.estimate - 1, 0)
            found = mixed(self.ground, mix)
            what = self._named(mix)
            if found.conflict is not None:
                step = self.trying.skip("mix", key, what, found.conflict, left)
            else:
                lock = self._lock(self._packages(mix).values())
                step = self.trying.step("mix", key, what, lock, left=left)
            search.tell(step.answer)
        assert search.verdict is not None
        return search.verdict

    def _named(self, mix: Collection[str]) -> str:
        count = len(self.changes)
        if len(mix) <= 2:
            return " and ".join(_short(self.changes[name]) for name in sorted(mix))
        if count - len(mix) <= 2:
            rest = sorted(name for name in self.changes if name not in mix)
            return f"all but {' and '.join(_short(self.changes[name]) for name in rest)}"
        return f"{len(mix)} of {count} changes"

    def _packages(self, mix: Collection[str]) -> dict[str, Package]:
        found = mixed(self.ground, mix)
        old = {name: self.good.packages[name] for name in found.old}
        return old | {name: self.bad.packages[name] for name in found.new}

    def _lock(self, packages: Collection[Package]) -> LockFile:
        return open_lock(self.project, lock_text(packages))

    def _culprit(self, verdict: Verdict, unit: Sequence[str]) -> Culprit:
        name = self._lead(unit)
        change = self.changes[name]
        one = Culprit(
            name=name,
            before=change.before,
            after=change.after,
            together=tuple(self.changes[other] for other in unit if other != name),
            changelog=self.bad.installed.changelogs.get(name),
        )
        if change.before is None or change.after is None:
            return one
        if not verdict.told:
            return replace(one, unknown="what is guilty could not be told apart")
        before, after = self.good.packages[name], self.bad.packages[name]
        if is_direct(before) or is_direct(after) or before.version == after.version:
            return replace(
                one, unknown="it does not come from an index, or has not changed its version"
            )
        return self._releases(one, verdict, unit)

    def _lead(self, unit: Sequence[str]) -> str:
        """Of what goes together, what is asked for by itself, else what others are needed by."""
        needs = self.ground.needs
        return min(
            unit, key=lambda name: (name not in self.ground.roots, -len(needs.get(name, ())), name)
        )

    def _releases(self, one: Culprit, verdict: Verdict, unit: Sequence[str]) -> Culprit:
        before, after = self.good.packages[one.name], self.bad.packages[one.name]
        try:
            versions = releases_between(
                self.project,
                self.context,
                self.interpreter,
                after,
                str(before.version),
                str(after.version),
            )
            bounds = self._line(one, verdict, unit, versions)
        except NetworkError as error:
            return replace(one, unknown=error.message)
        line = [str(before.version), *versions, str(after.version)]
        good, bad = line[bounds.good + 1], line[bounds.bad + 1]
        skipped = tuple(versions[place] for place in bounds.skipped)
        return replace(
            one,
            last_good=good,
            first_bad=bad,
            skipped=skipped,
            constraint=hold_back(one.name, good, bad, skipped=bool(skipped)),
        )

    def _line(
        self, one: Culprit, verdict: Verdict, unit: Sequence[str], versions: Sequence[str]
    ) -> Bounds:
        guilty = {name for names in verdict.culprits for name in names} | {*verdict.needed}
        guilty &= self.changes.keys()
        held = self._packages(guilty)
        without = mixed(self.ground, guilty - {*unit})
        stays = {*held} if without.conflict else {*without.old, *without.new}
        free = {name for name in held if name in unit or name not in stays}
        extras = ",".join(sorted(self.ground.roots.get(one.name, ())))
        asked = f"{one.name}[{extras}]" if extras else one.name
        search = LineSearch(len(versions))
        while (place := search.place) is not None:
            version = versions[place]
            key, left = (one.name, version), max(search.estimate - 1, 0)
            what = f"{one.name} {version}"
            known = self.trail.find("release", key)
            if known is None:
                known = self._release(
                    key, what, f"{asked}=={version}", held=held, free=free, left=left
                )
            search.tell(known.answer)
        assert search.bounds is not None
        return search.bounds

    def _release(
        self,
        key: tuple[str, ...],
        what: str,
        wanted: str,
        *,
        held: Mapping[str, Package],
        free: Collection[str],
        left: int,
    ) -> Step:
        try:
            packages = packages_with(
                self.project, self.context, self.interpreter, held, free, wanted
            )
        except (UnsatisfiableError, BuildError) as error:
            reason = error.message.splitlines()[0]
            return self.trying.skip("release", key, what, reason, left)
        return self.trying.step("release", key, what, self._lock(packages), left=left)

    def _result(
        self, verdict: Verdict, culprits: tuple[Culprit, ...], seconds: float
    ) -> BisectResult:
        guilty = {name for names in verdict.culprits for name in names}
        needed = tuple(self.changes[name] for name in verdict.needed if name not in guilty)
        remaining = tuple(
            tuple(self.changes[name] for name in names) for names in verdict.remaining
        )
        runs = sum(step.runs for step in self.trail.steps)
        return BisectResult(
            good=self.trail.good.label,
            bad=self.trail.bad.label,
            over="packages",
            environment=self.spec.name,
            command=self.trail.task.command,
            python=self.interpreter.version,
            changes=self.ground.changes,
            followers=self.ground.followers,
            culprits=culprits,
            needed=needed,
            remaining=remaining,
            unproven=verdict.unproven,
            told=verdict.told,
            sentence=sentence(culprits, needed, remaining, unproven=verdict.unproven),
            steps=tuple(self.trail.steps),
            runs=runs,
            seconds=round(seconds, 3),
            folder=self.trail.folder,
        )


def _short(change: Changed) -> str:
    return f"{change.name} {change.after}" if change.after else f"no {change.name}"


def _wrong_end(end: End, step: Step, other: str) -> Exception:
    how = f"exit code {step.code}" if step.code is not None else "its time was over"
    said = f": {step.line}" if step.line else ""
    wanted = "good" if other == "bad" else "bad"
    return UsageError(
        f"the {wanted} end, {end.label}, is {other} ({how}){said}",
        hint=f"What the command wrote is in {step.log}. Choose an end that is {wanted}, or is something "
        "else broken than the packages (the project itself, the Python, a service)?",
        details={"end": wanted, "label": end.label, "code": step.code, "log": step.log},
    )

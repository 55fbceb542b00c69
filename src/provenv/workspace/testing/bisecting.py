"""``bisect``: which change of a dependency broke it, and from which release on."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence

from packaging.pylock import Package

from provenv.core.errors import (
    BuildError,
    CommandError,
    DiskError,
    NetworkError,
    UndecidedError,
    UnsatisfiableError,
    UsageError,
    say_safe,
)
from provenv.core.events import Noted, Warned
from provenv.core.files import locked
from provenv.core.values import frozen, replace
from provenv.core.words import many
from provenv.model.interpreter import Interpreter
from provenv.model.lock import is_direct
from provenv.model.manifest import EnvironmentSpec
from provenv.model.plan import Artifact
from provenv.trials.bisecting import Answer, Bounds, LineSearch, Search, Verdict, lay_out
from provenv.trials.mixing import Changed, mixed, survey
from provenv.workspace.host import choosing
from provenv.workspace.projects.context import Context, LockFile, Project
from provenv.workspace.testing import pythons_between
from provenv.workspace.testing import trail as trails
from provenv.workspace.testing.cells import cell_environment, spec_of, trials_folder
from provenv.workspace.testing.culprits import BisectResult, Breakage, Culprit, hold_back, sentence
from provenv.workspace.testing.ends import End, find_end, lock_text, open_lock
from provenv.workspace.testing.releases import (
    is_indexed,
    learn,
    packages_with,
    refused_among,
    releases_between,
    why,
)
from provenv.workspace.testing.sides import Installed, artifacts_of, changed, look, suspect
from provenv.workspace.testing.trail import BisectTask, Step, Trail
from provenv.workspace.testing.trying import check_end, make_trying

_FOLDER = "bisect"
_MOST = 3
"""So many independent reasons are looked for."""
_TAIL = 1 << 20
_NUMBERS = re.compile(r"[0-9][0-9.,:]*|=+")


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
    folder = os.path.join(trials_folder(project, context), _FOLDER)
    with _alone(folder):
        if task.over == "python":
            return _followed(
                project, context, pythons_between.begin(project, context, folder, task)
            )
        spec = project.manifest.environment(task.environment)
        where = project.folder(spec)
        interpreter = choosing.choose_interpreter(project, context, spec, where, task.python)
        good, bad = (
            find_end(project, context, spec, interpreter, text) for text in (task.good, task.bad)
        )
        _refuse_same(good, bad, spec, project, interpreter)
        trail = trails.begin(folder, task, interpreter.executable, good, bad)
        return _followed(project, context, trail)


def bisect_on(project: Project, context: Context) -> BisectResult:
    """Go on with the bisection of this project that was begun last.

    Raises:
        UsageError: There is none. Else as :func:`bisect`.
    """
    folder = os.path.join(trials_folder(project, context), _FOLDER)
    with _alone(folder):
        return _followed(project, context, trails.resume(folder))


@contextlib.contextmanager
def _alone(folder: str) -> Iterator[None]:
    """One bisection of a project at a time.

    Raises:
        UndecidedError: Another one runs.
    """
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(f"{folder}.lock", wait=False))
        except DiskError:
            raise
        except UndecidedError as error:
            raise UndecidedError(
                "another bisection of this project is running",
                hint="Wait for it, or end it; `provenv bisect --continue` goes on with it then.",
            ) from error
        yield


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


def _followed(project: Project, context: Context, trail: Trail) -> BisectResult:
    try:
        interpreter = choosing.default_interpreter(project, context, (trail.executable,))
        if trail.task.over == "python":
            return pythons_between.follow(project, context, trail, interpreter)
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
        self.trying = make_trying(project, context, trail, interpreter)
        self.spec = spec_of(self.trying.cell, project)

    def run(self) -> BisectResult:
        started = time.monotonic()
        self._check_ends()
        self.good, self.bad = self._look(self.trail.good), self._look(self.trail.bad)
        self.ground = survey(self.good.installed.side, self.bad.installed.side)
        self.changes = {change.name: change for change in self.ground.changes}
        self.board = lay_out([*self.changes], self.ground.needs)
        self.guess = self._guessed()
        breakages: list[Breakage] = []
        rest: frozenset[str] = frozenset(self.changes)
        whole: bool | None = False
        while whole is False and len(breakages) < _MOST:
            verdict = self._searched(rest)
            breakages.append(self._breakage(verdict))
            rest = self.board.all_but(rest, verdict.culprits)
            if any(one.enough for one in breakages[-1].culprits):
                whole = True
            else:
                whole = self._is_good(rest) if verdict.told else None
        breakages.sort(key=lambda breakage: not breakage.alike)
        return self._result(breakages, whole, time.monotonic() - started)

    def _guessed(self) -> str | None:
        """The change that the output at the bad end speaks of."""
        good, bad = (self.trail.find("end", (end,)) for end in ("good", "bad"))
        if good is None or bad is None:
            return None
        owners = {**self.good.installed.owners, **self.bad.installed.owners}
        return suspect(_output(good), _output(bad), owners, self.changes)

    def _is_good(self, mix: Collection[str]) -> bool | None:
        """None where that cannot be told. Of no changes at all, the good end has shown it."""
        answer = self._mix(mix).answer if mix else "good"
        return None if answer == "skip" else answer == "good"

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
        ends: tuple[tuple[End, Answer], ...] = ((good, "good"), (bad, "bad"))
        for end, wanted in ends:
            lock = open_lock(self.project, end.text)
            if self.trail.find("end", (wanted,)) is None:
                learn(self.project, self.context, lock)
            step = self.trying.step("end", (wanted,), f"{end.label}, the {wanted} end", lock)
            check_end(step, wanted, end.label)

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

    def _searched(self, names: Collection[str]) -> Verdict:
        """What comes of a search among these changes; what was tried before counts."""
        answers = {frozenset(step.key): step.answer for step in self.trail.of("mix")}
        guess = [name for name in names if name == self.guess]
        search = Search([n for n in self.changes if n in names], self.ground.needs, answers, guess)
        while search.mix is not None:
            self._mix(search.mix, search)
        assert search.verdict is not None
        return search.verdict

    def _mix(self, mix: Collection[str], search: Search | None = None) -> Step:
        key, what = tuple(sorted(mix)), self._named(mix)
        conflict = mixed(self.ground, mix).conflict
        if conflict is not None:
            return self.trying.skip("mix", key, what, conflict, search)
        lock = self._lock(self._packages(mix).values())
        return self.trying.step("mix", key, what, lock, search=search)

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

    def _breakage(self, verdict: Verdict) -> Breakage:
        culprits = tuple(self._culprit(verdict, unit) for unit in verdict.culprits)
        guilty = {name for names in verdict.culprits for name in names}
        needed = tuple(self.changes[name] for name in verdict.needed if name not in guilty)
        remaining = tuple(tuple(self.changes[n] for n in names) for names in verdict.remaining)
        seen = self.trail.find("mix", tuple(sorted(guilty | {*verdict.needed})))
        end = self.trail.find("end", ("bad",))
        return Breakage(
            culprits=culprits,
            needed=needed,
            remaining=remaining,
            unproven=verdict.unproven,
            told=verdict.told,
            alike=seen is None or (end is not None and _alike(seen, end)),
            sentence=sentence(culprits, needed, remaining, unproven=verdict.unproven),
        )

    def _culprit(self, verdict: Verdict, unit: Sequence[str]) -> Culprit:
        name = self._lead(unit)
        change = self.changes[name]
        rest = self.board.all_but(self.changes, [unit])
        others = len(rest) + len(unit) == len(self.changes)  # else something there needs it
        one = Culprit(
            name=name,
            before=change.before,
            after=change.after,
            together=tuple(self.changes[other] for other in unit if other != name),
            enough=self._is_good(rest) if verdict.told and others else None,
            changelog=self.bad.installed.changelogs.get(name),
        )
        if change.before is None or change.after is None:
            return one
        if not verdict.told:
            return replace(one, unknown="what is guilty could not be told apart")
        before, after = self.good.packages[name], self.bad.packages[name]
        if not (is_indexed(before) and is_indexed(after)):
            return replace(one, unknown="it does not come from an index")
        if before.version == after.version:
            return replace(one, unknown="it is another file of the same release")
        if one.enough:  # all else as it is at the bad end, where the culprit is to be held back
            return self._releases(one, unit, self.changes.keys())
        guilty = {name for names in verdict.culprits for name in names} | {*verdict.needed}
        return self._releases(one, unit, guilty & self.changes.keys())

    def _lead(self, unit: Sequence[str]) -> str:
        """Of what goes together, what is asked for by itself, else what others are needed by."""
        needs = self.ground.needs
        return min(
            unit, key=lambda name: (name not in self.ground.roots, -len(needs.get(name, ())), name)
        )

    def _releases(self, one: Culprit, unit: Sequence[str], mix: Collection[str]) -> Culprit:
        """With the releases between the ends looked at, the changes in ``mix`` made besides."""
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
            refused = refused_among(self.project, self.context, self.spec.name, after, versions)
            bounds = self._line(one, unit, mix, versions, refused)
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
        self,
        one: Culprit,
        unit: Sequence[str],
        mix: Collection[str],
        versions: Sequence[str],
        refused: Mapping[str, str],
    ) -> Bounds:
        held = self._packages(mix)
        without = mixed(self.ground, {*mix} - {*unit})
        stays = {*held} if without.conflict else {*without.old, *without.new}
        free = {name for name in held if name in unit or name not in stays}
        extras = ",".join(sorted(self.ground.roots.get(one.name, ())))
        asked = f"{one.name}[{extras}]" if extras else one.name
        search = LineSearch(len(versions))
        while (place := search.place) is not None:
            version = versions[place]
            known = self.trail.find("release", (one.name, version))
            if known is not None:
                search.tell(known.answer)
                continue
            if version in refused:  # not even what it needs is asked of it: that may run its build
                key, what = (one.name, version), f"{one.name} {version}"
                self.trying.skip("release", key, what, refused[version], search)
                continue
            self._release(
                one.name, version, search, wanted=f"{asked}=={version}", held=held, free=free
            )
        assert search.bounds is not None
        return search.bounds

    def _release(
        self,
        name: str,
        version: str,
        search: LineSearch,
        *,
        wanted: str,
        held: Mapping[str, Package],
        free: Collection[str],
    ) -> None:
        key, what = (name, version), f"{name} {version}"

        def resolved(ranges: Mapping[str, str]) -> list[Package]:
            return packages_with(
                self.project, self.context, self.interpreter, held, free, wanted, ranges
            )

        try:
            packages = resolved({})
        except BuildError as error:
            self.trying.skip("release", key, what, why(error.message), search)
            return
        except UnsatisfiableError as error:
            try:  # others may be what they were between the ends
                packages = resolved(self._ranges({*held} - {*free}))
            except (UnsatisfiableError, BuildError):
                self.trying.skip("release", key, what, why(error.message), search)
                return
            moved = [
                p.name for p in packages if p.name in held and p.version != held[p.name].version
            ]
            others = [other for other in moved if other != name]
            what = f"{what} with others between the ends ({', '.join(others)})" if others else what
        lock = self._lock(packages)
        learn(self.project, self.context, lock)
        self.trying.step("release", key, what, lock, search=search)

    def _ranges(self, names: Collection[str]) -> dict[str, str]:
        """Name → all versions between the ends, of what differs in nothing but its version."""
        found = {}
        for name in names & self.changes.keys():
            before, after = self.good.packages.get(name), self.bad.packages.get(name)
            if before is None or after is None or is_direct(before) or is_direct(after):
                continue
            if before.version is not None and after.version is not None:
                low, high = sorted((before.version, after.version))
                found[name] = f"{name}>={low.public},<={high.public}"
        return found

    def _result(
        self, breakages: Sequence[Breakage], whole: bool | None, seconds: float
    ) -> BisectResult:
        return BisectResult(
            good=self.trail.good.label,
            bad=self.trail.bad.label,
            over="packages",
            environment=self.spec.name,
            command=self.trail.task.command,
            python=self.interpreter.version,
            changes=self.ground.changes,
            followers=self.ground.followers,
            breakages=tuple(breakages),
            whole=whole,
            steps=tuple(self.trail.steps),
            runs=sum(step.runs for step in self.trail.steps),
            seconds=round(seconds, 3),
            folder=self.trail.folder,
        )


def _alike(one: Step, other: Step) -> bool:
    """Whether two fail in the same way, as far as the exit code and the last line tell."""
    first, second = (_NUMBERS.sub("0", step.line) for step in (one, other))
    return one.code == other.code and first == second


def _output(step: Step) -> str:
    """What the command wrote, as far as it is still there: the end of it."""
    try:
        with open(step.log or os.devnull, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _TAIL))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _short(change: Changed) -> str:
    return f"{change.name} {change.after}" if change.after else f"{change.name} gone"

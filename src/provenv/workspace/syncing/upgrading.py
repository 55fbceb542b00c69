"""``python upgrade``: environments move to the newest patch release of their Python, and can go back."""

from __future__ import annotations

import os
from collections.abc import Sequence

from provenv.core.errors import (
    ProvenvError,
    UndecidedError,
    UnsatisfiableError,
    UsageError,
)
from provenv.core.values import frozen, replace
from provenv.environments import generations, stamp, switch
from provenv.interpreters import absolute_request, builds, meets, probe, read_request
from provenv.interpreters.builds import Build
from provenv.interpreters.requests import Described
from provenv.interpreters.search import Search
from provenv.interpreters.survey import survey
from provenv.interpreters.versions import allows, split_version
from provenv.model.generation import Generation
from provenv.model.interpreter import Interpreter
from provenv.model.manifest import EnvironmentSpec
from provenv.workspace.host import access, installing, shelves, users
from provenv.workspace.projects.context import Context, Project
from provenv.workspace.syncing.sync import sync


@frozen
class PythonMove:
    """What became of one environment.

    Attributes:
        root: Its project's folder; None where it is gone or cannot be read.
        environment: Its name. ``folder``: Where it lies.
        before: The version that it had. ``after``: The one that it has now, or would get.
        executable: The interpreter of ``after``.
        generation: The generation that was made; None where none was.
        state: ``moved``, ``would-move``, ``newest`` (nothing newer is here), ``held-back`` (something
            newer is here, and the project does not want it) or ``failed``.
        reason: Why it was held back or failed.
        exit_code: As the command would end for this environment alone.
    """

    root: str | None
    environment: str
    folder: str
    before: str
    after: str
    executable: str
    generation: int | None
    state: str
    reason: str | None = None
    exit_code: int = 0


@frozen
class _Target:
    """An environment that may move."""

    project: Project
    spec: EnvironmentSpec
    folder: str
    generation: Generation


def upgrade_pythons(
    context: Context,
    chosen: Sequence[tuple[Project, EnvironmentSpec]] | None = None,
    *,
    request: str | None = None,
    install: bool = False,
    mirror: str | None = None,
    dry_run: bool = False,
) -> list[PythonMove]:
    """Move environments to the newest patch release of their minor version that is here.

    Nothing else moves: the packages are those of the lock, and ``rollback`` leads back.

    Args:
        context: The world.
        chosen: Environments that were made; None means all on this machine.
        request: Only environments whose Python meets it.
        install: Install a newer patch release first, where there is one.
        mirror: Where from; as for :func:`installing.install_pythons`.
        dry_run: Change nothing.

    Raises:
        UsageError: The request cannot be understood; an environment was not made yet.
    """
    search = access.search(context)
    wanted = read_request(request, search) if request is not None else None
    if wanted is not None and wanted.path is not None:
        raise UsageError(
            f"{request} is a path; an upgrade stays within a minor version",
            hint="`provenv sync --python PATH` moves an environment to any interpreter.",
        )
    project = chosen[0][0] if chosen else None
    targets, lost = _targets(context, chosen)
    pairs = [(target, _kind(target, context)) for target in targets]
    pairs = [(target, kind) for target, kind in pairs if wanted is None or wanted.matches(kind)]
    here = _here(context, search)
    coming: list[Build] = []
    if install:
        coming = _newer(context, pairs, here, project, mirror)
    if coming and not dry_run:
        words = [f"{one.implementation}{one.version}" + "t" * one.free_threaded for one in coming]
        installing.install_pythons(context, words, project=project, mirror=mirror)
        here = _here(context, search)
    moves = [_move(context, target, kind, here, coming, dry_run=dry_run) for target, kind in pairs]
    return [*moves, *lost]


def made(project: Project) -> list[tuple[Project, EnvironmentSpec]]:
    """The environments of a project that are there."""
    specs = project.manifest.all_instances()
    return [(project, s) for s in specs if switch.current(project.folder(s)) is not None]


def _targets(
    context: Context, chosen: Sequence[tuple[Project, EnvironmentSpec]] | None
) -> tuple[list[_Target], list[PythonMove]]:
    """The environments that there are, and on the whole machine those whose project is not."""
    if chosen is not None:
        return [_target(project, spec) for project, spec in chosen], []
    targets, lost = [], []
    for folder, generation in users.current(context).items():
        target = _registered(folder, generation)
        if isinstance(target, _Target):
            targets.append(target)
        else:
            lost.append(target)
    return targets, lost


def _target(project: Project, spec: EnvironmentSpec) -> _Target:
    folder = project.folder(spec)
    generations.refuse_foreign(folder)
    number = switch.current(folder)
    if number is None:
        raise UsageError(
            f"there is no environment in {folder} yet", hint="`provenv sync` makes it."
        )
    generation = generations.read_generation(folder, number)
    return _Target(project=project, spec=spec, folder=folder, generation=generation)


def _registered(folder: str, made: Generation) -> _Target | PythonMove:
    try:
        project = users.project_of(folder)
        if project is None:
            raise UsageError("its project is not there, or cannot be read")
        spec = project.manifest.environment(made.environment)
        if project.folder(spec) != folder:
            raise UsageError(f"{project.root} has this environment elsewhere now")
    except ProvenvError as error:
        return PythonMove(
            root=None, environment=made.environment, folder=folder, before=made.python,
            after=made.python, executable=made.executable, generation=None, state="failed",
            reason=error.message, exit_code=error.exit_code,
        )  # fmt: skip
    return _Target(project=project, spec=spec, folder=folder, generation=made)


@frozen
class _Kind:
    """What an environment has: an upgrade keeps all of it but the patch release."""

    implementation: str
    version: str
    free_threaded: bool

    def same(self, other: Described) -> bool:
        """Whether ``other`` is a release of the same implementation, minor version and threading."""
        minors = [version.split(".")[:2] for version in (self.version, other.version)]
        return (
            minors[0] == minors[1]
            and self.implementation == other.implementation
            and self.free_threaded == other.free_threaded
            and (not split_version(other.version)[1] or bool(split_version(self.version)[1]))
        )


def _kind(target: _Target, context: Context) -> _Kind:
    """What the environment has: as its interpreter says, or where that is gone as it was written down."""
    made = target.generation
    if os.path.exists(made.executable):
        try:
            found = probe(
                made.executable,
                source="environment",
                cache=context.home.interpreters,
                trusting=True,
            )
            return _Kind(
                implementation=found.implementation,
                version=made.python,
                free_threaded=found.free_threaded,
            )
        except UndecidedError:
            pass  # it was one when the environment was made
    return _Kind(
        implementation=_written(target, made.number),
        version=made.python,
        free_threaded=os.path.basename(made.executable).endswith("t"),
    )


def _written(target: _Target, number: int) -> str:
    """The implementation that a generation's ``pyvenv.cfg`` names."""
    return generations.read_config(target.folder, number).get("implementation", "cpython")


def _here(context: Context, search: Search) -> list[Interpreter]:
    """What is installed, the newest first."""
    seen = survey(search, cache=context.home.interpreters)
    found = [sighting.interpreter for sighting in seen if sighting.interpreter is not None]
    return sorted(found, key=lambda one: builds.newest(one.version))


def _newer(
    context: Context,
    pairs: Sequence[tuple[_Target, _Kind]],
    here: Sequence[Interpreter],
    project: Project | None,
    mirror: str | None,
) -> list[Build]:
    """The builds that are newer than all of their kind that is here, and that somebody would move to."""
    found: dict[str, Build] = {}
    with shelves.shelf(context, project=project, mirror=mirror) as stock:
        for target, kind in pairs:
            fitting = [
                build
                for build in stock.builds
                if kind.same(build) and _refusal(context, target, build) is None
            ]
            build = min(fitting, key=lambda one: builds.newest(one.version), default=None)
            there = [one.version for one in here if kind.same(one)]
            if build and all(builds.newest(build.version) < builds.newest(v) for v in there):
                found[build.key] = build
    return list(found.values())


def _move(
    context: Context,
    target: _Target,
    kind: _Kind,
    here: Sequence[Interpreter],
    coming: Sequence[Build],
    *,
    dry_run: bool,
) -> PythonMove:
    """Move one environment, or say why not; an error of one does not stop the others."""
    made, gone = target.generation, not os.path.exists(target.generation.executable)
    stay = PythonMove(
        root=target.project.root,
        environment=target.spec.name,
        folder=target.folder,
        before=made.python,
        after=made.python,
        executable=made.executable,
        generation=None,
        state="newest",
    )
    soon = next((build for build in coming if kind.same(build)), None)
    if dry_run and soon is not None and _refusal(context, target, soon) is None:
        return replace(stay, after=soon.version, executable="", state="would-move")
    better = [
        one
        for one in here
        if kind.same(one) and (gone or builds.newest(one.version) < builds.newest(made.python))
    ]
    wanted = [one for one in better if _refusal(context, target, one) is None]
    known = stamp.read(target.folder)
    if better and known is not None and known.held:
        return replace(stay, state="held-back", reason="a rollback chose it against the lock")
    try:
        if not wanted:
            return _staying(context, target, stay, better, gone=gone)
        move = replace(stay, after=wanted[0].version, executable=wanted[0].executable)
        if dry_run:
            return replace(move, state="would-move")
        result = sync(
            target.project,
            context,
            environment=target.spec.name,
            python=wanted[0].executable,
            locked_only=True,
        )
        return replace(move, state="moved", generation=result.generation)
    except ProvenvError as error:
        return replace(stay, state="failed", reason=error.message, exit_code=error.exit_code)


def _staying(
    context: Context,
    target: _Target,
    stay: PythonMove,
    better: Sequence[Interpreter],
    *,
    gone: bool,
) -> PythonMove:
    """Why an environment does not move."""
    if better:
        reason = _refusal(context, target, better[0])
        return replace(stay, state="held-back", reason=f"{better[0].version} is here, but {reason}")
    if gone:
        raise UnsatisfiableError(
            f"its interpreter is gone ({target.generation.executable}), and no other "
            f"{target.generation.python.rpartition('.')[0]} is here"
        )
    return stay


def _refusal(context: Context, target: _Target, one: Interpreter | Build) -> str | None:
    """What of the project speaks against an interpreter or a build; None where nothing does."""
    root = target.project.root
    requires = target.project.manifest.requires_python
    if not allows(requires, one.version):
        return f"requires-python is {requires!r}"
    search = access.search(context, root)
    asked: list[str]
    asked, where = [absolute_request(text, root) for text in target.spec.python], "the environment"
    if not asked:
        asked, where = list(search.pins), os.path.basename(search.pins_file or "")
    try:
        if not asked or any(_meets(text, one, search) for text in asked):
            return None
    except UsageError as error:
        return error.message
    return f"{where} asks for {' or '.join(asked)}"


def _meets(text: str, one: Interpreter | Build, search: Search) -> bool:
    if isinstance(one, Interpreter):
        return meets(text, one, search)
    request = read_request(text, search)
    return request.path is None and request.matches(one)

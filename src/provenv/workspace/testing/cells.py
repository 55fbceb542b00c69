"""One cell: its environment is made, its command is run, and what came of it is told."""

from __future__ import annotations

import os
import time

from provenv.core import digest
from provenv.core.errors import CommandError, DiskError, ProvenvError, UndecidedError, UsageError
from provenv.core.events import CommandStarted, CommandWrote
from provenv.core.values import replace
from provenv.core.watchdog import Outcome, last_line
from provenv.interpreters import check_start
from provenv.model.interpreter import Interpreter
from provenv.model.layout import NAMED_ENVIRONMENTS_FOLDER, base_name
from provenv.model.manifest import EnvironmentSpec
from provenv.trials.cells import Cell, CellResult, State
from provenv.workspace.begun import variables
from provenv.workspace.host import choosing
from provenv.workspace.projects.context import Context, LockFile, Project, project_name
from provenv.workspace.syncing.apart import Apart, make_apart, require_allowed
from provenv.workspace.testing.hands import Hand
from provenv.workspace.testing.running import found_command, run_logged

WITH = "provenv-with"
"""The dependency group that holds the packages of a variant."""

_OF_POLICIES = frozenset({"excluded", "verdict"})
"""What errors tell in their details that stem from a policy: while locking, and before the use."""


def run_cell(
    cell: Cell,
    lock: LockFile,
    project: Project,
    context: Context,
    *,
    log: str,
    interpreter: Interpreter | None = None,
    hand: Hand | None = None,
) -> CellResult:
    """Make the environment of ``cell`` from ``lock`` (or use the one that is there), and run its command.

    The command runs in the project's folder; all that it writes stands in the file ``log``. ``project``
    is as :func:`varied` gives it. Where nothing is handed in, the interpreter is looked for.
    ``hand`` is that of a worker process.
    Nothing is raised: an environment that cannot be made is a cell with the state ``error``.
    """
    started = time.monotonic()
    try:
        if interpreter is None:
            interpreter = find_interpreter(cell, project, context)
        spec = spec_of(cell, project)
        made = cell_environment(spec, lock, project, context, interpreter)
        environ = cell_environ(cell, made, context)
        own = f"{made.folder}/generations/{made.generation}"
        words = found_command(cell.command, environ, project.root, own)
    except ProvenvError as error:
        return failed(cell, error, seconds=time.monotonic() - started, interpreter=interpreter)
    prepared = time.monotonic() - started
    context.emit(CommandStarted(seconds=prepared))
    known = CellResult(
        cell=cell,
        state="error",
        prepared=prepared,
        log=log,
        python=interpreter.version,
        executable=interpreter.executable,
    )

    def wrote(line: str) -> None:
        context.emit(CommandWrote(line=line))

    start = run_logged if hand is None else hand.run
    try:
        outcome = start(
            words,
            environ=environ,
            cwd=project.root,
            log=log,
            timeout=cell.timeout,
            wrote=wrote,
        )
    except ProvenvError as error:
        return replace(known, reason=error.message, hint=error.hint, kind=error.kind)
    result = _told(known, outcome)
    return _blamed(result) if result.state == "failed" else result


def _told(known: CellResult, outcome: Outcome) -> CellResult:
    """The result of a cell whose command has ended, or could not be started."""
    line = last_line(known.log) if known.log else ""
    known = replace(known, seconds=outcome.seconds, line=line)
    if outcome.how in ("exited", "signalled"):
        known = replace(known, left=outcome.ended + outcome.alive)
    if outcome.how == "exited":
        state: State = "passed" if outcome.code == 0 else "failed"
        return replace(known, state=state, code=outcome.code)
    if outcome.how == "signalled":
        number = outcome.signal or 0
        reason = f"was ended by signal {number}"
        return replace(known, state="failed", code=-number, reason=reason)
    if outcome.how == "late":
        limit = f"{known.cell.timeout or 0:g}"
        reason = f"did not end within {limit} s, and was ended with all that it had started"
        return replace(known, state="timeout", reason=reason)
    if outcome.how == "cancelled":
        return replace(known, state="cancelled", reason="was ended from outside")
    lost = "its watchdog was killed, and with it the answer"
    return replace(known, reason=outcome.reason or lost, code=None)


def _blamed(result: CellResult) -> CellResult:
    """A failure, unless the Python itself does not start any more: then the tests have said nothing."""
    try:
        check_start(result.executable)
    except DiskError:
        pass
    except UndecidedError as error:
        return replace(
            result, state="error", reason=error.message, hint=error.hint, kind=error.kind
        )
    return result


def failed(
    cell: Cell, error: ProvenvError, *, seconds: float = 0.0, interpreter: Interpreter | None = None
) -> CellResult:
    """The result of a cell whose command was not run: nobody knows what it would have said."""
    return CellResult(
        cell=cell,
        state="error",
        code=error.exit_code if isinstance(error, CommandError) else None,
        prepared=seconds,
        reason=error.message,
        hint=error.hint,
        kind=error.kind,
        refused=not _OF_POLICIES.isdisjoint(error.details),
        python=interpreter.version if interpreter is not None else "",
        executable=interpreter.executable if interpreter is not None else "",
    )


def find_interpreter(cell: Cell, project: Project, context: Context) -> Interpreter:
    """The interpreter that a cell asks for; of no request, the one that the environment would get.

    Raises:
        UnsatisfiableError: Nothing here fits, or ``requires-python`` excludes it.
        UsageError: It is no request that provenv knows.
    """
    spec = project.manifest.environment(base_name(cell.environment))
    requests = (cell.python,) if cell.python else spec.python
    return choosing.default_interpreter(project, context, requests)


def varied(cell: Cell, project: Project) -> Project:
    """``project`` as the cell sees it: the packages of its variant are one more dependency group.

    That group is resolved together with everything else, so that it binds the resolver, too.

    Raises:
        UsageError: There is no such environment, or the group of that name is the project's own.
    """
    spec = project.manifest.environment(base_name(cell.environment))
    if not cell.packages:
        return project
    if WITH in project.manifest.groups:
        raise UsageError(
            f"the dependency group {WITH!r} is kept for the packages of variants",
            hint="Rename the project's.",
        )
    manifest = project.manifest
    name = base_name(spec.name)
    own = manifest.environments[name]
    environments = {
        **manifest.environments,
        name: replace(own, groups=(*own.groups, WITH)),
    }
    manifest = replace(
        manifest, groups={**manifest.groups, WITH: cell.packages}, environments=environments
    )
    shared = project.shared
    if shared is not None:  # there the groups of a member go by names of their own
        before = set(project.selector(spec).groups)
        after = project.selector(environments[name]).groups
        groups = {group: cell.packages for group in after if group not in before}
        shared = replace(
            shared,
            manifest=replace(shared.manifest, groups={**shared.manifest.groups, **groups}),
        )
    return replace(project, manifest=manifest, shared=shared)


def spec_of(cell: Cell, project: Project) -> EnvironmentSpec:
    """The environment that a cell holds, of ``project`` as :func:`varied` gives it."""
    spec = project.manifest.environment(base_name(cell.environment))
    return replace(spec, name=base_name(spec.name), python=(cell.python,) if cell.python else ())


def trials_folder(project: Project, context: Context) -> str:
    """Where everything lies that trials of this project make and find."""
    root = os.path.realpath(project.root)
    name = f"{project_name(root)[:40]}-{digest.of_bytes(os.fsencode(root))[:12]}"
    return os.path.join(context.home.trials, name)


def cell_environment(
    spec: EnvironmentSpec,
    lock: LockFile,
    project: Project,
    context: Context,
    interpreter: Interpreter,
) -> Apart:
    """The environment that ``lock`` leads to, in a folder of its own that nothing else ever changes.

    Raises:
        ProvenvError: As making it says.
    """
    folder = environment_folder(spec, lock, project, context, interpreter)
    return make_apart(project, context, spec, interpreter, lock, folder)


def is_allowed(
    spec: EnvironmentSpec,
    lock: LockFile,
    project: Project,
    context: Context,
    interpreter: Interpreter,
    judged: dict[str, bool],
) -> bool:
    """Whether policies let :func:`cell_environment` be used today.

    ``judged`` has what they said before, by folder, and gets what they say now: cells that share an
    environment share a verdict, and its record.
    """
    folder = environment_folder(spec, lock, project, context, interpreter)
    if folder not in judged:
        try:
            require_allowed(replace(project, apart=folder), context, spec, interpreter, lock)
        except ProvenvError:
            judged[folder] = False
        else:
            judged[folder] = True
    return judged[folder]


def environment_folder(
    spec: EnvironmentSpec,
    lock: LockFile,
    project: Project,
    context: Context,
    interpreter: Interpreter,
) -> str:
    """Where :func:`cell_environment` lies."""
    selected = project.selector(spec)
    name = digest.of_json(
        [
            lock.digest,
            interpreter.executable,
            interpreter.version,
            spec.name,
            list(selected.lock_groups),
            list(selected.extras),
            [spec.editable, spec.link_mode, spec.system_site_packages],
        ]
    )[:16]
    return os.path.join(trials_folder(project, context), NAMED_ENVIRONMENTS_FOLDER, name)


def cell_environ(cell: Cell, made: Apart, context: Context) -> dict[str, str]:
    """The variables of a cell's command (:func:`provenv.workspace.begun.variables`)."""
    return variables(made.folder, made.generation, cell.label, context.environ)

"""``diff -e A -e B``: where two environments differ, by their locks and interpreters."""

from __future__ import annotations

from provenv.core.errors import InputError, IntegrityError
from provenv.core.events import Warned
from provenv.core.values import frozen
from provenv.environments import generations, switch
from provenv.model.generation import Change, Generation, changes
from provenv.model.manifest import LINK_MODES, EnvironmentSpec
from provenv.workspace.host.choosing import choose_interpreter
from provenv.workspace.projects.context import Context, Project, read_locks
from provenv.workspace.syncing import locking
from provenv.workspace.syncing.inspection import wanted_versions


@frozen
class Side:
    """One environment as its lock wants it.

    Attributes:
        python: The interpreter's version, with its implementation where that is not CPython.
        editable: How the project, and libraries of its workspace, are installed; None where none are.
        packages: Name → version; empty where the lock leaves it open.
    """

    environment: str
    root: str
    python: str
    executable: str
    link_mode: str
    editable: bool | None
    packages: dict[str, str]


@frozen
class CompareResult:
    """Two environments, and the packages in which they differ."""

    before: Side
    after: Side
    changes: tuple[Change, ...]

    @property
    def differs(self) -> bool:
        """Whether anything differs: packages, interpreter, link mode, editable or not."""
        one, two = self.before, self.after
        return bool(self.changes) or (one.python, one.link_mode, one.editable) != (
            two.python, two.link_mode, two.editable,
        )  # fmt: skip


def compare_environments(
    first: tuple[Project, str | None], second: tuple[Project, str | None], context: Context
) -> CompareResult:
    """Where two environments differ, as their locks want them, made or not.

    Raises:
        InputError: A lock is missing.
        UsageError: There is no such environment.
    """
    before, after = (_side(project, context, name) for project, name in (first, second))
    if before.root == after.root:  # what one lets its build say, the other has had it say already
        for name in before.packages.keys() & after.packages.keys():
            known = before.packages[name] or after.packages[name]
            if not (before.packages[name] and after.packages[name]):
                before.packages[name] = after.packages[name] = known
    return CompareResult(
        before=before, after=after, changes=changes(before.packages, after.packages)
    )


def _side(project: Project, context: Context, name: str | None) -> Side:
    spec = project.manifest.environment(name)
    locks = read_locks(project)
    key = project.lock_key(spec)
    if key not in locks:
        raise InputError("is missing", file=project.lock_path(key), hint="Run `provenv lock`.")
    stale = locking.why_stale(project, locks)
    if stale is not None:
        context.emit(
            Warned(message=f"{stale}: what the lock says is compared", hint="Run `provenv lock`.")
        )
    folder = project.folder(spec)
    made = _made(folder)
    interpreter = choose_interpreter(project, context, spec, folder, None)
    named = "" if interpreter.implementation == "cpython" else f"{interpreter.implementation} "
    return Side(
        environment=spec.name,
        root=project.root,
        python=f"{named}{interpreter.version}",
        executable=interpreter.executable,
        link_mode=_link_mode(spec, made),
        editable=spec.editable
        if project.manifest.installable or project.manifest.members
        else None,
        packages=wanted_versions(project, spec, interpreter, locks[key], made),
    )


def _made(folder: str) -> Generation | None:
    number = switch.current(folder)
    try:
        return generations.read_generation(folder, number) if number is not None else None
    except IntegrityError:
        return None


def _link_mode(spec: EnvironmentSpec, made: Generation | None) -> str:
    return spec.link_mode or (made.link_mode if made is not None else LINK_MODES[0])

"""Manifest → lock: one lock for all groups and extras, and one for each environment in conflict."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from provenv.core.disk import doing
from provenv.core.errors import InputError
from provenv.core.events import Emit, PhaseFinished, PhaseStarted, Warned, silent
from provenv.core.values import replace
from provenv.model.interpreter import Interpreter
from provenv.model.manifest import EnvironmentSpec, Manifest
from provenv.model.members import check_versions
from provenv.resolve.run import open_run
from provenv.resolve.settings import ResolveSettings

if TYPE_CHECKING:
    from packaging.pylock import Pylock

_ABOUT_THE_PROJECT = frozenset(
    {
        "conflicts", "constraint-dependencies", "dependency-groups", "environments",
        "override-dependencies", "required-environments", "resolution",
    }
)  # fmt: skip


def resolve(
    manifest: Manifest,
    *,
    project: str,
    previous: Mapping[str | None, Pylock],
    upgrade: bool | frozenset[str],
    settings: ResolveSettings,
    emit: Emit = silent,
    meanwhile: Callable[[], None] | None = None,
    constraints: Sequence[str] = (),
) -> Mapping[str | None, Pylock]:
    """Lock what ``manifest`` asks for, for every platform and Python that it allows.

    ``previous`` holds the locks that are there; their versions stay where they still fit, except
    those that ``upgrade`` names (True: all). ``project`` is the absolute folder of the project.
    ``meanwhile`` is called while uv works: a good moment to get ready for what comes next.
    ``constraints`` (PEP 508) hold besides those of the manifest, and are no part of what it says.

    Returns:
        The lock under None; under an environment's name a lock of its own, where its groups are
        declared as conflicting (``tool.provenv.conflicts``).

    Raises:
        UnsatisfiableError: No set of versions satisfies everything, or a member of the workspace
            has not the version that is asked for; the message explains why.
        NetworkError: An index did not answer, or refused.
        BuildError: The metadata of a source distribution could not be built.
        InputError: A setting of ``[tool.uv]`` cannot be carried over, or uv refuses the manifest.
        DiskError: The file system refused, uv's cache included.
    """
    check_versions(manifest)
    emit(PhaseStarted(phase="resolve"))
    if "dev-dependencies" in manifest.uv:
        emit(
            Warned(
                message=f"{manifest.file}: tool.uv.dev-dependencies is left out of the lock",
                hint="Move them to `dev` in [dependency-groups].",
            )
        )
    started = time.monotonic()
    with (
        doing("resolving", settings.tmp),
        open_run(manifest, project, settings, emit, meanwhile, constraints) as run,
    ):
        conflicting = {name for conflict in manifest.conflicts for name in conflict}
        shared = tuple(name for name in manifest.groups if name not in conflicting)
        extras = tuple(manifest.optional_dependencies)
        main = run.lock(shared, extras, previous.get(None), upgrade)
        locks: dict[str | None, Pylock] = {None: main}
        for name, environment in manifest.environments.items():
            if conflicting.intersection(environment.groups):
                _check_conflicts(manifest, environment)
                before = _preferring(main, previous.get(name), upgrade)
                locks[name] = run.lock(environment.lock_groups, environment.extras, before, False)
    count = sum(len(lock.packages) for lock in locks.values())
    emit(PhaseFinished(phase="resolve", count=count, seconds=time.monotonic() - started))
    return locks


def resolve_requirements(
    requirements: Sequence[str],
    *,
    interpreter: Interpreter,
    settings: ResolveSettings,
    emit: Emit = silent,
    manifest: Manifest | None = None,
    project: str = "",
) -> Pylock:
    """Lock ``requirements`` alone, for ``interpreter`` alone: what a build environment holds.

    ``manifest`` and ``project`` lend their indexes, sources, constraints and bans on building.

    Raises:
        As :func:`resolve`; InputError where a requirement is not valid (PEP 508).
    """
    for text in requirements:
        try:
            Requirement(text)
        except InvalidRequirement as error:
            raise InputError(f"{text!r} is not a valid requirement (PEP 508): {error}") from error
    lender = manifest or Manifest(file="build requirements")
    python = interpreter.markers
    here = " and ".join(
        f"{name} == '{python[name]}'"
        for name in ("sys_platform", "platform_machine", "implementation_name")
        if name in python
    )
    uv = {key: value for key, value in lender.uv.items() if key not in _ABOUT_THE_PROJECT}
    if "build-constraint-dependencies" in uv:
        uv["constraint-dependencies"] = uv.pop("build-constraint-dependencies")
    asked = replace(
        lender,
        name=None,
        version=None,
        requires_python=f"=={interpreter.minor}.*",
        dynamic=(),
        dependencies=tuple(requirements),
        optional_dependencies={},
        groups={},
        build_system=None,
        members={},
        uv={**uv, "environments": [here]} if here else uv,
        environments={},
        default_groups=(),
        conflicts=(),
    )
    locks = resolve(
        asked,
        project=project or settings.tmp,
        previous={},
        upgrade=False,
        settings=replace(settings, interpreter=interpreter),
        emit=emit,
    )
    return locks[None]


def _check_conflicts(manifest: Manifest, environment: EnvironmentSpec) -> None:
    for conflict in manifest.conflicts:
        both = [name for name in conflict if name in environment.groups]
        if len(both) > 1:
            raise InputError(
                f"holds the groups {' and '.join(repr(name) for name in both)}, which are declared as "
                "conflicting",
                file=manifest.file,
                key=f"tool.provenv.environments.{environment.name}.groups",
                hint="Leave one of them out, or take them out of tool.provenv.conflicts.",
            )


def _preferring(main: Pylock, own: Pylock | None, upgrade: bool | frozenset[str]) -> Pylock:
    """The main lock's versions, which are up to date, then the environment's own for other names."""
    if own is None or upgrade is True:
        return main
    gone = {package.name for package in main.packages}
    gone |= {canonicalize_name(name) for name in upgrade or ()}
    extra = [package for package in own.packages if package.name not in gone]
    return replace(main, packages=[*main.packages, *extra])

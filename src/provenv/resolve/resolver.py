"""Manifest → lock: one ``uv lock`` for the versions, one ``uv export`` for each root, merged."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from packaging.pylock import Pylock
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from provenv.core.errors import InputError, ProvenvError
from provenv.core.events import Emit, PhaseFinished, PhaseStarted, silent
from provenv.core.http import Transport
from provenv.model.interpreter import Interpreter
from provenv.model.lock import packages_digest
from provenv.model.manifest import EnvironmentSpec, Manifest
from provenv.resolve.complete import complete_files
from provenv.resolve.edges import add_dependencies, add_forks, read_uv_lock
from provenv.resolve.exports import Root, merge_exports
from provenv.resolve.failure import check_settings, failure
from provenv.resolve.indexes import Indexes, authorized, collect_indexes
from provenv.resolve.preferences import render_preferences
from provenv.resolve.settings import ResolveSettings
from provenv.resolve.synthetic import Asked, render_project
from provenv.tools.uv import Uv, clean_environment, find_uv

_ABOUT_THE_PROJECT = frozenset(
    {"conflicts", "dependency-groups", "environments", "override-dependencies", "required-environments",
     "resolution"}
)  # fmt: skip
_DYNAMIC = frozenset({"dependencies", "optional-dependencies"})


def resolve(
    manifest: Manifest,
    *,
    project: str,
    previous: Mapping[str | None, Pylock],
    upgrade: bool | frozenset[str],
    settings: ResolveSettings,
    emit: Emit = silent,
) -> Mapping[str | None, Pylock]:
    """Lock what ``manifest`` asks for, for every platform and Python that it allows.

    ``previous`` holds the locks that are there; their versions stay where they still fit, except
    those that ``upgrade`` names (True: all). ``project`` is the absolute folder of the project.

    Returns:
        The lock under None; under an environment's name a lock of its own, where its groups are
        declared as conflicting (``tool.provenv.conflicts``).

    Raises:
        UnsatisfiableError: No set of versions satisfies everything; the message explains why.
        NetworkError: An index did not answer, or refused.
        BuildError: The metadata of a source distribution could not be built.
        InputError: A setting of ``[tool.uv]`` cannot be carried over, or uv refuses the manifest.
    """
    emit(PhaseStarted(phase="resolve"))
    started = time.monotonic()
    with _resolver(manifest, project, settings, emit) as resolver:
        conflicting = {name for conflict in manifest.conflicts for name in conflict}
        shared = tuple(name for name in manifest.groups if name not in conflicting)
        extras = tuple(manifest.optional_dependencies)
        main = resolver.lock(shared, extras, previous.get(None), upgrade)
        locks: dict[str | None, Pylock] = {None: main}
        for name, environment in manifest.environments.items():
            if conflicting.intersection(environment.groups):
                _check_conflicts(manifest, environment)
                before = _preferring(main, previous.get(name))
                locks[name] = resolver.lock(environment.groups, environment.extras, before, upgrade)
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


def _preferring(main: Pylock, own: Pylock | None) -> Pylock:
    """The main lock's versions first, then the environment's own for what the main lock has not."""
    if own is None:
        return main
    shared = {package.name for package in main.packages}
    extra = [package for package in own.packages if package.name not in shared]
    return replace(main, packages=[*main.packages, *extra])


@contextlib.contextmanager
def _resolver(
    manifest: Manifest, project: str, settings: ResolveSettings, emit: Emit
) -> Iterator[_Resolver]:
    os.makedirs(settings.tmp, exist_ok=True)
    folder = os.path.realpath(tempfile.mkdtemp(prefix="resolve-", dir=settings.tmp))
    try:
        indexes = collect_indexes(manifest, project, settings.index_url)
        uv = Uv(
            binary=find_uv(),
            environ=clean_environment(
                settings.environ,
                cache=settings.cache,
                config=os.path.join(folder, "config"),
                http=settings.http,
                credentials={**indexes.credentials, **settings.credentials},
            ),
        )
        yield _Resolver(manifest, project, settings, emit, indexes, uv, os.path.join(folder, "p"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Resolver:
    """One run: the manifest, the indexes and the folder that uv works in."""

    def __init__(
        self,
        manifest: Manifest,
        project: str,
        settings: ResolveSettings,
        emit: Emit,
        indexes: Indexes,
        uv: Uv,
        folder: str,
    ) -> None:
        self.manifest = manifest
        self.project = project
        self.settings = settings
        self.emit = emit
        self.indexes = indexes
        self.uv = uv
        self.folder = folder
        minor = f">={settings.interpreter.minor}"
        self.requires_python = manifest.requires_python or minor

    def lock(
        self,
        groups: tuple[str, ...],
        extras: tuple[str, ...],
        previous: Pylock | None,
        upgrade: bool | frozenset[str],
    ) -> Pylock:
        """One lock over the project's own dependencies, ``groups`` and ``extras``."""
        asked = Asked(
            manifest=self.manifest,
            project=self.project,
            requires_python=self.requires_python,
            groups=groups,
            extras=extras,
            dynamic=self.manifest.installable
            and bool(_DYNAMIC.intersection(self.manifest.dynamic)),
        )
        if asked.dynamic:
            asked = replace(asked, extras=())
        uv_lock = self._solve(asked, previous, upgrade)
        if asked.dynamic and (provided := _provided_extras(uv_lock, asked)):
            wanted = tuple(extra for extra in provided if not extras or extra in extras)
            asked = replace(asked, extras=wanted)
            uv_lock = self._solve(asked, previous, upgrade)
        packages = self._packages(asked, uv_lock)
        transport = Transport(authorized(self.settings, self.indexes), emit=self.emit)
        complete_files(packages, previous, self.project, transport, self.emit)
        return self._pylock(asked, packages, uv_lock)

    def _solve(
        self, asked: Asked, previous: Pylock | None, upgrade: bool | frozenset[str]
    ) -> dict[str, Any]:
        shutil.rmtree(self.folder, ignore_errors=True)
        os.mkdir(self.folder)
        self._write("pyproject.toml", render_project(asked, self.indexes))
        if previous is not None:
            preferences = render_preferences(
                previous, self.manifest, requires_python=self.requires_python, upgrade=upgrade
            )
            if preferences is not None:
                self._write("uv.lock", preferences)
        done = self.uv.lock(
            self.folder,
            python=self.settings.interpreter.executable,
            options=self._options(asked),
        )
        if done.code != 0:
            raise self._failure(done.stderr, asked)
        check_settings(done.stderr, asked)
        with open(os.path.join(self.folder, "uv.lock"), encoding="utf-8") as stream:
            return read_uv_lock(stream.read())

    def _failure(self, stderr: str, asked: Asked) -> ProvenvError:
        check_settings(stderr, asked)
        return failure(
            stderr,
            folder=self.folder,
            asked=asked,
            indexes=self.indexes,
            settings=self.settings,
        )

    def _options(self, asked: Asked) -> list[str]:
        options = ["--offline"] if self.settings.offline or self.settings.http.offline else []
        if self.manifest.no_build is True:
            options.append("--no-build")
        elif self.manifest.no_build:
            for name in self.manifest.no_build:
                options += ["--no-build-package", name]
        if asked.dynamic:
            # uv would not see a change in what the backend reads (setup.py, requirements.txt).
            options += ["--refresh-package", str(self.manifest.name)]
        return options

    def _write(self, name: str, text: str) -> None:
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as stream:
            stream.write(text)

    def _packages(self, asked: Asked, uv_lock: Mapping[str, Any]) -> list[dict[str, Any]]:
        roots = [Root(kind="base")]
        roots += [Root(kind="extra", name=name) for name in asked.extras]
        roots += [Root(kind="group", name=name) for name in asked.groups]
        with ThreadPoolExecutor(2) as pool:
            texts = list(pool.map(lambda root: self._export(asked, root), roots))
        packages = [
            package
            for package in merge_exports(zip(roots, texts, strict=True))
            if package["name"] not in asked.own_names
        ]
        packages.sort(
            key=lambda p: (p["name"], str(p.get("version", "")), str(p.get("marker", "")))
        )
        for package in packages:
            self._relative(package)
        add_dependencies(packages, uv_lock, asked.own_names)
        add_forks(packages, uv_lock)
        return packages

    def _export(self, asked: Asked, root: Root) -> str:
        done = self.uv.export(self.folder, root.options)
        if done.code != 0:
            raise self._failure(done.stderr, asked)
        return done.stdout

    def _relative(self, package: dict[str, Any]) -> None:
        """Paths, which uv gives relative to its folder or absolute, become relative to the project."""
        entries = [package[k] for k in ("directory", "archive", "vcs", "sdist") if k in package]
        for entry in [*entries, *package.get("wheels", ())]:
            if "path" in entry:
                absolute = os.path.normpath(os.path.join(self.folder, entry["path"]))
                entry["path"] = os.path.relpath(absolute, self.project).replace(os.sep, "/")

    def _pylock(
        self, asked: Asked, packages: list[dict[str, Any]], uv_lock: Mapping[str, Any]
    ) -> Pylock:
        data: dict[str, Any] = {
            "lock-version": "1.0",
            "environments": uv_lock.get("supported-markers"),
            "requires-python": self.requires_python,
            "extras": list(asked.extras),
            "dependency-groups": list(asked.groups),
            "default-groups": [g for g in self.manifest.default_groups if g in asked.groups],
            "created-by": "provenv",
            "packages": packages,
        }
        lock = Pylock.from_dict({key: value for key, value in data.items() if value is not None})
        tool: dict[str, Any] = {
            "manifest-digest": self.manifest.lock_digest(),
            "packages-digest": packages_digest(lock.packages),
        }
        if uv_lock.get("resolution-markers"):
            tool["forks"] = uv_lock["resolution-markers"]
        return replace(lock, tool={"provenv": tool})


def _provided_extras(uv_lock: Mapping[str, Any], asked: Asked) -> tuple[str, ...]:
    """The extras that the backend's metadata of the project itself names."""
    own = canonicalize_name(asked.manifest.name or "")
    for entry in uv_lock.get("package", ()):
        if entry["name"] == own:
            return tuple(sorted(entry.get("metadata", {}).get("provides-extras", ())))
    return ()

"""Build environments: what a build requires, resolved, fetched and linked, for as long as it lasts."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence

from packaging.requirements import InvalidRequirement, Requirement

import provenv
from provenv.building.memory import Memory
from provenv.core import digest
from provenv.core.errors import DiskError, IntegrityError, ProvenvError
from provenv.core.events import (
    Emit,
    Event,
    ItemAdvanced,
    ItemFinished,
    ItemStarted,
    PhaseFinished,
    PhaseStarted,
)
from provenv.core.files import disk_error, ensure_folder, locked, remove_tree
from provenv.core.http import Credentials, HttpSettings
from provenv.core.values import as_dict, frozen, replace
from provenv.environments import compose, skeleton, tree
from provenv.model.interpreter import Interpreter
from provenv.model.layout import HomeLayout
from provenv.model.manifest import EnvironmentSpec, Manifest
from provenv.model.plan import Artifact, canonical, make_plan
from provenv.resolve import ResolveSettings, resolve_requirements
from provenv.store.fetch import fetch_objects
from provenv.store.objects import StoredObject

DAY = 86400.0
_PROGRESS = (PhaseStarted, PhaseFinished, ItemStarted, ItemAdvanced, ItemFinished)

BuildRequirement = Callable[[Artifact, str], StoredObject]
LookUp = Callable[[str], Credentials | None]


@frozen
class BuildEnvironment:
    """A tree that a backend can run in, until the build is over.

    ``digest`` tells environments with other content apart.
    """

    root: str
    objects: tuple[StoredObject, ...]
    digest: str

    def satisfies(self, requirement: str, interpreter: Interpreter) -> bool:
        """Whether the environment already holds what ``requirement`` asks for; False where unsure."""
        try:
            wanted = Requirement(requirement)
        except InvalidRequirement:
            return False
        if wanted.marker is not None and not wanted.marker.evaluate(dict(interpreter.markers)):
            return True
        if wanted.url or wanted.extras:
            return False
        return any(
            owner.name == canonical(wanted.name)
            and wanted.specifier.contains(owner.version, prereleases=True)
            for owner in self.objects
        )


class Isolation:
    """Makes build environments for one interpreter, resolving each set of requirements once.

    What a set resolved to is remembered across runs for a day, and without limit offline.
    """

    def __init__(
        self,
        layout: HomeLayout,
        interpreter: Interpreter,
        *,
        http: HttpSettings,
        settings: ResolveSettings,
        emit: Emit,
        look_up: LookUp | None,
        manifest: Manifest | None,
        project: str,
        no_build: bool | tuple[str, ...],
    ) -> None:
        self.layout = layout
        self.interpreter = interpreter
        self.http = http
        self.settings = settings
        self.look_up = look_up
        # uv, too, must not run what may not be built, not even for its metadata
        self.manifest = replace(manifest or Manifest(file="build requirements"), no_build=no_build)
        self.project = project or settings.tmp
        self.emit = _without_progress(emit)
        self._memory = Memory(layout.builds)
        self._resolved: dict[str, tuple[Artifact, ...]] = {}

    @property
    def offline(self) -> bool:
        """Whether nothing may be asked of an index."""
        return self.settings.offline or self.http.offline

    def indexes(self) -> list[object]:
        """Where build requirements come from, without credentials (a JSON value)."""
        declared = self.manifest.indexes
        return [
            _bare(self.settings.index_url),
            *([i.name, i.url, i.default, i.explicit, list(i.packages)] for i in declared),
        ]

    @contextlib.contextmanager
    def environment(
        self, requirements: Sequence[str], build: BuildRequirement, label: str
    ) -> Iterator[BuildEnvironment]:
        """A build environment for the ``with`` block.

        Args:
            requirements: PEP 508; what it holds, with what that depends on.
            build: Makes an object of a requirement that has no wheel.
            label: Names what is to be built, for errors.

        Raises:
            UnsatisfiableError, NetworkError, IntegrityError: What it needs cannot be had.
        """
        with self.folder("environment") as work, locked(self.layout.lock, shared=True):
            wanted = tuple(sorted(set(requirements)))
            try:
                objects = self._sound(self._artifacts(wanted), build)
            except ProvenvError as error:
                raise _explained(error, label, wanted) from error.__cause__
            steps, _ = compose.compose(self.layout, objects, self.interpreter)
            root = os.path.join(work, "tree")
            plan = os.path.join(work, "plan")
            bare, files = skeleton.skeleton(self.interpreter, "build", provenv.__version__)
            steps += bare
            try:
                os.mkdir(root)
                os.mkdir(plan)
                for name, text in files.items():
                    with open(os.path.join(plan, name), "x", encoding="utf-8") as stream:
                        stream.write(text)
                tree.make(steps, self.layout.root, plan, root)
            except OSError as error:
                raise disk_error(error, "make the build environment", root) from error
            yield BuildEnvironment(
                root=root,
                objects=objects,
                digest=digest.of_json(sorted(owner.sha256 for owner in objects)),
            )

    @contextlib.contextmanager
    def folder(self, purpose: str) -> Iterator[str]:
        """A new folder beside the store, removed afterwards."""
        ensure_folder(self.layout.tmp)
        try:
            made = tempfile.mkdtemp(prefix=f"{purpose}-", dir=self.layout.tmp)
        except OSError as error:
            raise disk_error(error, "create a folder in", self.layout.tmp) from error
        try:
            yield os.path.realpath(made)
        finally:
            with contextlib.suppress(DiskError):
                remove_tree(made)

    def _sound(
        self, artifacts: Sequence[Artifact], build: BuildRequirement
    ) -> tuple[StoredObject, ...]:
        """The objects, looked at; what is damaged is had again, once."""
        from provenv.store.look import look
        from provenv.store.verify import quarantine

        objects = self._objects(artifacts, build)
        damaged = {damage.sha256 for damage in look(objects)}
        if not damaged:
            return objects
        for sha256 in damaged:
            quarantine(self.layout, sha256)
        objects = self._objects(artifacts, build)
        again = [f"{damage.name} {damage.version}: {damage.path}" for damage in look(objects)]
        if again:
            raise IntegrityError(
                "objects of a build environment are not as they were stored, right after they were "
                f"fetched anew: {', '.join(again)}",
                hint="Something writes into the store; `provenv verify` shows what.",
            )
        return objects

    def _objects(
        self, artifacts: Sequence[Artifact], build: BuildRequirement
    ) -> tuple[StoredObject, ...]:
        wheels = [artifact for artifact in artifacts if artifact.kind == "wheel"]
        stored = (
            fetch_objects(
                self.layout,
                wheels,
                base=self.project,
                http=self.http,
                emit=self.emit,
                look_up=self.look_up,
            )
            if wheels
            else {}
        )
        return tuple(
            stored[artifact.sha256] if artifact.kind == "wheel" else build(artifact, self.project)
            for artifact in artifacts
        )

    def _artifacts(self, requirements: tuple[str, ...]) -> tuple[Artifact, ...]:
        """What the requirements come to, from this run, an earlier one, or the resolver."""
        if not requirements:
            return ()
        asked = self._asked(requirements)
        if asked not in self._resolved:
            key = f"requires-{asked}"
            found = self._remembered(key)
            if found is None:
                found = self._resolve(requirements)
                rows = [as_dict(artifact) for artifact in found]
                self._memory.write(key, {"time": time.time(), "artifacts": rows})
            self._resolved[asked] = found
        return self._resolved[asked]

    def _asked(self, requirements: tuple[str, ...]) -> str:
        """A digest over everything that decides what the requirements come to."""
        manifest = self.manifest
        return digest.of_json(
            {
                "requires": list(requirements),
                "interpreter": [self.interpreter.tag, self.interpreter.version],
                "indexes": self.indexes(),
                "uv": repr(manifest.uv),
                "sources": [repr(manifest.sources), self.project if manifest.sources else ""],
                "no-build": repr(manifest.no_build),
            }
        )

    def _remembered(self, key: str) -> tuple[Artifact, ...] | None:
        record = self._memory.read(key)
        try:
            if record is None or not (self.offline or 0 <= time.time() - record["time"] < DAY):
                return None
            return tuple(Artifact(**row) for row in record["artifacts"])
        except (KeyError, TypeError):  # written by another version
            return None

    def _resolve(self, requirements: tuple[str, ...]) -> tuple[Artifact, ...]:
        lock = resolve_requirements(
            requirements,
            interpreter=self.interpreter,
            settings=self.settings,
            emit=self.emit,
            manifest=self.manifest,
            project=self.project,
        )
        plan = make_plan(
            lock, "", EnvironmentSpec(name="build"), self.interpreter, "build requirements"
        )
        return plan.artifacts


def _explained(error: ProvenvError, label: str, requirements: Sequence[str]) -> ProvenvError:
    """The same error, saying what it was in the way of."""
    needs = ", ".join(requirements)
    error.message = (
        f"{label} cannot be built, because its build requirements ({needs}) cannot be had:\n"
        f"{error.message}"
    )
    error.args = (error.message,)
    error.details["build-of"] = label
    return error


def _without_progress(emit: Emit) -> Emit:
    """What a build environment needs is part of a build: its progress would be mistaken for the plan's."""

    def listener(event: Event, /) -> None:
        if not isinstance(event, _PROGRESS):
            emit(event)

    return listener


def _bare(url: str | None) -> str | None:
    from provenv.core.http import split_credentials

    return split_credentials(url)[0] if url else None

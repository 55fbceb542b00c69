"""From a source tree to an object of the store: environment, backend, acceptance, memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from provenv.building.hooks import Backend
from provenv.building.isolation import Isolation
from provenv.building.memory import Memory
from provenv.building.system import BuildSystem
from provenv.building.wheels import accept, check_identity
from provenv.core import digest
from provenv.core.errors import BuildError, UnsatisfiableError
from provenv.core.events import (
    Emit,
    ItemFinished,
    ItemStarted,
    Noted,
    PhaseFinished,
    PhaseStarted,
)
from provenv.core.values import frozen
from provenv.model.plan import Artifact
from provenv.store.objects import StoredObject, read_object

PHASE = "build"
_OLDEST = (3, 7)  # the backends' side of PEP 517 (pyproject_hooks) runs on nothing older

Chain = tuple[str, ...]


@frozen
class Wanted:
    """One distribution to be built.

    Attributes:
        name: Normalized. version: Empty where any will do.
        label: Names it for people. source: Says from what, as ``from its sdist``.
        chain: The names of what is being built around it, the outermost first.
    """

    name: str
    version: str
    label: str
    source: str
    chain: Chain = ()

    @property
    def described(self) -> str:
        """Label and source, for messages."""
        return f"{self.label} ({self.source})"


class Workshop:
    """Builds wheels for one interpreter and remembers them.

    ``build`` makes an object of a build requirement that has no wheel; it is handed the chain.
    """

    def __init__(
        self,
        isolation: Isolation,
        *,
        emit: Emit,
        build: Callable[[Artifact, str, Chain], StoredObject],
    ) -> None:
        self.isolation = isolation
        self._emit = emit
        self._build = build
        self._memory = Memory(isolation.layout.builds)

    def key(self, kind: str, *parts: str) -> str:
        """The key of what is built from ``parts``: they, the interpreter and the indexes tell it."""
        isolation = self.isolation
        return digest.of_json(
            {
                "kind": kind,
                "source": parts,
                "interpreter": isolation.interpreter.tag,
                "indexes": isolation.indexes(),
            }
        )

    def recall(self, key: str, wanted: Wanted) -> StoredObject | None:
        """What was built earlier under ``key``; None where nothing was, or the store lost it.

        Raises:
            IntegrityError: It is of another name or version than is wanted now.
        """
        record = self._memory.read(key)
        found = read_object(self.isolation.layout, str(record.get("object"))) if record else None
        if found is not None:
            check_identity(
                found.name,
                found.version,
                name=wanted.name,
                version=wanted.version,
                source=wanted.described,
            )
        return found

    def accept(self, key: str, wheel: str, wanted: Wanted, environment: str) -> StoredObject:
        """Put a built wheel into the store and remember it under ``key``.

        ``environment`` is the digest of the build environment.

        Raises:
            As :func:`provenv.building.wheels.accept`.
        """
        made = accept(
            self.isolation.layout,
            wheel,
            name=wanted.name,
            version=wanted.version,
            source=wanted.described,
            interpreter=self.isolation.interpreter,
        )
        record = {
            "object": made.sha256,
            "name": made.name,
            "version": made.version,
            "environment": environment,
            "source": wanted.source,
            "time": time.time(),
        }
        self._memory.write(key, record)
        return made

    @contextmanager
    def announced(self, wanted: Wanted) -> Iterator[None]:
        """Say what is being built; what it needs for that is an item of the same phase."""
        started = time.monotonic()
        self._emit(Noted(message=f"building {wanted.label} {wanted.source}"))
        if not wanted.chain:
            self._emit(PhaseStarted(phase=PHASE, total=1))
        self._emit(ItemStarted(phase=PHASE, name=wanted.label))
        yield
        self._emit(ItemFinished(phase=PHASE, name=wanted.label))
        if not wanted.chain:
            seconds = time.monotonic() - started
            self._emit(PhaseFinished(phase=PHASE, count=1, seconds=seconds))

    def make(
        self, source: str, system: BuildSystem, wanted: Wanted, folder: str, *, editable: bool
    ) -> tuple[str, str]:
        """Build a wheel of the source tree ``source`` into ``folder``.

        Returns:
            The wheel's path, and the digest of the build environment.

        Raises:
            BuildError: The backend failed, or what it requires goes in a circle.
            UnsatisfiableError: What it requires cannot be had, or the interpreter is too old.
        """
        self._check_age(wanted)

        def requirement(artifact: Artifact, base: str) -> StoredObject:
            chain = _extended(wanted, artifact.name)
            return self._build(artifact, base, chain)

        def backend(tree: str) -> Backend:
            return Backend(
                source,
                system,
                tree,
                label=wanted.label,
                environ=self.isolation.settings.environ,
                emit=self._emit,
            )

        isolation = self.isolation
        with isolation.environment(system.requires, requirement, wanted.label) as environment:
            first = backend(environment.root)
            more = first.requires(editable=editable)
            if all(environment.satisfies(text, isolation.interpreter) for text in more):
                return first.build(folder, editable=editable), environment.digest
        with isolation.environment(
            [*system.requires, *more], requirement, wanted.label
        ) as environment:
            return backend(environment.root).build(folder, editable=editable), environment.digest

    def _check_age(self, wanted: Wanted) -> None:
        interpreter = self.isolation.interpreter
        if tuple(map(int, interpreter.minor.split("."))) < _OLDEST:
            raise UnsatisfiableError(
                f"{wanted.label} cannot be built with Python {interpreter.version}: building needs "
                "Python 3.7 or newer",
                hint="Choose another interpreter with --python, or a version that has a wheel.",
            )


def _extended(wanted: Wanted, requirement: str) -> Chain:
    """The chain for a build requirement of ``wanted``.

    Raises:
        BuildError: The requirement is being built already.
    """
    chain = (*wanted.chain, wanted.name)
    if requirement in chain:
        cycle = " → ".join((*chain[chain.index(requirement) :], requirement))
        raise BuildError(
            f"{wanted.label} cannot be built: its build requirements go in a circle: {cycle}",
            hint="One of them must come as a wheel: choose a version that has one.",
            details={"package": wanted.name, "cycle": cycle.split(" → ")},
        )
    return chain

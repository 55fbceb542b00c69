"""The record of one generation: what it holds, what it was made from, when and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provenv.core.values import frozen

RECORD_FORMAT = 2


@frozen
class Installed:
    """One distribution in a generation; ``sha256`` names its object in the store."""

    name: str
    version: str
    sha256: str
    editable: bool = False


@frozen
class Generation:
    """One immutable, numbered tree of an environment.

    Attributes:
        number: Counts up from 1; never used twice.
        created: UTC, ISO 8601, seconds.
        cause: The command that made it, for people.
        environment: The environment's name.
        lock_digest, manifest_digest: SHA-256 of the files' bytes at that time.
        python, executable: The interpreter.
        link_mode: ``linked``, ``hardlink``, ``clone`` or ``copy``.
        packages: Sorted by name.
        source: The file of another tool that it was made from (``sync --from``), relative to the
            project; None for the project's own lock.
        edited: Names of those that are private copies, which a person may edit.
    """

    number: int
    created: str
    cause: str
    environment: str
    lock_digest: str
    manifest_digest: str
    python: str
    executable: str
    link_mode: str
    packages: tuple[Installed, ...]
    edited: tuple[str, ...] = ()
    source: str | None = None


@frozen
class Change:
    """How one distribution differs between two generations; None where it is not there."""

    name: str
    before: str | None
    after: str | None


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    """What differs between two sets of distributions (name → version), sorted by name."""
    return tuple(
        Change(name=name, before=before.get(name), after=after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    )


def generation_to_dict(generation: Generation) -> dict[str, Any]:
    """The record as it stands in ``generation.json``."""
    return {
        "format": RECORD_FORMAT,
        "number": generation.number,
        "created": generation.created,
        "cause": generation.cause,
        "environment": generation.environment,
        "lock-digest": generation.lock_digest,
        "manifest-digest": generation.manifest_digest,
        "python": generation.python,
        "executable": generation.executable,
        "link-mode": generation.link_mode,
        "packages": [[p.name, p.version, p.sha256, p.editable] for p in generation.packages],
        **({"source": generation.source} if generation.source is not None else {}),
        "edited": list(generation.edited),
    }


def generation_from_dict(data: Mapping[str, Any]) -> Generation:
    """Read a record back.

    Raises:
        ValueError, KeyError, TypeError: It is not one.
    """
    if data["format"] != RECORD_FORMAT:
        raise ValueError(f"format {data['format']!r} is not supported")
    return Generation(
        number=int(data["number"]),
        created=str(data["created"]),
        cause=str(data["cause"]),
        environment=str(data["environment"]),
        lock_digest=str(data["lock-digest"]),
        manifest_digest=str(data["manifest-digest"]),
        python=str(data["python"]),
        executable=str(data["executable"]),
        link_mode=str(data["link-mode"]),
        packages=tuple(
            Installed(name=name, version=version, sha256=sha256, editable=bool(editable))
            for name, version, sha256, editable in data["packages"]
        ),
        source=str(data["source"]) if data.get("source") is not None else None,
        edited=tuple(str(name) for name in data.get("edited", ())),
    )

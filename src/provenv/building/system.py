"""The ``[build-system]`` table of a source tree (PEP 517, PEP 518), or what stands in for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from provenv.core.errors import InputError
from provenv.core.values import field, frozen
from provenv.model import toml

LEGACY_BACKEND = "setuptools.build_meta:__legacy__"
_LEGACY_REQUIRES = ("setuptools >= 40.8.0",)


@frozen
class BuildSystem:
    """How a source tree wants to be built.

    Attributes:
        requires: PEP 508 requirements of the build environment.
        backend: ``module`` or ``module:object``.
        backend_path: Folders of the source tree that the backend is imported from.
        pyproject: The whole ``pyproject.toml``; empty where there is none.
    """

    requires: tuple[str, ...]
    backend: str
    backend_path: tuple[str, ...] = ()
    pyproject: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def uses_setuptools(self) -> bool:
        """Whether the backend is setuptools itself, by declaration or by default."""
        return self.backend.partition(".")[0] == "setuptools" and not self.backend_path


def read_build_system(folder: str, label: str, *, shown: str | None = None) -> BuildSystem:
    """Read how the source tree in ``folder`` wants to be built.

    In errors, ``label`` names what is to be built, and ``shown`` the folder, where its own path means
    nothing to anybody.

    Raises:
        InputError: It is no Python project, or ``[build-system]`` is not what PEP 517 and 518 allow.
    """
    place = shown or folder
    file = os.path.join(place, "pyproject.toml")
    try:
        with open(os.path.join(folder, "pyproject.toml"), encoding="utf-8") as stream:
            text = stream.read()
    except FileNotFoundError:
        if not os.path.isfile(os.path.join(folder, "setup.py")):
            raise InputError(
                f"{label} cannot be built: it has neither pyproject.toml nor setup.py",
                file=place,
                hint="Check that the path (or the subdirectory) leads to a Python project.",
            ) from None
        return BuildSystem(requires=_LEGACY_REQUIRES, backend=LEGACY_BACKEND)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", file=file) from error
    root = toml.Table(toml.parse(text, file), file=file, text=text)
    if "build-system" not in root:
        return BuildSystem(requires=_LEGACY_REQUIRES, backend=LEGACY_BACKEND, pyproject=root.data)
    declared = root.table("build-system")
    if "requires" not in declared:
        raise declared.error(
            "",
            "has no `requires` (PEP 518)",
            hint="Add `requires = []`, or what the backend needs.",
        )
    return BuildSystem(
        requires=_requirements(declared),
        backend=declared.get("build-backend", str) or LEGACY_BACKEND,
        backend_path=_backend_path(declared, folder),
        pyproject=root.data,
    )


def _requirements(declared: toml.Table) -> tuple[str, ...]:
    found = declared.strings("requires")
    for text in found:
        try:
            Requirement(text)
        except InvalidRequirement as error:
            raise declared.error("requires", f"{text!r} is not a requirement: {error}") from error
    return found


def _backend_path(declared: toml.Table, folder: str) -> tuple[str, ...]:
    found = declared.strings("backend-path")
    inside = os.path.realpath(folder)
    for path in found:
        target = os.path.realpath(os.path.join(folder, path))
        if os.path.isabs(path) or (target != inside and not target.startswith(inside + os.sep)):
            raise declared.error(
                "backend-path", f"{path!r} leads outside of the source tree (PEP 517)"
            )
    return found


def table(data: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """The table at a dotted path; an empty one where there is none."""
    for key in keys:
        value = data.get(key)
        data = value if isinstance(value, Mapping) else {}
    return data


def text_at(data: Mapping[str, Any], *keys: str) -> str:
    """The string at a dotted path; ``""`` where there is none."""
    value = table(data, *keys[:-1]).get(keys[-1])
    return value if isinstance(value, str) else ""

"""``ci``: a pipeline for this project, for the CI system that is named."""

from __future__ import annotations

import os
from datetime import date

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from provenv import __version__
from provenv.core.errors import UsageError
from provenv.interpreters.lifetimes import living
from provenv.model.manifest import EnvironmentSpec, Manifest
from provenv.templates.pipelines import OWN_PYTHON, SYSTEMS, Subject, render
from provenv.workspace.projects.context import Project
from provenv.workspace.projects.handing import Handed, hand, sealed


def pipeline(project: Project, system: str, *, today: date) -> str:
    """The text of the pipeline for ``system``.

    Raises:
        UsageError: There is no such system.
        InputError: No Python that still gets fixes satisfies ``requires-python``.
    """
    if system not in SYSTEMS:
        raise UsageError(f"there is no CI system {system!r}", hint=f"Known: {', '.join(SYSTEMS)}.")
    text = render(system, subject(project, today))
    return sealed(text, comment=SYSTEMS[system].comment, command=f"provenv ci {system}")


def write_pipeline(
    project: Project, system: str, *, today: date, output: str | None = None, force: bool = False
) -> Handed:
    """Write the pipeline where ``system`` looks for it, or to ``output``.

    Raises:
        As :func:`pipeline`; ForeignError where a file is there that somebody made or changed.
    """
    text = pipeline(project, system, today=today)
    path = output or os.path.join(project.root, SYSTEMS[system].path)
    return hand(path, text, force=force)


def subject(project: Project, today: date) -> Subject:
    """What a pipeline of ``project`` is about."""
    manifest = project.manifest
    test = "test" if "test" in manifest.environments else manifest.default_environment
    declared = manifest.environments[test].python
    pythons = declared or _living(manifest, today)
    prod = manifest.environments.get("prod") or manifest.environment()
    keys = [project.lock_key(spec) for spec in manifest.environments.values()]
    return Subject(
        pythons=pythons,
        test=test,
        one_each=len(declared) > 1,
        command=_command(manifest, test),
        prod=prod.name,
        prod_python=_python_of(prod, pythons),
        locks=tuple(
            os.path.basename(project.lock_path(key)) for key in dict.fromkeys([None, *keys])
        ),
        version=__version__,
    )


def _python_of(prod: EnvironmentSpec, pythons: tuple[str, ...]) -> str:
    """The declared one; else that of provenv itself, which is there already, where it will do."""
    if prod.python:
        return prod.python[0]
    return OWN_PYTHON if OWN_PYTHON in pythons else pythons[-1]


def _living(manifest: Manifest, today: date) -> tuple[str, ...]:
    """Every minor version of CPython that gets fixes and that the project allows, the oldest first."""
    allowed = SpecifierSet(manifest.requires_python or "")
    found = tuple(minor for minor in living(today) if _allows(allowed, minor))
    return found or (_lowest(allowed),)


def _allows(allowed: SpecifierSet, minor: str) -> bool:
    """Whether some release of ``minor`` is allowed; the 40th stands for the later ones."""
    return any(allowed.contains(Version(f"{minor}.{patch}")) for patch in range(41))


def _lowest(allowed: SpecifierSet) -> str:
    """The oldest Python 3 that is allowed, where all that are allowed are out of support."""
    return next((f"3.{n}" for n in range(100) if _allows(allowed, f"3.{n}")), "3")


def _command(manifest: Manifest, environment: str) -> str:
    """What tests: pytest where it is there, else that the project can be imported."""
    spec = manifest.environments[environment]
    asked = [
        *manifest.dependencies,
        *(item for group in spec.groups for item in manifest.groups.get(group, ())),
        *(item for extra in spec.extras for item in manifest.optional_dependencies.get(extra, ())),
    ]
    if any(canonicalize_name(Requirement(item).name) == "pytest" for item in asked):
        return "pytest"
    if manifest.installable and manifest.name:
        return f'python -c "import {canonicalize_name(manifest.name).replace("-", "_")}"'
    return "python -V"

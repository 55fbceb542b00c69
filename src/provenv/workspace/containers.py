"""Container files for a project's environment, for ``export``."""

from __future__ import annotations

import os

from packaging.utils import canonicalize_name
from packaging.version import Version

from provenv import __version__
from provenv.core.errors import UsageError
from provenv.model import toml
from provenv.model.manifest import EnvironmentSpec
from provenv.templates.containers import Image, devcontainer, dockerfile
from provenv.workspace import choosing
from provenv.workspace.context import Context, Project

_OLDEST = "3.11"  # what provenv itself runs on


def export_dockerfile(project: Project, context: Context, environment: str | None) -> str:
    """A Dockerfile for an image that holds ``environment`` (``prod`` where None).

    Raises:
        UsageError: There is no such environment, or its Python is older than provenv's.
    """
    name = environment or ("prod" if "prod" in project.manifest.environments else None)
    return dockerfile(_image(project, context, project.manifest.environment(name)))


def export_devcontainer(project: Project, context: Context, environment: str | None) -> str:
    """A ``devcontainer.json`` for working on the project in ``environment`` (the default one)."""
    return devcontainer(_image(project, context, project.manifest.environment(environment)))


def _image(project: Project, context: Context, spec: EnvironmentSpec) -> Image:
    python = choosing.default_interpreter(project, context, spec.python).minor
    if Version(python) < Version(_OLDEST):
        raise UsageError(
            f"environment {spec.name!r} is on Python {python}, and provenv, which makes it in the image, "
            f"needs {_OLDEST}",
            hint="Move the environment to a newer Python.",
        )
    folder = os.path.relpath(project.folder(spec), project.root).replace(os.sep, "/")
    return Image(
        name=project.title,
        python=python,
        environment=spec.name,
        folder=folder,
        sources=_sources(project),
        application=() if project.manifest.installable and not spec.editable else ((".", "."),),
        command=_command(project),
        version=__version__,
    )


def _sources(project: Project) -> tuple[tuple[str, ...], ...]:
    """What goes into the build stage: named files where the layout is known, else everything."""
    there = set(os.listdir(project.root))
    if "src" not in there:
        return ((".", "."),)
    files = [
        name for name in sorted(there) if name == "pyproject.toml" or name.startswith("pylock.")
    ]
    files += [n for n in sorted(there) if n.upper().startswith(("README", "LICENSE", "LICENCE"))]
    files += [name for name in (".python-version",) if name in there]
    return ((*files, "./"), ("src", "src"))


def _command(project: Project) -> tuple[str, ...]:
    """The project's own program where it has exactly one, else its module, else Python."""
    table = toml.Table(
        toml.parse(project.manifest_text, project.manifest_path), file=project.manifest_path
    )
    scripts = table.table("project").table("scripts").data
    if len(scripts) == 1:
        return tuple(scripts)
    if project.manifest.installable and project.manifest.name:
        return ("python", "-m", canonicalize_name(project.manifest.name).replace("-", "_"))
    return ("python",)

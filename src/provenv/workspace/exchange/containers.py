"""Container files for a project's environment, for ``export``."""

from __future__ import annotations

import os
from collections.abc import Callable

from packaging.utils import canonicalize_name
from packaging.version import Version

from provenv import __version__
from provenv.core.errors import UsageError
from provenv.core.values import frozen
from provenv.model import toml
from provenv.model.manifest import EnvironmentSpec
from provenv.templates.containers import Image, devcontainer, dockerfile
from provenv.workspace.host import choosing
from provenv.workspace.projects.context import Context, Project
from provenv.workspace.projects.handing import sealed

_OLDEST = "3.11"  # what provenv itself runs on


@frozen
class ContainerFile:
    """A kind of container file: where it lies in a project, and how a comment begins in it."""

    filename: str
    comment: str
    render: Callable[[Image], str]


CONTAINER_FILES = {
    "dockerfile": ContainerFile(filename="Dockerfile", comment="#", render=dockerfile),
    "devcontainer": ContainerFile(
        filename=".devcontainer/devcontainer.json", comment="//", render=devcontainer
    ),
}


def container_file(project: Project, context: Context, form: str, spec: EnvironmentSpec) -> str:
    """The text of a container file (a key of ``CONTAINER_FILES``) for an environment.

    Raises:
        UsageError: The environment's Python is older than provenv's.
    """
    kind = CONTAINER_FILES[form]
    command = f"provenv export --format {form} -e {spec.name}"
    text = kind.render(_image(project, context, spec))
    return sealed(text, comment=kind.comment, command=command)


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

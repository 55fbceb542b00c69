"""Container files: an image that holds one environment and not what made it, and a dev container."""

from __future__ import annotations

import json
from collections.abc import Sequence

from provenv.core.values import frozen
from provenv.templates import texts


@frozen
class Image:
    """What an image holds.

    Attributes:
        name: Of the project.
        python: The minor version of the interpreter, ``3.13``: the base image's tag.
        environment: Its name. ``folder``: Where it lies, relative to the project.
        sources: Groups of paths that making the environment needs: ``COPY`` lines, each with its
            target as the last word.
        application: The same for what is not installed, and must be in the image beside it.
        command: What the container runs.
        version: Of provenv.
    """

    name: str
    python: str
    environment: str
    folder: str
    sources: tuple[tuple[str, ...], ...]
    application: tuple[tuple[str, ...], ...]
    command: tuple[str, ...]
    version: str


def dockerfile(image: Image) -> str:
    """A Dockerfile in two stages, with cache mounts and a user without rights."""
    values = _values(image) | {
        "COPY_SOURCES": _copies(image.sources),
        "COPY_APPLICATION": _copies(image.application),
        "COMMAND": json.dumps(list(image.command)),
    }
    return texts.fill(texts.read("containers/Dockerfile.txt"), values)


def devcontainer(image: Image) -> str:
    """A ``devcontainer.json`` (containers.dev) whose editor finds the environment."""
    values = _values(image) | {"NAME": json.dumps(image.name)}
    return texts.fill(texts.read("containers/devcontainer.json"), values)


def _values(image: Image) -> dict[str, str]:
    return {
        "PYTHON": image.python,
        "ENVIRONMENT": image.environment,
        "FOLDER": image.folder,
        "VERSION": image.version,
    }


def _copies(groups: Sequence[tuple[str, ...]]) -> str:
    """``COPY`` for each group, the last of it being where it goes; names with blanks need the JSON form."""
    lines = []
    for group in groups:
        blank = any(" " in name for name in group)
        lines.append(f"COPY {json.dumps(list(group)) if blank else ' '.join(group)}\n")
    return "".join(lines)

"""``isolation``: proof, by the interpreter's own answers, that an environment is closed."""

from __future__ import annotations

import os

from packaging.utils import canonicalize_name

from provenv.core.errors import InputError
from provenv.core.values import frozen
from provenv.doctor import isolation as examining
from provenv.doctor.facts_environment import editable_projects
from provenv.doctor.isolation import Claim
from provenv.environments import generations, switch
from provenv.workspace.projects.context import Context, Project


@frozen
class IsolationResult:
    """What was asked, and what came of it. ``python`` is empty where the interpreter does not start."""

    environment: str
    folder: str
    python: str
    claims: tuple[Claim, ...]

    @property
    def ok(self) -> bool:
        """No claim failed."""
        return all(claim.verdict != "fail" for claim in self.claims)


def isolation(
    project: Project, context: Context, *, start: str, environment: str | None = None
) -> IsolationResult:
    """Ask an environment's interpreter where it looks, as it would run for the caller in ``start``.

    Raises:
        InputError: The environment is not there.
        ForeignError: Something else made its folder.
        IntegrityError: Its record cannot be read.
    """
    spec = project.manifest.environment(environment)
    folder = project.folder(spec)
    generations.refuse_foreign(folder)
    number = switch.current(folder)
    if number is None:
        name = "" if folder.endswith("/.venv") else f" -e {spec.name}"
        raise InputError(
            "there is no environment yet", file=folder, hint=f"`provenv sync{name}` makes it."
        )
    generation = generations.read_generation(folder, number)
    asked = examining.Asked(
        folder=folder,
        executable=generation.executable,
        root=project.root,
        own=canonicalize_name(project.manifest.name) if project.manifest.name else None,
        editable=editable_projects(os.path.join(folder, "generations", str(number))),
        environ=context.environ,
        start=start,
        system=generations.sees_system(folder, number),
    )
    python, claims = examining.examine(asked)
    return IsolationResult(environment=spec.name, folder=folder, python=python, claims=claims)

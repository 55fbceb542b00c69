"""What mending works with: who holds which object, and where else on this machine its files may lie."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator

from provenv.core import digest
from provenv.core.errors import InputError, IntegrityError
from provenv.core.values import field, mutable
from provenv.environments import generations, switch
from provenv.environments.tree import Steps
from provenv.model.layout import HomeLayout
from provenv.model.lock import parse_lock
from provenv.model.plan import Artifact, find_wheel
from provenv.store.fetch import fetch
from provenv.store.objects import DESCRIPTION, describes
from provenv.store.previous import twins
from provenv.workspace.host import access
from provenv.workspace.projects.context import Context, Project

RELINKED = ("L", "C", "Y")
"""Steps whose source is a file of the store."""


@mutable
class Bench:
    """What mending needs to know of this machine: every generation, read once.

    Attributes:
        recipes: By folder and number of the generation, as far as they can be read.
    """

    context: Context
    folders: list[str]
    recipes: dict[tuple[str, int], Steps] = field(default_factory=dict)
    _small: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder in self.folders:
            for number in switch.numbers(folder):
                with contextlib.suppress(IntegrityError):
                    self.recipes[folder, number] = generations.read_recipe(folder, number)

    def holders(self, objects: Iterable[str]) -> list[tuple[str, int]]:
        """The generations that hold one of ``objects``."""
        wanted = set(objects)
        found = []
        for folder, number in self.recipes:
            with contextlib.suppress(IntegrityError):
                held = generations.read_generation(folder, number).packages
                if wanted.intersection(package.sha256 for package in held):
                    found.append((folder, number))
        return found

    def copies(self, sha256: str) -> Callable[[str], Iterator[str]]:
        """Where else the files of an object may lie: path in the object → paths."""
        prefix = f"store/wheels/{sha256[:2]}/{sha256}/"
        by_source: dict[str, list[str]] = {}
        for (folder, number), steps in self.recipes.items():
            for kind, source, path in steps:
                if kind in RELINKED and source.startswith(prefix):
                    place = f"{folder}/generations/{number}/{path}"
                    by_source.setdefault(source.removeprefix(prefix), []).append(place)
        quarantine = self.context.home.quarantine

        def of(inside: str) -> Iterator[str]:
            yield from by_source.get(inside, ())
            for name in sorted(os.listdir(quarantine)) if os.path.isdir(quarantine) else ():
                if name.startswith(f"{sha256}."):
                    yield f"{quarantine}/{name}/{inside}"
            yield from (path for _, path in twins(self.context.home, sha256, inside))

        return of

    def artifact(self, sha256: str) -> tuple[Artifact, Project | None, str] | None:
        """How a lock names the wheel: the artifact, the project if it is there, the lock's folder."""
        for folder, number in self.holders([sha256]):
            place = generations.own_file(folder, number, "pylock.toml")
            try:
                text = generations.own_text(folder, number, "pylock.toml")
                found = find_wheel(parse_lock(text, place), sha256, place)
            except (InputError, IntegrityError):
                continue
            if found is not None:
                project = _project_of(folder)
                return found, project, project.root if project else os.path.dirname(folder)
        return None

    def fresh(self, sha256: str, layout: HomeLayout) -> str | None:
        """The object ingested anew into another home; None where no lock says from where.

        Raises:
            ProvenvError: It could not be fetched.
        """
        known = self.artifact(sha256)
        if known is None:
            return None
        artifact, project, base = known
        context = self.context
        fetch(
            layout,
            [artifact],
            base=base,
            http=access.http_settings(project, context),
            emit=context.emit,
            look_up=access.look_up(context),
            workers=0,
        )
        return layout.object(sha256)

    def description(self, sha256: str) -> str | None:
        """A copy of an object's ``object.json`` that was set aside with it, and is whole."""
        quarantine = self.context.home.quarantine
        for name in sorted(os.listdir(quarantine)) if os.path.isdir(quarantine) else ():
            path = f"{quarantine}/{name}/{DESCRIPTION}"
            if name.startswith(f"{sha256}.") and describes(path, sha256):
                return path
        return None

    def small(self, name: str, sha256: str) -> str | None:
        """A file of that name and content: of a plan, or that a generation keeps."""
        if name not in self._small:
            home = self.context.home
            plans = os.listdir(home.plans) if os.path.isdir(home.plans) else []
            places = [f"{home.plans}/{plan}/{name}" for plan in plans if len(plan) == 64]
            places += [generations.own_file(f, n, name) for f, n in sorted(self.recipes)]
            self._small[name] = {}
            for place in places:
                with contextlib.suppress(OSError):
                    self._small[name].setdefault(digest.of_file(place), place)
        return self._small[name].get(sha256)


def _project_of(folder: str) -> Project | None:
    from provenv.workspace.projects.context import open_project

    try:
        return open_project(os.path.dirname(folder))
    except InputError:
        return None

"""``repair``: what ``verify`` finds is mended where it lies, in the store and in every generation.

A damaged file gets its content back from another copy on this machine (an environment that stands
alone, a hard link that kept the former file, what was set aside), else from the wheel, fetched again as
the lock of a generation says. Then every generation that linked the damaged file is pointed to the
mended one. Nothing is switched and no generation is made: what runs goes on.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from provenv.core import links
from provenv.core.errors import InputError, IntegrityError, ProvenvError
from provenv.core.files import disk_error, locked, remove_tree, temporary_name
from provenv.environments import generations, switch
from provenv.environments.drift import Drift, find_altered, find_drift
from provenv.environments.tree import Steps
from provenv.model.layout import EnvironmentLayout, HomeLayout
from provenv.model.lock import parse_lock
from provenv.model.plan import Artifact, find_wheel
from provenv.store import leftovers
from provenv.store.damage import Damage
from provenv.store.fetch import fetch
from provenv.store.mending import mend_object
from provenv.store.objects import CLOSED_MODE, OPEN_MODE, StoredObject, read_object
from provenv.workspace.host import access
from provenv.workspace.host.registry import registered
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import Context, Project, read_text
from provenv.workspace.proving import suspects, verification
from provenv.workspace.proving.verification import VerifyResult, verify

_RELINKED = ("L", "C", "Y")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What became of one damaged object.

    Attributes:
        sha256, name, version: Which.
        copied: Files that another copy on this machine gave. ``fetched``: That the wheel gave.
        aside: Where lies what did not belong into it.
        left: What is still wrong, in words; empty where it is whole.
    """

    sha256: str
    name: str
    version: str
    copied: int
    fetched: int
    aside: tuple[str, ...]
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairResult:
    """What ``repair`` did. ``ok`` is true where nothing is wrong any more.

    Attributes:
        checked: How many objects were compared.
        objects: The damaged ones.
        paths: ``(folder, generation, path)`` that were linked or copied anew.
        left: ``(folder, generation, path, why)`` that were not: ``sync`` makes a new generation.
    """

    ok: bool
    checked: int
    objects: tuple[Repaired, ...]
    paths: tuple[tuple[str, int, str], ...]
    left: tuple[tuple[str, int, str, str], ...]
    seconds: float


def repair(
    context: Context, *, project: Project | None = None, environment: str | None = None
) -> RepairResult:
    """Verify as :func:`verification.verify` does, and mend what is found.

    Raises:
        DiskError: The file system refused. What was mended before it is right.
    """
    with recorded(context, "repair", root=project.root if project else "") as operation:
        done = _repair(operation.context, project, environment)
        operation.facts.update(ok=done.ok, objects=len(done.objects), paths=len(done.paths))
        return done


def _repair(context: Context, project: Project | None, environment: str | None) -> RepairResult:
    started = time.monotonic()
    found = verify(context, project=project, environment=environment)
    folders = verification.folders_of(context, project, environment)
    with locked(context.home.lock):
        leftovers.remove(context.home)
        bench = _Bench(context, registered(context))
        objects = tuple(_mend(bench, sha256) for sha256 in _damaged(found))
        paths: list[tuple[str, int, str]] = []
        left: list[tuple[str, int, str, str]] = []
        hurt = {item.sha256 for item in objects}
        places = {*bench.holders(hurt), *((f, n) for f in folders for n in switch.numbers(f))}
        for folder, number in sorted(places):
            with locked(EnvironmentLayout(folder).lock):
                switch.sweep(folder)
                again, not_done = _relink(context, folder, number)
            paths += [(folder, number, path) for path in again]
            left += [(folder, number, path, why) for path, why in not_done]
    ok = not left and not any(item.left for item in objects)
    for item in objects:
        if not item.left:
            suspects.cleared(context, item.sha256)
    if ok:
        for folder in {folder for folder, _ in places}:
            suspects.mended(folder)
    return RepairResult(
        ok=ok,
        checked=found.objects,
        objects=objects,
        paths=tuple(paths),
        left=tuple(left),
        seconds=time.monotonic() - started,
    )


def _damaged(found: VerifyResult) -> list[str]:
    return list(dict.fromkeys(hit.damage.sha256 for hit in found.hits))


@dataclass(slots=True)
class _Bench:
    """What mending needs to know of this machine: every generation, read once."""

    context: Context
    folders: list[str]
    recipes: dict[tuple[str, int], Steps] = field(default_factory=dict)

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
                if kind in _RELINKED and source.startswith(prefix):
                    place = f"{folder}/generations/{number}/{path}"
                    by_source.setdefault(source.removeprefix(prefix), []).append(place)
        quarantine = self.context.home.quarantine

        def of(inside: str) -> Iterator[str]:
            yield from by_source.get(inside, ())
            for name in sorted(os.listdir(quarantine)) if os.path.isdir(quarantine) else ():
                if name.startswith(f"{sha256}."):
                    yield f"{quarantine}/{name}/{inside}"

        return of

    def artifact(self, sha256: str) -> tuple[Artifact, Project | None, str] | None:
        """How a lock names the wheel: the artifact, the project if it is there, the lock's folder."""
        for folder, number in self.holders([sha256]):
            place = generations.own_file(folder, number, "pylock.toml")
            try:
                found = find_wheel(parse_lock(read_text(place), place), sha256, place)
            except InputError:
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


def _project_of(folder: str) -> Project | None:
    from provenv.workspace.projects.context import open_project

    try:
        return open_project(os.path.dirname(folder))
    except InputError:
        return None


def _mend(bench: _Bench, sha256: str) -> Repaired:
    home = bench.context.home
    scratch = HomeLayout(temporary_name(os.path.join(home.tmp, f"mend-{sha256[:16]}")))
    refusals: list[str] = []

    def fresh() -> str | None:
        try:
            folder = bench.fresh(sha256, scratch)
        except ProvenvError as error:
            refusals.append(error.message)
            return None
        if folder is None:
            refusals.append("no lock says where its wheel is from; `provenv sync` builds it anew")
        return folder

    try:
        stored = read_object(home, sha256)
        if stored is None:
            return _replace(bench, sha256, fresh, refusals)
        aside = os.path.join(home.quarantine, f"{sha256}.added")
        done = mend_object(stored, bench.copies(sha256), fresh, aside)
    finally:
        remove_tree(scratch.root)
    return Repaired(
        sha256=sha256,
        name=stored.name,
        version=stored.version,
        copied=done.copied,
        fetched=done.fetched,
        aside=tuple(done.removed),
        left=(*(_said(damage) for damage in done.left), *(refusals if done.left else ())),
    )


def _replace(
    bench: _Bench, sha256: str, fresh: Callable[[], str | None], refusals: list[str]
) -> Repaired:
    """An object that cannot be read, or is not there: a new one takes its place."""
    home = bench.context.home
    made = fresh()
    stored: StoredObject | None = None
    if made is not None:
        if os.path.lexists(home.object(sha256)):
            suspects.quarantined(bench.context, sha256)
        try:
            os.makedirs(os.path.dirname(home.object(sha256)), exist_ok=True)
            os.chmod(made, OPEN_MODE)  # a directory that is moved must be writable
            os.rename(made, home.object(sha256))
            os.chmod(home.object(sha256), CLOSED_MODE)
        except OSError as error:
            raise disk_error(error, "replace", home.object(sha256)) from error
        stored = read_object(home, sha256)
    return Repaired(
        sha256=sha256,
        name=stored.name if stored else "?",
        version=stored.version if stored else "?",
        copied=0,
        fetched=verification.count_files(stored.tree) if stored else 0,
        aside=(),
        left=() if stored else ("the object is not in the store", *refusals),
    )


def _said(damage: Damage) -> str:
    return f"{damage.path}: {damage.kind}" + (f" ({damage.detail})" if damage.detail else "")


def _relink(context: Context, folder: str, number: int) -> tuple[list[str], list[tuple[str, str]]]:
    """Point one generation to the store's files again: what was done, and what could not be."""
    root, home = f"{folder}/generations/{number}", context.home.root
    try:
        recipe = generations.read_recipe(folder, number)
        hashes = generations.own_hashes(folder, number)
    except IntegrityError as error:
        return [], [("", error.message)]
    drift = find_drift(recipe, root, home)
    seen = {item.path for item in drift}
    drift += [i for i in find_altered(recipe, root, home, hashes) if i.path not in seen]
    steps = {path: (kind, source) for kind, source, path in recipe}
    done: list[str] = []
    left: list[tuple[str, str]] = []
    for item in drift:
        why = _put_right(item, steps.get(item.path), root, home)
        if why is None:
            done.append(item.path)
        else:
            left.append((item.path, why))
    return done, left


def _put_right(item: Drift, step: tuple[str, str] | None, root: str, home: str) -> str | None:
    """Link or copy one path anew; why not, where that cannot be."""
    if item.kind == "added" or step is None:
        return "somebody added it; it is left alone"
    kind, source = step
    path = f"{root}/{item.path}"
    if os.path.isdir(path) and not os.path.islink(path):
        return "a directory stands in its place"
    temporary = switch.temporary(
        os.path.dirname(os.path.dirname(root))
    )  # the next command sweeps it
    try:
        if kind == "S":
            os.symlink(source, temporary)
        elif kind == "L":
            links.hard_link(f"{home}/{source}", temporary)
        elif kind in _RELINKED:
            links.duplicate(f"{home}/{source}", temporary)
            if not os.path.islink(temporary):
                os.chmod(temporary, os.stat(temporary).st_mode | 0o200)
        else:
            return "it is this environment's own; `provenv sync` makes a new generation"
        os.replace(temporary, path)
    except OSError as error:
        return error.strerror or "the file system refused"
    finally:
        if os.path.lexists(temporary):  # also where rename(2) did nothing: two links of one file
            os.unlink(temporary)
    return None

"""``repair``: what ``verify`` finds is mended where it lies, in the store and in every generation.

A damaged file gets its content back from another copy on this machine (an environment that stands
alone, a hard link that kept the former file, what was set aside, another version that has the same
file), else from the wheel, fetched again as the lock of a generation says. Then every generation that
linked the damaged file is pointed to the mended one. Nothing is switched and no generation is made: what
runs goes on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence

from provenv.core import links
from provenv.core.errors import ProvenvError
from provenv.core.files import disk_error, locked, remove_tree, temporary_name
from provenv.core.values import frozen
from provenv.environments import switch
from provenv.model.layout import EnvironmentLayout, HomeLayout
from provenv.store import leftovers
from provenv.store.damage import Damage
from provenv.store.links import LINKS, blocked_record, link_name, prepared_links
from provenv.store.mending import mend_object
from provenv.store.objects import (
    CLOSED_MODE,
    DESCRIPTION,
    OPEN_MODE,
    StoredObject,
    read_object,
)
from provenv.store.verify import CACHE
from provenv.workspace.host.registry import registered
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import Context, Project
from provenv.workspace.proving import bytecode, suspects, verification
from provenv.workspace.proving.bench import Bench
from provenv.workspace.proving.objects import count_files
from provenv.workspace.proving.relinking import relink
from provenv.workspace.proving.verification import VerifyResult, verify


@frozen
class Repaired:
    """What became of one damaged object.

    Attributes:
        sha256, name, version: Which.
        copied: Files that another copy on this machine gave. ``fetched``: That the wheel gave.
        removed: Files of byte code that were removed: Python writes them again.
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
    removed: int = 0


@frozen
class RepairedEnvironment:
    """What became of one environment that was hit.

    Attributes:
        folder: Where it lies. ``generations``: The numbers of those that were hit.
        packages: ``name version`` of damaged objects that they hold and that are whole again.
        paths: How many of its own paths were put right.
        left: What is still wrong, in words; empty where all is as it was made.
    """

    folder: str
    generations: tuple[int, ...]
    packages: tuple[str, ...]
    paths: int
    left: tuple[str, ...]


@frozen
class RepairResult:
    """What ``repair`` did. ``ok`` is true where nothing is wrong any more.

    Attributes:
        checked: How many objects were compared.
        objects: The damaged ones.
        paths: ``(folder, generation, path)`` that were linked or copied anew.
        left: ``(folder, generation, path, why)`` that were not: ``sync`` makes a new generation.
        environments: Those that were hit, in the order of their folders.
        looked_at: How many environments were compared, or hold what was damaged.
    """

    ok: bool
    checked: int
    objects: tuple[Repaired, ...]
    paths: tuple[tuple[str, int, str], ...]
    left: tuple[tuple[str, int, str, str], ...]
    seconds: float
    environments: tuple[RepairedEnvironment, ...] = ()
    looked_at: int = 0


def repair(
    context: Context, *, project: Project | None = None, environment: str | None = None
) -> RepairResult:
    """Verify as :func:`verification.verify` does, and mend what is found.

    What cannot be mended does not stop the rest.

    Raises:
        DiskError: The store cannot be locked.
    """
    with recorded(context, "repair", root=project.root if project else "") as operation:
        done = _repair(operation.context, project, environment)
        operation.facts.update(ok=done.ok, objects=len(done.objects), paths=len(done.paths))
        return done


def _repair(context: Context, project: Project | None, environment: str | None) -> RepairResult:
    started = time.monotonic()
    found = verify(context, project=project, environment=environment)
    folders = verification.folders_of(context, project, environment)
    paths: list[tuple[str, int, str]] = []
    left: list[tuple[str, int, str, str]] = []
    with locked(context.home.lock):
        leftovers.remove(context.home)
        bench = Bench(context, registered(context))
        objects = tuple(_mend(bench, sha256, found) for sha256 in _damaged(found))
        holders = {sha256: bench.holders([sha256]) for sha256 in _damaged(found)}
        places = {place for some in holders.values() for place in some}
        places |= {(folder, number) for folder in folders for number in switch.numbers(folder)}
        for folder, number in sorted(places):
            try:
                with locked(EnvironmentLayout(folder).lock):
                    switch.sweep(folder)
                    again, stuck = _without_byte_code(found, folder, number)
                    more, not_done = relink(bench, folder, number)
                    again += more
                    not_done += [(path, "it cannot be removed") for path in stuck]
            except (ProvenvError, OSError) as error:
                again, not_done = [], [("", str(error))]
            paths += [(folder, number, path) for path in again]
            left += [(folder, number, path, why) for path, why in not_done]
    environments = tuple(_environments(objects, holders, paths, left))
    for item in objects:
        if not item.left:
            suspects.cleared(context, item.sha256)
            hits = (hit.damage for hit in found.hits if hit.damage.sha256 == item.sha256)
            paths_of = (verification.removable_path(context, damage) for damage in hits)
            suspects.forget_removable(context, [path for path in paths_of if path is not None])
    for folder in {folder for folder, _ in places} - {e.folder for e in environments if e.left}:
        suspects.mended(folder)
    return RepairResult(
        ok=not left and not any(item.left for item in objects),
        checked=found.objects,
        objects=objects,
        paths=tuple(paths),
        left=tuple(left),
        seconds=time.monotonic() - started,
        environments=environments,
        looked_at=len({folder for folder, _ in places}),
    )


def _damaged(found: VerifyResult) -> list[str]:
    return list(dict.fromkeys(hit.damage.sha256 for hit in found.hits))


def _without_byte_code(
    found: VerifyResult, folder: str, number: int
) -> tuple[list[str], list[str]]:
    """Remove byte code of one generation that is not what Python would write: what is gone, and is not."""
    root = f"{folder}/generations/{number}"
    wrong = [
        f"{root}/{item.path}"
        for where, item in (*found.drift, *found.former)
        if (where, item.generation) == (folder, number) and f"/{CACHE}/" in item.path
    ]
    gone, stuck = bytecode.remove(wrong)
    return [os.path.relpath(p, root) for p in gone], [os.path.relpath(p, root) for p in stuck]


def _environments(
    objects: Sequence[Repaired],
    holders: dict[str, list[tuple[str, int]]],
    paths: Sequence[tuple[str, int, str]],
    left: Sequence[tuple[str, int, str, str]],
) -> Iterator[RepairedEnvironment]:
    """What was done, and what was not, by environment."""
    hit = [place for some in holders.values() for place in some]
    hit += [(folder, number) for folder, number, _ in paths]
    hit += [(folder, number) for folder, number, _, _ in left]
    for folder in sorted({folder for folder, _ in hit}):
        held = [i for i in objects if any(f == folder for f, _ in holders[i.sha256])]
        wrong = [f"{i.name} {i.version}: {reason}" for i in held for reason in i.left]
        wrong += [f"{path}: {why}" if path else why for f, _, path, why in left if f == folder]
        yield RepairedEnvironment(
            folder=folder,
            generations=tuple(sorted({number for f, number in hit if f == folder})),
            packages=tuple(f"{item.name} {item.version}" for item in held if not item.left),
            paths=sum(f == folder for f, _, _ in paths),
            left=tuple(wrong),
        )


def _mend(bench: Bench, sha256: str, found: VerifyResult) -> Repaired:
    """Mend one object, with its byte code and the prepared links into it."""
    hits = [hit.damage for hit in found.hits if hit.damage.sha256 == sha256]
    try:
        return _mend_object(bench, sha256, hits)
    except (ProvenvError, OSError) as error:
        return _repaired(hits, left=(str(error),))


def _repaired(hits: Sequence[Damage], **more: object) -> Repaired:
    values: dict[str, object] = {"copied": 0, "fetched": 0, "aside": (), "left": (), **more}
    first = hits[0]
    return Repaired(sha256=first.sha256, name=first.name, version=first.version, **values)  # type: ignore[arg-type]


def _mend_object(bench: Bench, sha256: str, hits: Sequence[Damage]) -> Repaired:
    home = bench.context.home
    compiled = [f"{home.object(sha256)}/{hit.path}" for hit in hits if f"/{CACHE}/" in hit.path]
    removed, stuck = bytecode.remove(compiled)
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
        stored = read_object(home, sha256) or _described(bench, sha256, fresh)
        if stored is None:
            return _replace(bench, hits, fresh, refusals)
        aside = os.path.join(home.quarantine, f"{sha256}.added")
        done = mend_object(stored, bench.copies(sha256), fresh, aside)
        _links_again(home, stored, hits)
    finally:
        remove_tree(scratch.root)
    return _repaired(
        hits,
        copied=done.copied,
        fetched=done.fetched,
        removed=len(removed),
        aside=tuple(done.removed),
        left=(
            *(_said(damage) for damage in done.left),
            *(refusals if done.left else ()),
            *(f"{path}: it cannot be removed" for path in stuck),
        ),
    )


def _described(bench: Bench, sha256: str, fresh: Callable[[], str | None]) -> StoredObject | None:
    """The object with a description that is whole again; None where it must be replaced as a whole."""
    home = bench.context.home
    folder = home.object(sha256)
    if os.path.islink(folder) or not os.path.isdir(folder):
        return None
    source = bench.description(sha256)
    if source is None:
        made = fresh()
        source = os.path.join(made, DESCRIPTION) if made is not None else None
    if source is None:
        return None
    temporary = temporary_name(os.path.join(folder, DESCRIPTION))
    try:
        os.chmod(folder, OPEN_MODE)
        links.duplicate(source, temporary)
        os.replace(temporary, os.path.join(folder, DESCRIPTION))
    except OSError as error:
        raise disk_error(error, "write", os.path.join(folder, DESCRIPTION)) from error
    finally:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        os.chmod(folder, CLOSED_MODE)
    return read_object(home, sha256)


def _links_again(home: HomeLayout, stored: StoredObject, hits: Sequence[Damage]) -> None:
    """Make prepared links anew that lead elsewhere."""
    names = {hit.path.removeprefix(LINKS) for hit in hits if hit.path.startswith(LINKS)}
    if not names:
        return
    for name in names:
        path = f"{home.object_links(stored.sha256)}/{name}"
        if os.path.islink(path):
            os.unlink(path)
    if "RECORD" in names:
        blocked_record(home, stored.sha256)
    paths = [path for path in _folders(stored) if link_name(path) in names]
    prepared_links(home, stored.sha256, paths)


def _folders(stored: StoredObject) -> Iterator[str]:
    stack = [(scheme, node) for scheme, node in stored.tree.items()]
    while stack:
        path, node = stack.pop()
        yield path
        stack += [(f"{path}/{name}", inner) for name, inner in node.get("d", {}).items()]


def _replace(
    bench: Bench, hits: Sequence[Damage], fresh: Callable[[], str | None], refusals: list[str]
) -> Repaired:
    """An object that cannot be read, or is not there: a new one takes its place."""
    home, sha256 = bench.context.home, hits[0].sha256
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
    return _repaired(
        hits,
        fetched=count_files(stored.tree) if stored else 0,
        left=() if stored else (_said(hits[0]), *refusals),
    )


def _said(damage: Damage) -> str:
    where = f"{damage.path}: " if damage.path else ""
    return f"{where}{damage.kind}" + (f" ({damage.detail})" if damage.detail else "")

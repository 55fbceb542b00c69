"""``env edit``: give an environment a private copy of a distribution, or give it up again."""

from __future__ import annotations

import difflib
import json
import os
import time
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from provenv.core import digest
from provenv.core.disk import doing
from provenv.core.errors import CheckFailedError, DiskError, IntegrityError, UsageError
from provenv.core.events import ChangeBegun, Noted, Warned
from provenv.core.values import frozen
from provenv.environments import generations, plans, stamp, switch, tree
from provenv.environments.drift import find_drift
from provenv.environments.edits import Edit, carry, find_edits, release
from provenv.environments.private import copies_in, open_up
from provenv.environments.tree import Steps
from provenv.model.generation import Generation, Installed
from provenv.model.manifest import EnvironmentSpec
from provenv.store.objects import require_object
from provenv.store.verify import verify_object
from provenv.workspace.host import registry, waits
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import Context, Project
from provenv.workspace.proving import suspects
from provenv.workspace.proving.copies import tell_stuck, unreleased
from provenv.workspace.syncing.evidencing import record_generation
from provenv.workspace.syncing.planning import tree_digest_of, with_own_files


@frozen
class CopyResult:
    """What ``env edit`` did.

    Attributes:
        previous: The generation before. ``generation``: The current one now.
        made: It is a new one; False where there was nothing to do.
        copied: The distribution is a private copy now; False where that was given up.
        places: Where its modules lie, below the environment's folder; empty where given up.
        edits: What differs from the store; with ``copied`` false, what did, and stays in ``previous``.
    """

    environment: str
    folder: str
    package: str
    version: str
    previous: int
    generation: int
    made: bool
    copied: bool
    places: tuple[str, ...]
    edits: tuple[Edit, ...]
    seconds: float


def edit_package(
    project: Project, context: Context, package: str, *, environment: str | None = None
) -> CopyResult:
    """Give an environment a private, writable copy of one distribution, as a new generation.

    Everything else in it stays what it is, whatever the lock says by now.

    Raises:
        UsageError: There is no environment yet, or the distribution is one of the project's own folders.
        CheckFailedError: The distribution is not in it.
        IntegrityError: Objects are damaged, or the generation cannot be read; nothing was switched.
    """
    return _change(project, context, package, environment, copied=True)


def discard_edits(
    project: Project, context: Context, package: str, *, environment: str | None = None
) -> CopyResult:
    """Give a private copy up: a new generation links the distribution from the store again.

    The generation before keeps the edits until ``store gc`` removes it, as it does with any other. Where
    the current one has no copy, former ones that are kept for their edits need not be any more.

    Raises:
        CheckFailedError: No generation has a private copy of it.
        UsageError, IntegrityError: As for :func:`edit_package`.
    """
    return _change(project, context, package, environment, copied=False)


def _change(
    project: Project, context: Context, package: str, environment: str | None, *, copied: bool
) -> CopyResult:
    spec = project.manifest.environment(environment)
    folder = project.folder(spec)
    generations.refuse_foreign(folder)
    generations.current_number(folder)
    registry.attend(project, context, environment)
    with recorded(
        context,
        "env-edit",
        root=project.root,
        environment=spec.name,
        folder=folder,
        at_once=False,
    ) as operation:
        return _copy_or_link(project, operation.context, package, spec, copied=copied)


def _copy_or_link(
    project: Project, context: Context, package: str, spec: EnvironmentSpec, *, copied: bool
) -> CopyResult:
    started = time.monotonic()
    folder = project.folder(spec)
    name = canonicalize_name(package)
    with waits.working_on(context, folder):
        switch.sweep(folder)
        number = generations.current_number(folder)
        record = generations.read_generation(folder, number)
        if not copied and name not in record.edited:
            return _let_go(context, folder, record, name, started)
        installed = _installed(record, name, spec.name)
        made = name not in record.edited or not copied
        after = number
        if copied:
            _refuse_own(folder, number, installed)
        if made:
            context.emit(ChangeBegun())
            wanted = {*record.edited, name} if copied else {*record.edited} - {name}
            after = _switch(project, context, folder, record, wanted)
        if not copied:
            _release_all(context, folder, name)
    edits = _edits_of(context, folder, after if copied else number, installed.sha256)
    return CopyResult(
        environment=spec.name,
        folder=folder,
        package=name,
        version=installed.version,
        previous=number,
        generation=after,
        made=made,
        copied=copied,
        places=_places(folder, after, installed.sha256),
        edits=edits,
        seconds=time.monotonic() - started,
    )


def _installed(record: Generation, name: str, environment: str) -> Installed:
    for package in record.packages:
        if package.name == name:
            return package
    names = [package.name for package in record.packages]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    raise CheckFailedError(
        f"{name} is not in environment {environment!r}",
        hint=f"Did you mean {near[0]}?" if near else "`provenv tree` shows what is.",
    )


def _refuse_own(folder: str, number: int, package: Installed) -> None:
    """What is built from a folder is edited there: a copy of it would be forgotten at the next build.

    PEP 610, ``dir_info``.
    """
    source, data = "", _direct_url(folder, number, package)
    if data is not None:
        source = unquote(urlsplit(str(data.get("url", ""))).path)
    if package.editable:
        where = f" from {source}" if source else ""
        raise UsageError(f"{package.name} is installed editable{where}: edit it there")
    if data is not None and "dir_info" in data:
        raise UsageError(
            f"{package.name} is built from {source}: edit it there",
            hint="The next `provenv sync` builds it anew.",
        )


def _direct_url(folder: str, number: int, package: Installed) -> dict[str, Any] | None:
    for kind, source, path in generations.read_recipe(folder, number):
        if kind != "D" and source == f"direct_url-{package.name}.json":
            try:
                with open(f"{folder}/generations/{number}/{path}", "rb") as stream:
                    data: dict[str, Any] = json.load(stream)
            except (OSError, ValueError):
                return None
            return data
    return None


def _switch(
    project: Project, context: Context, folder: str, record: Generation, wanted: set[str]
) -> int:
    """Make the generation like ``record`` with other private copies, and switch to it."""
    home, number = context.home, record.number
    recipe = generations.read_recipe(folder, number)
    root = f"{folder}/generations/{number}"
    drift = find_drift(recipe, root, home.root)
    if drift:
        context.emit(
            Warned(
                message=f"{len(drift)} path(s) that others changed are not taken along",
                hint=f"Generation {number} still has them.",
            )
        )
    for package in record.packages:
        if package.name in wanted - {*record.edited}:
            _refuse_damaged(context, package)
    before = _restampable(folder)
    steps, plan = _plan(project, context, folder, record, wanted)
    sha256s = {p.sha256 for p in record.packages if p.name in wanted}
    edits = [e for e in find_edits(recipe, root, home.root) if e.sha256 in sha256s]
    stuck: list[Edit] = []
    try:
        with doing("registering the environment", context.home.roots):
            registry.register(context, folder, plan)
        after, _ = switch.make_generation(
            folder,
            steps,
            home.root,
            plan,
            context.cause,
            project=project.root,
            amend=lambda new: stuck.extend(carry(edits, root, steps, new)),
        )
        switch.switch(folder, after, context.cause, verb="edit")
    except switch.DamagedStoreError as error:
        raise IntegrityError(
            f"generation {number} links damaged or missing objects in the store: {error}",
            hint="`provenv sync` mends them; nothing was switched.",
        ) from error
    except DiskError as error:
        error.amend("editing", switch.standing(folder, number))
        raise
    _restamp(folder, after, before)
    tell_stuck(context, stuck, number)
    torn = {p.name for p in record.packages if p.sha256 in {edit.sha256 for edit in stuck}}
    release(folder, number, sorted(wanted & {*record.edited} - torn))
    record_generation(project, context, record.environment, after, number, ())
    return after


def _refuse_damaged(context: Context, package: Installed) -> None:
    """A copy of a damaged file would pass for an edit ever after: every file is compared first."""
    damage = verify_object(require_object(context.home, package.sha256))
    if damage:
        suspects.note(context, [package.sha256], [])
        raise IntegrityError(
            f"{package.name} {package.version} is damaged in the store: {damage[0].path}",
            hint="`provenv sync` replaces it; nothing was switched.",
            details={"sha256": package.sha256, "paths": [item.path for item in damage]},
        )


def _plan(
    project: Project, context: Context, folder: str, record: Generation, wanted: set[str]
) -> tuple[Steps, str]:
    """The recipe with the private copies that are wanted, and the folder of its plan, written anew."""
    number = record.number
    unedited = generations.read_unedited(folder, number)
    steps = unedited
    for package in record.packages:
        if package.name in wanted:
            steps = open_up(steps, require_object(context.home, package.sha256), context.home)
    hashes = generations.own_hashes(folder, number)
    tree_digest = tree_digest_of(steps, hashes)
    steps = with_own_files(steps, edited=bool(wanted))
    files = _small_files(project.root, folder, number, unedited)
    own = {"recipe": tree.render(steps).encode("utf-8", "surrogateescape")}
    if wanted:
        own[generations.UNEDITED] = tree.render(unedited).encode("utf-8", "surrogateescape")
    for name in ("checks", "pylock.toml", "pyproject.toml"):
        with open(generations.own_file(folder, number, name), "rb") as stream:
            files[name] = stream.read()
    own["checks"] = files["checks"]
    files |= own
    files["contents.json"] = generations.contents_edited(
        folder,
        number,
        tree_digest=tree_digest,
        own={name: digest.of_bytes(data) for name, data in own.items()},
        edited=sorted(wanted),
    )
    name = digest.of_json([[key, digest.of_bytes(data)] for key, data in sorted(files.items())])
    return steps, plans.write_plan(context.home.plans, name, files)


def _small_files(place: str, folder: str, number: int, steps: Steps) -> dict[str, bytes]:
    """The plan's own small files, read back from the generation: the plan itself may be gone.

    Raises:
        IntegrityError: One of them is not there.
    """
    hashes = generations.own_hashes(folder, number)
    files: dict[str, bytes] = {}
    for kind, source, path in steps:
        if kind not in ("P", "N", "E"):
            continue
        try:
            with open(f"{folder}/generations/{number}/{path}", "rb") as stream:
                data = stream.read()
        except OSError as error:
            raise IntegrityError(
                f"{path} is missing in generation {number} of {folder}",
                hint="`provenv sync` makes a whole generation.",
            ) from error
        files[source] = _unplaced(data, place, hashes.get(source)) if kind == "E" else data
    return files


def _unplaced(data: bytes, place: str, wanted: str | None) -> bytes:
    """A file whose E step filled in the project's place, as it was before: of the hash ``wanted``.

    Other members of a workspace are seen from a folder above the project's.
    """
    here = os.fsencode(place)
    path, url = tree.PLACE, tree.PLACE_IN_URL
    for levels in range(1, place.count("/") + 1):
        address = tree.quoted(here)
        for form in (
            data.replace(here, path),
            data.replace(address, url),
            data.replace(address, url).replace(here, path),
        ):
            if digest.of_bytes(form) == wanted:
                return form
        here = here.rpartition(b"/")[0]
        path, url = tree.above_places(levels)
    return data


def _restampable(folder: str) -> stamp.Stamp | None:
    """The stamp, where all that it says is true now."""
    known = stamp.read(folder)
    return known if known is not None and stamp.holds(folder, known) else None


def _restamp(folder: str, number: int, before: stamp.Stamp | None) -> None:
    """Let the stamp hold for the new generation, as it did for the one before."""
    if before is None:
        stamp.forget(folder)
        return
    signatures = [
        stamp.signature(path) if path.startswith(f"{folder}/") else line
        for line in before.signatures
        for path in [line.split(" ", 3)[-1]]
    ]
    known = stamp.Stamp(
        before.home,
        before.environment,
        f"generations/{number}",
        signatures,
        held=before.held,
        asked=before.asked,
    )
    stamp.write(folder, known)


def _let_go(
    context: Context, folder: str, record: Generation, name: str, started: float
) -> CopyResult:
    """Let former generations go that are kept for edits of ``name``; the current one has no copy.

    Raises:
        CheckFailedError: There is none.
    """
    found = _release_all(context, folder, name)
    if not found:
        raise CheckFailedError(
            f"there is no private copy of {name} in this environment",
            hint="`provenv status` lists those there are.",
        )
    for number in found:
        context.emit(Noted(message=f"generation {number} is not kept for its edits any more"))
    former = generations.read_generation(folder, found[-1])
    return CopyResult(
        environment=record.environment,
        folder=folder,
        package=name,
        version=next(package.version for package in former.packages if package.name == name),
        previous=record.number,
        generation=record.number,
        made=False,
        copied=False,
        places=(),
        edits=(),
        seconds=time.monotonic() - started,
    )


def _release_all(context: Context, folder: str, name: str) -> list[int]:
    """Note of every generation that it need not be kept for edits of ``name``: those where that is news."""
    found = [n for n in switch.numbers(folder) if name in unreleased(context, folder, n)]
    for number in found:
        release(folder, number, [name])
    return found


def _edits_of(context: Context, folder: str, number: int, sha256: str) -> tuple[Edit, ...]:
    recipe = generations.read_recipe(folder, number)
    found = find_edits(recipe, f"{folder}/generations/{number}", context.home.root)
    return tuple(edit for edit in found if edit.sha256 == sha256)


def _places(folder: str, number: int, sha256: str) -> tuple[str, ...]:
    """Where the modules of a private copy lie: its uppermost folders and single files."""
    copies = copies_in(generations.read_recipe(folder, number))
    own = {path for path, (owner, _) in copies.files.items() if owner == sha256}
    folders = {path for path, (owner, _) in copies.folders.items() if owner == sha256}
    uppermost = {
        next((above for above in _above(path) if above in folders), path)
        for path in own
        if "/site-packages/" in path and ".dist-info/" not in path
    }
    return tuple(sorted(uppermost or own))


def _above(path: str) -> list[str]:
    """The folders above ``path``, the uppermost first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]

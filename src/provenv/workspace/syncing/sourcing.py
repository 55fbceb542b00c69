"""``sync --from``: a lock of another tool instead of ``pylock.toml``, used as it is.

The generation that is made of it remembers the file; later commands on that environment read the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from email.parser import HeaderParser
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from provenv.core.disk import refuse_sick
from provenv.core.errors import CheckFailedError, InputError, UsageError
from provenv.core.events import Warned
from provenv.core.values import frozen, replace
from provenv.formats.foreign import BASE, Foreign, Source
from provenv.formats.kinds import format_of, read
from provenv.formats.selecting import applies, select
from provenv.model.interpreter import Interpreter
from provenv.model.manifest import EnvironmentSpec
from provenv.model.plan import canonical
from provenv.store.objects import require_object
from provenv.workspace.projects.context import Context, LockFile, Project
from provenv.workspace.syncing import locking
from provenv.workspace.syncing.addresses import find_files, is_complete, own_index
from provenv.workspace.syncing.origins import refuse_index, refuse_strays

if TYPE_CHECKING:
    from provenv.workspace.syncing.planning import Prepared

# Distributions that some tools leave out of their locks.
_UNLOCKED = frozenset({"pip", "setuptools", "wheel", "distribute"})


@frozen
class Opened:
    """A foreign lock, and the project as it is to be seen with it.

    Attributes:
        name: The file, relative to the project; what the generation remembers.
        path: Absolute.
        seen: Every file that was looked at, absolute, with its bytes; None where it was not there.
        foreign: What it says; None for a lock in the standard form.
        lock: The lock where it is in the standard form.
    """

    name: str
    path: str
    seen: Mapping[str, bytes | None]
    project: Project
    spec: EnvironmentSpec
    foreign: Foreign | None = None
    lock: LockFile | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that decides, absolute."""
        return tuple(self.seen)

    def as_read(self) -> bool:
        """Whether they are still what was worked with."""
        return all(_bytes(path) == data for path, data in self.seen.items())


def read_source(
    root: str, context: Context, path: str, seen: dict[str, bytes | None] | None = None
) -> Source:
    """A file with what its reader may need, on behalf of the project in ``root``.

    ``seen`` gets all that is looked at.

    Raises:
        InputError: It cannot be read.
    """
    shown = os.path.relpath(path, root)
    try:
        with open(path, "rb") as stream:
            data = stream.read()
    except OSError as error:
        refuse_sick(error, path)
        raise InputError(f"cannot be read: {error.strerror}", file=shown) from error
    known = seen if seen is not None else {}
    known[path] = data

    def neighbour(name: str) -> bytes | None:
        if name not in known:
            known[name] = _bytes(name)
        return known[name]

    return Source(
        path=path,
        shown=shown,
        data=data,
        root=root,
        environ=context.environ,
        read=neighbour,
    )


def _bytes(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return None


def open_source(project: Project, context: Context, spec: EnvironmentSpec, name: str) -> Opened:
    """Read the file ``name`` (relative to the project) for an environment.

    Raises:
        InputError: It is not there, not what its name says, or pins not everything.
        UsageError: It asks for versions and pins none.
    """
    path = os.path.normpath(os.path.join(project.root, name))
    if not os.path.exists(path):
        raise InputError(
            "is not there",
            file=name,
            hint="`provenv sync --from FILE` takes another; `--from pylock.toml` the project's lock.",
        )
    seen: dict[str, bytes | None] = {}
    source = read_source(project.root, context, path, seen)
    known = format_of(path)
    if known.role == "manifest":
        raise UsageError(
            f"{name} asks for versions and pins none",
            hint=f"`provenv import {name}` takes it over, and locks.",
        )
    if known.name == "pylock":
        return _standard(project, spec, name, source, seen)
    return _foreign(project, spec, name, source, seen)


def _standard(
    project: Project,
    spec: EnvironmentSpec,
    name: str,
    source: Source,
    seen: Mapping[str, bytes | None],
) -> Opened:
    from provenv.formats.pylocks import read_pylock

    lock, text = read_pylock(source)
    entries = [
        e for p in lock.packages for e in (*(p.wheels or ()), p.sdist, p.archive, p.directory)
    ]
    if source.folder != project.root and any(e is not None and e.path for e in entries):
        raise InputError(
            "names files beside itself, and does not lie in the project's folder",
            file=name,
            hint=f"Copy it to {project.root}, with what it names.",
        )
    groups = tuple(canonical(group) for group in lock.default_groups or ())
    if not spec.groups and spec.name == project.manifest.default_environment:
        spec = replace(spec, groups=groups)
    made = LockFile(path=source.path, text=text, lock=lock)
    return Opened(name=name, path=source.path, seen=seen, project=project, spec=spec, lock=made)


def _foreign(
    project: Project,
    spec: EnvironmentSpec,
    name: str,
    source: Source,
    seen: Mapping[str, bytes | None],
) -> Opened:
    known, foreign = read(source)
    if foreign is None:
        raise InputError(f"holds nothing of {known.name}", file=name)
    return Opened(
        name=name,
        path=source.path,
        seen=seen,
        project=_as_seen(project, foreign),
        spec=_chosen(project, spec, foreign),
        foreign=foreign,
    )


def _as_seen(project: Project, foreign: Foreign) -> Project:
    """The project with what the foreign files say of it, where its own manifest does not."""
    manifest = project.manifest
    known = {index.name for index in manifest.indexes}
    more = tuple(index for index in foreign.indexes if index.name not in known)
    if any(index.default for index in manifest.indexes):
        more = tuple(replace(index, default=False) for index in more)
    own = any(
        pin.direct is not None and pin.direct.kind == "directory" and pin.direct.path == "."
        for pin in foreign.pins
    )
    direct = tuple(edge.name for edge in foreign.roots.get(BASE, ()))
    return replace(
        project,
        manifest=replace(
            manifest,
            name=manifest.name or foreign.name or None,
            requires_python=manifest.requires_python or foreign.requires_python or None,
            indexes=(*manifest.indexes, *more),
            # `-e .` in the file says it already
            build_system=None if own or foreign.package is False else manifest.build_system,
            dependencies=manifest.dependencies or tuple(dict.fromkeys(direct)),
        ),
    )


def _chosen(project: Project, spec: EnvironmentSpec, foreign: Foreign) -> EnvironmentSpec:
    """The environment's groups, as the foreign lock knows them.

    The default environment has what the other tool installs without being asked, unless the manifest
    says otherwise; the others have what is declared for them, and ``test`` the group of that name.
    """
    manifest = project.manifest
    if spec.name == manifest.default_environment and set(spec.groups) <= {"dev"}:
        return replace(
            spec,
            groups=foreign.default_groups or spec.groups,
            extras=spec.extras or foreign.default_extras,
        )
    if spec.name == "test" and not spec.groups and "test" in foreign.groups:
        return replace(spec, groups=("test",))
    return spec


def lock_for(
    opened: Opened, context: Context, interpreter: Interpreter, *, anew: bool = False
) -> LockFile:
    """The lock of exactly what the foreign file installs in this environment.

    ``anew`` asks the index again for files that the foreign lock has no hashes of.

    Raises:
        CheckFailedError: The foreign file names files from where the manifest does not lead, or is a
            lock of provenv's that somebody has edited.
        InputError, IntegrityError, NetworkError, UnsatisfiableError: As :func:`find_files` and
            :func:`select` say.
    """
    if opened.lock is not None:
        locking.refuse_edited({None: opened.lock}, own=False)
        refuse_strays(opened.project, context, {opened.path: opened.lock.lock})
        return opened.lock
    from provenv.formats.locks import make_lock
    from provenv.model.lock import render_lock

    foreign, spec = opened.foreign, opened.spec
    assert foreign is not None
    for kind, wanted, there in (
        ("group", spec.groups, foreign.groups),
        ("extra", spec.extras, foreign.extras),
    ):
        for item in wanted:
            if item not in there:
                context.emit(Warned(message=f"{opened.name} knows no {kind} {item!r}"))
    chosen = select(foreign, interpreter.markers, groups=spec.groups, extras=spec.extras)
    loose = [foreign.unpinned[item] for item in chosen.missing if item in foreign.unpinned]
    if loose:
        listed = ", ".join(loose[:4]) + (" …" if len(loose) > 4 else "")
        raise InputError(
            f"does not pin everything: {listed}",
            file=opened.name,
            hint=f"`provenv import {opened.name}` takes it over, and locks the rest.",
        )
    missing = [item for item in chosen.missing if item not in _UNLOCKED]
    if missing:
        raise InputError(
            f"has no entry for {', '.join(missing)}, which it needs",
            file=opened.name,
            hint="Have its own tool lock again.",
        )
    own = [pin for pin in chosen.pins if pin.direct is None and is_complete(pin)]
    named = make_lock(foreign, own, {pin.name: pin.files for pin in own})
    refuse_strays(opened.project, context, {opened.path: named})
    for pin in chosen.pins:
        if pin.direct is None and (index := own_index(opened.project, pin)):
            refuse_index(opened.project, context, opened.path, pin.name, index)
    files = find_files(opened.project, context, foreign, chosen.pins, anew=anew)
    lock = make_lock(foreign, chosen.pins, files)
    return LockFile(
        path=opened.path, text=render_lock(lock, header=_header(opened.name)), lock=lock
    )


def _header(name: str) -> str:
    return f"Made by provenv from {name}: what it installs in one environment."


def check_whole(opened: Opened, context: Context, prepared: Prepared) -> None:
    """Refuse a requirements file that leaves out what its distributions need, as pip would add it.

    Raises:
        CheckFailedError: Something is missing; names it, and what needs it.
    """
    foreign = opened.foreign
    if foreign is None or foreign.kind not in ("requirements", "environment.yml"):
        return
    extras = {edge.name: edge.extras for edge in foreign.roots.get(BASE, ())}
    there = {name for name, _, _, _ in prepared.packages}
    missing: dict[str, str] = {}
    for name, _, sha256, _ in prepared.packages:
        stored = require_object(context.home, sha256)
        path = f"{stored.folder}/site/{stored.dist_info}/METADATA"
        for needed in _needs(path, prepared.interpreter, extras.get(name, ())):
            if needed not in there and needed not in _UNLOCKED:
                missing.setdefault(needed, name)
    if missing:
        listed = ", ".join(f"{name} (for {why})" for name, why in sorted(missing.items())[:6])
        raise CheckFailedError(
            f"{opened.name} leaves out what its packages need: {listed}",
            hint=f"`provenv import {opened.name}` takes it over, and locks the rest.",
            details={"missing": sorted(missing)},
        )


def _needs(path: str, interpreter: Interpreter, extras: Sequence[str]) -> list[str]:
    with open(path, encoding="utf-8", errors="replace") as stream:
        headers = HeaderParser().parse(stream)
    found = []
    for text in headers.get_all("Requires-Dist") or ():
        try:
            requirement = Requirement(text)
        except ValueError:  # old distributions write what is no requirement; pip left it out, too
            continue
        if applies(str(requirement.marker or ""), interpreter.markers, extras):
            found.append(canonical(requirement.name))
    return found

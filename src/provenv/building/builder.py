"""Everything in a plan that is not a wheel becomes one.

An artifact is *prepared* (fetched, unpacked, checked out, copied) in a folder beside the store, *built*
by its backend in an environment of its own, *accepted* into the store and *remembered*, so that the
same source is not built again for the same interpreter. A record once made holds, even when a newer
build requirement has come out since: one lock gives one object as long as the store keeps it.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from provenv.building import content, template
from provenv.building.built import Built
from provenv.building.editable import editable_inputs, reads_version_control
from provenv.building.git import check_out
from provenv.building.hooks import Backend
from provenv.building.isolation import Isolation, LookUp
from provenv.building.memory import Memory
from provenv.building.system import BuildSystem, read_build_system
from provenv.building.unpack import unpack
from provenv.building.wheels import accept, check_identity
from provenv.core import digest
from provenv.core.errors import BuildError, InputError, UnsatisfiableError
from provenv.core.events import (
    Emit,
    ItemFinished,
    ItemStarted,
    Noted,
    PhaseFinished,
    PhaseStarted,
    silent,
)
from provenv.core.http import HttpSettings, redacted, split_credentials
from provenv.model.interpreter import Interpreter
from provenv.model.layout import HomeLayout
from provenv.model.manifest import Manifest
from provenv.model.plan import Artifact, canonical
from provenv.resolve import ResolveSettings
from provenv.store.download import download
from provenv.store.objects import StoredObject, read_object

PHASE = "build"
_OLDEST = (3, 7)  # the backends' side of PEP 517 (pyproject_hooks) runs on nothing older
_OUTSIDE = re.compile(r"(?<![\w./])\.\./")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """One distribution to be built.

    ``chain`` names what is being built around it, the outermost first.
    """

    name: str
    version: str
    label: str
    source: str
    chain: tuple[str, ...] = ()


class Builder:
    """Builds for one interpreter. Safe to share between threads.

    Args:
        layout: Of the home folder.
        interpreter: What the wheels are for; it runs the backends.
        http: How servers are reached.
        settings: How build requirements are resolved; ``environ`` reaches backends, cleaned.
        emit: Hears of each build, and of every line that a backend writes.
        no_build: True, or the normalized names, of which no sdist, archive or repository may be
            built. Directories are the user's own code: they are refused only where they are named,
            and the project itself never is.
        look_up: Asked for credentials of an origin that answered 401.
        manifest: Lends its indexes and constraints to the resolution of build requirements.
        project: The project's folder, which relative paths in the manifest begin at.
    """

    def __init__(
        self,
        layout: HomeLayout,
        interpreter: Interpreter,
        *,
        http: HttpSettings,
        settings: ResolveSettings,
        emit: Emit = silent,
        no_build: bool | tuple[str, ...] = False,
        look_up: LookUp | None = None,
        manifest: Manifest | None = None,
        project: str = "",
    ) -> None:
        self._layout = layout
        self._interpreter = interpreter
        self._http = http
        self._settings = settings
        self._emit = emit
        self._no_build = no_build
        self._look_up = look_up
        self._memory = Memory(layout.builds)
        self._isolation = Isolation(
            layout,
            interpreter,
            http=http,
            settings=settings,
            emit=emit,
            look_up=look_up,
            manifest=manifest,
            project=project,
        )

    def build(self, artifact: Artifact, *, base: str) -> Built:
        """Make a wheel of an sdist, archive, directory or commit, or find the one made earlier.

        ``base`` is the folder that relative paths of the artifact begin at.

        Raises:
            ValueError: The artifact is a wheel.
            UnsatisfiableError: Building it is forbidden, or its version control is not git.
            BuildError: Its backend failed.
            InputError: The source is not one that can be built.
            IntegrityError: Its bytes, name or version are not what the lock says.
            NetworkError, DiskError: It cannot be fetched or written.
        """
        return self._build(artifact, base, ())

    def build_project(self, root: str, name: str, *, editable: bool) -> Built:
        """Make a wheel of the project in ``root``: a PEP 660 editable one, or one of its content.

        Raises:
            As :meth:`build`.
        """
        return self._directory(os.path.realpath(root), name, "", editable=editable, chain=())

    def _build(self, artifact: Artifact, base: str, chain: tuple[str, ...]) -> Built:
        self._check_allowed(artifact)
        if artifact.kind == "directory":
            path = os.path.join(base, artifact.path, artifact.subdirectory)
            return self._directory(
                os.path.realpath(path),
                artifact.name,
                artifact.version,
                editable=artifact.editable,
                chain=chain,
            )
        if artifact.kind == "vcs":
            return self._commit(artifact, base, chain)
        if artifact.kind == "wheel":
            raise ValueError(f"{artifact.label} is a wheel already")
        return self._archive(artifact, base, chain)

    def _check_allowed(self, artifact: Artifact) -> None:
        named = not isinstance(self._no_build, bool) and artifact.name in self._no_build
        if not named and (self._no_build is not True or artifact.kind == "directory"):
            return
        what = {
            "sdist": "only an sdist",
            "archive": "only a source archive",
            "vcs": "only a repository",
            "directory": "only a source folder",
        }[artifact.kind]
        raise UnsatisfiableError(
            f"{artifact.label} has no wheel for Python {self._interpreter.version} on this platform "
            f"({self._interpreter.tag}), {what}, and building it is forbidden",
            hint=f"It is forbidden by `no-build = {_setting(self._no_build)}` in [tool.provenv]; choose a "
            "version that has a wheel, or allow the build.",
            details={
                "package": artifact.name,
                "kind": artifact.kind,
                "key": "tool.provenv.no-build",
            },
        )

    # sources that cannot change

    def _archive(self, artifact: Artifact, base: str, chain: tuple[str, ...]) -> Built:
        kind = "sdist" if artifact.kind == "sdist" else "source archive"
        wanted = _wanted(artifact, f"from its {kind}", chain)
        key = self._key("archive", artifact.sha256, artifact.subdirectory)
        direct_url = _archive_url(artifact, base) if artifact.kind == "archive" else None

        def prepare(work: str) -> str:
            path = download(
                artifact,
                work,
                base=base,
                http=self._http,
                emit=self._isolation.emit,
                look_up=self._look_up,
            )
            unpacked = os.path.join(work, "source")
            os.mkdir(unpacked)
            return _inside(unpack(path, artifact.filename, unpacked), artifact)

        return self._once(key, wanted, prepare, direct_url)

    def _commit(self, artifact: Artifact, base: str, chain: tuple[str, ...]) -> Built:
        if artifact.vcs != "git":
            raise UnsatisfiableError(
                f"{artifact.label} comes from {artifact.vcs or 'unknown'} version control; "
                "provenv builds from git alone",
                hint="Use an sdist or a wheel of it, or a git mirror.",
                details={"package": artifact.name, "vcs": artifact.vcs},
            )
        url = artifact.url or os.path.abspath(os.path.join(base, artifact.path))
        wanted = _wanted(artifact, f"from {redacted(url)} at {artifact.commit[:12]}", chain)
        key = self._key("git", artifact.commit, artifact.subdirectory)

        def prepare(work: str) -> str:
            folder = os.path.join(work, "source")
            check_out(
                url,
                artifact.commit,
                folder,
                environ=self._settings.environ,
                offline=self._isolation.offline,
                label=artifact.label,
            )
            return _inside(folder, artifact)

        return self._once(key, wanted, prepare, _commit_url(artifact, url))

    def _once(
        self,
        key: str,
        wanted: _Wanted,
        prepare: Callable[[str], str],
        direct_url: dict[str, Any] | None,
        inputs: tuple[str, ...] = (),
    ) -> Built:
        """The object that ``key`` remembers, or a new one from the source that ``prepare`` makes."""
        found = self._recall(key, wanted)
        if found is not None:
            return Built(object=found, direct_url=direct_url, inputs=inputs, cached=True)
        with self._announced(wanted), self._isolation.folder("build") as work:
            source = prepare(work)
            system = read_build_system(source, wanted.label)
            with self._wheel(source, system, wanted, work, editable=False) as (wheel, environment):
                made = self._accept(key, wheel, wanted, environment)
        return Built(object=made, direct_url=direct_url, inputs=inputs)

    # directories

    def _directory(
        self, root: str, name: str, version: str, *, editable: bool, chain: tuple[str, ...]
    ) -> Built:
        if not os.path.isdir(root):
            raise InputError(
                f"{name} cannot be built: there is no folder {root}",
                file=root,
                hint="Correct the path where it is asked for, and lock again.",
            )
        label = f"{name} {version}".strip()
        how = f"from {root}" + (", in place" if editable else "")
        wanted = _Wanted(
            name=canonical(name), version=version, label=label, source=how, chain=chain
        )
        system = read_build_system(root, label)
        info: dict[str, Any] = {"editable": True} if editable else {}
        direct_url = {"url": f"file://{quote(root)}", "dir_info": info}
        if editable:
            return self._editable(root, wanted, system, direct_url)
        tree, inputs = content.tree_digest(root)
        commit = ""
        if reads_version_control(root, system):
            watched, commit = content.git_state(root)
            inputs += tuple(watched)

        def prepare(work: str) -> str:
            if _needs_its_place(root, system):
                return root
            copy = os.path.join(work, os.path.basename(root) or "source")
            content.copy_source(root, copy)
            return copy

        key = self._key("directory", tree, commit)
        return self._once(key, wanted, prepare, direct_url, inputs)

    def _editable(
        self, root: str, wanted: _Wanted, system: BuildSystem, direct_url: dict[str, Any]
    ) -> Built:
        inputs = editable_inputs(root, system)
        key = self._key("editable", inputs.digest, root)
        pattern = f"template-{self._key('template', inputs.digest, wanted.name)}"
        found = self._recall(key, wanted)
        cached = found is not None
        if found is None:
            found = self._from_template(key, pattern, root, wanted)
            cached = found is not None
        if found is None:
            with (
                self._announced(wanted),
                self._isolation.folder("build") as work,
                self._wheel(root, system, wanted, work, editable=True) as (wheel, environment),
            ):
                found = self._accept(key, wheel, wanted, environment)
                made = template.make_template(wheel, root)
                if made is not None:
                    self._memory.write(pattern, {"template": made, "environment": environment})
        return Built(object=found, direct_url=direct_url, inputs=inputs.paths, cached=cached)

    def _from_template(
        self, key: str, pattern: str, root: str, wanted: _Wanted
    ) -> StoredObject | None:
        """The editable wheel of another checkout, made to point here."""
        record = self._memory.read(pattern)
        if record is None or "\n" in root:
            return None
        with self._isolation.folder("template") as work:
            try:
                wheel = template.write_wheel(record["template"], root, work)
                return self._accept(key, wheel, wanted, record["environment"])
            except (KeyError, StopIteration, TypeError):
                return None

    # the build itself

    @contextmanager
    def _wheel(
        self, source: str, system: BuildSystem, wanted: _Wanted, work: str, *, editable: bool
    ) -> Iterator[tuple[str, str]]:
        """The path of the new wheel and the digest of the build environment, for the ``with`` block."""
        if tuple(map(int, self._interpreter.minor.split("."))) < _OLDEST:
            raise UnsatisfiableError(
                f"{wanted.label} cannot be built with Python {self._interpreter.version}: building needs "
                "Python 3.7 or newer",
                hint="Choose another interpreter with --python, or a version that has a wheel.",
            )

        def requirement(artifact: Artifact, base: str) -> StoredObject:
            chain = (*wanted.chain, wanted.name)
            if artifact.name in chain:
                cycle = " → ".join((*chain[chain.index(artifact.name) :], artifact.name))
                raise BuildError(
                    f"{wanted.label} cannot be built: its build requirements go in a circle: {cycle}",
                    hint="One of them must come as a wheel: choose a version that has one.",
                    details={"package": wanted.name, "cycle": cycle},
                )
            return self._build(artifact, base, chain).object

        def backend(tree: str) -> Backend:
            return Backend(
                source,
                system,
                tree,
                label=wanted.label,
                environ=self._settings.environ,
                emit=self._emit,
            )

        target = os.path.join(work, "wheel")
        with self._isolation.environment(system.requires, requirement) as environment:
            first = backend(environment.root)
            more = first.requires(editable=editable)
            if all(environment.satisfies(text, self._interpreter) for text in more):
                yield first.build(target, editable=editable), environment.digest
                return
        with self._isolation.environment([*system.requires, *more], requirement) as environment:
            path = backend(environment.root).build(target, editable=editable)
            yield path, environment.digest

    def _accept(self, key: str, wheel: str, wanted: _Wanted, environment: str) -> StoredObject:
        made = accept(
            self._layout,
            wheel,
            name=wanted.name,
            version=wanted.version,
            source=f"{wanted.label} {wanted.source}",
            interpreter=self._interpreter,
        )
        self._memory.write(
            key,
            {
                "object": made.sha256,
                "name": made.name,
                "version": made.version,
                "environment": environment,
                "source": wanted.source,
                "time": time.time(),
            },
        )
        return made

    def _recall(self, key: str, wanted: _Wanted) -> StoredObject | None:
        record = self._memory.read(key)
        if record is None:
            return None
        found = read_object(self._layout, str(record.get("object")))
        if found is not None:
            check_identity(
                found.name,
                found.version,
                name=wanted.name,
                version=wanted.version,
                source=f"{wanted.label} {wanted.source}",
            )
        return found

    def _key(self, kind: str, *parts: str) -> str:
        return digest.of_json({"kind": kind, "source": parts, **self._isolation.origin()})

    @contextmanager
    def _announced(self, wanted: _Wanted) -> Iterator[None]:
        """Say what is being built; what it needs for that is an item of the same phase."""
        started = time.monotonic()
        self._emit(Noted(message=f"building {wanted.label} {wanted.source}"))
        if not wanted.chain:
            self._emit(PhaseStarted(phase=PHASE, total=1))
        self._emit(ItemStarted(phase=PHASE, name=wanted.label))
        yield
        self._emit(ItemFinished(phase=PHASE, name=wanted.label))
        if not wanted.chain:
            seconds = time.monotonic() - started
            self._emit(PhaseFinished(phase=PHASE, count=1, seconds=seconds))


def _setting(no_build: bool | tuple[str, ...]) -> str:
    if isinstance(no_build, bool):
        return "true"
    return "[" + ", ".join(f'"{name}"' for name in no_build) + "]"


def _wanted(artifact: Artifact, source: str, chain: tuple[str, ...]) -> _Wanted:
    return _Wanted(
        name=artifact.name,
        version=artifact.version,
        label=artifact.label,
        source=source,
        chain=chain,
    )


def _inside(folder: str, artifact: Artifact) -> str:
    """The project's folder in an unpacked source.

    Raises:
        InputError: There is no such subdirectory, or it leads outside.
    """
    path = os.path.realpath(os.path.join(folder, artifact.subdirectory))
    root = os.path.realpath(folder)
    if (path != root and not path.startswith(root + os.sep)) or not os.path.isdir(path):
        raise InputError(
            f"{artifact.label}: there is no folder {artifact.subdirectory!r} in its source",
            key="subdirectory",
            hint="Correct `subdirectory` where the package is asked for, and lock again.",
        )
    return path


def _needs_its_place(root: str, system: BuildSystem) -> bool:
    """Whether a copy would not build: it refers to what lies above, or git is found above."""
    for name in ("pyproject.toml", "setup.py", "setup.cfg"):
        try:
            with open(os.path.join(root, name), encoding="utf-8", errors="replace") as stream:
                if _OUTSIDE.search(stream.read()):
                    return True
        except OSError:
            continue
    return reads_version_control(root, system) and not os.path.lexists(os.path.join(root, ".git"))


def _archive_url(artifact: Artifact, base: str) -> dict[str, Any]:
    """``direct_url.json`` of an archive (PEP 610): without credentials."""
    url = split_credentials(artifact.url)[0]
    if not url:
        url = f"file://{quote(os.path.abspath(os.path.join(base, artifact.path)))}"
    hashes = {"sha256": artifact.sha256}
    found: dict[str, Any] = {
        "url": url,
        "archive_info": {"hash": f"sha256={artifact.sha256}", "hashes": hashes},
    }
    if artifact.subdirectory:
        found["subdirectory"] = artifact.subdirectory
    return found


def _commit_url(artifact: Artifact, url: str) -> dict[str, Any]:
    """``direct_url.json`` of a commit (PEP 610): without credentials, but for the user ``git``."""
    bare, secret = split_credentials(url)
    if secret is not None and secret.username == "git" and not secret.password:
        bare = url
    info = {"vcs": "git", "commit_id": artifact.commit}
    if artifact.revision:
        info["requested_revision"] = artifact.revision
    found: dict[str, Any] = {
        "url": bare if "://" in bare or not bare.startswith("/") else f"file://{quote(bare)}",
        "vcs_info": info,
    }
    if artifact.subdirectory:
        found["subdirectory"] = artifact.subdirectory
    return found

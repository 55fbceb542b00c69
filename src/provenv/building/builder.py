"""Everything in a plan that is not a wheel becomes one.

An artifact is *prepared* (fetched, unpacked, checked out, copied) in a folder beside the store, *built*
by its backend in an environment of its own, *accepted* into the store and *remembered*, so that the
same source is not built again for the same interpreter. A record once made holds, even when a newer
build requirement has come out since: one lock gives one object as long as the store keeps it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from provenv.building import content, direct_url, template
from provenv.building.built import Built
from provenv.building.editable import editable_inputs
from provenv.building.git import check_out
from provenv.building.isolation import Isolation, LookUp
from provenv.building.memory import Memory
from provenv.building.system import BuildSystem, read_build_system
from provenv.building.versioning import git_state, reads_version_control
from provenv.building.workshop import Chain, Wanted, Workshop
from provenv.core import digest
from provenv.core.disk import doing
from provenv.core.errors import InputError, UnsatisfiableError
from provenv.core.events import Emit, silent
from provenv.core.files import locked
from provenv.core.http import HttpSettings, redacted
from provenv.model.interpreter import Interpreter
from provenv.model.layout import HomeLayout
from provenv.model.manifest import Manifest
from provenv.model.plan import Artifact, canonical
from provenv.resolve import ResolveSettings
from provenv.store.download import download
from provenv.store.objects import StoredObject


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
        self._interpreter = interpreter
        self._no_build = no_build
        self._templates = Memory(layout.builds)
        self._isolation = Isolation(
            layout,
            interpreter,
            http=http,
            settings=settings,
            emit=emit,
            look_up=look_up,
            manifest=manifest,
            project=project,
            no_build=no_build,
        )
        self._workshop = Workshop(self._isolation, emit=emit, build=self._requirement)

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
        with doing(f"building {name}", self._isolation.layout.tmp):
            return self._folder(os.path.realpath(root), name, "", (), editable=editable)

    def _requirement(self, artifact: Artifact, base: str, chain: Chain) -> StoredObject:
        return self._build(artifact, base, chain).object

    def _build(self, artifact: Artifact, base: str, chain: Chain) -> Built:
        if artifact.kind == "wheel":
            raise ValueError(f"{artifact.label} is a wheel already")
        _check_allowed(artifact, self._no_build, self._interpreter)
        with doing(f"building {artifact.label}", self._isolation.layout.tmp):
            return self._build_one(artifact, base, chain)

    def _build_one(self, artifact: Artifact, base: str, chain: Chain) -> Built:
        if artifact.kind == "directory":
            path = os.path.join(base, artifact.path, artifact.subdirectory)
            return self._folder(
                os.path.realpath(path),
                artifact.name,
                artifact.version,
                chain,
                editable=artifact.editable,
            )
        if artifact.kind == "vcs":
            return self._commit(artifact, base, chain)
        return self._archive(artifact, base, chain)

    def _archive(self, artifact: Artifact, base: str, chain: Chain) -> Built:
        sdist = artifact.kind == "sdist"
        wanted = _wanted(artifact, "from its sdist" if sdist else "from its source archive", chain)
        key = self._workshop.key("archive", artifact.sha256, artifact.subdirectory)

        def prepare(work: str) -> str:
            from provenv.building.unpack import unpack

            path = download(
                artifact,
                work,
                base=base,
                http=self._isolation.http,
                emit=self._isolation.emit,
                look_up=self._isolation.look_up,
            )
            unpacked = os.path.join(work, "source")
            os.mkdir(unpacked)
            return _inside(unpack(path, artifact.filename, unpacked), artifact)

        return self._once(
            key, wanted, prepare, None if sdist else direct_url.archive_url(artifact, base)
        )

    def _commit(self, artifact: Artifact, base: str, chain: Chain) -> Built:
        if artifact.vcs != "git":
            raise UnsatisfiableError(
                f"{artifact.label} comes from {artifact.vcs or 'unknown'} version control; "
                "provenv builds from git alone",
                hint="Use an sdist or a wheel of it, or a git mirror.",
                details={"package": artifact.name, "vcs": artifact.vcs},
            )
        url = artifact.url or os.path.abspath(os.path.join(base, artifact.path))
        wanted = _wanted(artifact, f"from {redacted(url)} at {artifact.commit[:12]}", chain)
        key = self._workshop.key("git", artifact.commit, artifact.subdirectory)

        def prepare(work: str) -> str:
            folder = os.path.join(work, "source")
            check_out(
                url,
                artifact.commit,
                folder,
                environ=self._isolation.settings.environ,
                offline=self._isolation.offline,
                label=artifact.label,
            )
            return _inside(folder, artifact)

        return self._once(key, wanted, prepare, direct_url.commit_url(artifact, url))

    def _folder(self, root: str, name: str, version: str, chain: Chain, *, editable: bool) -> Built:
        if not os.path.isdir(root):
            raise InputError(
                f"{name} cannot be built: there is no folder {root}",
                file=root,
                hint="Correct the path where it is asked for, and lock again.",
            )
        label = f"{name} {version}".strip()
        source = f"from {root}" + (", in place" if editable else "")
        wanted = Wanted(
            name=canonical(name), version=version, label=label, source=source, chain=chain
        )
        system = read_build_system(root, label)
        url = direct_url.folder_url(root, editable=editable)
        if editable:
            return self._editable(root, wanted, system, url)
        tree, inputs = content.tree_digest(root)
        commit = ""
        if reads_version_control(root, system):
            watched, commit = git_state(root)
            inputs += tuple(watched)

        def prepare(work: str) -> str:
            if content.needs_its_place(root, system):
                return root
            copy = os.path.join(work, os.path.basename(root) or "source")
            content.copy_source(root, copy)
            return copy

        return self._once(
            self._workshop.key("directory", tree, commit), wanted, prepare, url, inputs
        )

    def _once(
        self,
        key: str,
        wanted: Wanted,
        prepare: Callable[[str], str],
        url: Mapping[str, Any] | None,
        inputs: tuple[str, ...] = (),
    ) -> Built:
        """The object that ``key`` remembers, or a new one from the source that ``prepare`` makes."""
        found = self._workshop.recall(key, wanted)
        if found is not None:
            return Built(object=found, direct_url=url, inputs=inputs, cached=True)
        with self._workshop.announced(wanted), self._isolation.folder("build") as work:
            source = prepare(work)
            system = read_build_system(source, wanted.label, shown=wanted.label)
            target = os.path.join(work, "wheel")
            wheel, environment = self._workshop.make(source, system, wanted, target, editable=False)
            made = self._workshop.accept(key, wheel, wanted, environment)
        return Built(object=made, direct_url=url, inputs=inputs)

    def _editable(
        self, root: str, wanted: Wanted, system: BuildSystem, url: Mapping[str, Any]
    ) -> Built:
        inputs = editable_inputs(root, system)
        key = self._workshop.key("editable", inputs.digest, root)
        pattern = f"template-{self._workshop.key('template', inputs.digest, wanted.name)}"
        found = self._workshop.recall(key, wanted) or self._from_template(
            key, pattern, root, wanted
        )
        cached = found is not None
        if found is None:
            found = self._built_in_place(root, key, pattern, wanted, system)
        return Built(object=found, direct_url=url, inputs=inputs.paths, cached=cached)

    def _built_in_place(
        self, root: str, key: str, pattern: str, wanted: Wanted, system: BuildSystem
    ) -> StoredObject:
        """Have the backend make an editable wheel. One at a time: backends write beside the sources."""
        lock = os.path.join(self._templates.folder, f"{digest.of_bytes(os.fsencode(root))}.lock")
        with locked(lock):
            found = self._workshop.recall(key, wanted)  # made while another process held the lock
            if found is not None:
                return found
            with self._workshop.announced(wanted), self._isolation.folder("build") as work:
                wheel, environment = self._workshop.make(root, system, wanted, work, editable=True)
                found = self._workshop.accept(key, wheel, wanted, environment)
                made = template.make_template(wheel, root)
                if made is not None:
                    self._templates.write(pattern, {"template": made, "environment": environment})
                return found

    def _from_template(
        self, key: str, pattern: str, root: str, wanted: Wanted
    ) -> StoredObject | None:
        """The editable wheel of another checkout, made to point here."""
        record = self._templates.read(pattern)
        if record is None or "\n" in root:
            return None
        with self._isolation.folder("template") as work:
            wheel = template.write_wheel(record["template"], root, work)
            return self._workshop.accept(key, wheel, wanted, record["environment"])


def _check_allowed(
    artifact: Artifact, no_build: bool | tuple[str, ...], interpreter: Interpreter
) -> None:
    named = not isinstance(no_build, bool) and artifact.name in no_build
    if not named and (no_build is not True or artifact.kind == "directory"):
        return
    only = {
        "sdist": "only an sdist",
        "archive": "only a source archive",
        "vcs": "only a repository",
        "directory": "only a source folder",
    }[artifact.kind]
    setting = "true"
    if not isinstance(no_build, bool):
        setting = "[" + ", ".join(f'"{name}"' for name in no_build) + "]"
    raise UnsatisfiableError(
        f"{artifact.label} has no wheel for Python {interpreter.version} on this platform "
        f"({interpreter.tag}), {only}, and building it is forbidden",
        hint=f"It is forbidden by `no-build = {setting}` in [tool.provenv]; choose a version that has "
        "a wheel, or allow the build.",
        details={"package": artifact.name, "kind": artifact.kind, "key": "tool.provenv.no-build"},
    )


def _wanted(artifact: Artifact, source: str, chain: Chain) -> Wanted:
    return Wanted(
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
    inside = path == root or path.startswith(root + os.sep)
    if not inside or not os.path.isdir(path):
        raise InputError(
            f"{artifact.label}: there is no folder {artifact.subdirectory!r} in its source",
            key="subdirectory",
            hint="Correct `subdirectory` where the package is asked for, and lock again.",
        )
    return path

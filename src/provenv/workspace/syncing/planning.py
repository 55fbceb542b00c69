"""From a lock to everything that a generation is linked from: objects, recipe, small files."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from provenv import __version__
from provenv.core import digest
from provenv.core.disk import doing
from provenv.core.http import split_credentials
from provenv.core.values import frozen, replace
from provenv.environments import generations, looking, plans, tree
from provenv.environments.compose import ExtraFile, compose, full_record, refuse_overlaps
from provenv.environments.private import open_up
from provenv.environments.skeleton import skeleton
from provenv.environments.tree import Steps
from provenv.model.interpreter import Interpreter
from provenv.model.manifest import EnvironmentSpec
from provenv.model.plan import Artifact, make_plan
from provenv.store.fetch import fetch_objects
from provenv.store.objects import StoredObject
from provenv.workspace.host import access
from provenv.workspace.projects.context import Context, LockFile, Project

if TYPE_CHECKING:
    from provenv.building import Built
    from provenv.store.crew import Crew


@frozen
class Prepared:
    """A plan whose objects are all in the store.

    Attributes:
        steps: What the tree consists of. ``tree_digest``: Of the recipe and its small files.
        folder: The plan's folder. ``digest``: Its name.
        packages: ``(name, version, sha256, editable)``, sorted by name.
        inputs: Files whose change means "plan again": what local projects were built from.
        bound: The plan holds something that belongs to this project's place on disk.
        edited: Names of the private copies in it.
    """

    steps: Steps
    tree_digest: str
    folder: str
    digest: str
    interpreter: Interpreter
    packages: tuple[tuple[str, str, str, bool], ...]
    inputs: tuple[str, ...]
    bound: bool
    edited: tuple[str, ...]


@frozen
class _Place:
    """A folder that goes where the project goes: the project's own, or that of another member.

    Attributes:
        root: The folder.
        path: What stands for it in the files of E steps. ``url``: In addresses there.
        back: The way to it from the ``site-packages`` of a generation.
    """

    root: str
    path: bytes
    url: bytes
    back: str


@frozen
class _Member:
    """One distribution of the environment."""

    stored: StoredObject
    direct_url: Mapping[str, object] | None = None
    inputs: tuple[str, ...] = ()
    editable: bool = False
    place: _Place | None = None
    links: Mapping[str, bytes] | None = None

    @property
    def portable(self) -> bool:
        """Whether it is the same in another checkout, but for the path of the project in it."""
        return self.links is not None


def prepare(
    project: Project,
    context: Context,
    spec: EnvironmentSpec,
    interpreter: Interpreter,
    lock: LockFile,
    mode: str,
    crew: Crew | None = None,
    source: str | None = None,
    edited: Collection[str] = (),
) -> Prepared:
    """Fetch and build what the lock wants for ``spec``, and compose it.

    ``crew`` is what :func:`store.fetch.ahead` gave, ``source`` the file of another tool that the lock
    was made from, ``edited`` the objects (sha256) of which the environment has private copies.

    Raises:
        ProvenvError: As the parts say; no environment has changed.
    """
    chosen = project.selector(spec) if source is None else spec
    plan = make_plan(lock.lock, lock.digest, chosen, interpreter, lock.path)
    artifacts = _in_workspace(project, spec, plan.artifacts, os.path.dirname(lock.path))
    members = _members(project, context, spec, interpreter, artifacts, lock, mode, crew)
    extra, files = _extra_files(members, interpreter, mode)
    steps, blocks = compose(
        context.home,
        [member.stored for member in members],
        interpreter,
        mode=mode,
        file_owners=project.manifest.file_owners,
        extra=extra,
    )
    bare, bare_files = skeleton(
        interpreter,
        spec.prompt or project.title,
        __version__,
        system_site_packages=spec.system_site_packages,
    )
    steps += [step for step in bare if step[0] != "D" or step not in steps]
    files |= {name: text.encode() for name, text in bare_files.items()}
    unedited = steps
    private = [m.stored for m in members if m.stored.sha256 in edited and not m.editable]
    for stored in private:
        steps = open_up(steps, stored, context.home)
    hashes = {name: digest.of_bytes(data) for name, data in files.items()}
    tree_digest = tree_digest_of(steps, hashes)
    packages = tuple(
        (m.stored.name, m.stored.version, m.stored.sha256, m.editable) for m in members
    )
    steps = with_own_files(steps, edited=bool(private))
    refuse_overlaps(steps, [member.stored for member in members])
    own = {
        "recipe": tree.render(steps).encode("utf-8", "surrogateescape"),
        "checks": looking.render(blocks),
    }
    if private:
        own[generations.UNEDITED] = tree.render(unedited).encode("utf-8", "surrogateescape")
    files |= {
        **own,
        "pylock.toml": lock.text.encode(),
        "pyproject.toml": project.manifest_text.encode(),
    }
    files["contents.json"] = generations.contents(
        environment=spec.name,
        lock_digest=lock.digest,
        manifest_digest=digest.of_bytes(project.manifest_text.encode()),
        python=interpreter.version,
        executable=interpreter.executable,
        link_mode=mode,
        tree_digest=tree_digest,
        packages=packages,
        files=hashes,
        own={name: digest.of_bytes(data) for name, data in own.items()},
        source=source,
        edited=[stored.name for stored in private],
    )
    name = digest.of_json([[key, digest.of_bytes(data)] for key, data in sorted(files.items())])
    inputs = tuple(dict.fromkeys(path for member in members for path in member.inputs))
    with doing("writing the plan", context.home.plans):
        folder = plans.write_plan(context.home.plans, name, files)
    return Prepared(
        steps=steps,
        tree_digest=tree_digest,
        folder=folder,
        digest=name,
        interpreter=interpreter,
        packages=packages,
        inputs=inputs,
        bound=any(not member.portable for member in members if member.inputs),
        edited=tuple(stored.name for stored in private),
    )


def tree_digest_of(steps: Steps, hashes: Mapping[str, str]) -> str:
    """What tells one tree from another: its recipe, and its small files (name → SHA-256)."""
    return digest.of_json([tree.render(steps), *([name, hashes[name]] for name in sorted(hashes))])


def with_own_files(steps: Steps, *, edited: bool) -> Steps:
    """The recipe with what provenv keeps in a generation; ``edited`` where it has private copies."""
    names = ["checks", "contents.json", "pylock.toml", "pyproject.toml", "recipe"]
    names += [generations.UNEDITED] if edited else []
    own = generations.OWN_FOLDER
    return [*steps, ("D", "", own), *(("P", name, f"{own}/{name}") for name in names)]


def _members(
    project: Project,
    context: Context,
    spec: EnvironmentSpec,
    interpreter: Interpreter,
    artifacts: Sequence[Artifact],
    lock: LockFile,
    mode: str,
    crew: Crew | None,
) -> list[_Member]:
    base = os.path.dirname(lock.path)
    wheels = [artifact for artifact in artifacts if artifact.kind == "wheel"]
    http = access.http_settings(project, context)
    stored = fetch_objects(
        context.home,
        wheels,
        base=base,
        http=http,
        emit=context.emit,
        look_up=access.look_up(context),
        crew=crew,
    )
    found = [
        _Member(
            stored=stored[wheel.sha256],
            direct_url=_archive_url(wheel, base),
        )
        for wheel in wheels
    ]
    others = [artifact for artifact in artifacts if artifact.kind != "wheel"]
    if others or project.manifest.installable:
        from provenv.building.builder import Builder  # 30 ms, and most environments need none

        builder = Builder(
            context.home,
            interpreter,
            http=http,
            settings=access.resolve_settings(project, context, interpreter),
            emit=context.emit,
            no_build=project.manifest.no_build,
            look_up=access.look_up(context),
            manifest=project.manifest,
            project=project.root,
        )
        for artifact in others:
            built = builder.build(artifact, base=base)
            folder = None
            if artifact.editable and mode == "linked":
                folder = os.path.realpath(os.path.join(base, artifact.path, artifact.subdirectory))
            place = _place(project, folder, spec, interpreter) if folder is not None else None
            found.append(_built(built, place, editable=artifact.editable))
        if project.manifest.installable:
            built = builder.build_project(project.root, project.title, editable=spec.editable)
            linked = spec.editable and mode == "linked"
            place = _place(project, project.root, spec, interpreter) if linked else None
            found.append(_built(built, place, editable=spec.editable))
    return sorted(found, key=lambda member: member.stored.name)


def _built(built: Built, place: _Place | None, *, editable: bool) -> _Member:
    """What was built as a member; ``place`` is the folder that it leads to, where that may move."""
    return _Member(
        stored=built.object,
        direct_url=built.direct_url,
        inputs=built.inputs,
        editable=editable,
        place=place,
        links=_links(built, place) if place is not None else None,
    )


def _in_workspace(
    project: Project, spec: EnvironmentSpec, artifacts: Sequence[Artifact], base: str
) -> list[Artifact]:
    """Members of the workspace are installed as the project itself is: in place, or as wheels.

    A member that needs itself, by way of others, is no package beside itself.
    """
    if project.workspace is None:
        return list(artifacts)
    own = canonicalize_name(project.manifest.name or "")
    folders = set(project.workspace.folders)

    def one(artifact: Artifact) -> Artifact:
        inside = artifact.editable and (
            os.path.realpath(os.path.join(base, artifact.path)) in folders
        )
        return replace(artifact, editable=spec.editable) if inside else artifact

    return [one(artifact) for artifact in artifacts if artifact.name != own]


def _archive_url(wheel: Artifact, base: str) -> Mapping[str, object] | None:
    """PEP 610 for a wheel that was asked for by its address; None where an index named it."""
    if not wheel.direct:
        return None
    url = split_credentials(wheel.url)[0] or Path(base, wheel.path).resolve().as_uri()
    return {"url": url, "archive_info": {"hashes": {"sha256": wheel.sha256}}}


# Where the project has moved, or was copied, the path above this line leads nowhere or to another copy:
# the environment finds the sources that it lies beside. `sitedir` is as in the line that pins.
_BESIDE = (
    "import os, sys; (lambda p: os.path.isdir(p) and os.path.realpath(sys.path[-1]) != p "
    "and sys.path.insert(-1, p))(os.path.realpath(sitedir + {way!a}))\n"
)


def _place(
    project: Project, folder: str, spec: EnvironmentSpec, interpreter: Interpreter
) -> _Place | None:
    """``folder`` as seen from the project; None where it need not go where the project goes."""
    inside = os.path.relpath(project.folder(spec), project.root)
    if inside.startswith(".."):
        return None  # the environment lies elsewhere, and stays there
    depth = len(f"{inside}/generations/N/{interpreter.site_packages}".split("/"))
    back = "/.." * depth
    if folder == project.root:
        return _Place(root=folder, path=tree.PLACE, url=tree.PLACE_IN_URL, back=back)
    if project.workspace is None or folder not in project.workspace.folders:
        return None
    if os.path.realpath(project.root) != project.root:
        return None
    way = os.path.relpath(folder, project.root).split("/")
    levels = way.count("..")
    rest = "".join(f"/{part}" for part in way[levels:])
    path, url = tree.above_places(levels) if levels else (tree.PLACE, tree.PLACE_IN_URL)
    return _Place(
        root=folder,
        path=path + os.fsencode(rest),
        url=url + tree.quoted(os.fsencode(rest)),
        back=back + "".join(f"/{part}" for part in way),
    )


def _links(built: Built, place: _Place) -> dict[str, bytes] | None:
    """The ``.pth`` files of an editable install with the path of its folder taken out.

    None where the install says more of its place than that, or depends on something that does not
    lie in the folder: then it is of no use to another checkout.
    """
    root = place.root
    stored = built.object
    site = stored.tree.get("site", {})
    if set(site.get("d", {})) - {stored.dist_info} or stored.tree.keys() - {"site", "bin"}:
        return None
    if not all(path.startswith(f"{root}/") for path in built.inputs):
        return None
    found: dict[str, bytes] = {}
    for name in site.get("f", {}):
        with open(f"{stored.folder}/site/{name}", "rb") as stream:
            lines = stream.read().splitlines()
        start = os.fsencode(root)
        if not name.endswith(".pth") or not all(
            line == start or line.startswith(start + b"/") for line in lines
        ):
            return None
        rests = [line.removeprefix(start) for line in lines]
        found[name] = b"".join(
            place.path + rest + b"\n" + _BESIDE.format(way=place.back + os.fsdecode(rest)).encode()
            for rest in rests
        )
    return found


def _extra_files(
    members: Sequence[_Member], interpreter: Interpreter, mode: str
) -> tuple[list[ExtraFile], dict[str, bytes]]:
    """What only this environment has of its members.

    ``direct_url.json`` (PEP 610), the links of editable installs, RECORD for stand-alone trees.
    """
    extra: list[ExtraFile] = []
    files: dict[str, bytes] = {}

    def put(name: str, path: str, data: bytes, kind: str) -> ExtraFile:
        files[name] = data
        return ExtraFile(scheme="site", path=path, source=name, kind=kind)

    for member in members:
        own: list[ExtraFile] = []
        stored = member.stored
        kind = "E" if member.portable else "P"
        if member.direct_url is not None:
            data = json.dumps(member.direct_url, sort_keys=True).encode()
            if member.portable and member.place is not None:
                data = data.replace(tree.quoted(os.fsencode(member.place.root)), member.place.url)
            name = f"direct_url-{stored.name}.json"
            own.append(put(name, f"{stored.dist_info}/direct_url.json", data, kind))
        for name, data in (member.links or {}).items():
            own.append(put(f"link-{name}", name, data, "E"))
        if mode != "linked":
            text = full_record(stored, interpreter, own)
            path = f"{stored.dist_info}/RECORD"
            own.append(put(f"RECORD-{stored.name}", path, text.encode(), "P"))
        extra += own
    return extra, files

"""From a lock to everything that a generation is linked from: objects, recipe, small files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from provenv import __version__
from provenv.core import digest
from provenv.environments import generations, looking, plans, tree
from provenv.environments.compose import ExtraFile, compose, full_record, refuse_overlaps
from provenv.environments.skeleton import skeleton
from provenv.environments.tree import Steps
from provenv.model.interpreter import Interpreter
from provenv.model.manifest import EnvironmentSpec
from provenv.model.plan import Artifact, make_plan
from provenv.store.fetch import fetch
from provenv.store.objects import StoredObject, require_object
from provenv.workspace import machine
from provenv.workspace.context import Context, LockFile, Project

if TYPE_CHECKING:
    from provenv.building import Built
    from provenv.store.crew import Crew


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A plan whose objects are all in the store.

    Attributes:
        steps: What the tree consists of. ``tree_digest``: Of the recipe and its small files.
        folder: The plan's folder. ``digest``: Its name.
        packages: ``(name, version, sha256, editable)``, sorted by name.
        inputs: Files whose change means "plan again": what local projects were built from.
        bound: The plan holds something that belongs to this project's place on disk.
    """

    steps: Steps
    tree_digest: str
    folder: str
    digest: str
    interpreter: Interpreter
    packages: tuple[tuple[str, str, str, bool], ...]
    inputs: tuple[str, ...]
    bound: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """One distribution of the environment."""

    stored: StoredObject
    direct_url: Mapping[str, object] | None = None
    inputs: tuple[str, ...] = ()
    editable: bool = False
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
) -> Prepared:
    """Fetch and build what the lock wants for ``spec``, and compose it.

    ``crew`` is what :func:`store.fetch.ahead` gave.

    Raises:
        ProvenvError: As the parts say; no environment has changed.
    """
    plan = make_plan(lock.lock, lock.digest, spec, interpreter, lock.path)
    members = _members(project, context, spec, interpreter, plan.artifacts, mode, crew)
    extra, files = _extra_files(members, interpreter, mode, project.root)
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
    tree_digest = digest.of_json(
        [
            tree.render(steps),
            *([name, digest.of_bytes(data)] for name, data in sorted(files.items())),
        ]
    )
    packages = tuple(
        (m.stored.name, m.stored.version, m.stored.sha256, m.editable) for m in members
    )
    _own_files(steps)
    refuse_overlaps(steps, [member.stored for member in members])
    files |= {
        "contents.json": generations.contents(
            environment=spec.name,
            lock_digest=lock.digest,
            manifest_digest=digest.of_bytes(project.manifest_text.encode()),
            python=interpreter.version,
            executable=interpreter.executable,
            link_mode=mode,
            tree_digest=tree_digest,
            packages=packages,
            files={name: digest.of_bytes(data) for name, data in files.items()},
        ),
        "pylock.toml": lock.text.encode(),
        "pyproject.toml": project.manifest_text.encode(),
        "recipe": tree.render(steps).encode("utf-8", "surrogateescape"),
        "checks": looking.render(blocks),
    }
    name = digest.of_json([[key, digest.of_bytes(data)] for key, data in sorted(files.items())])
    inputs = tuple(dict.fromkeys(path for member in members for path in member.inputs))
    return Prepared(
        steps=steps,
        tree_digest=tree_digest,
        folder=plans.write_plan(context.home.plans, name, files),
        digest=name,
        interpreter=interpreter,
        packages=packages,
        inputs=inputs,
        bound=any(not member.portable for member in members if member.inputs),
    )


def _own_files(steps: Steps) -> None:
    steps.append(("D", "", generations.OWN_FOLDER))
    for name in ("checks", "contents.json", "pylock.toml", "pyproject.toml", "recipe"):
        steps.append(("P", name, f"{generations.OWN_FOLDER}/{name}"))


def _members(
    project: Project,
    context: Context,
    spec: EnvironmentSpec,
    interpreter: Interpreter,
    artifacts: Sequence[Artifact],
    mode: str,
    crew: Crew | None,
) -> list[_Member]:
    wheels = [artifact for artifact in artifacts if artifact.kind == "wheel"]
    http = machine.http_settings(project, context)
    stored = fetch(
        context.home,
        wheels,
        base=project.root,
        http=http,
        emit=context.emit,
        look_up=machine.look_up(context),
        crew=crew,
    )
    found = [
        _Member(
            stored=require_object(context.home, stored[wheel.sha256]),
            direct_url=_archive_url(wheel, project.root),
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
            settings=machine.resolve_settings(project, context, interpreter),
            emit=context.emit,
            no_build=project.manifest.no_build,
            look_up=machine.look_up(context),
            manifest=project.manifest,
            project=project.root,
        )
        for artifact in others:
            built = builder.build(artifact, base=project.root)
            found.append(
                _Member(
                    stored=built.object,
                    direct_url=built.direct_url,
                    inputs=built.inputs,
                    editable=artifact.editable,
                )
            )
        if project.manifest.installable:
            own = builder.build_project(project.root, project.title, editable=spec.editable)
            found.append(
                _Member(
                    stored=own.object,
                    direct_url=own.direct_url,
                    inputs=own.inputs,
                    editable=spec.editable,
                    links=_links(own, project.root, _way_back(project, spec, interpreter))
                    if spec.editable and mode == "linked"
                    else None,
                )
            )
    return sorted(found, key=lambda member: member.stored.name)


def _archive_url(wheel: Artifact, base: str) -> Mapping[str, object] | None:
    """PEP 610 for a wheel that was asked for by its address; None where an index named it."""
    if not wheel.direct:
        return None
    url = wheel.url or Path(base, wheel.path).resolve().as_uri()
    return {"url": url, "archive_info": {"hashes": {"sha256": wheel.sha256}}}


# Where the project has moved, or was copied, the path above this line leads nowhere or to another copy:
# the environment finds the sources that it lies beside. `sitedir` is as in the line that pins.
_BESIDE = (
    "import os, sys; (lambda p: os.path.isdir(p) and os.path.realpath(sys.path[-1]) != p "
    "and sys.path.insert(-1, p))(os.path.realpath(sitedir + {way!a}))\n"
)


def _way_back(project: Project, spec: EnvironmentSpec, interpreter: Interpreter) -> str:
    """From the ``site-packages`` of a generation to the project's folder: ``/../../…``."""
    folder = os.path.relpath(project.folder(spec), project.root)
    depth = len(f"{folder}/generations/N/{interpreter.site_packages}".split("/"))
    return "/.." * depth


def _links(built: Built, root: str, back: str) -> dict[str, bytes] | None:
    """The ``.pth`` files of an editable install with the project's path taken out.

    ``back`` leads from ``site-packages`` to the project.

    None where the install says more of the project's place than that, or depends on something that
    does not lie in the project: then it is of no use to another checkout.
    """
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
        place = os.fsencode(root)
        if not name.endswith(".pth") or not all(
            line == place or line.startswith(place + b"/") for line in lines
        ):
            return None
        rests = [line.removeprefix(place) for line in lines]
        found[name] = b"".join(
            tree.PLACE + rest + b"\n" + _BESIDE.format(way=back + os.fsdecode(rest)).encode()
            for rest in rests
        )
    return found


def _extra_files(
    members: Sequence[_Member], interpreter: Interpreter, mode: str, root: str
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
            if member.portable:
                data = data.replace(tree.quoted(os.fsencode(root)), tree.PLACE_IN_URL)
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

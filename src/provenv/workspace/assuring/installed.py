"""What an environment consists of as it really is, on this machine, as a bill of materials."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from packaging.pylock import Package
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from provenv import __version__
from provenv.core.errors import InputError, ProvenvError
from provenv.core.values import frozen, replace
from provenv.doctor.facts_sources import site_packages
from provenv.environments import generations, switch
from provenv.model.generation import Generation, Installed
from provenv.model.inventory import Bill, Component, File, package_url
from provenv.model.lock import parse_lock
from provenv.model.manifest import EnvironmentSpec
from provenv.model.metadata import Metadata, parse_metadata
from provenv.store.objects import read_object, read_regular
from provenv.workspace.assuring import bills
from provenv.workspace.governing.described import Described
from provenv.workspace.host.choosing import choose_interpreter
from provenv.workspace.projects.context import Context, Project

_SBOMS = "sboms"


@frozen
class _Present:
    """A distribution that lies in ``site-packages``; ``direct``: the address that it is from (PEP 610)."""

    name: str
    metadata: Metadata
    documents: Mapping[str, bytes]
    direct: str | None


def of_environment(
    project: Project, context: Context, spec: EnvironmentSpec
) -> tuple[Bill, list[Described]]:
    """The bill of an environment, from what lies in it; where its files are from, by its generation.

    Raises:
        InputError: There is no environment, or what lies there cannot be read.
    """
    folder = project.folder(spec)
    number = switch.current(folder)
    site = site_packages(f"{folder}/generations/{number}") if number is not None else None
    if number is None or site is None:
        raise InputError("is not there", file=folder, hint="`provenv sync` makes it.")
    made = generations.read_generation(folder, number)
    own = canonicalize_name(project.manifest.name or "")
    present = [one for one in _present(site) if one.name != own]
    locked = _locked(folder, number)
    told = [Described(metadata=one.metadata, documents=one.documents) for one in present]
    records = {one.name: one for one in made.packages if one.name not in made.edited}
    drafts = bills.unique(
        bills.described(_component(context, one, records.get(one.name), locked), said)
        for one, said in zip(present, told, strict=True)
    )
    markers = _markers(project, context, spec, folder)
    edges = _edges(present, markers)
    refs = {one.name: draft.ref for one, draft in zip(present, drafts, strict=True)}
    components = tuple(
        replace(draft, needs=tuple(sorted(refs[name] for name in edges[one.name])))
        for one, draft in zip(present, drafts, strict=True)
    )
    bill = Bill(
        title=project.title,
        version=project.manifest.version or "",
        environment=spec.name,
        scope="installed",
        digest=made.lock_digest,
        created=bills.moment(context.environ) or _created(made),
        components=components,
        roots=tuple(sorted(refs[name] for name in _roots(project, spec, present, edges))),
        tool=__version__,
        graph=markers is not None,
    )
    return bill, told


def _present(site: str) -> list[_Present]:
    """Every distribution in a folder, sorted by name."""
    found = []
    with os.scandir(site) as rows:
        entries = sorted(rows, key=lambda row: row.name)
    for entry in entries:
        if entry.name.endswith(".dist-info"):
            path = f"{entry.path}/METADATA"
        elif entry.name.endswith(".egg-info"):
            path = f"{entry.path}/PKG-INFO" if entry.is_dir() else entry.path
        else:
            continue
        try:
            metadata = parse_metadata(_bytes(path))
            documents = dict(_documents(entry.path, entry.name))
            direct = _direct(entry.path)
        except (OSError, ValueError) as error:
            raise InputError(f"cannot be read: {error}", file=path) from error
        name = canonicalize_name(metadata.name)
        found.append(_Present(name=name, metadata=metadata, documents=documents, direct=direct))
    return sorted(found, key=lambda one: (one.name, one.metadata.version))


def _direct(folder: str) -> str | None:
    """The address in ``direct_url.json``; None for what an index gave."""
    try:
        data = json.loads(_bytes(f"{folder}/direct_url.json"))
    except OSError:
        return None
    except ValueError:
        return ""
    return str(data.get("url", "")) if isinstance(data, dict) else ""


def _bytes(path: str) -> bytes:
    """What a file holds, where links may lead to it: an environment is made of them."""
    return read_regular(os.path.realpath(path))


def _documents(folder: str, name: str) -> Iterator[tuple[str, bytes]]:
    """SBOMs of what is bundled (PEP 770)."""
    for top, _, files in os.walk(os.path.join(folder, _SBOMS)):
        for file in sorted(files):
            path = os.path.join(top, file)
            yield f"{name}/{os.path.relpath(path, folder)}", _bytes(path)


def _locked(folder: str, number: int) -> dict[str, Package]:
    """The entries of the lock that a generation was made from, by name and by the digests of wheels."""
    lock = parse_lock(generations.own_text(folder, number, "pylock.toml"))
    found: dict[str, Package] = {}
    for package in lock.packages:
        found.setdefault(f"name:{package.name}", package)
        for wheel in package.wheels or ():
            found[wheel.hashes.get("sha256", "")] = package
    return found


def _component(
    context: Context, one: _Present, record: Installed | None, locked: Mapping[str, Package]
) -> Component:
    """One distribution. Only what provenv put there and nobody may edit has files with hashes."""
    version = one.metadata.version
    if record is None or not one.metadata.is_of(record.name, record.version):
        purl = _foreign_url(one, version)
        return Component(
            ref=purl or f"{one.name}@{version}", name=one.name, version=version, purl=purl
        )
    package = locked.get(record.sha256) or locked.get(f"name:{one.name}")
    purl = bills.purl_of(package, version) if package is not None else None
    made = Component(ref=purl or f"{one.name}@{version}", name=one.name, version=version, purl=purl)
    return made if record.editable else replace(made, files=_wheel(context, record, package))


def _foreign_url(one: _Present, version: str) -> str | None:
    """The package URL of what somebody else put there: of PyPI, as far as one can tell.

    None for what comes from a path, or nobody knows where.
    """
    if one.direct is None:
        return package_url(one.name, version)
    if not one.direct.startswith(("http://", "https://")):
        return None
    return package_url(one.name, version, download_url=bills.bare(one.direct))


def _wheel(context: Context, record: Installed, package: Package | None) -> tuple[File, ...]:
    for wheel in (package.wheels if package is not None else None) or ():
        if wheel.hashes.get("sha256") == record.sha256:
            url = bills.bare(wheel.url or "")
            return (File(filename=wheel.filename, url=url, hashes=wheel.hashes),)
    stored = read_object(context.home, record.sha256)
    if stored is None:
        return ()
    return (File(filename=stored.filename, url="", hashes={"sha256": record.sha256}),)


def _markers(
    project: Project, context: Context, spec: EnvironmentSpec, folder: str
) -> Mapping[str, str] | None:
    """What requirements are evaluated with; None where the interpreter cannot be asked any more."""
    try:
        return choose_interpreter(project, context, spec, folder, None).markers
    except ProvenvError:
        return None


def _edges(
    present: Sequence[_Present], markers: Mapping[str, str] | None
) -> dict[str, frozenset[str]]:
    """Who needs whom, by their own metadata; an extra counts where somebody here asks for it."""
    rows = {one.name: _requirements(one.metadata) for one in present}
    extras: dict[str, set[str]] = {name: {""} for name in rows}
    while True:
        before = sum(map(len, extras.values()))
        edges: dict[str, frozenset[str]] = {}
        for name, requirements in rows.items():
            wanted = [
                one for one in requirements if _applies(one, extras[name], markers)
                and canonicalize_name(one.name) in rows
            ]  # fmt: skip
            edges[name] = frozenset(canonicalize_name(one.name) for one in wanted) - {name}
            for one in wanted:
                extras[canonicalize_name(one.name)].update(one.extras)
        if sum(map(len, extras.values())) == before:
            return edges


def _requirements(metadata: Metadata) -> list[Requirement]:
    found = []
    for text in metadata.requires:
        try:
            found.append(Requirement(text))
        except InvalidRequirement:
            continue  # older ones are in no form that anybody could follow
    return found


def _applies(requirement: Requirement, extras: set[str], markers: Mapping[str, str] | None) -> bool:
    if requirement.marker is None:
        return True
    if markers is None:
        return False
    return any(requirement.marker.evaluate({**markers, "extra": extra}) for extra in extras)


def _roots(
    project: Project,
    spec: EnvironmentSpec,
    present: Sequence[_Present],
    edges: Mapping[str, frozenset[str]],
) -> set[str]:
    """What the project asks for itself, and what nobody else here needs."""
    manifest = project.manifest
    texts = [*manifest.dependencies, *spec.seed]
    for extra in spec.extras:
        texts += manifest.optional_dependencies.get(extra, ())
    for group in spec.groups:
        texts += manifest.groups.get(group, ())
    asked = {canonicalize_name(Requirement(text).name) for text in texts}
    needed = frozenset().union(*edges.values())
    return {one.name for one in present if one.name in asked or one.name not in needed}


def _created(made: Generation) -> datetime:
    return datetime.fromisoformat(made.created)

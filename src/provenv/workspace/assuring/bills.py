"""What an environment consists of by the lock, for every platform, as a bill of materials."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from packaging.pylock import Package, Pylock
from packaging.utils import canonicalize_name

from provenv import __version__
from provenv.core.errors import CheckFailedError, InputError, UsageError
from provenv.core.http import hidden, split_credentials
from provenv.core.values import replace
from provenv.environments import generations
from provenv.formats.inventories import parts
from provenv.model import graph
from provenv.model.inventory import Bill, Component, Document, File, package_url
from provenv.model.manifest import EnvironmentSpec
from provenv.model.origins import PYPI
from provenv.workspace.governing.described import Described, describe
from provenv.workspace.governing.subjects import of_package
from provenv.workspace.projects.context import Context, Project, read_locks
from provenv.workspace.syncing import locking


def of_lock(
    project: Project, context: Context, spec: EnvironmentSpec
) -> tuple[Bill, list[Described]]:
    """The bill of one environment by the lock, and what is known of each component in it.

    Metadata that are not here are fetched, unless offline.

    Raises:
        InputError: There is no lock, or the environment is made from something else.
        CheckFailedError: The lock does not answer the manifest.
    """
    source = generations.source_of(project.folder(spec))
    if source is not None:
        raise InputError(
            f"environment {spec.name!r} is made from {source}, not from the project's own lock",
            hint="`provenv sbom --installed` says what lies in it.",
        )
    locks = read_locks(project)
    key = project.lock_key(spec)
    if key not in locks:
        raise InputError("is missing", file=project.lock_path(key), hint="Run `provenv lock`.")
    stale = locking.why_stale(project, locks)
    if stale is not None:
        raise CheckFailedError(stale, hint="Run `provenv lock`.")
    lock = locks[key].lock
    made, packages = graph.make_whole_graph(lock, project.manifest, spec)
    own = canonicalize_name(project.manifest.name or "")
    chosen = [package for package in packages if package.name != own]
    found = [of_package(package) for package in chosen]
    known = describe(project, context, found, fetch=True)
    told = [known[one.name, one.version] for one in found]
    drafts = unique(component(package, one) for package, one in zip(chosen, told, strict=True))
    refs = _refs(drafts)
    components = tuple(
        replace(draft, needs=_needs(package, refs))
        for package, draft in zip(chosen, drafts, strict=True)
    )
    roots = {ref for root in made.roots for _, ref in refs.get(root.distribution, ())}
    bill = Bill(
        title=project.title,
        version=project.manifest.version or "",
        environment=spec.name,
        scope="lock",
        digest=locks[key].digest,
        created=moment(context.environ) or _youngest(lock),
        components=components,
        roots=tuple(sorted(roots)),
        tool=__version__,
        graph=any(package.dependencies for package in lock.packages) or len(chosen) < 2,
    )
    return bill, told


def moment(environ: Mapping[str, str]) -> datetime | None:
    """The time that ``SOURCE_DATE_EPOCH`` says, for documents that can be made again.

    Raises:
        UsageError: It is no number of seconds.
    """
    from datetime import UTC

    text = environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"SOURCE_DATE_EPOCH is {text!r}, and no number of seconds") from error


def _youngest(lock: Pylock) -> datetime | None:
    """When the last of the files in a lock was uploaded: the same for the same lock."""
    times = [
        file.upload_time
        for package in lock.packages
        for file in (*(package.wheels or ()), package.sdist, package.archive)
        if file is not None and file.upload_time is not None
    ]
    return max(times, default=None)


def component(package: Package, told: Described) -> Component:
    """One entry of a lock, with what is known of it."""
    version = str(package.version) if package.version else ""
    if not version and told.metadata is not None:
        version = told.metadata.version
    purl = purl_of(package, version)
    made = Component(
        ref=purl or f"{package.name}@{version}".rstrip("@"),
        name=package.name,
        version=version,
        purl=purl,
        files=_files(package),
        origin=_origin(package),
        marker=str(package.marker or ""),
    )
    return described(made, told)


def described(made: Component, told: Described) -> Component:
    """A component with what its metadata say."""
    metadata = told.metadata
    if metadata is None:
        return replace(made, described=False)
    licence = told.licence
    sure = licence.expression is not None and not licence.several
    words = [] if sure else [metadata.expression or "", metadata.licence or ""]
    words += [] if sure else [text.rpartition(":: ")[2] for text in metadata.classifiers]
    return replace(
        made,
        licence=licence.expression if sure else None,
        words=tuple(dict.fromkeys(line for text in words if (line := _short(text)))),
        summary=metadata.summary,
        people=metadata.people,
        urls=metadata.urls,
        documents=None
        if told.documents is None
        else tuple(
            Document(path=_shown(path), sha256=hashlib.sha256(data).hexdigest(), parts=parts(data))
            for path, data in told.documents.items()
        ),
    )


def _short(text: str, most: int = 100) -> str:
    """The first line of a licence in its own words: some metadata hold the whole text."""
    line = next((bare for row in text.splitlines() if (bare := row.strip())), "")
    bare = "".join(c for c in line if c.isprintable())
    return "" if bare == "UNKNOWN" else bare[:most]


def _shown(path: str) -> str:
    """A path as it can stand in a document: file systems know names that no encoding does."""
    return "".join(c if c.isprintable() else "?" for c in path)


def purl_of(package: Package, version: str) -> str | None:
    """The package URL of an entry of a lock; None for a directory."""
    if package.directory is not None:
        return None
    if package.vcs is not None or package.archive is not None:
        key = "vcs_url" if package.vcs is not None else "download_url"
        return package_url(package.name, version, **{key: _origin(package)})
    index = bare(package.index or PYPI).rstrip("/")
    elsewhere = "" if index == PYPI.rstrip("/") else index
    return package_url(package.name, version, repository_url=elsewhere)


def _origin(package: Package) -> str:
    if package.vcs is not None:
        url = bare(package.vcs.url or package.vcs.path or "")
        return f"{package.vcs.type}+{url}@{package.vcs.commit_id}"
    if package.archive is not None:
        return bare(package.archive.url or package.archive.path or "")
    return ""


def bare(url: str) -> str:
    """An address without who logs in there, and a path as far as others may know it."""
    if url.startswith(("http://", "https://")):
        return split_credentials(url)[0]
    if url.startswith(("/", "file:")):
        return url.rstrip("/").rpartition("/")[2]
    return hidden(url)


def _files(package: Package) -> tuple[File, ...]:
    rows = [
        File(filename=wheel.filename, url=bare(wheel.url or ""), hashes=wheel.hashes)
        for wheel in package.wheels or ()
    ]
    if package.sdist is not None:
        one = package.sdist
        rows.append(File(filename=one.filename, url=bare(one.url or ""), hashes=one.hashes))
    if package.archive is not None:
        url = bare(package.archive.url or package.archive.path or "")
        name = url.partition("#")[0].partition("?")[0].rpartition("/")[2]
        rows.append(File(filename=name, url=url, hashes=package.archive.hashes))
    return tuple(sorted(rows, key=lambda file: file.filename))


def unique(components: Iterable[Component]) -> list[Component]:
    """The same, with no ref twice: one version can be in a lock for two platforms."""
    found: list[Component] = []
    seen: dict[str, int] = {}
    for one in components:
        seen[one.ref] = number = seen.get(one.ref, 0) + 1
        found.append(one if number == 1 else replace(one, ref=f"{one.ref}#{number}"))
    return found


def _refs(components: Sequence[Component]) -> dict[str, list[tuple[str, str]]]:
    """Versions and refs by name."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in components:
        found.setdefault(one.name, []).append((one.version, one.ref))
    return found


def _needs(package: Package, refs: Mapping[str, Sequence[tuple[str, str]]]) -> tuple[str, ...]:
    """What an entry depends on; where it names no version, every version of the name."""
    found = set()
    for row in package.dependencies or ():
        wanted = row.get("version")
        for version, ref in refs.get(str(row["name"]), ()):
            if wanted is None or str(wanted) == version:
                found.add(ref)
    return tuple(sorted(found))

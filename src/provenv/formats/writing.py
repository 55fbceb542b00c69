"""A lock, cut down to one environment, in the formats of other tools. Same lock, same bytes.

A format is a line in ``WRITERS``: a function from :class:`Cut` to text. What a format cannot say is in
``left`` of what it gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from packaging.markers import Marker
from packaging.pylock import Package, Pylock

from provenv.core.errors import InputError
from provenv.core.http import hidden, split_credentials
from provenv.core.values import frozen, replace
from provenv.formats.foreign import Left
from provenv.formats.markers import filled
from provenv.model.lock import packages_digest, render_lock
from provenv.model.manifest import EnvironmentSpec

MARK = "Made by provenv"


@frozen
class Cut:
    """The packages of one environment, for every platform that the lock is for.

    Attributes:
        lock: With markers that are about interpreter and platform alone.
        environment: Its name. ``project``: Its title.
        origin: The file that the lock stands in, for the header.
        installable: The name of the project itself where it is installed, else empty.
        hashes: Whether hashes are written.
        command: How the file is made again.
    """

    lock: Pylock
    environment: str
    project: str
    origin: str
    installable: str = ""
    hashes: bool = True
    command: str = ""


@frozen
class Written:
    """The text of a file, and what it leaves out."""

    text: str
    left: tuple[Left, ...] = ()


@frozen
class Writer:
    """One format: what its file is called (``{environment}`` is filled in), and who writes it."""

    name: str
    filename: str
    write: Callable[[Cut], Written]


def cut(lock: Pylock, spec: EnvironmentSpec) -> Pylock:
    """The lock with what ``spec`` may need, and nothing else; groups and extras are filled in."""
    kept: list[Package] = []
    for package in lock.packages:
        marker = filled(package.marker, spec.groups, spec.extras)
        if marker is not None:
            kept.append(replace(package, marker=Marker(marker) if marker else None))
    names = {package.name for package in kept}
    packages = [
        replace(
            _without_login(package),
            dependencies=[d for d in package.dependencies or () if d["name"] in names] or None,
        )
        for package in kept
    ]
    return replace(
        lock,
        packages=packages,
        extras=None,
        dependency_groups=None,
        default_groups=None,
        tool=None,
    )


def _without_login(package: Package) -> Package:
    """A file that is handed on holds no password, even where the manifest has it in an address."""
    archive, vcs = package.archive, package.vcs
    if archive is not None and archive.url:
        return replace(package, archive=replace(archive, url=split_credentials(archive.url)[0]))
    if vcs is not None and vcs.url and hidden(vcs.url) != vcs.url:
        return replace(package, vcs=replace(vcs, url=split_credentials(vcs.url)[0]))
    return package


def header(made: Cut) -> list[str]:
    """The comment at the head of a file: from what, for what, and how it is made again."""
    return [
        f"{MARK} from {made.origin}, for environment {made.environment!r} of {made.project}.",
        f"Do not edit it; made again by `{made.command}`.",
    ]


def write_requirements(made: Cut) -> Written:
    """``requirements.txt`` as pip reads it, with ``--hash`` for every file."""
    lines = [f"# {line}" for line in header(made)]
    indexes = _indexes(made.lock)
    lines += _options(indexes)
    left = _left_about_indexes(indexes, made.origin)
    for package in made.lock.packages:
        lines += _entry(package, made)
        left += _left_about(package, made)
    if made.installable:
        why = "it is the project itself: `pip install --no-deps .`"
        left.append(Left(what=made.installable, why=why, file=made.origin))
    return Written(text="\n".join(lines) + "\n", left=tuple(left))


def write_constraints(made: Cut) -> Written:
    """Versions without asking for anything, for ``pip install -c``. Places are no constraints: left."""
    lines = [f"# {line}" for line in header(made)]
    left: list[Left] = []
    for package in made.lock.packages:
        if package.version is None or package.vcs or package.directory or package.archive:
            left.append(
                Left(what=package.name, why="a constraint names no place", file=made.origin)
            )
            continue
        lines.append(f"{package.name}=={package.version}{_condition(package)}")
    return Written(text="\n".join(lines) + "\n", left=tuple(left))


def write_pylock(made: Cut) -> Written:
    """``pylock.NAME.toml`` (PEP 751) of this environment alone."""
    left: list[Left] = []
    if made.installable:
        why = "it is the project itself, which a lock does not hold"
        left.append(Left(what=made.installable, why=why, file=made.origin))
    signed = replace(
        made.lock, tool={"provenv": {"packages-digest": packages_digest(made.lock.packages)}}
    )
    return Written(text=render_lock(signed, header="\n".join(header(made))), left=tuple(left))


def _condition(package: Package) -> str:
    return f" ; {package.marker}" if package.marker is not None else ""


def _entry(package: Package, made: Cut) -> Iterator[str]:
    condition = _condition(package)
    if package.directory is not None:
        path = _local(package.directory.path, package.directory.subdirectory)
        flag = "-e " if package.directory.editable else ""
        yield f"{flag}{path}{condition}"
        return
    if package.vcs is not None:
        yield f"{package.name} @ {_vcs(package)}{condition}"
        return
    if package.archive is not None:
        address = package.archive.url or _local(package.archive.path or "", None)
        hashes = package.archive.hashes
        below = (
            f"#subdirectory={package.archive.subdirectory}" if package.archive.subdirectory else ""
        )
        named = f"{package.name} @ {address}{below}" if package.archive.url else f"{address}"
        yield from _with_hashes(f"{named}{condition}", _digests([hashes]), hashed=made.hashes)
        return
    found = [wheel.hashes for wheel in package.wheels or ()]
    if package.sdist is not None:
        found.append(package.sdist.hashes)
    digests = _digests(found)
    line = f"{package.name}=={package.version}{condition}"
    yield from _with_hashes(line, digests, hashed=made.hashes)


def _with_hashes(line: str, digests: list[str], *, hashed: bool) -> Iterator[str]:
    if not hashed or not digests:
        yield line
        return
    yield f"{line} \\"
    for position, value in enumerate(digests):
        yield f"    --hash={value}" + (" \\" if position + 1 < len(digests) else "")


def _digests(hashes: list[Mapping[str, str]]) -> list[str]:
    return sorted({f"sha256:{h['sha256']}" for h in hashes if "sha256" in h})


def _local(path: str, subdirectory: str | None) -> str:
    full = f"{path}/{subdirectory}" if subdirectory else path
    return full if full.startswith(("/", ".")) else f"./{full}"


def _vcs(package: Package) -> str:
    vcs = package.vcs
    assert vcs is not None
    below = f"#subdirectory={vcs.subdirectory}" if vcs.subdirectory else ""
    return f"{vcs.type}+{vcs.url or vcs.path}@{vcs.commit_id}{below}"


def _indexes(lock: Pylock) -> list[str]:
    """The addresses of the indexes in the lock, the one with most packages first."""
    count: dict[str, int] = {}
    for package in lock.packages:
        if package.index:
            count[package.index] = count.get(package.index, 0) + 1
    return sorted(count, key=lambda url: (-count[url], url))


def _options(indexes: list[str]) -> list[str]:
    if not indexes or (len(indexes) == 1 and indexes[0].rstrip("/") == "https://pypi.org/simple"):
        return []
    return [f"--index-url {indexes[0]}", *(f"--extra-index-url {url}" for url in indexes[1:])]


def _left_about_indexes(indexes: list[str], origin: str) -> list[Left]:
    if len(indexes) < 2:
        return []
    why = "a requirements file cannot say which index a package must come from; the hashes do"
    return [Left(what=f"{len(indexes)} indexes", why=why, file=origin)]


def _left_about(package: Package, made: Cut) -> Iterator[Left]:
    if made.hashes and (package.directory is not None or package.vcs is not None):
        why = "it has no hash: pip's --require-hashes refuses the file; install it by itself"
        yield Left(what=package.name, why=why, file=made.origin)


WRITERS: Mapping[str, Writer] = {
    writer.name: writer
    for writer in (
        Writer(
            name="requirements",
            filename="requirements.{environment}.txt",
            write=write_requirements,
        ),
        Writer(name="pylock", filename="pylock.{environment}.toml", write=write_pylock),
        Writer(
            name="constraints", filename="constraints.{environment}.txt", write=write_constraints
        ),
    )
}


def writer(name: str) -> Writer:
    """The writer of a format.

    Raises:
        InputError: There is none of that name.
    """
    if name not in WRITERS:
        raise InputError(
            f"{name!r} is no format that can be written", hint=f"Known: {', '.join(WRITERS)}."
        )
    return WRITERS[name]

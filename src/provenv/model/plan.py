"""The plan: lock × environment × interpreter = the exact list of what an environment holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from packaging.pylock import (
    Package,
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
    Pylock,
)
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename

from provenv.core.errors import InputError, UnsatisfiableError
from provenv.core.values import frozen
from provenv.model.interpreter import Interpreter
from provenv.model.manifest import EnvironmentSpec

_SHA256 = re.compile(r"[0-9a-f]{64}")  # it becomes the name of a folder: nothing else may pass
Kind = Literal["wheel", "sdist", "archive", "directory", "vcs"]


@frozen
class Artifact:
    """One distribution that the plan wants, and the file or place that it comes from.

    Attributes:
        name: Normalized name.
        version: As locked; empty where the lock leaves it open (a directory).
        kind: ``wheel`` needs no build; everything else does.
        filename: Of a wheel, sdist or archive; empty otherwise.
        sha256: Of that file, 64 hexadecimal digits; empty for directories and version control.
        size: Of that file in bytes, or None where the lock does not say.
        url: Where it is fetched from; ``file://`` allowed. Empty where ``path`` is given.
        path: Of a local file or directory, relative to the lock.
        index: The index that it was locked from, where it came from one.
        editable: A directory that is installed in place (PEP 660).
        subdirectory: Of the project inside an archive or repository.
        commit, revision: Of version control: what is checked out, and what was asked for.
        vcs: ``git``, …
        direct: Asked for by its own address (PEP 610), not by a name that an index answers.
    """

    name: str
    version: str
    kind: Kind
    filename: str = ""
    sha256: str = ""
    size: int | None = None
    url: str = ""
    path: str = ""
    index: str = ""
    editable: bool = False
    subdirectory: str = ""
    commit: str = ""
    revision: str = ""
    vcs: str = ""
    direct: bool = False

    @property
    def label(self) -> str:
        """``name version``, for people."""
        return f"{self.name} {self.version}".strip()


@frozen
class Plan:
    """What one environment holds for one interpreter, sorted by name."""

    environment: EnvironmentSpec
    interpreter: Interpreter
    lock_digest: str
    artifacts: tuple[Artifact, ...]


def make_plan(
    lock: Pylock,
    lock_digest: str,
    environment: EnvironmentSpec,
    interpreter: Interpreter,
    file: str,
) -> Plan:
    """Choose from the lock what ``environment`` needs on ``interpreter`` (PEP 751, "Installation").

    Raises:
        InputError: Two entries of one name apply, or an entry has no sha256.
        UnsatisfiableError: The interpreter is not supported, no wheel fits and there is no sdist, or
            what the environment is seeded with is not in the lock.
    """
    _check_supported(lock, interpreter, file)
    chosen = choose_packages(lock, environment, interpreter, file)
    if missing := [name for name in environment.seed if name not in chosen]:
        raise UnsatisfiableError(
            f"{file} has no {' and no '.join(missing)} for environment {environment.name!r} on Python "
            f"{interpreter.version}, which is seeded with it",
            hint="Lock again with `provenv lock`; into a lock of another tool it has to be put there.",
        )
    rank = {tag: position for position, tag in enumerate(interpreter.tags)}
    artifacts = tuple(
        _artifact(package, interpreter, rank, file) for _, package in sorted(chosen.items())
    )
    return Plan(
        environment=environment,
        interpreter=interpreter,
        lock_digest=lock_digest,
        artifacts=artifacts,
    )


def choose_packages(
    lock: Pylock, environment: EnvironmentSpec, interpreter: Interpreter, file: str
) -> dict[str, Package]:
    """The entries of a lock that apply to ``environment`` on ``interpreter``, by name.

    Raises:
        InputError: Two entries of one name apply.
        UnsatisfiableError: One of them does not support the interpreter.
    """
    chosen: dict[str, Package] = {}
    for package in lock.packages:
        if not _applies(package, environment, interpreter):
            continue
        _check_python(package.requires_python, interpreter, f"{file}: {package.name}")
        if package.name in chosen:
            raise InputError(
                f"{package.name} {chosen[package.name].version} and {package.version} both apply to "
                f"environment {environment.name!r} on Python {interpreter.version}",
                file=file,
                hint="Lock again with `provenv lock`.",
            )
        chosen[package.name] = package
    return chosen


def _check_supported(lock: Pylock, interpreter: Interpreter, file: str) -> None:
    """Refuse an interpreter that the lock as a whole was not made for (PEP 751, "Installation")."""
    _check_python(lock.requires_python, interpreter, file)
    markers = {**interpreter.markers}
    if lock.environments and not any(
        marker.evaluate(markers, context="requirement") for marker in lock.environments
    ):
        listed = "; ".join(str(marker) for marker in lock.environments)
        raise UnsatisfiableError(
            f"{file}: was locked for other environments than that of {interpreter.executable}: {listed}",
            hint="Choose another interpreter with --python, or lock for this one too.",
        )


def _check_python(specifier: SpecifierSet | None, interpreter: Interpreter, what: str) -> None:
    if specifier is not None and not interpreter.satisfies(str(specifier)):
        raise UnsatisfiableError(
            f"{what}: requires Python {specifier}, and {interpreter.executable} is {interpreter.version}",
            hint="Choose another interpreter with --python.",
        )


def _applies(package: Package, environment: EnvironmentSpec, interpreter: Interpreter) -> bool:
    if package.marker is None:
        return True
    variables: dict[str, str | frozenset[str]] = {
        **interpreter.markers,
        "extras": frozenset(environment.extras),
        "dependency_groups": frozenset(environment.lock_groups),
    }
    return package.marker.evaluate(variables, context="lock_file")


def _artifact(
    package: Package, interpreter: Interpreter, rank: Mapping[str, int], file: str
) -> Artifact:
    version = str(package.version) if package.version is not None else ""
    common = _Common(name=package.name, version=version, index=package.index or "", file=file)
    if package.vcs is not None:
        return common.vcs(package.vcs)
    if package.directory is not None:
        return common.directory(package.directory)
    if package.archive is not None:
        return common.archive(package.archive)
    wheel = best_wheel(package.wheels or (), rank)
    if wheel is not None:
        return common.file_of("wheel", wheel.filename, wheel)
    if package.sdist is not None:
        return common.file_of("sdist", package.sdist.filename, package.sdist)
    have = sorted({tag for w in package.wheels or () for tag in _tags(w.filename)})
    some = _some(have, interpreter)
    raise UnsatisfiableError(
        f"{package.name} {version} has no wheel for Python {interpreter.version} on this platform "
        f"({interpreter.tag}), and no sdist to build one from; its wheels are for: {some}",
        hint="Choose another interpreter with --python, or another version of the package.",
        details={"package": package.name, "tags": have},
    )


def _some(tags: list[str], interpreter: Interpreter, most: int = 8) -> str:
    """A few of the tags, those for the same Python first."""
    own = interpreter.tag.partition("-")[0]
    first = sorted(tags, key=lambda tag: (not tag.startswith(f"{own}-"), tag))[:most]
    more = len(tags) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")


def find_wheel(lock: Pylock, sha256: str, file: str) -> Artifact | None:
    """The wheel of that digest in a lock, whichever interpreter it is for; None where it has none."""
    for package in lock.packages:
        version = str(package.version) if package.version is not None else ""
        common = _Common(name=package.name, version=version, index=package.index or "", file=file)
        if package.archive is not None and package.archive.hashes.get("sha256") == sha256:
            found = common.archive(package.archive)
            return found if found.kind == "wheel" else None
        for wheel in package.wheels or ():
            if wheel.hashes.get("sha256") == sha256:
                return common.file_of("wheel", wheel.filename, wheel)
    return None


def best_wheel(
    wheels: tuple[PackageWheel, ...] | list[PackageWheel] | object, rank: Mapping[str, int]
) -> PackageWheel | None:
    """The wheel whose tag stands first in ``rank`` (tag → position), the higher build number first."""
    best: tuple[int, tuple[int, str], PackageWheel] | None = None
    for wheel in wheels if isinstance(wheels, (tuple, list)) else ():
        positions = [rank[tag] for tag in _tags(wheel.filename) if tag in rank]
        if not positions:
            continue
        build = parse_wheel_filename(wheel.filename)[2] or (-1, "")
        position = min(positions)
        if best is None or position < best[0] or (position == best[0] and build > best[1]):
            best = (position, build, wheel)
    return best[2] if best else None


def _tags(filename: str) -> list[str]:
    """The tags that a wheel's name stands for (PEP 425, compressed sets expanded)."""
    pythons, abis, platforms = filename.removesuffix(".whl").lower().split("-")[-3:]
    return [
        f"{python}-{abi}-{platform}"
        for python in pythons.split(".")
        for abi in abis.split(".")
        for platform in platforms.split(".")
    ]


@frozen
class _Common:
    name: str
    version: str
    index: str
    file: str

    def file_of(self, kind: Kind, filename: str, entry: PackageWheel | PackageSdist) -> Artifact:
        return Artifact(
            name=self.name,
            version=self.version,
            kind=kind,
            filename=filename,
            sha256=self._sha256(entry.hashes),
            size=entry.size,
            url=entry.url or "",
            path=entry.path or "",
            index=self.index,
        )

    def archive(self, entry: PackageArchive) -> Artifact:
        filename = (entry.url or entry.path or "").split("#")[0].split("?")[0].rsplit("/", 1)[-1]
        return Artifact(
            name=self.name,
            version=self.version,
            kind="wheel" if filename.endswith(".whl") else "archive",
            filename=filename,
            sha256=self._sha256(entry.hashes),
            size=entry.size,
            url=entry.url or "",
            path=entry.path or "",
            subdirectory=entry.subdirectory or "",
            direct=True,
        )

    def directory(self, entry: PackageDirectory) -> Artifact:
        return Artifact(
            name=self.name,
            version=self.version,
            kind="directory",
            path=entry.path,
            editable=bool(entry.editable),
            subdirectory=entry.subdirectory or "",
        )

    def vcs(self, entry: PackageVcs) -> Artifact:
        return Artifact(
            name=self.name,
            version=self.version,
            kind="vcs",
            url=entry.url or "",
            path=entry.path or "",
            commit=entry.commit_id,
            revision=entry.requested_revision or "",
            subdirectory=entry.subdirectory or "",
            vcs=entry.type,
        )

    def _sha256(self, hashes: Mapping[str, str]) -> str:
        value = hashes.get("sha256", "").lower()
        if not _SHA256.fullmatch(value):
            raise InputError(
                f"{self.name} {self.version} has no sha256"
                if not value
                else f"{self.name} {self.version}: {value!r} is not a sha256",
                file=self.file,
                hint="Lock again with `provenv lock`; provenv installs nothing that it cannot check.",
            )
        return value


def canonical(name: str) -> str:
    """The normalized name of a distribution (PEP 503)."""
    return canonicalize_name(name)

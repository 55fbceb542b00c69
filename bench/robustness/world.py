"""The toy distributions that every attack works on, the index that serves them, and what a site must hold.

The judge is none of the tools: a file is right if its bytes are those that were put into the wheel.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from support import Index, make_wheel, sha256_of

COUNT = 12
VERSIONS = ("1.0", "2.0")
MODULES = 32
_TABLE = 20_000  # bytes of the data file that each distribution has

Pins = Mapping[str, str]


def everything(version: str) -> Pins:
    """All toy distributions in one version."""
    return {f"toy-{number}": version for number in range(COUNT)}


def content(name: str, version: str) -> dict[str, str]:
    """Path in site-packages → text, of one toy distribution.

    Every module says its version; one module is only in this version.
    """
    package = name.replace("-", "_")
    line = f"VERSION = {version!r}\n"
    files = {f"{package}/__init__.py": line}
    files |= {f"{package}/part_{n}.py": f"{line}PART = {n}\n" for n in range(MODULES)}
    files[f"{package}/only_{version[0]}.py"] = line
    dice = random.Random(f"{name} {version}")
    files[f"{package}/table.txt"] = dice.randbytes(_TABLE // 2).hex()
    return files


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is served. ``hashes``: file name of each wheel → its SHA-256."""

    index: Index
    hashes: Mapping[str, str]


def publish(index: Index, folder: Path) -> World:
    """Serve every toy distribution in both versions, and the pair that owns one file twice."""
    hashes = {}
    for name, version, files in (
        *((n, v, content(n, v)) for v in VERSIONS for n in everything(v)),
        *((n, "1.0", pair(n)) for n in PAIR),
    ):
        path = make_wheel(folder, name, version, files=files)
        index.add(path)
        hashes[path.name] = sha256_of(path)
    return World(index=index, hashes=hashes)


PAIR = ("pair-full", "pair-headless")


def pair(name: str) -> dict[str, str]:
    """The files of one of two distributions that install the same package, as OpenCV's do."""
    own = name.replace("-", "_")
    return {
        "pair/__init__.py": "VERSION = '1.0'\n",
        "pair/core.py": f"BUILT_FOR = {name!r}\n",
        f"pair/{own}.py": "",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a site-packages differs from what it must hold; empty tuples where it does not."""

    missing: tuple[str, ...]
    changed: tuple[str, ...]
    strange: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return not (self.missing or self.changed or self.strange)

    @property
    def packages_hit(self) -> set[str]:
        """The top-level packages that lack something or have something else."""
        return {path.partition("/")[0] for path in (*self.missing, *self.changed)}


def judge(site: str, pins: Pins) -> Verdict:
    """Hold a site-packages against the wheels of ``pins``.

    Each file must be there with the right bytes, no module of another version beside it, and one
    ``.dist-info`` with METADATA for each distribution.
    """
    wanted = {path: text for item in pins.items() for path, text in content(*item).items()}
    return compare(site, wanted, pins)


def compare(site: str, wanted: Mapping[str, str], pins: Pins) -> Verdict:
    """The same, for files that the caller knows."""
    missing, changed = [], []
    for path, text in wanted.items():
        try:
            with open(os.path.join(site, path), "rb") as stream:
                if stream.read() != text.encode():
                    changed.append(path)
        except OSError:
            missing.append(path)
    packages = {path.partition("/")[0] for path in wanted}
    strange = [path for path in _modules(site, packages) if path not in wanted]
    infos = {
        entry
        for entry in (os.listdir(site) if os.path.isdir(site) else ())
        if entry.endswith(".dist-info") and entry.startswith(("toy_", "pair_"))
    }
    right = {f"{name.replace('-', '_')}-{version}.dist-info" for name, version in pins.items()}
    missing += [info for info in right if not os.path.isfile(os.path.join(site, info, "METADATA"))]
    strange += sorted(infos - right)
    return Verdict(missing=tuple(missing), changed=tuple(changed), strange=tuple(strange))


def _modules(site: str, packages: set[str]) -> Iterator[str]:
    for package in packages:
        folder = os.path.join(site, package)
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            if name.endswith(".py"):
                yield f"{package}/{name}"

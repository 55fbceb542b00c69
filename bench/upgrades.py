"""What a new version of a wheel costs where the store has the version before, and where it does not.

    python -m bench.upgrades --wheels FOLDER --fs /dev/shm --runs 5

FOLDER holds two versions of each distribution. The newer one is put into a store from a local file: into an
empty one, and into one that has the older. Seconds are the process's own (user and system), the least of
the runs. Bytes and files are those on disk, byte code and ``object.json`` left out.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.measure import BenchError, file_system, remove
from packaging.utils import parse_wheel_filename

from provenv.core import digest
from provenv.model.layout import HomeLayout
from provenv.store.ingest import unpack
from provenv.store.objects import DESCRIPTION, StoredObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """Two neighbouring versions, and what the newer one took.

    Attributes:
        name, old, new: Which.
        files, linked: Of the newer object, and those of them that are the older one's.
        size, saved: The bytes of both.
        alone, beside: Seconds without and with the older object.
    """

    name: str
    old: str
    new: str
    files: int
    linked: int
    size: int
    saved: int
    alone: float
    beside: float


def pairs(folder: Path) -> Iterator[tuple[str, tuple[str, Path], tuple[str, Path]]]:
    """Name, older and newer version (number and file) of each distribution in a folder.

    Raises:
        BenchError: One is not there twice.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.whl")):
        found.setdefault(parse_wheel_filename(path.name)[0], []).append(path)
    for name, paths in sorted(found.items()):
        if len(paths) != 2:
            raise BenchError(f"{folder} has {len(paths)} wheels of {name}; two are needed")
        old, new = sorted(paths, key=lambda path: parse_wheel_filename(path.name)[1])
        yield name, *((str(parse_wheel_filename(p.name)[1]), p) for p in (old, new))  # type: ignore[misc]


def put(home: HomeLayout, wheel: Path, sha256: str) -> tuple[StoredObject, float]:
    """Unpack a wheel whose hash is known into a store; the object, and seconds."""
    begin = time.process_time()
    made = unpack(home, str(wheel), filename=wheel.name, sha256=sha256, workspace=home.tmp)
    return made, time.process_time() - begin


def measure(
    name: str, old: Path, new: Path, base: str, runs: int
) -> tuple[int, int, int, int, float, float]:
    """Files and bytes, in all and linked, and the least seconds without and with the older version."""
    hashes = {path: digest.of_file(path) for path in (old, new)}
    alone: list[float] = []
    beside: list[float] = []
    counts = (0, 0, 0, 0)
    for number in range(runs):
        home = HomeLayout(os.path.join(base, f"{name}-{number}-alone"))
        alone.append(put(home, new, hashes[new])[1])
        remove(home.root)
        home = HomeLayout(os.path.join(base, f"{name}-{number}-beside"))
        put(home, old, hashes[old])
        made, took = put(home, new, hashes[new])
        beside.append(took)
        counts = count(made)
        remove(home.root)
    return *counts, min(alone), min(beside)


def count(made: StoredObject) -> tuple[int, int, int, int]:
    """Files, linked files, bytes and linked bytes of an object."""
    status = [
        os.lstat(os.path.join(place, name))
        for place, _, names in os.walk(made.folder)
        for name in names
        if name != DESCRIPTION
    ]
    linked = [one for one in status if one.st_nlink > 1]
    return len(status), len(linked), sum(s.st_size for s in status), sum(s.st_size for s in linked)


def table(found: list[Upgrade]) -> str:
    """The figures as Markdown, the sums last."""
    lines = [
        "| upgrade | files | linked | MB | not written | alone | beside | time |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    total = Upgrade(
        name="all", old="", new="",
        files=sum(u.files for u in found), linked=sum(u.linked for u in found),
        size=sum(u.size for u in found), saved=sum(u.saved for u in found),
        alone=sum(u.alone for u in found), beside=sum(u.beside for u in found),
    )  # fmt: skip
    for one in (*found, total):
        title = f"{one.name} {one.old} → {one.new}" if one.old else "**all**"
        lines.append(
            f"| {title} | {one.files} | {one.linked} | {one.size / 1e6:.1f} | {one.saved / 1e6:.1f} "
            f"| {one.alone * 1000:.0f} ms | {one.beside * 1000:.0f} ms | {one.beside / one.alone:.2f} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.upgrades", description="Upgrades into a store.")
    parser.add_argument("--wheels", required=True, type=Path, help="two versions of each")
    parser.add_argument("--fs", help="a folder on the file system to measure")
    parser.add_argument("--runs", type=int, default=5, help="%(default)s")
    args = parser.parse_args()
    base = tempfile.mkdtemp(prefix="bench-upgrades-", dir=args.fs)
    found = []
    try:
        for name, (before, old), (after, new) in pairs(args.wheels):
            files, linked, size, saved, alone, beside = measure(name, old, new, base, args.runs)
            found.append(
                Upgrade(
                    name=name, old=before, new=after, files=files, linked=linked,
                    size=size, saved=saved, alone=alone, beside=beside,
                )
            )  # fmt: skip
        print(f"{table(found)}\n\nOn {file_system(base)}, the least of {args.runs} runs.")
    finally:
        remove(base)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(str(error))

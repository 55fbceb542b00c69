"""How fast `provenv verify` is beside `sha256sum`, and whether it finds every flipped bit in one pass.

    python -m bench.verify [--store FOLDER] [--fs FOLDER] [--runs 5] [--flip 200]

The wheels of a record (``bench.record --store``) are put into a store of their own; without one, 150
wheels are made, 300 MB of what does not compress, in files of sizes as wheels have them. `provenv verify
--all` and `sha256sum` over the same files, in as many processes as there are processors, take turns on
warm files. With ``--flip``, a bit is flipped in so many files at once (0: in all of them), anywhere in
each; one `verify` must name every one of them and nothing else, and after they are flipped back, nothing.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from bench.measure import BenchError

import provenv as package
from provenv.core import digest
from provenv.core.files import remove_tree
from provenv.model.layout import HomeLayout
from provenv.store.ingest import ingest

_WHEELS, _SIZE = 150, 300_000_000
_CORES = len(os.sched_getaffinity(0))


def made_wheels(folder: Path) -> list[Path]:
    """Wheels of random bytes: many small files, a few great ones."""
    chance = random.Random(4)
    sizes = [int(chance.lognormvariate(7.8, 2.0)) + 1 for _ in range(_WHEELS * 180)]
    scale = _SIZE / sum(sizes)
    found = []
    for number in range(_WHEELS):
        name = f"synthetic{number}"
        info = f"{name}-1.0.dist-info"
        files = {
            f"{name}/part{i % 9}/file{i}.bin": chance.randbytes(int(size * scale) + 1)
            for i, size in enumerate(sizes[number::_WHEELS])
        }
        files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()
        files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        rows = "".join(f"{path},{_hash(data)},{len(data)}\n" for path, data in files.items())
        wheel = folder / f"{name}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, data in files.items():
                archive.writestr(path, data)
            archive.writestr(f"{info}/RECORD", f"{rows}{info}/RECORD,,\n")
        found.append(wheel)
    return found


def _hash(data: bytes) -> str:
    encoded = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
    return f"sha256={encoded.decode()}"


def fill(home: HomeLayout, wheels: list[Path]) -> None:
    """Put every wheel into the store."""
    for wheel in wheels:
        sha256 = digest.of_file(wheel)
        ingest(home, str(wheel), filename=wheel.name, sha256=sha256, size=None)


def files_of(home: HomeLayout) -> list[str]:
    """Every file of every object."""
    return [
        os.path.join(folder, name)
        for folder, _, names in os.walk(home.wheels)
        for name in names
    ]  # fmt: skip


def verify(home: HomeLayout, provenv: list[str]) -> tuple[float, dict[str, object]]:
    """How long it took as a whole process, and what it said."""
    env = {"HOME": home.root, "PROVENV_HOME": home.root, "PATH": os.environ["PATH"]}
    env["PYTHONPATH"] = os.path.dirname(os.path.dirname(package.__file__))
    began = time.perf_counter()
    done = subprocess.run(
        [*provenv, "verify", "--all", "--json"],
        env=env,
        cwd=home.root,
        capture_output=True,
        text=True,
    )
    took = time.perf_counter() - began
    if done.returncode not in (0, 1):
        raise BenchError(f"verify ended with {done.returncode}: {done.stderr}")
    found: dict[str, object] = json.loads(done.stdout)
    return took, found


def sums(names: bytes) -> float:
    """`sha256sum` over the files, whose names end with NUL each."""
    command = ["xargs", "-0", f"-P{_CORES}", "-n", "500", "sha256sum"]
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        subprocess.run(command, input=names, stdout=said, check=True)
    return time.perf_counter() - began


def race(home: HomeLayout, files: list[str], provenv: list[str], runs: int) -> float:
    """Both in turns; the ratio of the medians, the time of verify by that of `sha256sum`."""
    names = b"".join(os.fsencode(path) + b"\0" for path in files)
    size = sum(os.path.getsize(path) for path in files)
    verify(home, provenv)
    ours, theirs = [], []
    for _ in range(runs):
        took, found = verify(home, provenv)
        if not found["ok"]:
            raise BenchError("the store is not whole")
        ours.append(took)
        theirs.append(sums(names))
    for name, times in (("provenv verify", ours), (f"sha256sum, {_CORES} processes", theirs)):
        middle = statistics.median(times)
        spread = f"{min(times):.2f}–{max(times):.2f}"
        print(f"{name:24} {middle:6.2f} s ({spread})  {size / middle / 1e9:5.2f} GB/s")
    return statistics.median(ours) / statistics.median(theirs)


def flip(path: str, position: int, bit: int) -> None:
    """Change one bit where the file lies, and put its time back."""
    status = os.stat(path)
    os.chmod(path, 0o644)
    with open(path, "r+b") as stream:
        stream.seek(position)
        byte = stream.read(1)[0]
        stream.seek(position)
        stream.write(bytes([byte ^ 1 << bit]))
    os.chmod(path, status.st_mode & 0o7777)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def damage(home: HomeLayout, files: list[str], provenv: list[str], count: int) -> None:
    """Flip a bit in ``count`` files, and let one pass find each of them.

    Raises:
        BenchError: One was missed, or something else was named.
    """
    chance = random.Random(time.time_ns())
    full = [path for path in files if os.path.getsize(path)]
    # where RECORD or object.json is damaged, nobody knows any more what the files beside it must be
    turns = {
        name: [p for p in full if os.path.basename(p) == name] for name in ("RECORD", "object.json")
    }
    apart = {path for paths in turns.values() for path in paths}
    others = [path for path in full if path not in apart]
    for victims in (chance.sample(others, min(count or len(others), len(others))), *turns.values()):
        flips = [(p, chance.randrange(os.path.getsize(p)), chance.randrange(8)) for p in victims]
        for item in flips:
            flip(*item)
        _, found = verify(home, provenv)
        for item in flips:
            flip(*item)
        rows = found["damage"]
        assert isinstance(rows, list)
        named = {os.path.join(home.object(row["sha256"]), row["path"]) for row in rows}
        if missed := sorted({*victims} - named):
            raise BenchError(f"{len(missed)} of {len(victims)} were missed: {missed[:5]}")
        if more := sorted(named - {*victims}):
            raise BenchError(f"{len(more)} more were named: {more[:5]}")
        print(f"{len(victims):,} files with one flipped bit: one pass named each of them")
    _, found = verify(home, provenv)
    if not found["ok"]:
        raise BenchError("flipped back, and still not whole")


def main() -> int:
    """Fill a store, race, damage it."""
    parser = argparse.ArgumentParser(prog="bench.verify", description="verify beside sha256sum.")
    parser.add_argument("--store", metavar="FOLDER", help="of a record, for its wheels")
    parser.add_argument("--fs", default="/dev/shm", metavar="FOLDER", help="where to work")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--flip", type=int, metavar="N", help="flip a bit in N files; 0: in all")
    parser.add_argument("--provenv", default=f"{sys.executable} -m provenv", metavar="COMMAND")
    args = parser.parse_args()
    provenv = args.provenv.split()
    work = Path(tempfile.mkdtemp(prefix="bench-verify-", dir=args.fs))
    try:
        home = HomeLayout(str(work / "home"))
        wheels = sorted(Path(args.store).rglob("*.whl")) if args.store else made_wheels(work)
        fill(home, wheels)
        files = files_of(home)
        print(f"{len(wheels)} wheels, {len(files):,} files")
        ratio = race(home, files, provenv, args.runs)
        print(f"verify takes {ratio:.2f} of the time of sha256sum")
        if args.flip is not None:
            damage(home, files, provenv, args.flip)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        remove_tree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())

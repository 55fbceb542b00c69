"""One measured command: whole-process time from start to exit, and what the machine is."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

_TICK = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """A command failed, or left something incomplete: there is no figure to report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Seconds: wall clock, the processor time of the command and its children, and the server's."""

    wall: float
    user: float
    system: float
    server: float = 0.0

    def __add__(self, other: Sample) -> Sample:
        return Sample(
            wall=self.wall + other.wall,
            user=self.user + other.user,
            system=self.system + other.system,
            server=self.server + other.server,
        )

    def as_json(self) -> dict[str, float]:
        """The fields, rounded to 10 microseconds."""
        return {name: round(value, 5) for name, value in asdict(self).items()}


NOTHING = Sample(wall=0.0, user=0.0, system=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopwatch:
    """Runs commands and times them.

    Attributes:
        log: A file for the output of the last command.
        server: The process id of the replaying server, whose processor time is noted too.
        settle: Write out dirty pages before a timed command, so that nobody pays for another's.
    """

    log: str
    server: int | None = None
    settle: bool = True

    def run(
        self, command: Sequence[str], *, cwd: str, env: Mapping[str, str], timed: bool = True
    ) -> Sample:
        """Run ``command`` to its end.

        Raises:
            BenchError: It did not exit with 0; the message carries the end of its output.
        """
        if timed and self.settle:
            os.sync()
        before = self._server_time()
        with open(self.log, "wb") as log:
            start = time.perf_counter()
            child = subprocess.Popen(
                command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            _, status, usage = os.wait4(child.pid, 0)
            wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            raise BenchError(
                f"exit code {child.returncode} from {' '.join(command)} in {cwd}\n{self.output()[-3000:]}"
            )
        return Sample(
            wall=wall,
            user=usage.ru_utime,
            system=usage.ru_stime,
            server=self._server_time() - before,
        )

    def output(self) -> str:
        """What the last command wrote, standard output and standard error together."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def _server_time(self) -> float:
        if self.server is None:
            return 0.0
        with open(f"/proc/{self.server}/stat", encoding="ascii") as stream:
            fields = stream.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK


_CENSUS = """
import importlib.metadata, json, os, re, sys
found, absent = {}, []
for dist in importlib.metadata.distributions():
    name = re.sub(r"[-_.]+", "-", dist.metadata["Name"]).lower()
    found[name] = dist.version
    for file in dist.files or [name + ": no list of files"]:
        if not str(file).endswith(".pyc") and not os.path.exists(dist.locate_file(file)):
            absent.append(str(file))
print(json.dumps({"found": found, "absent": absent, "version": sys.version, "prefix": sys.prefix,
                  "base": os.path.realpath(sys.base_prefix)}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What an environment holds: normalized name → version; ``base`` is its interpreter's prefix."""

    found: dict[str, str]
    base: str


def census(python: str) -> Census:
    """Ask the environment of ``python`` what it holds, and see that every listed file is there.

    Raises:
        BenchError: It does not start, or lacks files.
    """
    done = subprocess.run(
        [python, "-I", "-B", "-c", _CENSUS], capture_output=True, text=True, check=False, cwd="/"
    )
    if done.returncode != 0:
        raise BenchError(f"{python} does not answer: {done.stderr[-2000:]}")
    answer = json.loads(done.stdout)
    if answer["absent"]:
        lacks = answer["absent"]
        raise BenchError(f"{python}: {len(lacks)} listed files are absent, such as {lacks[0]}")
    return Census(found=answer["found"], base=answer["base"])


def inodes(roots: Iterable[str]) -> set[tuple[int, int]]:
    """The inodes (device, number) of everything below ``roots``; symlinks are not followed."""
    seen: set[tuple[int, int]] = set()
    for root in roots:
        device = os.lstat(root).st_dev
        seen.add((device, os.lstat(root).st_ino))
        waiting = [root]
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    seen.add((device, entry.inode()))
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    return seen


def remove(folder: str) -> None:
    """Delete ``folder``, read-only folders of a store in it too."""
    subprocess.run(["chmod", "-R", "u+w", folder], check=False, capture_output=True)
    shutil.rmtree(folder)


def file_system(path: str) -> str:
    """The type of the file system that ``path`` is on, such as ``ext4`` or ``tmpfs``."""
    best, kind = "", "unknown"
    real = os.path.realpath(path)
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            _, point, name, *_ = line.split(" ")
            inside = real == point or real.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best):
                best, kind = point, name
    return kind


def machine(path: str) -> dict[str, object]:
    """What the figures were taken on, for the report."""
    with open("/proc/cpuinfo", encoding="utf-8") as stream:
        models = [
            line.partition(":")[2].strip() for line in stream if line.startswith("model name")
        ]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "kernel": platform.release(),
        "file_system": file_system(path),
        "free": shutil.disk_usage(path).free,
        "harness": sys.version.split()[0],
        "load": os.getloadavg()[0],
    }

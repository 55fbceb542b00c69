"""Records, once, what the benchmark's project needs from PyPI.

    python -m bench.record --store FOLDER

Each tool resolves and installs the project through a recording proxy, and once more through a strict
replay with an empty cache, to prove that nothing is missing. About 330 MB are written.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from bench import tools
from bench.measure import BenchError, Stopwatch, census

PYTHON = os.path.realpath(sys.executable)  # what the environments are made from


@contextlib.contextmanager
def replaying(store: str, *, record: bool = False, port: int = 0) -> Iterator[tuple[str, int]]:
    """A server of ``store`` while the block runs: its index's address and its process id.

    Raises:
        BenchError: It did not start.
    """
    command = [sys.executable, "-m", "bench.replay", "--store", store, "--port", str(port)]
    root = os.path.dirname(tools.HERE)
    with subprocess.Popen(
        [*command, *(["--record"] if record else [])], cwd=root, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            if not address:
                raise BenchError("the replaying server did not start")
            yield address, server.pid
        finally:
            server.terminate()


def drive(tool: tools.Tool, folder: str, requirements: str | None) -> int:
    """Lock, install, and add the small package with ``tool``; the number of distributions."""
    tool.project(folder, lock=requirements)
    if requirements is None:
        tool.lock(folder)
    tool.sync(folder)
    held = len(census(tool.python(folder)).found)
    if not isinstance(tool, tools.Pip):
        tool.add(folder, tools.SMALL)
    return held


def drive_all(names: list[str], args: argparse.Namespace, index: str, scratch: str) -> None:
    """Let every tool do its work once, with an empty cache."""
    watch = Stopwatch(log=os.path.join(scratch, "log"))
    setting = tools.Setting(index=index, python=args.python, watch=watch)
    requirements = None
    for name in names:
        program = tools.program(name, getattr(args, name))
        tool = tools.TOOLS[name](program, setting, os.path.join(scratch, f"cache-{name}"))
        folder = os.path.join(scratch, name)
        held = drive(tool, folder, requirements if name == "pip" else None)
        print(f"  {name}: {held} distributions", flush=True)
        if isinstance(tool, tools.Uv):
            requirements = os.path.join(scratch, "pinned.txt")
            os.replace(tool.requirements(folder), requirements)


def main() -> int:
    """Record, replay, and write down when and with what."""
    parser = argparse.ArgumentParser(prog="bench.record", description="Record the index.")
    parser.add_argument("--store", required=True, metavar="FOLDER", help="outside the repository")
    parser.add_argument("--python", default=PYTHON, help="%(default)s")
    parser.add_argument("--tools", default="uv,pip,poetry,provenv", help="%(default)s; uv first")
    for name in tools.TOOLS:
        parser.add_argument(f"--{name}", metavar="COMMAND")
    args = parser.parse_args()
    names = args.tools.split(",")
    beside = os.path.dirname(os.path.abspath(args.store))
    os.makedirs(beside, exist_ok=True)
    for record in (True, False):
        print("recording" if record else "replaying with empty caches", flush=True)
        with (
            tempfile.TemporaryDirectory(dir=beside) as scratch,
            replaying(args.store, record=record) as (index, _),
        ):
            drive_all(names, args, index, scratch)
    note = {"recorded": dt.datetime.now(dt.UTC).isoformat(), "tools": names}
    with open(os.path.join(args.store, "index.json"), "w", encoding="utf-8") as stream:
        json.dump(note, stream)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(str(error))

"""A Dask scheduler and its workers, as processes of their own, on loopback."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import provenv
from support.leftovers import MARK, commands, wait_for_marked
from support.project import clean_environment

_SOURCE = str(Path(provenv.__file__).parents[1])
_START = """
import os, sys
sys.path.insert(0, {source!r})
{before}
from distributed.cli.dask_{kind} import main
main()
"""


class Cluster:
    """A scheduler with workers; all that they start has ``mark`` in its environment.

    A context manager: in the end, everything is killed.
    """

    def __init__(self, folder: Path, *, index_url: str | None = None) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.address = ""
        self._index_url = index_url
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        self.start_scheduler()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_all()

    def start_scheduler(self) -> None:
        """Start the scheduler, on a port that is free."""
        self.scheduler = self._start("scheduler", "scheduler", ["--port", "0"], {})
        told = self._await("scheduler", r"Scheduler at:\s+(tcp://\S+)")
        self.address = told[1]

    def start_worker(
        self,
        name: str,
        *,
        threads: int = 1,
        before: str = "",
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start a worker with a home of its own; ``before`` is Python that it executes first."""
        home = self.folder / name
        home.mkdir(exist_ok=True)
        own = clean_environment(home, index_url=self._index_url) | dict(env or {})
        arguments = [
            self.address, "--no-nanny", "--nthreads", str(threads), "--name", name,
            "--memory-limit", "0", "--local-directory", str(home),
        ]  # fmt: skip
        self.workers[name] = self._start("worker", name, arguments, own, before)
        self._await(name, "Registered to:")

    def kill(self, name: str) -> None:
        """Kill a worker, as the kernel does where memory is short."""
        worker = self.workers.pop(name)
        worker.kill()
        worker.wait()

    def kill_scheduler(self) -> None:
        self.scheduler.kill()
        self.scheduler.wait()

    def kill_all(self) -> None:
        for process in (*self.workers.values(), self.scheduler):
            process.kill()
            process.wait()
        self.workers.clear()
        for pid in wait_for_marked(self.mark, 0):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)

    def strays(self) -> list[str]:
        """The commands of processes that workers started, which are waited for until none is left."""
        over = time.monotonic() + 20
        while (left := self.commands()) and time.monotonic() < over:
            time.sleep(0.05)
        return left

    def wait_for(self, text: str, count: int) -> int:
        """Wait until so many processes that workers started have a text in their command; how many have."""
        over = time.monotonic() + 30
        while (found := sum(text in command for command in self.commands())) != count:
            if time.monotonic() > over:
                break
            time.sleep(0.05)
        return found

    def commands(self) -> list[str]:
        """The commands of what workers started, without themselves."""
        return [one for one in commands(self.mark) if "distributed.cli" not in one]

    def _start(
        self,
        kind: str,
        name: str,
        arguments: list[str],
        env: Mapping[str, str],
        before: str = "",
    ) -> subprocess.Popen[bytes]:
        code = _START.format(source=_SOURCE, kind=kind, before=before)
        environ = dict(env) or clean_environment(self.folder)
        if kind == "worker":
            environ[MARK] = self.mark
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-c",
                    code,
                    *arguments,
                    "--no-dashboard",
                    "--host",
                    "127.0.0.1",
                ],
                env=environ,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _await(self, name: str, pattern: str) -> re.Match[str]:
        """Wait for a line in a log."""
        over = time.monotonic() + 60
        log = self.folder / f"{name}.log"
        while time.monotonic() < over:
            if found := re.search(pattern, log.read_text()):
                return found
            time.sleep(0.05)
        raise AssertionError(f"{name} did not come up:\n{log.read_text()}")

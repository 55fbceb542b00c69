"""Commands that are struck by a signal at one of the system calls that change the disk.

``every_call.c`` is loaded into each process of a command, counts these calls and sends the signal. A
command starts as a fork of a server that has provenv loaded: the same calls, and a tenth of the time.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import provenv
from support.project import Project

_SOURCE = Path(__file__).with_name("every_call.c")
_SERVER = Path(__file__).with_name("_every_call_server.py")
_STATE_SIZE = 1 << 14


def why_not() -> str | None:
    """Why calls cannot be counted here; None where they can."""
    if sys.platform != "linux":
        return "LD_PRELOAD and /proc as on Linux"
    return None if shutil.which("gcc") else "no gcc to build the library with"


@dataclass(frozen=True, slots=True)
class Strike:
    """Which call is struck by what: ``number`` counts from 1.

    Attributes:
        leader: The command's first process is struck, whichever makes the call; else the one that does.
        whose: Which calls count: ``all``, the ``leader``'s, or those of ``others``.
    """

    number: int
    signal: signal.Signals
    leader: bool = False
    whose: Literal["all", "leader", "others"] = "all"

    def as_list(self) -> list[int]:
        return [
            self.number,
            self.signal,
            self.leader,
            ("all", "leader", "others").index(self.whose),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """What became of a command.

    Attributes:
        code: Its exit code; negative where a signal ended it.
        calls: How many calls were counted. ``apart``: Those of its other processes.
        hit: The strike came. ``names``: Of the calls, shortened.
    """

    code: int
    calls: int
    apart: int
    hit: bool
    names: list[str] = field(repr=False)
    stdout: str
    stderr: str


class EveryCall:
    """A server of commands; use it with ``with``."""

    def __init__(self, folder: Path) -> None:
        """Build the library and start the server in ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._library = folder / "every_call.so"
        state = folder / "state"
        state.write_bytes(bytes(_STATE_SIZE))
        build = ["gcc", "-O1", "-shared", "-fPIC", "-o", str(self._library), str(_SOURCE)]
        subprocess.run(build, check=True, capture_output=True)
        self.env = {"LD_PRELOAD": str(self._library), "EVERY_CALL": str(state)}
        own = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")}
        source = str(Path(provenv.__file__).parents[1])
        self._server = subprocess.Popen(
            [sys.executable, "-P", str(_SERVER)],
            env={**own, **self.env, "PYTHONPATH": source},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(60)
        assert self._server.stdout is not None
        self._server.stdout.close()

    def run(
        self,
        project: Project,
        *arguments: str,
        strike: Strike | None = None,
        settings: Mapping[str, Any] | None = None,
        orphans: bool = False,
    ) -> Struck:
        """Run provenv with ``arguments`` in the project.

        ``settings`` are values of modules (``provenv.store.fetch.ALONE``) that differ this time.
        ``orphans``: what a command that was killed left running may still run afterwards.
        """
        env = {k: v for k, v in project.env.items() if not k.startswith("COVERAGE_")}
        job = {
            "arguments": arguments,
            "folder": str(project.folder),
            "env": {**env, **self.env},
            "out": str(self._folder / "out"),
            "err": str(self._folder / "err"),
            "strike": strike.as_list() if strike else [0] * 4,
            "set": dict(settings or {}),
            "orphans": orphans,
        }
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(job) + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        assert answer, "the server of commands ended"
        return Struck(
            **json.loads(answer),
            stdout=(self._folder / "out").read_text(),
            stderr=(self._folder / "err").read_text(),
        )

    def counted(self, project: Project, program: list[str]) -> int:
        """How many calls a program makes, with everything that it starts; it must end well."""
        state = self._folder / "state"
        state.write_bytes(struct.pack("i", 1).ljust(_STATE_SIZE, b"\0"))
        env = {k: v for k, v in project.env.items() if not k.startswith("COVERAGE_")}
        done = subprocess.run(
            program,
            cwd=project.folder,
            env={**env, **self.env},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        count: int = struct.unpack_from("i", state.read_bytes(), 6 * 4)[0]
        state.write_bytes(bytes(_STATE_SIZE))
        return count

    def ok(self, project: Project, *arguments: str) -> Struck:
        """Run provenv; it must exit with 0."""
        done = self.run(project, *arguments)
        assert done.code == 0, f"provenv {' '.join(arguments)}: {done}"
        return done

"""A file system that refuses when a test wants it to: ENOSPC, EIO, EROFS … at the Nth call, by LD_PRELOAD.

A sweep asks for hundreds of runs: they are forked from one process that has everything loaded
(:class:`Server`), tens of milliseconds each.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.project import Project, Result, command

_SOURCE = Path(__file__).parent / "faults.c"
_LAYOUT = "6i2048s"

ALLOCATE, CHANGE, WRITE, READ, SYNC, LOOK, LINK = 1, 2, 4, 8, 16, 32, 64
KINDS = {
    errno.ENOSPC: ALLOCATE | WRITE | SYNC,
    errno.EDQUOT: ALLOCATE | WRITE | SYNC,
    errno.EROFS: ALLOCATE | CHANGE,
    errno.EIO: ALLOCATE | CHANGE | WRITE | READ | SYNC | LOOK,
    errno.EMLINK: LINK,
    errno.EXDEV: LINK,
}
"""Which calls may say that."""

needs_faults = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("gcc") is None, reason="no gcc to build the shim with"
)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call that would have changed something: which, and where."""

    number: int
    name: str
    path: str


class Faults:
    """The shim, built in ``folder``, and what it is told.

    ``under`` are the folders on the file system that refuses.
    """

    def __init__(self, folder: Path, under: Sequence[Path]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.library = folder / "faults.so"
        if not self.library.exists():
            words = ["gcc", "-shared", "-fPIC", "-O1", "-w", "-o", str(self.library), str(_SOURCE)]
            subprocess.run([*words, "-ldl"], check=True)
        self._control = folder / "control"
        self._control.write_bytes(bytes(struct.calcsize(_LAYOUT)))
        self._log = folder / "control.log"
        with self._control.open("r+b") as stream:
            self._memory = mmap.mmap(stream.fileno(), 0)
        self._under = "\n".join(f"{path}/" for path in under).encode()
        self.none()

    @property
    def variables(self) -> dict[str, str]:
        """What a program's environment needs for it."""
        return {"LD_PRELOAD": str(self.library), "FAULTS": str(self._control)}

    def none(self) -> None:
        """Let every call pass."""
        self._set(at=0, stay=False, error=0, kinds=0)

    def count(self, error: int) -> None:
        """Let every call pass, and write down those that may say ``error``."""
        self._log.unlink(missing_ok=True)
        self._set(at=0, stay=False, error=0, kinds=KINDS[error], log=True)

    def counted(self) -> list[Call]:
        """What was written down."""
        if not self._log.exists():
            return []
        rows = (line.split(" ", 2) for line in self._log.read_text().splitlines())
        return sorted(
            (Call(number=int(row[0]), name=row[1], path=row[2]) for row in rows),
            key=lambda call: call.number,
        )

    def fail(self, error: int, at: int, *, stay: bool) -> None:
        """Let the call number ``at`` fail with ``error``; with ``stay``, all after it, too."""
        self._set(at=at, stay=stay, error=error, kinds=KINDS[error])

    def _set(self, *, at: int, stay: bool, error: int, kinds: int, log: bool = False) -> None:
        struct.pack_into(_LAYOUT, self._memory, 0, 0, at, stay, error, kinds, log, self._under)


class Server:
    """A process with the whole program loaded and the shim before it, which forks for each call."""

    def __init__(self, project: Project, faults: Faults) -> None:
        self._project = project
        self._faults = faults
        source = command()[-1] if command()[-2] == "-c" else ""
        start = source.partition("import runpy")[0] + "from support.faults import serve; serve()"
        code = f"import sys; sys.path.insert(0, {str(_SOURCE.parents[1])!r}); {start}"
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            env={**project.env, **faults.variables},
            cwd=project.folder.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(
        self, *args: str, env: Mapping[str, str] | None = None, files: int | None = None
    ) -> Result:
        """Run provenv with ``args`` in the project, whatever it exits with.

        ``files`` is how many it may have open beside the usual three.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = {
            "args": args, "cwd": str(self._project.folder),
            "env": {**self._project.env, **self._faults.variables, **(env or {})},
            "files": files,
        }  # fmt: skip
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        found = json.loads(self._process.stdout.readline())
        return Result(args, found["code"], found["out"], found["err"])

    def end(self) -> None:
        """Let it end."""
        self._process.communicate()


def serve() -> None:
    """The server's side: one JSON line in, one out."""
    import importlib
    import pkgutil

    import provenv.cli.app
    import provenv.cli.commands
    import provenv.store.worker
    import provenv.workspace

    for package in (provenv.cli.commands, provenv.workspace):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    folder = Path(os.environ["FAULTS"]).parent
    for line in sys.stdin:
        job = json.loads(line)
        outputs = [folder / "out", folder / "err"]
        child = os.fork()
        if child == 0:
            _child(job, outputs)
        _, status = os.waitpid(child, 0)
        texts = [path.read_text(errors="replace") for path in outputs]
        answer = {"code": os.waitstatus_to_exitcode(status), "out": texts[0], "err": texts[1]}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _child(job: Mapping[str, Any], outputs: Sequence[Path]) -> None:
    import gc
    import resource
    import traceback

    from provenv.cli import main

    code = 99
    try:
        for number, path in enumerate(outputs, 1):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.closerange(3, 100)
        if job["files"] is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (3 + job["files"],) * 2)
        os.environ.clear()
        os.environ.update(job["env"])
        os.chdir(str(job["cwd"]))
        gc.enable()
        code = main(list(job["args"]))
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001  # a test shows it
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


class Kept:
    """Folders as they are now, to be put back after each attack."""

    def __init__(self, folders: Sequence[Path], into: Path) -> None:
        self._folders = folders
        self._into = into
        into.mkdir()
        for number, folder in enumerate(folders):
            subprocess.run(["cp", "-a", str(folder), str(into / str(number))], check=True)

    def put_back(self) -> None:
        """Make the folders what they were."""
        for number, folder in enumerate(self._folders):
            script = 'chmod -R u+w "$1" && rm -rf "$1" && cp -a "$2" "$1"'
            words = ["sh", "-c", script, "sh", str(folder), str(self._into / str(number))]
            subprocess.run(words, check=True)

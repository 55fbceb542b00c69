"""The parent's side of worker processes: start them, hand them wheels, end them."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from contextlib import suppress
from typing import Any

import isal

import provenv
from provenv.core.errors import DiskError, UndecidedError
from provenv.core.files import disk_error, ensure_folder, remove_tree, temporary_name
from provenv.model.layout import HomeLayout
from provenv.store.worker import decode_error

# Isolated and without `site`: start-up is what a worker costs. It gets the two places it needs.
_START = "import sys; sys.path[:0] = sys.argv[1:]; from provenv.store.worker import main; main()"


class Crew:
    """Worker processes, and the folder that they and their wheels share until :meth:`end`."""

    def __init__(self, layout: HomeLayout, count: int) -> None:
        """Start ``count`` processes.

        Raises:
            DiskError: They cannot be started; nothing stays behind.
        """
        self.workspace = temporary_name(os.path.join(layout.tmp, "fetch"))
        self.workers: list[Worker] = []
        self._lock = -1
        try:
            ensure_folder(self.workspace)
            if count:
                self._lock = _shared_lock(layout)
            for number in range(count):
                self.workers.append(Worker(layout, self.workspace, number, self._lock))
        except BaseException:
            self.end()
            raise

    def stop(self) -> None:
        """End the processes at once."""
        while self.workers:
            self.workers.pop().end()

    def end(self) -> None:
        """End the processes, and remove what lies in their folder."""
        self.stop()
        with suppress(DiskError):
            remove_tree(self.workspace)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _shared_lock(layout: HomeLayout) -> int:
    """The store's lock, once more, for workers: one whose parent was killed holds it until its end.

    Its caller holds the same lock, shared, so that nothing is waited for.
    """
    try:
        ensure_folder(os.path.dirname(layout.lock))
        descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        raise disk_error(error, "lock", layout.lock) from error
    return descriptor


class Worker:
    """One worker process, handed one wheel at a time."""

    def __init__(self, layout: HomeLayout, workspace: str, number: int, lock: int) -> None:
        """Start the process; it loads its modules while the first wheels are on their way.

        It keeps the descriptor ``lock`` open until its end.

        Raises:
            DiskError: It cannot be started.
        """
        places = sorted({os.path.dirname(m.__path__[0]) for m in (provenv, isal)})
        self._log = os.path.join(workspace, f"worker-{number}.log")
        try:
            with open(self._log, "wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _START, *places],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    pass_fds=(lock,),
                    process_group=0,  # Ctrl-C reaches the parent alone, which ends its workers
                )
        except OSError as error:
            raise disk_error(error, "start a worker process", sys.executable) from error
        with suppress(OSError):
            self._send({"home": layout.root, "workspace": workspace})

    def unpack(self, wheel: str, *, filename: str, sha256: str) -> None:
        """Have one wheel unpacked into the store; its bytes are already verified.

        Raises:
            IntegrityError, InputError, DiskError: As ingest.
            UndecidedError: The process ended.
        """
        answer = b""
        with suppress(OSError):
            self._send({"wheel": wheel, "filename": filename, "sha256": sha256})
            assert self._process.stdout is not None
            answer = self._process.stdout.readline()
        if not answer.endswith(b"\n"):
            raise self._dead(filename)
        data: dict[str, Any] = json.loads(answer)
        if "error" in data:
            raise decode_error(data["error"])

    def end(self) -> None:
        """End the process now: one that is idle has nothing to lose, and would take its time."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._process.wait()

    def _send(self, message: dict[str, str]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def _dead(self, filename: str) -> UndecidedError:
        code = self._process.wait()
        with suppress(OSError), open(self._log, encoding="utf-8", errors="replace") as log:
            last = (log.read().strip().splitlines() or [""])[-1]
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return UndecidedError(
            f"{filename}: the worker process that unpacked it {how}{': ' + last if last else ''}",
            hint="Nothing half-done was kept. Check the free memory, and try again.",
            details={"code": code},
        )

"""The stamp: "this environment is in sync with these files", checked with a handful of ``stat`` calls.

    provenv-stamp 3
    home <PROVENV_HOME>
    environment <name>
    current generations/<number>
    held no                              yes: a rollback chose this generation against the lock
    asked <what was asked for besides the project's files, or ->
    start <boot id>                      which start of the machine it was written in
    <mtime_ns> <size> <inode> <path>     or  - - - <path>  for a file that must not be there
    valid <from> <until> -               where a policy governs: seconds between which its verdict holds

What follows on ``valid`` are the files that the verdict was made from.

It is a cache: where it is missing, unreadable or no longer true, the long way round decides. So it does
where the machine was started anew shortly after the stamp was written: a power cut may have taken files of
the environment, and left the stamp. Beside it lies ``.used``, whose time is that of the last use. Imports
nothing but ``os``, ``time`` and :mod:`provenv.core.boot`.
"""

from __future__ import annotations

import os
import time

from provenv.core import boot

_HEADER = "provenv-stamp 3"
_VALID = "valid "


class Stamp:
    """What a stamp says."""

    __slots__ = ("asked", "current", "environment", "held", "home", "signatures")

    def __init__(
        self,
        home: str,
        environment: str,
        current: str,
        signatures: list[str],
        *,
        held: bool = False,
        asked: str = "-",
    ) -> None:
        self.home = home
        self.environment = environment
        self.current = current
        self.signatures = signatures
        self.held = held
        self.asked = asked


def signature(path: str) -> str:
    """How ``path`` looks now, in one line."""
    try:
        status = os.stat(path)
    except OSError:
        return f"- - - {path}"
    return f"{status.st_mtime_ns} {status.st_size} {status.st_ino} {path}"


def valid(since: int, until: int) -> str:
    """A line that holds from ``since`` until ``until``, and not while the clock is set back."""
    return f"{_VALID}{since} {until} -"


def is_unchanged(line: str) -> bool:
    """Whether the file of a signature still looks the same, or the time of a verdict is not over."""
    if line.startswith(_VALID):
        try:
            _, since, until, _ = line.split(" ")
            return int(since) <= time.time() < int(until)
        except ValueError:
            return False
    path = line.split(" ", 3)[-1]
    return signature(path) == line


def without_verdict(lines: list[str]) -> list[str]:
    """The lines before those of a policy's verdict."""
    return lines[: len(lines) - len(verdict(lines))]


def verdict(lines: list[str]) -> list[str]:
    """The lines of a policy's verdict: until when it holds, and the files that it was made from."""
    at = next((at for at, line in enumerate(lines) if line.startswith(_VALID)), len(lines))
    return lines[at:]


def write(folder: str, stamp: Stamp) -> None:
    """Write the stamp of the environment ``folder``; a failure only costs time later on."""
    lines = [
        _HEADER,
        f"home {stamp.home}",
        f"environment {stamp.environment}",
        f"current {stamp.current}",
        f"held {'yes' if stamp.held else 'no'}",
        f"asked {stamp.asked}",
        f"start {boot.boot_id()}",
        *stamp.signatures,
    ]
    if any("\n" in line for line in lines):
        return
    try:
        replace(f"{folder}/.stamp", "\n".join(lines) + "\n")
    except OSError:
        return  # it costs time later on, and nothing else


def remove(path: str) -> None:
    """Remove a file; one that cannot be removed, or is not there, is left to others."""
    try:
        os.unlink(path)
    except OSError:
        return


def replace(path: str, text: str) -> None:
    """Replace the file ``path`` in one step. It is not synced to the disk: who reads it is in doubt anyway.

    Raises:
        OSError: What the file system says; nothing stays behind.
    """
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)
        os.replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise


def keep(path: str, text: str) -> None:
    """Keep a note for a short way, with a seal, in a folder that is made where it is missing.

    Raises:
        OSError: What the file system says.
    """
    from provenv.core.seal import sum_of

    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    replace(path, f"{sum_of(os.fsencode(text))}\n{text}")


def kept(path: str) -> str | None:
    """A note, as it was kept; None where there is none, or it was changed."""
    from provenv.core.seal import sum_of

    try:
        with open(path, "rb") as stream:
            seal, _, data = stream.read().partition(b"\n")
    except OSError:
        return None
    return os.fsdecode(data) if seal == sum_of(data).encode() else None


def forget(folder: str) -> None:
    """Remove the stamp of the environment ``folder``: the next command takes the long way."""
    remove(f"{folder}/.stamp")


def read(folder: str, *, any_start: bool = False) -> Stamp | None:
    """The stamp of the environment ``folder``; None where there is none that can be read and believed.

    With ``any_start``, it is believed whenever the machine was started: for telling, or where the caller
    looks at the environment.
    """
    try:
        with open(f"{folder}/.stamp", encoding="utf-8", errors="surrogateescape") as stream:
            lines = stream.read().split("\n")
            written = os.fstat(stream.fileno()).st_mtime
    except OSError:
        return None
    if len(lines) < 9 or lines[0] != _HEADER or lines[-1] != "":
        return None
    held = lines[4] == "held yes"
    if not (
        any_start or held or lines[6] == f"start {boot.boot_id()}" or _settled(folder, written)
    ):
        return None  # what a rollback chose is written down nowhere else: that is kept
    return Stamp(
        lines[1].removeprefix("home "),
        lines[2].removeprefix("environment "),
        lines[3].removeprefix("current "),
        lines[7:-1],
        held=held,
        asked=lines[5].removeprefix("asked "),
    )


def _settled(folder: str, written: float) -> bool:
    """Whether the machine ran long enough after ``written`` for the environment to be on the disk.

    Also where that cannot be written: an image has its stamps from the machine that it was made on.
    """
    try:
        used = os.stat(f"{folder}/.used").st_mtime
    except OSError:
        used = written
    return used - written > boot.SETTLED or boot.is_read_only(folder)


def used(folder: str) -> None:
    """Write down that the environment ``folder`` is used now: one system call.

    The file is made where the environment is registered; on a disk that cannot be written, nobody is
    told.
    """
    try:
        os.utime(f"{folder}/.used")
    except OSError:
        return


def holds(folder: str, stamp: Stamp) -> bool:
    """Whether everything that the stamp names is as it was when it was written."""
    try:
        if os.readlink(f"{folder}/current") != stamp.current:
            return False
    except OSError:
        return False
    return all(is_unchanged(line) for line in stamp.signatures)

"""A folder that is put back, again and again, to what it was: the same inodes, links, modes and times.

Copying it anew each time would give every file another inode, by which provenv's stamps would tell
that something had happened.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class _Entry:
    mode: int
    mtime: int
    inode: int
    content: bytes | None  # of a file; the text of a symlink


class Sandbox:
    """``folders`` as they are now; :meth:`restore` brings that back.

    A link to each file is kept beside it, so that what was removed comes back as the same inode.
    """

    def __init__(self, *folders: Path, kept: Path) -> None:
        self._folders = [os.fspath(folder) for folder in folders]
        self._kept = os.fspath(kept)
        shutil.rmtree(self._kept, ignore_errors=True)
        os.mkdir(self._kept)
        self._entries: dict[str, _Entry] = {}
        self._keep()

    def _keep(self) -> None:
        for number, path in enumerate(sorted(self._walk())):
            status = os.lstat(path)
            content = None
            if stat.S_ISLNK(status.st_mode):
                content = os.fsencode(os.readlink(path))
            elif stat.S_ISREG(status.st_mode):
                content = Path(path).read_bytes()
            if not stat.S_ISDIR(status.st_mode):
                os.link(path, f"{self._kept}/{number}", follow_symlinks=False)
            self._entries[path] = _Entry(status.st_mode, status.st_mtime_ns, status.st_ino, content)
        self._numbers = {path: number for number, path in enumerate(self._entries)}

    def _walk(self, *, opened: bool = False) -> list[str]:
        return [path for folder in self._folders for path in _walk(folder, opened=opened)]

    def restore(self) -> None:
        """Bring back what was removed or changed, and remove what was added."""
        for path in sorted(self._walk(opened=os.geteuid() != 0), reverse=True):
            known = self._entries.get(path)
            status = os.lstat(path)
            if known is not None and stat.S_ISDIR(known.mode) and stat.S_ISDIR(status.st_mode):
                continue
            if known is not None and status.st_ino == known.inode:
                continue
            _remove(path)
        for path, entry in self._entries.items():
            self._bring_back(path, entry)
        for path, entry in reversed(self._entries.items()):
            if stat.S_ISDIR(entry.mode) and os.stat(path).st_mtime_ns != entry.mtime:
                os.utime(path, ns=(entry.mtime, entry.mtime))

    def _bring_back(self, path: str, entry: _Entry) -> None:
        if not os.path.lexists(path):
            if stat.S_ISDIR(entry.mode):
                os.mkdir(path)
            else:
                os.link(f"{self._kept}/{self._numbers[path]}", path, follow_symlinks=False)
        if stat.S_ISLNK(entry.mode):
            return
        status = os.lstat(path)
        size = len(entry.content or b"")
        if stat.S_ISREG(entry.mode) and (status.st_mtime_ns, status.st_size) != (entry.mtime, size):
            assert entry.content is not None
            if Path(path).read_bytes() != entry.content:
                os.chmod(path, 0o600)
                Path(path).write_bytes(entry.content)
            os.utime(path, ns=(entry.mtime, entry.mtime))
        if status.st_mode != entry.mode:
            os.chmod(path, stat.S_IMODE(entry.mode))


def _walk(folder: str, *, opened: bool = False) -> list[str]:
    """Every path below a folder; ``opened``: its owner may write into every folder from now on."""
    found = []
    for entry in os.scandir(folder):
        found.append(entry.path)
        if entry.is_dir(follow_symlinks=False):
            if opened:
                os.chmod(entry.path, 0o700)
            found += _walk(entry.path, opened=opened)
    return found


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        os.rmdir(path)  # what was in it went before
    else:
        os.unlink(path)

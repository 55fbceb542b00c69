"""Writing the files of one object, and recording each directory as it then stands.

All times in an object are derived: that of a file from its hash in RECORD, that of everything else from
the object's name. So the same wheel gives the same object, whenever it is unpacked, and what was noted of
it for a quick look (size, mtime) holds for the next one that takes its place. Files that two versions
have in common have one time, and may share an inode; files that differ have different ones, so that no
cache that goes by path, size and mtime takes one for the other.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from typing import Any

from provenv.store.objects import CLOSED_MODE, FILE_MODE, OPEN_MODE

_BEGIN = 978_307_200  # 2001-01-01, in Unix time
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | getattr(os, "O_BINARY", 0)

Prove = Callable[[str, int], bytes | None]  # path and size → how it begins, if it is the right file


class TreeWriter:
    """Files below ``root``, every path written once; :meth:`finish` gives the tree of the object."""

    def __init__(self, root: str, sha256: str) -> None:
        """Begin in the empty folder ``root``; ``sha256`` names the object."""
        self.root = root
        self.moment = moment(sha256)
        self._times = (self.moment, self.moment)
        self._masked: bool | None = (
            None  # whether the umask takes from the modes that are asked for
        )
        self._files: dict[str, dict[str, list[int]]] = {}
        self._folders: dict[str, dict[str, Any]] = {"": {}}
        self._open: set[str] = set()
        self._compiled: set[str] = set()
        self.count = 0
        self.unpacked = 0

    def write(
        self,
        path: str,
        content: bytes | memoryview,
        more: Iterable[bytes | memoryview] = (),
        *,
        executable: bool,
        digest: bytes | None = None,
    ) -> None:
        """Write one file (``site/a/b.py``), and note its size and time.

        Args:
            path: In the object.
            content: All of it, or its beginning.
            more: The rest of it.
            executable: Which of the two modes it gets.
            digest: The hash that RECORD has for it, where it has one.

        Raises:
            OSError: What the file system says.
        """
        self._enter(path)
        time = self.moment if digest is None else moment_of(digest)
        mode = CLOSED_MODE if executable else FILE_MODE
        descriptor = os.open(f"{self.root}/{path}", _FLAGS, mode)
        try:
            size = _write(descriptor, content)
            for piece in more:
                size += _write(descriptor, piece)
            if self._masked is None:
                self._masked = os.fstat(descriptor).st_mode & 0o7777 != mode
            if self._masked:
                os.fchmod(descriptor, mode)
            os.utime(descriptor, ns=(time, time))
        finally:
            os.close(descriptor)
        self._note(path, size, time)

    def take(
        self, path: str, source: str, prove: Prove, *, executable: bool, digest: bytes
    ) -> bytes | None:
        """Make ``path`` a hard link to the file ``source`` of another object, if it is as it should be.

        Its mode and time must be those that :meth:`write` would give, and ``prove`` must accept it.

        Returns:
            How the content begins; None where nothing was taken, and the file is still to be written.

        Raises:
            OSError: A folder could not be made, or a link that is not wanted could not be removed.
        """
        self._enter(path)
        target = f"{self.root}/{path}"
        try:  # the link first: what is proven is the inode that stays
            os.link(source, target, follow_symlinks=False)
        except OSError:
            return None
        head: bytes | None = None
        mode, time = CLOSED_MODE if executable else FILE_MODE, moment_of(digest)
        try:
            status = os.lstat(target)
            if status.st_mode == stat.S_IFREG | mode and status.st_mtime_ns == time:
                head = prove(target, status.st_size)
            if head is not None:
                self._note(path, status.st_size, time)
        except OSError:
            head = None
        finally:
            if head is None:
                os.unlink(target)
        return head

    def _enter(self, path: str) -> None:
        """Make the folder of a file, where it is not there yet."""
        folder = path.rpartition("/")[0]
        if folder not in self._files:
            self._make(folder)

    def _note(self, path: str, size: int, time: int) -> None:
        folder, _, name = path.rpartition("/")
        self._files[folder][name] = [size, time]
        self.count += 1
        self.unpacked += size
        if name.endswith(".py") and folder not in self._compiled and path.startswith("site/"):
            self._compiled.add(folder)

    def mark_open(self, path: str) -> None:
        """Note that the native library ``path`` leaves its wheel: its folders stay open."""
        folder = path.rpartition("/")[0]
        while folder and folder not in self._open:
            self._open.add(folder)
            folder = folder.rpartition("/")[0]

    def finish(self) -> dict[str, Any]:
        """Close the folders (0555), give byte code its place, and set and record every mtime.

        Raises:
            OSError: What the file system says.
        """
        for folder in self._compiled:
            cache = f"{self.root}/{folder}/__pycache__"
            os.mkdir(cache, OPEN_MODE)
            os.chmod(cache, OPEN_MODE)
        for folder, node in self._folders.items():
            if not folder:
                continue
            absolute = f"{self.root}/{folder}"
            os.chmod(absolute, CLOSED_MODE)
            os.utime(absolute, ns=self._times)
            node["m"] = self.moment
            if files := self._files[folder]:
                node["f"] = files
            if folder in self._open:
                node["o"] = 1
        tree: dict[str, Any] = self._folders[""].get("d", {})
        return tree

    def _make(self, folder: str) -> None:
        above, _, name = folder.rpartition("/")
        if above and above not in self._folders:
            self._make(above)
        os.mkdir(f"{self.root}/{folder}", OPEN_MODE)
        node: dict[str, Any] = {}
        self._folders[above].setdefault("d", {})[name] = node
        self._folders[folder] = node
        self._files[folder] = {}


def moment(sha256: str) -> int:
    """The time of what is in the object of that name, in ns: a second of 2001 to 2009."""
    return (_BEGIN + int(sha256[:7], 16)) * 1_000_000_000


def moment_of(digest: bytes) -> int:
    """The time of a file with that hash in RECORD, as :func:`moment`."""
    return (_BEGIN + (int.from_bytes(digest[:4], "big") >> 4)) * 1_000_000_000


def _write(descriptor: int, piece: bytes | memoryview) -> int:
    done = os.write(descriptor, piece)
    while done < len(piece):
        done += os.write(descriptor, piece[done:])
    return done

"""Room on disk as ``du`` counts it: blocks, and each file once, however many names it has."""

from __future__ import annotations

import os
from collections.abc import Iterator

from provenv.core.values import field, mutable

BLOCK = 512  # what st_blocks counts (POSIX leaves it open; Linux, macOS and the BSDs agree)

Inode = tuple[int, int]


def walk(path: str) -> Iterator[os.stat_result]:
    """What lies at and below ``path``; symlinks as they are. What cannot be read is left out."""
    try:
        yield os.lstat(path)
    except OSError:
        return
    stack = [path]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except OSError:  # it went this moment
                        continue
                    yield status
                    if is_folder(status):
                        stack.append(entry.path)
        except OSError:
            continue


def is_folder(status: os.stat_result) -> bool:
    """Whether this is a directory."""
    return status.st_mode & 0o170000 == 0o040000


@mutable
class Ledger:
    """What several trees take together, and what is left when some of them go.

    Attributes:
        total: Bytes of all trees that were added and not removed; each file once.
        freed: Bytes that are free on the disk when what was removed is gone: files that have no other
            name anywhere.
    """

    total: int = 0
    freed: int = 0
    _names: dict[str, dict[Inode, int]] = field(default_factory=dict)
    _left: dict[Inode, int] = field(default_factory=dict)  # names in what was not removed
    _links: dict[Inode, int] = field(default_factory=dict)  # names that remain anywhere
    _bytes: dict[Inode, int] = field(default_factory=dict)

    def add(self, key: str, *paths: str) -> None:
        """Add the trees at ``paths`` under one name."""
        own = self._names.setdefault(key, {})
        for path in paths:
            for status in walk(path):
                self._count(own, status)

    def add_one(self, key: str, path: str) -> None:
        """Add what lies at ``path`` itself, and nothing below it."""
        own = self._names.setdefault(key, {})
        try:
            self._count(own, os.lstat(path))
        except OSError:
            return

    def _count(self, own: dict[Inode, int], status: os.stat_result) -> None:
        inode = (status.st_dev, status.st_ino)
        own[inode] = own.get(inode, 0) + 1
        if inode not in self._links:
            # a folder has one name; its own link count is that of the folders in it
            self._links[inode] = 1 if is_folder(status) else status.st_nlink
            self._bytes[inode] = status.st_blocks * BLOCK
        if not self._left.get(inode):
            self.total += self._bytes[inode]
        self._left[inode] = self._left.get(inode, 0) + 1

    def remove(self, key: str, *, stays: bool = False) -> None:
        """What was added as ``key`` goes; or (``stays``) was not meant to be counted."""
        for inode, names in self._names.pop(key, {}).items():
            self._left[inode] -= names
            if self._left[inode] == 0:
                self.total -= self._bytes[inode]
            if not stays:
                self._links[inode] -= names
                if self._links[inode] == 0:
                    self.freed += self._bytes[inode]

    @property
    def keys(self) -> list[str]:
        """The names of what is there."""
        return list(self._names)

    def size(self, key: str) -> int:
        """Bytes of one tree, each file once."""
        return sum(self._bytes[inode] for inode in self._names.get(key, ()))

    def split(self, *groups: list[str]) -> list[int]:
        """Bytes of each group of names; a file in several counts in the first. They add up."""
        seen: set[Inode] = set()
        found = []
        for group in groups:
            own = {inode for key in group for inode in self._names.get(key, ())} - seen
            seen |= own
            found.append(sum(self._bytes[inode] for inode in own))
        return found

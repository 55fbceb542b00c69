"""How much of the disk an environment takes: alone, and together with others through the store."""

from __future__ import annotations

from collections.abc import Iterable

from provenv.core.usage import BLOCK, Inode, is_folder, walk
from provenv.core.values import field, frozen, mutable
from provenv.model.layout import HomeLayout


@frozen
class Weight:
    """Bytes on disk: ``own`` would be free if the environment were gone, ``shared`` would not.

    ``shared`` are the objects that it holds, and what it links besides: ``own`` + ``shared`` is what
    ``du -c`` says of the environment and these objects.
    """

    own: int
    shared: int


@mutable
class Scale:
    """Weighs environments; an object is looked at once, however many hold it.

    ``shared`` is what all together share, each file counted once.
    """

    home: HomeLayout
    shared: int = 0
    _objects: dict[str, dict[Inode, int]] = field(default_factory=dict)
    _counted: set[Inode] = field(default_factory=set)

    def weigh(self, folder: str, held: Iterable[str]) -> Weight:
        """Weigh the environment in ``folder``, which holds the objects ``held`` (sha256)."""
        own = 0
        links: dict[Inode, list[int]] = {}  # how often it is met here, how often there is one, size
        for status in walk(folder):
            size = status.st_blocks * BLOCK
            if status.st_nlink == 1 or is_folder(status):
                own += size
            else:
                row = links.setdefault((status.st_dev, status.st_ino), [0, status.st_nlink, size])
                row[0] += 1
        own += sum(size for met, there, size in links.values() if met == there)
        shared = {inode: size for inode, (met, there, size) in links.items() if met < there}
        for sha256 in held:
            shared |= self._object(sha256)
        for inode, size in shared.items():
            if inode not in self._counted:
                self._counted.add(inode)
                self.shared += size
        return Weight(own=own, shared=sum(shared.values()))

    def _object(self, sha256: str) -> dict[Inode, int]:
        if sha256 not in self._objects:
            self._objects[sha256] = {
                (status.st_dev, status.st_ino): status.st_blocks * BLOCK
                for status in walk(self.home.object(sha256))
            }
        return self._objects[sha256]

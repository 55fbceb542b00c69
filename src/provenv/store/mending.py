"""Mending: an object gets back, file by file, what ``object.json`` and RECORD say that it holds.

The third and last that writes into objects, after ingest and the collector, and it writes nothing but what
ingest wrote there: every file is held against its hash before it gets its name, in one rename, so that
processes that use the object see the damaged file or the right one. What does not belong there is moved
out. The caller holds the store's lock alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Iterable

from provenv.core.files import disk_error, ensure_folder, is_left_over, move, temporary_name
from provenv.core.values import field, mutable
from provenv.store.objects import CLOSED_MODE, FILE_MODE, OPEN_MODE, StoredObject, tree_file
from provenv.store.verify import CACHE, Damage, has_digest, hashes_of, verify_object

_ROUNDS = 8  # a directory that is missing shows what is missing in it only when it is there again

Copies = Callable[[str], Iterable[str]]  # path in the object → files that may have its content
Fresh = Callable[
    [], str | None
]  # the folder of the same object, ingested anew; None where it cannot be


@mutable
class Mended:
    """What became of one object.

    Attributes:
        copied: Files that another copy on this machine gave. ``fetched``: That a new wheel gave.
        removed: What did not belong there, and where it lies now.
        left: What is still wrong.
    """

    copied: int = 0
    fetched: int = 0
    removed: list[str] = field(default_factory=list)
    left: list[Damage] = field(default_factory=list)


def mend_object(obj: StoredObject, copies: Copies, fresh: Fresh, aside: str) -> Mended:
    """Mend what differs; ``aside`` is the folder for what does not belong into the object.

    Raises:
        DiskError: The file system refused; what was mended before it is right.
    """
    done = Mended()
    mender = _Mender(obj, copies, fresh, aside, done)
    try:
        for _ in range(_ROUNDS):
            done.left = verify_object(obj)
            if not done.left or not mender.round(done.left):
                break
    except OSError as error:
        raise disk_error(error, "mend", error.filename or obj.folder) from error
    return done


def forget_byte_code(source: str) -> None:
    """Remove what was compiled from a source that was damaged: its time may be that of the right one.

    Raises:
        OSError: What the file system says.
    """
    folder, name = os.path.split(source)
    stem, suffix = os.path.splitext(name)
    if suffix != ".py":
        return
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for compiled in os.listdir(f"{folder}/{CACHE}"):
            if compiled.startswith(f"{stem}."):
                os.unlink(f"{folder}/{CACHE}/{compiled}")


class _Mender:
    """One object on the bench."""

    def __init__(
        self, obj: StoredObject, copies: Copies, fresh: Fresh, aside: str, done: Mended
    ) -> None:
        self.obj = obj
        self.copies = copies
        self.fresh = fresh
        self.aside = aside
        self.done = done
        self.folder: str | None = None
        self.asked = False

    def round(self, found: list[Damage]) -> bool:
        """Mend what can be; whether anything was."""
        self.hashes = hashes_of(self.obj)
        touched = [damage.path for damage in found if self.mend(damage)]
        for path in sorted(touched, key=len, reverse=True):
            self.settle(path)
        return bool(touched)

    def mend(self, damage: Damage) -> bool:
        path = os.path.join(self.obj.folder, damage.path)
        if damage.kind == "added" and is_left_over(os.path.basename(path)):
            self.open(os.path.dirname(path))
            os.unlink(path)  # of a mending that was killed
            return True
        if damage.kind == "added":
            self.put_aside(path, damage.path)
            return True
        if damage.kind == "mode":
            return self.close(path, damage.path)
        if damage.kind == "time" and (recorded := tree_file(self.obj.tree, damage.path)):
            os.utime(path, ns=(recorded[1], recorded[1]))
            return True
        if damage.kind == "time":
            return True  # a directory: `settle` gives it its time
        if tree_file(self.obj.tree, damage.path) is not None:
            return self.restore(path, damage.path)
        if os.path.lexists(path):  # something else where a directory was
            self.put_aside(path, damage.path)
        self.open(os.path.dirname(path))
        os.mkdir(path, OPEN_MODE)
        return True

    def close(self, path: str, inside: str) -> bool:
        """Give a file or a directory its mode, and its owner, where that is another."""
        status, owner = os.lstat(path), os.stat(self.obj.folder).st_uid
        if status.st_uid not in (owner, 0):
            try:
                os.lchown(path, owner, -1)
            except PermissionError:  # its content is ours to write, but the file is not
                return stat.S_ISREG(status.st_mode) and self.restore(path, inside)
        if os.path.basename(path) == CACHE:
            os.chmod(path, OPEN_MODE)
        else:
            closed = stat.S_ISDIR(status.st_mode) or status.st_mode & 0o111
            os.chmod(path, CLOSED_MODE if closed else FILE_MODE)
        return True

    def restore(self, path: str, inside: str) -> bool:
        source = self.find(inside)
        if source is None:
            return False
        if os.path.isdir(path) and not os.path.islink(path):
            self.put_aside(path, inside)
        self.open(os.path.dirname(path))
        temporary = temporary_name(path)
        try:
            shutil.copyfile(source, temporary)
            executable = os.stat(source).st_mode & 0o111
            os.chmod(temporary, CLOSED_MODE if executable else FILE_MODE)
            recorded = tree_file(self.obj.tree, inside)
            if recorded is not None:
                os.utime(temporary, ns=(recorded[1], recorded[1]))
            os.replace(temporary, path)
        finally:
            if os.path.lexists(temporary):
                os.unlink(temporary)
        forget_byte_code(path)
        return True

    def find(self, inside: str) -> str | None:
        """A file with the content of ``inside``: a copy on this machine, else that of a new wheel."""
        wanted = self.hashes.get(inside)
        if wanted is not None:
            for candidate in (os.path.join(self.obj.folder, inside), *self.copies(inside)):
                if has_digest(candidate, *wanted):
                    self.done.copied += 1
                    return candidate
        if not self.asked:
            self.asked, self.folder = True, self.fresh()
        if self.folder is not None and os.path.isfile(found := os.path.join(self.folder, inside)):
            self.done.fetched += 1
            return found
        return None

    def put_aside(self, path: str, inside: str) -> None:
        ensure_folder(self.aside)
        target = os.path.join(self.aside, inside.replace("/", "%2F"))
        while os.path.lexists(target):
            target += "+"
        self.open(os.path.dirname(path))
        if os.path.isdir(path) and not os.path.islink(path):
            os.chmod(path, OPEN_MODE)  # a directory that is moved must be writable
        move(path, target)
        self.done.removed.append(target)

    def open(self, folder: str) -> None:
        if stat.S_IMODE(os.stat(folder).st_mode) != OPEN_MODE:
            os.chmod(folder, OPEN_MODE)

    def settle(self, inside: str) -> None:
        """Close the directories that lead to ``inside``, with the times that were recorded."""
        parts = inside.split("/")
        for depth in range(len(parts), 0, -1):
            node = self.node(parts[:depth])
            folder = os.path.join(self.obj.folder, *parts[:depth])
            if node is not None and "m" in node and os.path.isdir(folder):
                os.chmod(folder, CLOSED_MODE)
                os.utime(folder, ns=(node["m"], node["m"]))
        os.chmod(self.obj.folder, CLOSED_MODE)

    def node(self, parts: list[str]) -> dict[str, int] | None:
        """What ``object.json`` says of a directory."""
        inner = {"d": self.obj.tree}
        for part in parts:
            found = inner.get("d", {}).get(part)
            if found is None:
                return None
            inner = found
        return inner  # type: ignore[return-value]  # a node of JSON

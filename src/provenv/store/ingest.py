"""Ingest: a wheel file becomes an object of the store, checked from the first byte to the last.

The only writer of objects. What it refuses leaves nothing behind.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
from contextlib import suppress
from typing import Any

from provenv.core import digest
from provenv.core.disk import doing
from provenv.core.errors import DiskError, IntegrityError
from provenv.core.files import (
    disk_error,
    ensure_folder,
    locked,
    move,
    remove_tree,
    temporary_name,
)
from provenv.core.seal import sealed
from provenv.model.layout import HomeLayout
from provenv.store.archive import Archive
from provenv.store.objects import (
    CLOSED_MODE,
    DESCRIPTION,
    FILE_MODE,
    OPEN_MODE,
    StoredObject,
    from_description,
    read_object,
)
from provenv.store.previous import previous, remember
from provenv.store.settling import note
from provenv.store.unpacking import Unpacking


def ingest(
    layout: HomeLayout, wheel: str, *, filename: str, sha256: str, size: int | None
) -> StoredObject:
    """Put the wheel file at ``wheel`` into the store, or find it there.

    Args:
        layout: Of the home folder.
        wheel: Where the file lies now; its name there does not matter.
        filename: The wheel's own name.
        sha256: Of the file, 64 hexadecimal digits, as the lock demands.
        size: Of the file in bytes, where the lock says.

    Raises:
        IntegrityError: Bytes are not what the lock, the ZIP directory or RECORD promise.
        InputError: The wheel holds what a wheel must not hold.
        DiskError: The file system refused.
    """
    with locked(layout.lock, shared=True):
        found = read_object(layout, sha256)
        if found is not None:
            return found
        check_file(wheel, filename=filename, sha256=sha256, size=size)
        note(layout, [sha256])
        return unpack(layout, wheel, filename=filename, sha256=sha256, workspace=layout.tmp)


def check_file(wheel: str, *, filename: str, sha256: str, size: int | None) -> None:
    """Hold a file against the size and sha256 that the lock demands.

    Raises:
        IntegrityError: It differs; says what was wanted, what is there, and where.
        DiskError: It cannot be read.
    """
    try:
        found_size = os.stat(wheel).st_size
        found = digest.of_file(wheel) if size in (None, found_size) else None
    except OSError as error:
        raise disk_error(error, "read", wheel) from error
    if found is None:
        raise mismatch(filename, "size", f"{size} bytes", f"{found_size} bytes", wheel)
    if found != sha256:
        raise mismatch(filename, "sha256", sha256, found, wheel)


def mismatch(filename: str, what: str, wanted: str, found: str, source: str) -> IntegrityError:
    """The error for a file that is not the one that the lock demands."""
    return IntegrityError(
        f"{filename}: {what} mismatch: the lock wants {wanted}, and {found} came from {source}",
        hint="The file was changed, or the lock is wrong: find out which before you lock again.",
        details={"file": filename, "wanted": wanted, "found": found, "source": source},
    )


def unpack(
    layout: HomeLayout, wheel: str, *, filename: str, sha256: str, workspace: str
) -> StoredObject:
    """Make the object of a wheel whose bytes are already known to be right.

    Built in ``workspace`` (on the store's file system) and renamed into place; where another
    process was first, its object stays. The caller holds the store's lock, shared.

    Raises:
        IntegrityError, InputError, DiskError: As :func:`ingest`.
    """
    ensure_folder(workspace)
    root = temporary_name(os.path.join(workspace, sha256))
    try:
        with doing(f"storing {_title(filename)}", root):
            os.mkdir(root, OPEN_MODE)
            with open(wheel, "rb") as stream:
                data = _content(stream.fileno())
            unpacking = Unpacking(Archive(data, filename), filename, sha256, root)
            description = unpacking.run(previous(layout, unpacking.wheel.name, sha256))
            _write_description(root, description)
            _publish(layout, root, sha256)
            remember(layout, unpacking.wheel.name, sha256, workspace)
    except BaseException:
        with suppress(DiskError):
            remove_tree(root)
        raise
    return from_description(description, os.path.abspath(layout.object(sha256)), sha256)


def _title(filename: str) -> str:
    """``alpha 1.0`` of ``alpha-1.0-py3-none-any.whl``."""
    return " ".join(filename.split("-")[:2])


def _content(descriptor: int) -> memoryview:
    size = os.fstat(descriptor).st_size
    if size == 0:
        return memoryview(b"")
    return memoryview(mmap.mmap(descriptor, size, prot=mmap.PROT_READ))


def _write_description(root: str, description: dict[str, Any]) -> None:
    data = sealed(json.dumps(description, separators=(",", ":"), ensure_ascii=False).encode())
    path = os.path.join(root, DESCRIPTION)
    with open(path, "xb") as stream:
        stream.write(data)
        os.fchmod(stream.fileno(), FILE_MODE)


def _publish(layout: HomeLayout, root: str, sha256: str) -> None:
    final = layout.object(sha256)
    ensure_folder(os.path.dirname(final))
    for _ in range(3):
        try:
            os.rename(root, final)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            if read_object(layout, sha256) is not None:
                remove_tree(root)
                return
            # a folder without a readable description: whoever left it there, it is no object
            with suppress(FileNotFoundError):
                if not os.path.islink(final):
                    os.chmod(final, OPEN_MODE)
                move(final, temporary_name(os.path.join(layout.tmp, "broken")))
        else:
            os.chmod(final, CLOSED_MODE)
            return
    raise DiskError(f"cannot publish {final}: something else keeps writing there")

"""A project as one file that can travel: its own files in a tar archive, the same bytes for the same files.

What git ignores stays, and so do environments, caches and what is built. The archive is named by its
SHA-256. Owners and times do not travel; whether a file can be executed does.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Mapping

from provenv.core import digest
from provenv.core.disk import refuse_sick
from provenv.core.errors import UndecidedError, UsageError
from provenv.core.values import frozen
from provenv.core.words import size
from provenv.workspace.testing.files import own_files

TOP = "project"
"""The one folder of the archive."""
_LARGEST = 256 * 1024 * 1024
_TIME = 946_684_800  # 2000-01-01: ZIP files, and so wheels, know no time before 1980


@frozen
class Packed:
    """A project's files. ``left`` are links that lead out of it, and did not come along."""

    sha256: str
    data: bytes
    files: int
    left: tuple[str, ...] = ()


def pack(root: str, environ: Mapping[str, str]) -> Packed:
    """The files of the project (or workspace) in ``root``.

    Raises:
        UsageError: They are too large to be a project's own; names the largest.
        DiskError: One cannot be read.
    """
    paths: list[str] = []
    left: list[str] = []
    for path in own_files(root, environ):
        (left if _leads_out(root, path) else paths).append(path)
    _refuse_large(root, paths)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        folder = tarfile.TarInfo(TOP)
        folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, 0o755, _TIME
        archive.addfile(folder)
        for path in paths:
            _add(archive, root, path)
    data = buffer.getvalue()
    return Packed(sha256=digest.of_bytes(data), data=data, files=len(paths), left=tuple(left))


def _leads_out(root: str, path: str) -> bool:
    whole = os.path.join(root, path)
    if not os.path.islink(whole):
        return False
    target = os.readlink(whole)
    if os.path.isabs(target):
        return True
    there = os.path.normpath(os.path.join(os.path.dirname(path), target))
    return there == ".." or there.startswith("../")


def _refuse_large(root: str, paths: list[str]) -> None:
    sizes = {path: os.lstat(os.path.join(root, path)).st_size for path in paths}
    total = sum(sizes.values())
    if total <= _LARGEST:
        return
    largest = sorted(paths, key=lambda path: -sizes[path])[:3]
    named = ", ".join(f"{path} ({size(sizes[path])})" for path in largest)
    raise UsageError(
        f"the project's own files are {size(total)}, too much to send to other machines: {named}",
        hint="What git ignores is not sent: name in .gitignore what is no source.",
        details={"size": total, "largest": largest},
    )


def _add(archive: tarfile.TarFile, root: str, path: str) -> None:
    whole = os.path.join(root, path)
    member = tarfile.TarInfo(f"{TOP}/{path}")
    member.mtime = _TIME
    try:
        status = os.lstat(whole)
        if stat.S_ISLNK(status.st_mode):
            member.type, member.mode, member.linkname = tarfile.SYMTYPE, 0o777, os.readlink(whole)
            archive.addfile(member)
            return
        with open(whole, "rb") as stream:
            data = stream.read()
    except FileNotFoundError:
        return  # it was removed just now
    except OSError as error:
        refuse_sick(error, whole)
        raise UndecidedError(f"cannot read {whole}: {error.strerror}") from error
    member.size, member.mode = len(data), 0o755 if status.st_mode & 0o100 else 0o644
    archive.addfile(member, io.BytesIO(data))

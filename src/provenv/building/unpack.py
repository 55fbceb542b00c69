"""Unpacking sdists and other source archives: nothing in them can reach outside of the folder.

PEP 706 and PEP 721 say what a source archive may hold; Python's own ``data`` filter is applied
where the running Python has it, after checks that are stricter and do not depend on it. What an
archive may come to is bounded as it is for wheels, and a ZIP file is read as strictly as a wheel.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import mmap
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterable
from typing import IO, cast

from provenv.building.bounded import Bounded
from provenv.core.disk import doing
from provenv.core.errors import InputError
from provenv.store.archive import Archive, bomb
from provenv.store.names import MAX_PATH, collision_key, quoted, unsafe

# what reading a broken stream raises, and a broken number or text in a header
_BROKEN = (
    tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError, ArithmeticError, LookupError,
    RecursionError,
)  # fmt: skip
_HINT = "Do not use this file; tell the authors of the package, and the index that it came from."
_OPENERS: dict[bytes, Callable[[IO[bytes]], object]] = {
    b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open, b"\x5d\0": lzma.open,
}  # fmt: skip
_LAST_TIME = 1 << 33  # seconds; what every file system can store


def unpack(archive: str, filename: str, destination: str) -> str:
    """Unpack a ``.tar.*`` or ``.zip`` into the empty folder ``destination``.

    Returns:
        The path of the one folder that the archive holds.

    Raises:
        InputError: The archive is broken, a bomb, holds a device, leads outside of the folder, or does
            not hold exactly one top folder. What was unpacked before is not to be used.
        IntegrityError: A member of a ZIP file is not what its directory promises.
        DiskError: The file system refused.
    """
    try:
        with doing(f"unpacking {filename}", destination):
            try:
                if filename.lower().endswith(".zip"):
                    names = _unpack_zip(archive, filename, destination)
                else:
                    names = _unpack_tar(archive, filename, destination)
            except OSError as error:
                if error.errno is None:  # as the decompressors say that they cannot read on
                    raise _broken(filename, error) from error
                raise
    except _BROKEN as error:
        raise _broken(filename, error) from error
    _check_links(destination, filename)
    return os.path.join(destination, _top(names, filename))


def _broken(filename: str, error: Exception) -> InputError:
    return InputError(
        f"is not a whole archive: {str(error) or type(error).__name__}",
        file=filename,
        hint="Fetch it again.",
    )


def _top(names: Iterable[str], filename: str) -> str:
    tops = sorted({name.partition("/")[0] for name in names})
    files = [name for name in names if "/" not in name]
    if len(tops) != 1 or (files and not any(name.startswith(f"{tops[0]}/") for name in names)):
        found = ", ".join(map(quoted, tops[:5])) or "nothing"
        raise InputError(
            f"must hold exactly one top folder (PEP 625), and holds {found}",
            file=filename,
            hint="This is not a source distribution that can be built.",
        )
    return tops[0]


def _refused(filename: str, member: str, reason: str) -> InputError:
    return InputError(
        f"{quoted(member)}: {reason}",
        file=filename,
        hint=_HINT,
        details={"member": member[:MAX_PATH]},
    )


def _safe_name(name: str, filename: str) -> str:
    """The member's path in plain spelling, ``""`` for the root itself."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith(("/", "\\")) or (len(name) > 1 and name[1] == ":"):
        raise _refused(filename, name, "an absolute path")
    if ".." in parts or "\\" in name or "\0" in name:
        raise _refused(filename, name, "leads outside of the archive")
    plain = "/".join(parts)
    if plain and (reason := unsafe(plain)):
        raise _refused(filename, name, reason)
    return plain


def _unpack_tar(archive: str, filename: str, destination: str) -> list[str]:
    """Member by member, each looked at before it is written: a bomb has no time to go off."""
    with open(archive, "rb") as packed:
        opener = _OPENERS.get(packed.read(2))
        packed.seek(0)
        plain = cast("IO[bytes]", opener(packed) if opener else packed)
        size = os.fstat(packed.fileno()).st_size
        bounded = Bounded(plain, lambda count: _defuse(filename, size, count))
        seen = _Seen(filename)
        with tarfile.open(fileobj=cast("IO[bytes]", bounded), mode="r:") as tar:
            for count, member in enumerate(tar, 1):
                seen.add(member)
                _defuse(filename, size, bounded.tell() + member.size, count)
                _extract(tar, member, filename, destination)
        return list(seen.members)


def _defuse(filename: str, packed: int, unpacked: int, members: int = 0) -> None:
    if reason := bomb(packed, unpacked, members):
        raise InputError(reason, file=filename, hint=_HINT, details={"reason": reason})


def _extract(
    tar: tarfile.TarFile, member: tarfile.TarInfo, filename: str, destination: str
) -> None:
    if member.issym() or member.islnk():
        _link(member, destination)
        return
    if not 0 <= member.mtime < _LAST_TIME:  # a number of another kind among them
        member.mtime = 0
    if hasattr(tarfile, "data_filter"):
        try:
            tar.extract(member, destination, filter="data")
        except tarfile.FilterError as error:
            name = error.tarinfo.name
            raise _refused(filename, name, "leads outside of the archive") from error
    else:
        member.mode = (member.mode & 0o755) | 0o600 | (0o100 if member.isdir() else 0)
        member.uid, member.gid = os.getuid(), os.getgid()
        member.uname = member.gname = ""
        tar.extract(member, destination)


def _link(member: tarfile.TarInfo, destination: str) -> None:
    """Make a link ourselves.

    Where a link cannot be made, `tarfile` unpacks the member that it leads to in its place: one that may
    come later and was not looked at, a device among them, and with the mode that the archive says.
    """
    path = os.path.join(destination, member.name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if member.issym():
        os.symlink(member.linkname, path)
        return
    target = os.path.join(destination, member.linkname)
    try:
        os.link(target, path)
    except OSError:  # there are file systems without, and limits
        shutil.copy2(target, path)


class _Seen:
    """The members of a tar file so far, by their plain names."""

    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.members: dict[str, tarfile.TarInfo] = {}
        self._folders: set[str] = set()  # those that members lie in
        # by what some file system takes for the same name
        self._keys: set[str] = set()
        self._links: dict[str, str] = {}

    def add(self, member: tarfile.TarInfo) -> None:
        """Only files, folders and links; nothing is written through a link; links stay inside.

        The names of the member, and of what it is linked to, are put into their plain form.

        Raises:
            InputError: It is something else.
        """
        name = _safe_name(member.name, self.filename)
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            raise self._refused(member, "a device or another special file")
        if not name and not member.isdir():
            raise self._refused(member, "a file without a name")
        if member.size < 0 or member.issparse():
            raise self._refused(member, "a sparse file, or one of no size at all")
        self._check_place(member, name)
        if member.islnk():
            self._check_hard_link(member)
        elif member.issym():
            self._check_symlink(member, name)
        member.name = name or "."
        if name:
            self.members[name] = member

    def _check_place(self, member: tarfile.TarInfo, name: str) -> None:
        key = collision_key(name)
        if name in self.members or name in self._folders:
            if not (member.isdir() and (name in self._folders or self.members[name].isdir())):
                raise self._refused(member, "the archive holds it twice")
        elif key in self._links or (member.issym() and key in self._keys):
            raise self._refused(
                member, "the archive holds a link that differs only in case or form"
            )
        if member.issym():
            self._links[key] = name
        self._keys.add(key)
        above = name.rpartition("/")[0]
        while above and above not in self._folders:
            if link := self._links.get(collision_key(above)):
                raise self._refused(member, f"lies below the link {link!r}")
            if above in self.members and not self.members[above].isdir():
                raise self._refused(member, f"lies below {above!r}, which is a file")
            self._folders.add(above)
            above = above.rpartition("/")[0]

    def _check_hard_link(self, member: tarfile.TarInfo) -> None:
        target = _safe_name(member.linkname, self.filename)
        if target not in self.members or not self.members[target].isreg():
            raise self._refused(
                member, f"a hard link to {quoted(member.linkname)}, not a file of it"
            )
        member.linkname = target

    def _check_symlink(self, member: tarfile.TarInfo, name: str) -> None:
        if not 0 < len(os.fsencode(member.linkname)) <= MAX_PATH or "\0" in member.linkname:
            raise self._refused(member, "a link that no file system takes")
        if member.linkname.startswith("/"):
            raise self._refused(member, f"a link to the absolute path {quoted(member.linkname)}")
        target = os.path.normpath(os.path.join(os.path.dirname(name), member.linkname))
        if target == ".." or target.startswith("../"):
            raise self._refused(member, f"a link that leads outside ({quoted(member.linkname)})")

    def _refused(self, member: tarfile.TarInfo, reason: str) -> InputError:
        return _refused(self.filename, member.name, reason)


def _unpack_zip(archive: str, filename: str, destination: str) -> list[str]:
    with open(archive, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        data = mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) if size else b""
    packed = Archive(memoryview(data), filename)
    folders = [name for folder in packed.folders if (name := _safe_name(folder, filename))]
    names = [_safe_name(member.name, filename) for member in packed.members]
    _check_twice(names, folders, filename)
    for folder in folders:
        os.makedirs(os.path.join(destination, folder), exist_ok=True)
    for member, name in zip(packed.members, names, strict=True):
        path = os.path.join(destination, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as target:
            target.writelines(packed.pieces(member))
        if member.executable:
            os.chmod(path, 0o700)
    return [*names, *(f"{folder}/" for folder in folders)]


def _check_twice(names: list[str], folders: list[str], filename: str) -> None:
    files: set[str] = set()
    for name in names:
        if name in files or not name:
            raise _refused(filename, name, "the archive holds it twice")
        files.add(name)
    known: set[str] = set()
    for folder in (*folders, *(name.rpartition("/")[0] for name in names)):
        while folder and folder not in known:
            if folder in files:
                raise _refused(filename, folder, "the archive holds it as a file and as a folder")
            known.add(folder)
            folder = folder.rpartition("/")[0]


def _check_links(destination: str, filename: str) -> None:
    """What was unpacked is looked at once more: links through links can lead elsewhere than they say."""
    root = os.path.realpath(destination)
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            if os.path.islink(path) and not os.path.realpath(path).startswith(root + os.sep):
                raise _refused(filename, os.path.relpath(path, root), "a link that leads outside")

"""Unpacking sdists and other source archives: nothing in them can reach outside of the folder.

PEP 706 and PEP 721 say what a source archive may hold; Python's own ``data`` filter is applied
where the running Python has it, after checks that are stricter and do not depend on it.
"""

from __future__ import annotations

import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from gzip import BadGzipFile

from provenv.core.disk import doing
from provenv.core.errors import InputError

_BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, BadGzipFile, EOFError, zlib.error, lzma.LZMAError,
    NotImplementedError, RuntimeError,
)  # fmt: skip
_HINT = "Do not use this file; tell the authors of the package, and the index that it came from."


def unpack(archive: str, filename: str, destination: str) -> str:
    """Unpack a ``.tar.*`` or ``.zip`` into the empty folder ``destination``.

    Returns:
        The path of the one folder that the archive holds.

    Raises:
        InputError: The archive is broken, holds a device, leads outside of the folder, or does not
            hold exactly one top folder.
        DiskError: The file system refused.
    """
    try:
        with doing(f"unpacking {filename}", destination):
            if filename.lower().endswith(".zip"):
                names = _unpack_zip(archive, filename, destination)
            else:
                names = _unpack_tar(archive, filename, destination)
    except _BROKEN as error:
        raise InputError(
            f"is not a whole archive: {error}", file=filename, hint="Fetch it again."
        ) from error
    _check_links(destination, filename)
    return os.path.join(destination, _top(names, filename))


def _top(names: Iterable[str], filename: str) -> str:
    tops = sorted({name.partition("/")[0] for name in names})
    files = [name for name in names if "/" not in name]
    if len(tops) != 1 or (files and not any(name.startswith(f"{tops[0]}/") for name in names)):
        found = ", ".join(tops[:5]) or "nothing"
        raise InputError(
            f"must hold exactly one top folder (PEP 625), and holds {found}",
            file=filename,
            hint="This is not a source distribution that can be built.",
        )
    return tops[0]


def _refused(filename: str, member: str, reason: str) -> InputError:
    return InputError(
        f"{member!r}: {reason}", file=filename, hint=_HINT, details={"member": member}
    )


def _safe_name(name: str, filename: str) -> str:
    """The member's path in plain spelling, ``""`` for the root itself."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith(("/", "\\")) or (len(name) > 1 and name[1] == ":"):
        raise _refused(filename, name, "an absolute path")
    if ".." in parts or "\\" in name or "\0" in name:
        raise _refused(filename, name, "leads outside of the archive")
    return "/".join(parts)


def _unpack_tar(archive: str, filename: str, destination: str) -> list[str]:
    names: dict[str, tarfile.TarInfo] = {}
    with tarfile.open(archive, "r:*") as tar:
        members = tar.getmembers()
        for member in members:
            name = _safe_name(member.name, filename)
            _check_member(member, name, names, filename)
            member.name = name or "."
            if name:
                names[name] = member
        if hasattr(tarfile, "data_filter"):
            try:
                tar.extractall(destination, members, filter="data")
            except tarfile.FilterError as error:
                name = error.tarinfo.name
                raise _refused(filename, name, "leads outside of the archive") from error
        else:
            for member in members:
                member.mode = (member.mode & 0o755) | 0o600 | (0o100 if member.isdir() else 0)
                member.uid, member.gid = os.getuid(), os.getgid()
                member.uname = member.gname = ""
            tar.extractall(destination, members)  # noqa: S202  # every member was checked above
    return list(names)


def _check_member(
    member: tarfile.TarInfo, name: str, before: dict[str, tarfile.TarInfo], filename: str
) -> None:
    """Only files, folders and links; nothing is written through a link; links stay inside."""
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise _refused(filename, member.name, "a device or another special file")
    above = name
    while above:
        above = above.rpartition("/")[0]
        if above in before and before[above].issym():
            raise _refused(filename, member.name, f"lies below the link {above!r}")
    if name in before and not (member.isdir() and before[name].isdir()):
        raise _refused(filename, member.name, "the archive holds it twice")
    if member.islnk():
        target = _safe_name(member.linkname, filename)
        if target not in before or not before[target].isreg():
            raise _refused(
                filename, member.name, f"a hard link to {member.linkname!r}, not a file of it"
            )
        member.linkname = target
    elif member.issym():
        if member.linkname.startswith("/"):
            raise _refused(
                filename, member.name, f"a link to the absolute path {member.linkname!r}"
            )
        target = os.path.normpath(os.path.join(os.path.dirname(name), member.linkname))
        if target == ".." or target.startswith("../"):
            raise _refused(
                filename, member.name, f"a link that leads outside ({member.linkname!r})"
            )


def _unpack_zip(archive: str, filename: str, destination: str) -> list[str]:
    names: list[str] = []
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            name = _safe_name(info.filename, filename)
            mode = info.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(filename, info.filename, "a link or a special file")
            if not name:
                continue
            if name in names and not info.is_dir():
                raise _refused(filename, info.filename, "the archive holds it twice")
            names.append(name)
            packed.extract(info, destination)
            if mode & 0o111 and not info.is_dir():
                os.chmod(os.path.join(destination, name), 0o700)
    return names


def _check_links(destination: str, filename: str) -> None:
    """What was unpacked is looked at once more: links through links can lead elsewhere than they say."""
    root = os.path.realpath(destination)
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            if os.path.islink(path) and not os.path.realpath(path).startswith(root + os.sep):
                raise _refused(filename, os.path.relpath(path, root), "a link that leads outside")

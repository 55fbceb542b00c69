"""A project as one file that can travel: its own files in a tar archive, the same bytes for the same files.

What git ignores stays, and so do environments, caches and what is built. The archive is named by its
SHA-256. Owners and times do not travel; whether a file can be executed does.
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator, Mapping

from provenv.core import digest, process
from provenv.core.disk import refuse_sick
from provenv.core.errors import UndecidedError, UsageError
from provenv.core.values import frozen
from provenv.core.words import size

TOP = "project"
"""The one folder of the archive."""
_LARGEST = 256 * 1024 * 1024
_TIME = 946_684_800  # 2000-01-01: ZIP files, and so wheels, know no time before 1980
_SKIPPED = frozenset(
    {
        ".git", ".hg", ".svn", ".eggs", ".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache", ".tox",
        ".venv", ".venvs", "__pycache__", "__pypackages__", "node_modules", "site-packages",
    }
)  # fmt: skip
_SIGNS = ("CACHEDIR.TAG", "pyvenv.cfg", "conda-meta", ".stamp")  # of caches and environments
_BUILT = frozenset({"build", "dist"})  # where they lie beside the manifest


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


def own_files(root: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The project's own files and links, relative to ``root``, sorted.

    In a git repository what is committed, and what is new and not ignored; elsewhere all but hidden
    stores, environments, caches and what is built.
    """
    told = _told_by_git(root, environ)
    found = _walked(root, "") if told is None else _expanded(root, told)
    return tuple(sorted(set(found)))


def _told_by_git(root: str, environ: Mapping[str, str]) -> list[str] | None:
    program = shutil.which("git", path=environ.get("PATH", os.defpath))
    if program is None:
        return None
    own = {name: value for name, value in environ.items() if not name.startswith("GIT_")}
    own |= {"LC_ALL": "C.UTF-8", "GIT_OPTIONAL_LOCKS": "0"}
    asked = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = process.run([program, "-c", "core.fsmonitor=false", *asked], env=own, cwd=root)
    except UndecidedError:
        return None
    return [path for path in done.stdout.split("\0") if path] if done.code == 0 else None


def _expanded(root: str, told: list[str]) -> Iterator[str]:
    """What git names, as far as it is there; a submodule, or a repository in it, with its files."""
    entered: dict[str, bool] = {"": True}
    for path in told:
        if not _is_entered(root, os.path.dirname(path), entered):
            continue
        kind = _kind(os.path.join(root, path))
        if kind == stat.S_IFDIR:
            yield from _walked(root, path.rstrip("/"))
        elif kind:
            yield path


def _is_entered(root: str, folder: str, known: dict[str, bool]) -> bool:
    if folder not in known:
        above, _, name = folder.rpartition("/")
        known[folder] = _is_entered(root, above, known) and not _is_skipped(root, folder, name)
    return known[folder]


def _is_skipped(root: str, folder: str, name: str) -> bool:
    if name in _SKIPPED:
        return True
    path = os.path.join(root, folder)
    return any(os.path.lexists(f"{path}/{sign}") for sign in _SIGNS)


def _walked(root: str, top: str) -> Iterator[str]:
    stack = [top]
    while stack:
        folder = stack.pop()
        try:
            names = sorted(os.listdir(os.path.join(root, folder)))
        except OSError as error:
            refuse_sick(error, os.path.join(root, folder))
            continue
        for name in names:
            path = os.path.join(folder, name)
            kind = _kind(os.path.join(root, path))
            if kind == stat.S_IFDIR:
                built = not folder and name in _BUILT
                if (
                    not built
                    and not name.endswith(".egg-info")
                    and not _is_skipped(root, path, name)
                ):
                    stack.append(path)
            elif kind:
                yield path


def _kind(path: str) -> int:
    """Folder, file or link; 0 for what is nothing of these, or not there."""
    try:
        kind = stat.S_IFMT(os.lstat(path).st_mode)
    except OSError:
        return 0
    return kind if kind in (stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK) else 0


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

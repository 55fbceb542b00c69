"""What to say when a file system refuses: doing what, to which path, where, and what is safe."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterator, Sequence

from provenv.core.errors import DiskError, safe_of, say_safe
from provenv.core.values import frozen
from provenv.core.words import size

MOUNTS = "/proc/self/mountinfo"
_FULL = (errno.ENOSPC, errno.EDQUOT)
# A file that cannot be read for one of these may be read the next time, and says nothing of its content.
_SICK = (
    errno.EAGAIN, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENODEV, errno.ENOMEM, errno.ENXIO,
    errno.ESTALE,
)  # fmt: skip
# What another program may say of a file system, and where it names the path.
_TOLD = (errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EROFS)
_OS_ERROR = re.compile(r"\(os error (\d+)\)")
_NAMED = re.compile(r"""at path\s+"(/[^"]+)"|`(/[^`]+)`|'(/[^']+)'""")
# Where which file system it is explains nothing.
_ELSEWHERE = (
    errno.EACCES, errno.EAGAIN, errno.EMFILE, errno.ENAMETOOLONG, errno.ENFILE, errno.ENOENT,
    errno.ENOMEM, errno.ENOTDIR, errno.EPERM,
)  # fmt: skip
_HINTS = {
    errno.EROFS: "Remount it so that it can be written, or choose another place.",
    errno.EIO: "The disk or its connection fails: look at `dmesg`, and save what you need. "
    "`provenv verify --all` tells which files were hit.",
    errno.ESTALE: "It is on a network, and the server has lost it: mount it again.",
    errno.EACCES: "Check who owns the folder and its mode.",
    errno.EPERM: "Check who owns the folder and its mode.",
    errno.ENOENT: "Check that the folder above it exists.",
    errno.ENOTDIR: "A file stands where a folder is needed: check PROVENV_HOME and the project's path.",
    errno.EMFILE: "Raise the limit of open files (`ulimit -n`).",
    errno.EAGAIN: "Too many processes are running, or may not run (`ulimit -u`).",
    errno.ENOMEM: "There is too little memory: end what is not needed.",
    errno.ENFILE: "The whole system has too many open files: end what is not needed.",
    errno.ENOLCK: "Put PROVENV_HOME and the project on a file system that has locks.",
}


@frozen
class Mount:
    """One line of ``mountinfo`` (proc(5)): where, of what kind, with what options."""

    point: str
    kind: str
    options: frozenset[str]


@frozen
class FileSystem:
    """The file system that a path lies on.

    Attributes:
        point: Where it is mounted. ``kind``: As ``mount`` names it; empty where nobody tells.
        free: Bytes that this user may still write. ``inodes``: Files that may still be made; None
            where there is no such limit.
        read_only: Nothing can be written there.
    """

    point: str
    kind: str
    free: int
    inodes: int | None
    read_only: bool

    @property
    def title(self) -> str:
        """``/home (ext4)``."""
        point = shown(self.point)
        return f"{point} ({self.kind})" if self.kind else point

    def data(self) -> dict[str, object]:
        """As it stands in the details of an error."""
        return {
            "mount": self.point, "type": self.kind, "free": self.free, "inodes": self.inodes,
            "read_only": self.read_only,
        }  # fmt: skip


def read_mounts(path: str = MOUNTS) -> list[Mount]:
    """What is mounted; empty where the system does not tell."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return [mount for line in stream if (mount := _mount(line)) is not None]
    except OSError:
        return []


def _mount(line: str) -> Mount | None:
    left, _, right = line.partition(" - ")
    before, after = left.split(), right.split()
    if len(before) < 6 or not after:
        return None
    point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), before[4])
    return Mount(point=point, kind=after[0], options=frozenset(before[5].split(",")))


def mount_of(real: str, mounts: Sequence[Mount]) -> Mount | None:
    """What is mounted where a path (without symlinks) lies; None where ``mounts`` do not tell."""
    best = None
    for mount in mounts:  # of two that are mounted in one place, the later one is seen
        inside = real == mount.point or real.startswith(mount.point.rstrip("/") + "/")
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def file_system(path: str) -> FileSystem | None:
    """The file system that ``path`` lies on, or would lie on; None where the system does not tell."""
    real = os.path.realpath(path)
    while not os.path.lexists(real) and os.path.dirname(real) != real:
        real = os.path.dirname(real)
    try:
        room = os.statvfs(real)
    except OSError:
        return None
    mount = mount_of(real, read_mounts())
    root = os.geteuid() == 0  # who may use what is set aside for root
    inodes = room.f_ffree if root else room.f_favail
    return FileSystem(
        point=mount.point if mount is not None else _mounted_at(real),
        kind=mount.kind if mount is not None else "",
        free=(room.f_bfree if root else room.f_bavail) * room.f_frsize,
        inodes=inodes if room.f_files > 0 else None,  # btrfs makes them as they are needed
        read_only=bool(room.f_flag & os.ST_RDONLY),
    )


def _mounted_at(path: str) -> str:
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def refusal(error: OSError, verb: str | None, path: str) -> DiskError:
    """Say in one sentence what the file system refused, where, and what helps.

    ``verb`` is what could not be done to ``path``; None where only the path is known, and perhaps not
    even that (empty).
    """
    code = error.errno or 0
    name = errno.errorcode.get(code)
    where = file_system(path) if path else None
    reason = (error.strerror or str(error)) + (f" ({name})" if name else "")
    what = f"cannot {verb} {shown(path)}" if verb else shown(path)
    said = ": ".join(filter(None, (what, reason)))
    if where is not None and code not in _ELSEWHERE:
        said += f"; {_state(where, code)}"
    details: dict[str, object] = {"path": path or None, "errno": name}
    if where is not None:
        details["filesystem"] = where.data()
    found = DiskError(said, hint=_hint(code, where, path), details=details)
    safe = safe_of(error)
    if safe is not None:
        say_safe(found, safe)
    return found


def shown(path: str) -> str:
    """A path as it can stand in one line, whatever bytes it has."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _state(where: FileSystem, code: int) -> str:
    """What is the matter with a file system, as far as it tells."""
    if code == errno.ENOSPC and where.inodes == 0:
        return f"{where.title} has no inodes left for new files, and {size(where.free)} free"
    if code == errno.EDQUOT:
        return f"your quota on {where.title} is used up"
    if code == errno.ENOSPC:
        return f"{where.title} has {size(where.free)} free"
    if code == errno.EROFS or where.read_only:
        return f"{where.title} is mounted read-only"
    return f"it is on {where.title}"


def _hint(code: int, where: FileSystem | None, path: str) -> str | None:
    if code in _FULL:
        place = f" on {shown(where.point)}" if where is not None else ""
        what = "Remove files" if where is not None and where.inodes == 0 else "Free some space"
        return f"{what}{place} (`provenv gc` removes what nothing uses) and try again."
    if code == errno.ENAMETOOLONG:
        return f"{_longest(path)} Use a shorter path."
    return _HINTS.get(code)


def _longest(path: str) -> str:
    """What the system takes at most, and what is too long."""
    longest = max(path.split("/"), key=lambda part: len(os.fsencode(part)))
    count = len(os.fsencode(longest))
    if count > 255:
        return f"A name in it has {count:,} bytes, and most file systems take 255."
    if len(os.fsencode(path)) > 4095:
        return f"It has {len(os.fsencode(path)):,} bytes, and the system takes 4,095."
    return "Names in it are longer than this file system takes."


def refuse_sick(error: OSError, path: str, verb: str = "read") -> None:
    """Where a file could not be read because the disk or the system is sick, say that.

    Raises:
        DiskError: It is; else the file is what cannot be used.
    """
    if error.errno in _SICK:
        raise refusal(error, verb, path) from error


def there(path: str) -> bool:
    """Whether something has this name; a disk that fails is not taken for an answer.

    Raises:
        DiskError: The disk refuses to say.
    """
    try:
        os.lstat(path)
    except OSError as error:
        refuse_sick(error, path)
        return False
    return True


def refused_in(text: str, place: str = "") -> DiskError | None:
    """What a program written in Rust says of a file system, as our own error; None where it says nothing.

    It ends such a message with ``(os error 28)``, and names the path before or after it; else it was in
    ``place``, where the program worked.
    """
    for number in map(int, _OS_ERROR.findall(text)):
        if number in _TOLD:
            named = _NAMED.search(text)
            path = next(filter(None, named.groups()), "") if named is not None else place
            return refusal(OSError(number, os.strerror(number)), None, path)
    return None


def blamed(error: OSError, otherwise: str = "") -> str:
    """The path that an error is about: of two what was to be made, unless the other is missing."""
    names = [name for name in (error.filename2, error.filename) if isinstance(name, (str, bytes))]
    for name in reversed(names) if error.errno == errno.ENOENT else ():
        if os.path.isabs(name) and not os.path.lexists(name):
            return os.fsdecode(name)
    return os.fsdecode(names[0]) if names and names[0] else otherwise


@contextlib.contextmanager
def doing(
    what: str, place: str = "", *, safe: Callable[[], str | None] | None = None
) -> Iterator[None]:
    """Let every refusal of a file system within a ``with`` block say what was being done.

    Where blocks lie in each other, the innermost names what was being done, and what is safe.

    Args:
        what: As it stands in front of the message: ``storing alpha 1.0``.
        place: What is named where the error itself names no path.
        safe: Asked for what is safe, a short sentence without a full stop.

    Raises:
        DiskError: The file system refused, by this or by an OSError.
    """
    try:
        yield
    except ConnectionError:  # nobody reads what is written: no file system is to blame
        raise
    except DiskError as error:
        error.amend(what, safe() if safe is not None else None)
        raise
    except OSError as error:
        found = refusal(error, None, blamed(error, place))
        found.amend(what, safe() if safe is not None else None)
        raise found from error

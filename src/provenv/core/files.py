"""Files that are whole or not there: atomic writes, atomic symlinks, locks, careful removal."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Iterator

from provenv.core.errors import DiskError, UndecidedError, safe_of, say_safe

_counter = itertools.count(1)  # next() is one step, so that two threads never get one number


def temporary_name(path: str) -> str:
    """A name beside ``path`` that no other process or thread uses: ``.NAME.PID.N.tmp``."""
    head, tail = os.path.split(path)
    return os.path.join(head, f".{tail}.{os.getpid()}.{next(_counter)}.tmp")


def write_atomic(path: str | os.PathLike[str], data: bytes, *, mode: int = 0o644) -> None:
    """Replace ``path`` with ``data`` in one step: readers see the old content or the new.

    The data is on the disk before the name points at it. A symlink is followed, so that the file
    that it names is replaced and the link stays.

    Raises:
        DiskError: The file system refused; ``path`` is as it was.
    """
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise DiskError(  # above all a device: as root, a rename over /dev/null would succeed
            f"cannot write {target}: it is not a regular file", details={"path": target}
        )
    temporary = temporary_name(target)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                with contextlib.suppress(OSError):
                    mode = stat.S_IMODE(os.stat(target).st_mode)
                os.chmod(temporary, mode)
                os.fsync(stream.fileno())
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise disk_error(error, "write", target) from error


def replace_symlink(path: str, target: str) -> None:
    """Make ``path`` a symlink to ``target`` in one step, whether or not one was there.

    Raises:
        DiskError: The file system refused; ``path`` is as it was.
    """
    temporary = temporary_name(path)
    try:
        os.symlink(target, temporary)
        try:
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise disk_error(error, "switch", path) from error


def disk_error(error: OSError, verb: str, path: str | os.PathLike[str]) -> DiskError:
    """Say in one sentence what the file system refused and what helps."""
    hints = {
        errno.ENOSPC: "Free some space (`provenv store gc` removes what nothing uses) and try again.",
        errno.EDQUOT: "Your disk quota is used up; `provenv store gc` removes what nothing uses.",
        errno.EROFS: "The file system is read-only; remount it, or choose another place.",
        errno.EACCES: "Check who owns the folder and its mode.",
        errno.EPERM: "Check who owns the folder and its mode.",
        errno.ENOENT: "Check that the folder above it exists.",
        errno.ENAMETOOLONG: "Use a shorter path.",
        errno.EMFILE: "Raise the limit of open files (`ulimit -n`).",
    }
    name = errno.errorcode.get(error.errno or 0, "?")
    return DiskError(
        f"cannot {verb} {os.fspath(path)}: {error.strerror or error} ({name})",
        hint=hints.get(error.errno or 0),
        details={"path": os.fspath(path), "errno": name},
    )


def unforeseen(error: OSError) -> DiskError:
    """What the file system, or the system at all, refused where nobody expected it."""
    where = f"{error.filename}: " if error.filename else ""
    refused = DiskError(
        f"{where}{error.strerror or error}",
        hint="Check that PROVENV_HOME and the project are on file systems that can be written.",
        details={"path": error.filename, "errno": error.errno},
    )
    safe = safe_of(error)
    if safe is not None:
        say_safe(refused, safe)
    return refused


def remove_tree(path: str | os.PathLike[str]) -> None:
    """Remove a tree, read-only directories included. Symlinks are removed, never followed.

    Raises:
        DiskError: Something in it could not be removed.
    """
    import shutil  # it loads every codec that there is

    root = os.fspath(path)
    try:
        if os.path.islink(root) or not os.path.isdir(root):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(root)
            return
        if os.geteuid() != 0:
            _make_writable(root)
        try:
            shutil.rmtree(root)
        except PermissionError:  # root without its capabilities, as in a container
            _make_writable(root)
            shutil.rmtree(root)
    except OSError as error:
        raise disk_error(error, "remove", error.filename or root) from error


def _make_writable(root: str) -> None:
    """Let the owner into every folder of a tree; each is opened before the walk looks into it."""
    os.chmod(root, stat.S_IMODE(os.lstat(root).st_mode) | 0o700)
    for folder, names, _ in os.walk(root):
        for name in names:
            inner = os.path.join(folder, name)
            if not os.path.islink(inner):
                os.chmod(inner, stat.S_IMODE(os.lstat(inner).st_mode) | 0o700)


def ensure_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder and those above it.

    Raises:
        DiskError: The file system refused.
    """
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise disk_error(error, "create", path) from error


@contextlib.contextmanager
def locked(path: str, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """Hold the advisory lock of the file ``path`` (made where missing) for a ``with`` block.

    The kernel drops the lock when its holder dies, so a dead process never blocks the living.

    Raises:
        UndecidedError: Not ``wait``, and another process holds it.
        DiskError: The file system refuses the file or the lock.
    """
    import fcntl

    operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    descriptor = -1
    try:
        while True:
            ensure_folder(os.path.dirname(path) or os.curdir)
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                fcntl.flock(descriptor, operation)
            except BlockingIOError as error:
                raise UndecidedError(
                    f"another provenv process is at work ({path} is locked)",
                    hint="Wait for it to end and try again.",
                ) from error
            except FileNotFoundError:
                continue  # the folder was removed just now
            except OSError as error:
                raise disk_error(error, "lock", path) from error
            if _is_named(descriptor, path):
                break
            os.close(descriptor)  # the file was removed while this process waited for it
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


@contextlib.contextmanager
def locked_folder(path: str) -> Iterator[None]:
    """Hold the advisory lock of a folder itself for a ``with`` block: nothing is written into it.

    Where the file system has no such locks, nothing is held.
    """
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        descriptor = -1
    try:
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _is_named(descriptor: int, path: str) -> bool:
    """Whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False

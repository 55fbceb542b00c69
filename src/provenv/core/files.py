"""Files that are whole or not there: atomic writes, atomic symlinks, locks, careful removal."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from _thread import get_ident  # `threading` is heavier
from collections.abc import Callable, Iterator

from provenv.core import locks
from provenv.core.errors import DiskError, UndecidedError
from provenv.core.mark import mark

_LONG = 2.0  # seconds after which one is told what is being waited for
FOLDER_LOCK = ".provenv.lock"
"""The file in a folder that is locked where folders themselves cannot be."""
_counter = itertools.count(1)  # next() is one step, so that two threads never get one number


def temporary_name(path: str) -> str:
    """A name beside ``path`` that no other process or thread uses: ``.NAME.MARK.N.tmp``."""
    head, tail = os.path.split(path)
    return os.path.join(head, f".{tail}.{mark()}.{next(_counter)}.tmp")


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
    return DiskError(
        f"{where}{error.strerror or error}",
        hint="Check that PROVENV_HOME and the project are on file systems that can be written.",
        details={"path": error.filename, "errno": error.errno},
    )


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
def locked(
    path: str,
    *,
    shared: bool = False,
    wait: bool = True,
    waiting: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Hold the advisory lock of the file ``path`` (made where missing) for a ``with`` block.

    The kernel drops the lock when its holder dies, so a dead process never blocks the living.
    ``waiting`` is called, in a thread of its own, with a few words about who holds the lock, where that
    takes more than two seconds.

    Raises:
        UndecidedError: Not ``wait``, and another process holds it.
        DiskError: The file system refuses the file or the lock.
    """
    import fcntl

    operation = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    descriptor = -1
    try:
        while True:
            ensure_folder(os.path.dirname(path) or os.curdir)
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                _take(descriptor, operation, path, wait=wait, waiting=waiting)
            except FileNotFoundError:
                continue  # the folder was removed just now
            except OSError as error:
                raise _lock_error(error, path) from error
            if _is_named(descriptor, path):
                break
            os.close(descriptor)  # the file was removed while this process waited for it
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _take(
    descriptor: int,
    operation: int,
    path: str,
    *,
    wait: bool,
    waiting: Callable[[str], None] | None,
) -> None:
    import fcntl

    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError as error:
        if not wait:
            raise UndecidedError(
                f"another provenv process is at work ({path} is locked{_by(path)})",
                hint="Wait for it to end and try again.",
            ) from error
    else:
        return
    if waiting is None:
        fcntl.flock(descriptor, operation)
        return
    import threading

    timer = threading.Timer(_LONG, lambda: waiting(locks.holders(path)))
    timer.start()
    try:
        fcntl.flock(descriptor, operation)
    finally:
        timer.cancel()
        timer.join()


def _by(path: str) -> str:
    holder = locks.holders(path)
    return f" by {holder}" if holder else ""


def _lock_error(error: OSError, path: str) -> DiskError:
    """Say that a file system has no locks, which nothing can be done without."""
    found = disk_error(error, "lock", path)
    if error.errno in locks.WITHOUT:
        found.hint = (
            "This file system keeps no locks (NFS without a lock service?), and nothing is safe "
            "without: use another (PROVENV_HOME moves the store), or mount it with local_lock=flock."
        )
    return found


_folders: set[tuple[int, ...]] = set()  # process, thread, device and inode of those that are held


@contextlib.contextmanager
def locked_folder(path: str, *, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the advisory lock of a folder itself for a ``with`` block: nothing is written into it.

    Where the file system has no locks for folders, as NFS, that of a file in it does
    (:data:`FOLDER_LOCK`), which is removed afterwards. Who holds it may ask for it again. ``waiting`` as
    for :func:`locked`.

    Raises:
        DiskError: The file system has no locks at all.
    """
    while True:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            yield  # whoever reads or writes there says what is wrong
            return
        status = os.fstat(descriptor)
        own = (os.getpid(), get_ident(), status.st_dev, status.st_ino)
        try:
            if own in _folders:
                yield
                return
            with _folder_lock(descriptor, path, waiting):
                if not _is_named(descriptor, path):
                    continue  # it was removed, and perhaps made anew, while this process waited
                _folders.add(own)
                try:
                    yield
                finally:
                    _folders.discard(own)
                return
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _folder_lock(
    descriptor: int, path: str, waiting: Callable[[str], None] | None
) -> Iterator[None]:
    import fcntl

    try:
        _take(descriptor, fcntl.LOCK_EX, path, wait=True, waiting=waiting)
    except OSError as error:
        if error.errno not in locks.WITHOUT:
            raise _lock_error(error, path) from error
    else:
        yield
        return
    with _locked_instead(os.path.join(path, FOLDER_LOCK), waiting):
        yield


@contextlib.contextmanager
def _locked_instead(path: str, waiting: Callable[[str], None] | None) -> Iterator[None]:
    """Hold the lock of a file that is there for as long as somebody holds or wants it."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(path, waiting=waiting))
        except DiskError:
            _unlink(path)  # there are no locks at all: nobody holds this one
            raise
        stack.callback(_unlink, path)  # before the lock is let go
        yield


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _is_named(descriptor: int, path: str) -> bool:
    """Whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False

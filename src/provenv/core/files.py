"""Files that are whole or not there: atomic writes, atomic symlinks, locks, careful removal."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from _thread import get_ident  # `threading` is heavier
from collections.abc import Callable, Iterator, Mapping

from provenv.core import locks, owners
from provenv.core.errors import DiskError, UndecidedError

_LONGEST = 200  # bytes of a name, so that there is room for more
_LONG = 2.0  # seconds after which one is told what is being waited for
FOLDER_LOCK = ".provenv.lock"
"""The file in a folder that is locked where folders themselves cannot be."""
_counter = itertools.count(1)  # next() is one step, so that two threads never get one number


def temporary_name(path: str) -> str:
    """A name beside ``path`` that no other process or thread uses: ``.NAME.PID.N.tmp``.

    Nor did a former process with this one's number leave it behind: in containers, numbers are few.
    Of a name that is as long as names may be (255 bytes), it has a part.
    """
    head, tail = os.path.split(path)
    tail = os.fsdecode(os.fsencode(tail)[:_LONGEST])
    while True:
        name = os.path.join(head, f".{tail}.{os.getpid()}.{next(_counter)}.tmp")
        if not os.path.lexists(name):
            return name


def is_left_over(name: str) -> bool:
    """Whether a file is a temporary one (``….PID.N.tmp``, ``….PID.tmp``) of a process that is no more.

    One with this process's number is a former one's where this one has not come to ``N`` yet.
    """
    parts = name.split(".")
    if len(parts) < 3 or parts[-1] != "tmp" or not parts[-2].isdecimal():
        return False
    numbered = len(parts) > 3 and parts[-3].isdecimal()
    pid = int(parts[-3] if numbered else parts[-2])
    if pid == os.getpid():
        return numbered and int(parts[-2]) >= next(_counter)
    return not _is_running(pid)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's; no process has such a number
        return True
    return True


@contextlib.contextmanager
def temporary_folder(above: str, purpose: str) -> Iterator[str]:
    """A new folder in ``above`` (made where missing) that only this user may read, removed afterwards.

    It is locked: where this process is killed, others see that by the lock that is gone, also those
    that do not see its number (another container).

    Raises:
        DiskError: The file system refused.
    """
    ensure_folder(above)
    folder = temporary_name(os.path.join(os.path.realpath(above), purpose))
    try:
        try:
            os.mkdir(folder, 0o700)
        except OSError as error:
            raise disk_error(error, "create", folder) from error
        with locked_folder(folder):
            yield folder
    finally:
        with contextlib.suppress(DiskError):
            remove_tree(folder)


def write_atomic(path: str | os.PathLike[str], data: bytes, *, mode: int = 0o644) -> None:
    """Replace ``path`` with ``data`` in one step: readers see the old content or the new.

    The data is on the disk before the name points at it. A symlink is followed, so that the file
    that it names is replaced and the link stays. Mode and owner stay, too, as far as they may.

    Raises:
        DiskError: The file system refused; ``path`` is as it was.
    """
    write_together({os.fspath(path): data}, mode=mode)


def write_together(contents: Mapping[str, bytes], *, mode: int = 0o644) -> None:
    """Replace files, each as :func:`write_atomic` does, in this order.

    The data of all is on the disk before the first of them is replaced: one that is full is noticed in
    time.

    Raises:
        DiskError: The file system refused; where it refused to rename, the files before are replaced.
    """
    staged: list[tuple[str, str]] = []
    try:
        for path, data in contents.items():
            target = os.path.realpath(path)
            _refuse_special(target)
            staged.append((temporary_name(target), target))
            with _writing(target):
                _stage(*staged[-1], data, mode)
        while staged:
            temporary, target = staged[0]
            with _writing(target):
                os.replace(temporary, target)
            del staged[0]
    finally:
        for temporary, _ in staged:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


@contextlib.contextmanager
def _writing(target: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        found = disk_error(error, "write", target)
        found.details["phase"] = f"writing {os.path.basename(target)}"
        raise found from error


def _refuse_special(target: str) -> None:
    if os.path.exists(target) and not os.path.isfile(target):
        raise DiskError(  # above all a device: as root, a rename over /dev/null would succeed
            f"cannot write {target}: it is not a regular file", details={"path": target}
        )


def _stage(temporary: str, target: str, data: bytes, mode: int) -> None:
    """Write ``data`` beside ``target``, with its mode and owner, or those that a new file gets there."""
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        owners.give_file(stream.fileno(), target)
        with contextlib.suppress(OSError):
            mode = stat.S_IMODE(os.stat(target).st_mode)
        os.chmod(temporary, mode)
        os.fsync(stream.fileno())


def replace_symlink(path: str, target: str) -> None:
    """Make ``path`` a symlink to ``target`` in one step, whether or not one was there.

    Raises:
        DiskError: The file system refused; ``path`` is as it was.
    """
    temporary = temporary_name(path)
    try:
        os.symlink(target, temporary)
        os.replace(temporary, path)
    except BaseException as error:
        _discard(temporary)
        if isinstance(error, OSError):
            raise disk_error(error, "switch", path) from error
        raise


def _discard(temporary: str) -> None:
    """Remove a temporary file, whether or not it was made: a signal may have come in between."""
    with contextlib.suppress(OSError):
        os.unlink(temporary)


def disk_error(error: OSError, verb: str, path: str | os.PathLike[str]) -> DiskError:
    """Say in one sentence what the file system refused, where, and what helps."""
    from provenv.core.disk import refusal  # seldom needed, and most commands import this module

    return refusal(error, verb, os.fspath(path))


def unforeseen(error: OSError) -> DiskError:
    """What the file system, or the system at all, refused where nobody expected it."""
    from provenv.core.disk import blamed, refusal

    found = refusal(error, None, blamed(error))
    found.hint = found.hint or (
        "Check that PROVENV_HOME and the project are on file systems that can be written."
    )
    return found


def remove_tree(path: str | os.PathLike[str]) -> None:
    """Remove a tree, read-only directories included. Symlinks are removed, never followed.

    Raises:
        DiskError: Something in it could not be removed.
    """
    import shutil  # it loads every codec that there is

    root = os.fspath(path)
    try:
        try:
            if not stat.S_ISDIR(os.lstat(root).st_mode):
                os.unlink(root)
                return
        except FileNotFoundError:
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


def try_to_remove(path: str | os.PathLike[str]) -> None:
    """Remove a tree that came to nothing; where that fails, too, a later command sweeps."""
    with contextlib.suppress(DiskError):
        remove_tree(path)


def move(source: str, target: str) -> None:
    """Rename ``source``, also where it is a folder that can get no other name.

    Such is a folder of an image's layer in a container (overlayfs, EXDEV): it is copied, the copy gets its
    name in one step, and the original is removed.

    Raises:
        OSError, DiskError: The file system refused. ``target`` is whole, or not there.
    """
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    else:
        return
    import shutil

    part = temporary_name(target)
    try:
        shutil.copytree(source, part, symlinks=True)
        mode = stat.S_IMODE(os.stat(part).st_mode)
        os.chmod(part, mode | 0o700)  # a directory that is moved must be writable
        os.rename(part, target)
    except BaseException:
        try_to_remove(part)
        raise
    os.chmod(target, mode)
    remove_tree(source)


def _make_writable(root: str) -> None:
    """Let the owner into every folder of a tree; each is opened before the walk looks into it."""
    os.chmod(root, stat.S_IMODE(os.lstat(root).st_mode) | 0o700)
    for folder, names, _ in os.walk(root):
        for name in names:
            inner = os.path.join(folder, name)
            if not os.path.islink(inner):
                os.chmod(inner, stat.S_IMODE(os.lstat(inner).st_mode) | 0o700)


def ensure_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder and those above it, none of which everybody can write, whatever the umask is.

    Raises:
        DiskError: The file system refused.
    """
    missing = [os.fspath(path)]
    while missing[-1] and not os.path.isdir(missing[-1]):
        missing.append(os.path.dirname(missing[-1]))
    try:
        for folder in reversed(missing[:-1]):
            try:
                os.mkdir(folder, 0o775)
            except FileExistsError as error:
                if not os.path.isdir(folder):
                    reason = os.strerror(errno.ENOTDIR)
                    raise NotADirectoryError(errno.ENOTDIR, reason, folder) from error
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

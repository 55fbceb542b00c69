"""Making one file appear in two places: hard link, reflink, copy, and their limits."""

from __future__ import annotations

import errno
import os
import shutil
import stat

# ioctl request of Linux for "make this file share that file's blocks" (linux/fs.h, FICLONE).
_FICLONE = 0x40049409


def hard_link(source: str, target: str) -> bool:
    """Link ``target`` to the inode of ``source`` (of a symlink, not of what it names).

    Falls back to a new inode (a copy, or a new symlink) where the file system allows no more
    links to this one (EMLINK: 65,000 on ext4, 127 on some tmpfs) or lies elsewhere (EXDEV).

    Returns:
        True where an inode is shared, False where a new one was made.

    Raises:
        OSError: Anything else that the file system says.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EMLINK, errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP):
            raise
        duplicate(source, target)
        return False
    return True


def duplicate(source: str, target: str) -> None:
    """Copy a file (content, mode, mtime) or a symlink (as it is) to a new inode.

    Raises:
        OSError: What the file system says.
    """
    if os.path.islink(source):
        os.symlink(os.readlink(source), target)
    else:
        shutil.copy2(source, target)


def clone(source: str, target: str) -> bool:
    """Share the blocks of ``source`` copy-on-write where the file system can; else copy.

    Returns:
        True where blocks are shared.

    Raises:
        OSError: What the file system says, other than "I cannot share blocks".
    """
    import fcntl

    with open(source, "rb") as reader, open(target, "xb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError as error:
            if error.errno not in (
                errno.EOPNOTSUPP,
                errno.EXDEV,
                errno.EINVAL,
                errno.ENOTTY,
                errno.ENOSYS,
            ):
                raise
            shutil.copyfileobj(reader, writer, 1 << 20)
            shared = False
        else:
            shared = True
        status = os.fstat(reader.fileno())
        os.fchmod(writer.fileno(), stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    return shared

"""Writing the files of a project: each whole, and nothing left over where a command was killed."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping

from provenv.core.disk import refuse_sick
from provenv.core.errors import InputError, ProvenvError
from provenv.core.files import is_left_over, temporary_name, write_atomic, write_together
from provenv.core.values import frozen
from provenv.environments import stamp
from provenv.workspace.projects.context import MANIFEST_FILE, Project

_LEFT = re.compile(
    r"\.(?:pyproject\.toml|pylock(?:\..+)?\.toml|\.gitignore|\.python-version)\.\d+\.\d+\.tmp"
)


def write(project: Project, texts: Mapping[str, str]) -> None:
    """Replace files of the project, each in one step: locks first, the manifest as the last one.

    Raises:
        DiskError: The file system refused; every file is as it was.
    """
    ordered = sorted(texts, key=lambda path: os.path.basename(path) == MANIFEST_FILE)
    with whole(project, ordered):
        write_together({path: texts[path].encode() for path in ordered})


@frozen
class _Kept:
    """A file as it was; ``spare`` is a second name of it, where there may be one."""

    path: str
    data: bytes | None
    spare: str


@contextlib.contextmanager
def whole(project: Project, paths: Iterable[str]) -> Iterator[None]:
    """Where the block fails, files become what they were before it; those that were not there go.

    What was there keeps a second name meanwhile: to put it back needs no room on the disk. The
    environments' stamps are not there meanwhile, and come back where it fails: after a kill the next
    command takes the long way, and sweeps.

    Raises:
        InputError: One of them cannot be read.
    """
    folders = [project.folder(spec) for spec in project.manifest.all_instances()]
    stamps = _take_stamps(folders)
    kept: list[_Kept] = []
    try:
        for path in paths:
            spare = temporary_name(os.path.realpath(path))
            kept.append(_Kept(path=path, data=read_bytes(path), spare=spare))
            with contextlib.suppress(OSError):  # there is no such file, or no such links
                os.link(os.path.realpath(path), spare)
        yield
    except BaseException as error:
        left = [item.path for item in kept if not _put_back(item)]
        if left and isinstance(error, ProvenvError):
            said = f"{', '.join(left)} could not be put back, and has what was to come."
            error.hint = " ".join(filter(None, (said, error.hint)))
        _remove_spares(kept, folders)
        # an interrupt may leave something for the next command to sweep: that takes the long way
        if isinstance(error, ProvenvError):
            for path, text in stamps.items():
                with contextlib.suppress(OSError):
                    stamp.replace(path, text)
        raise
    else:
        _remove_spares(kept, folders)


def _take_stamps(folders: Iterable[str]) -> dict[str, str]:
    """Forget the stamps of environments: path → what stood in it."""
    found = {}
    for folder in folders:
        path = f"{folder}/.stamp"
        with contextlib.suppress(OSError):
            with open(path, encoding="utf-8", errors="surrogateescape") as stream:
                found[path] = stream.read()
            stamp.forget(folder)
    return found


def _remove_spares(kept: Iterable[_Kept], folders: Iterable[str]) -> None:
    with _unstamped(folders):
        for item in kept:
            stamp.remove(item.spare)


@contextlib.contextmanager
def _unstamped(folders: Iterable[str]) -> Iterator[None]:
    """Have no stamps for the length of a block: the block around it may have written new ones."""
    aside = {f"{folder}/.stamp": f"{folder}/.stamp.{os.getpid()}.tmp" for folder in folders}
    for path, other in aside.items():
        with contextlib.suppress(OSError):
            os.rename(path, other)
    yield
    for path, other in aside.items():
        with contextlib.suppress(OSError):
            os.rename(other, path)


def _put_back(item: _Kept) -> bool:
    """Give a file the bytes that it had; whether it has them."""
    try:
        if read_bytes(item.path) == item.data:
            return True
        if item.data is None:
            os.unlink(item.path)
        elif read_bytes(item.spare) == item.data:
            os.replace(item.spare, os.path.realpath(item.path))
        else:
            write_atomic(item.path, item.data)
    except (OSError, ProvenvError):
        return False
    return True


def read_bytes(path: str) -> bytes | None:
    """The bytes of a file; None where there is none.

    Raises:
        InputError: It cannot be read.
        DiskError: The disk refuses to read it.
    """
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        refuse_sick(error, path)
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error


def sweep(root: str) -> None:
    """Remove temporary files that processes which are no more left in a project's folder."""
    with contextlib.suppress(OSError):
        for name in os.listdir(root):
            if _LEFT.fullmatch(name) and is_left_over(name):
                os.unlink(os.path.join(root, name))

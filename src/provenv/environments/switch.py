"""Making a generation and switching to it: the switch is one rename, and all before it can be undone.

The order is what matters. A tree is built under a temporary name, looked at, renamed to its number,
and only then named by ``current``. A kill at any instant leaves the old generation or the new one;
what was left under a temporary name is swept by the next command.

Imports nothing but ``os``, ``time`` and what they load on the way that succeeds.
"""

from __future__ import annotations

import errno
import os
import stat
import time

from provenv.core import owners, seal
from provenv.environments import beside, stamp, tree
from provenv.model.layout import NAMED_ENVIRONMENTS_FOLDER as NAMED

TYPE_CHECKING = False  # `typing` costs 5 ms to import
if TYPE_CHECKING:
    from collections.abc import Callable

    from provenv.environments.tree import Steps

OWN_FILES = (".gitignore", ".log", ".stamp", ".used", ".suspect", ".lock", ".despite")
"""What lies in an environment's folder besides ``generations`` and symlinks; the lock goes last."""
_NOT_THERE = (
    errno.EACCES, errno.EINVAL, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR,
    errno.EPERM,
)  # fmt: skip
_TEMPORARY = ".new-"


class DamagedStoreError(Exception):
    """Objects that the tree links are not as they were stored; nothing was switched.

    ``folders`` are relative to the home.
    """

    def __init__(self, folders: list[str]) -> None:
        super().__init__(", ".join(folders))
        self.folders = folders


def numbers(folder: str) -> list[int]:
    """The numbers of the generations that are whole, in order."""
    try:
        return sorted(int(name) for name in os.listdir(f"{folder}/generations") if name.isdigit())
    except FileNotFoundError:
        return []


def current(folder: str) -> int | None:
    """The number that ``current`` names; None where there is none, or it leads nowhere.

    Raises:
        OSError: The disk or the system is sick, so that nobody knows: no answer is not a no.
    """
    try:
        name = os.readlink(f"{folder}/current").rpartition("/")[2]
        if not name.isdigit():
            return None
        mode = os.stat(f"{folder}/generations/{name}").st_mode
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise
    return int(name) if stat.S_ISDIR(mode) else None


def sweep(folder: str) -> None:
    """Remove what interrupted commands left; the caller holds the environment's lock."""
    left = [f"{folder}/{name}" for name in os.listdir(folder) if name.endswith(".tmp")]
    generations = f"{folder}/generations"
    if os.path.isdir(generations):  # else a person moved the environment away just now
        left += [f"{generations}/{n}" for n in os.listdir(generations) if n.startswith(_TEMPORARY)]
    for path in left:
        _remove(path)


def temporary(folder: str) -> str:
    """A name beside the generations that :func:`sweep` takes away; the caller holds the lock."""
    return f"{folder}/generations/{_TEMPORARY}{os.getpid()}-file"


def discard(folder: str, number: int) -> None:
    """Remove a generation: it loses its number first, so that a kill leaves no half of one.

    Raises:
        OSError, DiskError: The file system refused.
    """
    path = f"{folder}/generations/{number}"
    temporary = f"{folder}/generations/{_TEMPORARY}{os.getpid()}-{number}"
    try:
        os.rename(path, temporary)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        temporary = path  # of an image's layer, in a container: without its record it is none
        stamp.remove(f"{path}/.provenv/generation.json")
    _remove(temporary)


def prepare(folder: str) -> None:
    """Make the environment's folder, which git ignores.

    Raises:
        OSError: What the file system says.
    """
    os.makedirs(f"{folder}/generations", exist_ok=True)
    ignore = f"{folder}/.gitignore"
    if not os.path.lexists(ignore):
        stamp.replace(ignore, "*\n")  # an empty one would stay, and git see the environment
    _give(folder)


def _give(folder: str, path: str = "") -> None:
    """Let an environment that root makes be theirs whose project it is: ``path`` in it, with all below.

    Without ``path``, the folder and what lies in it.
    """
    root, name = os.path.split(folder)
    if os.path.basename(root) == NAMED:
        root, name = os.path.dirname(root), f"{NAMED}/{name}"
    owners.give_folder(root, f"{name}/{path}" if path else name, deep=bool(path))


def unprepare(folder: str) -> None:
    """Remove the folder of an environment that came to nothing: one without any generation.

    The caller holds the environment's lock; whoever waits for it finds its file gone, and begins
    anew. What somebody else put there stays, and so does the folder.
    """
    try:
        try:  # noqa: SIM105  # `contextlib` costs 1 ms to import
            os.rmdir(f"{folder}/generations")  # only where it is empty
        except FileNotFoundError:
            pass
        for name in OWN_FILES:
            if os.path.lexists(f"{folder}/{name}"):
                os.unlink(f"{folder}/{name}")
        os.rmdir(folder)
        if os.path.basename(os.path.dirname(folder)) == NAMED:
            os.rmdir(os.path.dirname(folder))
    except OSError:
        return


def make_generation(
    folder: str,
    steps: Steps,
    home: str,
    plan: str,
    cause: str,
    *,
    project: str = "",
    amend: Callable[[str], None] | None = None,
    look: beside.Look | None = None,
) -> tuple[int, bool]:
    """Build, look, rename. The caller holds the environment's lock.

    ``amend`` is called with the tree's folder when the recipe has been followed. ``look`` is a look at
    the plan's objects that was begun before.

    Returns:
        The new generation's number, and whether all its hard links share inodes with the store.

    Raises:
        DamagedStoreError: An object is not as it was stored.
        OSError, DiskError: The file system refused; nothing was switched.
        ValueError: The checks are not whole.
    """
    taken = numbers(folder)
    number = max([*taken, _last_logged(folder)], default=0) + 1
    temporary = f"{folder}/generations/{_TEMPORARY}{os.getpid()}"
    look = look or beside.Look(plan, home)
    try:
        os.mkdir(temporary)
        shared = tree.make(steps, home, plan, temporary, project=project)
        bad = look.answer()
        if bad:
            raise DamagedStoreError(bad)
        if amend is not None:
            amend(temporary)
        write_record(f"{temporary}/.provenv/generation.json", number, cause, now())
        _give(folder, f"generations/{os.path.basename(temporary)}")
        os.rename(temporary, f"{folder}/generations/{number}")
    except BaseException as error:
        look.drop()
        # asked while the disk is still full
        said = _said(error, f"making generation {number}", temporary)
        from provenv.core.files import try_to_remove

        try_to_remove(temporary)
        if said is error:
            raise
        raise said from error
    return number, shared


def _said(error: BaseException, what: str, place: str) -> BaseException:
    """The error, or what says of it what was being done where a file system refused."""
    if not isinstance(error, OSError):
        return error
    from provenv.core.disk import blamed, refusal

    found = refusal(error, None, blamed(error, place))
    found.amend(what)
    return found


def _remove(path: str) -> None:
    from provenv.core.files import remove_tree

    remove_tree(path)


def write_record(path: str, number: int, cause: str, created: str) -> None:
    """Write ``generation.json``, sealed, under a name that is not taken.

    Raises:
        OSError: What the file system says.
    """
    text = (
        f'{{"format": 2, "number": {number}, "created": "{created}", "cause": {quoted(cause)}}}\n'
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
    try:
        write_all(descriptor, seal.sealed(text.encode()))
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything: on a disk that is nearly full, ``write`` takes a part and says so.

    Raises:
        OSError: What the file system says.
    """
    while data:
        data = data[os.write(descriptor, data) :]


def quoted(text: str) -> str:
    """``text`` as a JSON string in ASCII (``json`` costs 5 ms to import)."""
    out = []
    for character in text:
        if character in '"\\':
            out.append("\\" + character)
        elif " " <= character <= "~":
            out.append(character)
        else:
            units = character.encode("utf-16-be", "surrogatepass")
            out += [f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)]
    return '"' + "".join(out) + '"'


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def switch(folder: str, number: int, cause: str, verb: str = "sync") -> None:
    """Let ``current`` name generation ``number``: one rename. The caller holds the lock.

    Raises:
        OSError, DiskError: The file system refused; ``current`` is as it was.
    """
    try:
        straighten(folder, number)
    except OSError as error:
        raise _said(error, f"switching to generation {number}", folder) from error
    _log(folder, number, cause, verb)
    _give(folder)


def _log(folder: str, number: int, cause: str, verb: str) -> None:
    """Write down that there was a switch; on a disk that is full, the switch counts for more."""
    line = f'{{"time": "{now()}", "verb": "{verb}", "generation": {number}, "cause": {quoted(cause)}}}\n'
    try:
        descriptor = os.open(f"{folder}/.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError:
        return
    try:
        size = os.fstat(descriptor).st_size
        try:
            write_all(descriptor, line.encode())
        except OSError:
            os.ftruncate(descriptor, size)  # no half of a line stays
    except OSError:
        return
    finally:
        os.close(descriptor)


def straighten(folder: str, number: int) -> None:
    """Point ``current`` to a generation, and the names beside it (``bin``, ``lib``…) to what is in it.

    Raises:
        OSError: What the file system says; ``current`` is as it was.
    """
    names = [n for n in os.listdir(f"{folder}/generations/{number}") if not n.startswith(".")]
    for name in names:
        _point(f"{folder}/{name}", f"current/{name}")
    _point(f"{folder}/current", f"generations/{number}")
    for name in links(folder):
        if name not in names:
            os.unlink(f"{folder}/{name}")


def _point(path: str, target: str) -> None:
    if _target(path) == target:
        return
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        os.symlink(target, temporary)
        os.replace(temporary, path)
    except BaseException:
        stamp.remove(temporary)
        raise


def links(folder: str, *, strict: bool = False) -> list[str]:
    """The names beside ``current`` that lead into it, as ``bin`` and ``lib`` do.

    Raises:
        OSError: ``strict``, and the disk does not say where a symlink leads.
    """
    found = []
    for name in os.listdir(folder):
        path = f"{folder}/{name}"
        target = os.readlink(path) if strict and os.path.islink(path) else _target(path)
        if target.startswith("current/"):
            found.append(name)
    return found


def _target(path: str) -> str:
    """Where a symlink leads; empty where ``path`` is none."""
    try:
        return os.readlink(path)
    except OSError:
        return ""


def standing(folder: str, before: int | None) -> str | None:
    """Where an environment stands after something failed: ``generation 3 stays current``.

    None where nobody can tell.
    """
    number = current(folder)
    if number is not None:
        return f"generation {number} {'stays' if number == before else 'is'} current"
    try:
        os.lstat(folder)
    except FileNotFoundError:
        return "there is no environment yet, and nothing is left of this one"
    except OSError:
        return None
    return "there is no environment yet, and the next sync makes one" if before is None else None


def _last_logged(folder: str) -> int:
    """The highest number that was ever switched to: numbers are not used twice, even after ``gc``."""
    try:
        with open(f"{folder}/.log", "rb") as stream:
            text = stream.read().decode("ascii", "replace")
    except OSError:
        return 0
    found = 0
    for part in text.split('"generation": ')[1:]:
        digits = part.partition(",")[0]
        if digits.isdigit():
            found = max(found, int(digits))
    return found

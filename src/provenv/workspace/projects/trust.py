"""``allow``, ``disallow``: in which projects the shell's hook may activate what it finds.

Activating is putting ``.venv/bin`` first on PATH, so whoever can write there decides what a command
runs. Allowed is a folder by its real path, and only one that is the user's own. Each is an empty
file, ``allowed/<the path>/.allowed``: a shell asks for it without starting a process.
"""

from __future__ import annotations

import contextlib
import os

from provenv.core.errors import CheckFailedError, InputError
from provenv.core.files import disk_error, ensure_folder, write_atomic
from provenv.core.values import frozen
from provenv.workspace.projects.context import MANIFEST_FILE, Context, find_root

MARK = ".allowed"


@frozen
class Trusted:
    """A folder and the hook.

    Attributes:
        folder: Its real path.
        allowed: Whether the hook activates what is in it.
        changed: That was otherwise before.
    """

    folder: str
    allowed: bool
    changed: bool


def allow(context: Context, start: str) -> Trusted:
    """Let the hook activate the environment of the project that ``start`` lies in.

    Raises:
        InputError: There is no project.
        CheckFailedError: It belongs to another user, who could change what is run.
        DiskError: It could not be written down.
    """
    root = find_root(start)
    if root is None:
        raise InputError(
            f"no {MANIFEST_FILE} in {start} or above it",
            hint="Only the folder of a project can be allowed.",
        )
    folder = os.path.realpath(root)
    for path in (folder, f"{folder}/.venv"):
        if os.path.exists(path) and os.stat(path).st_uid != os.geteuid():
            raise CheckFailedError(
                f"{path} belongs to another user, who could change what is run from it",
                hint="Activate it by hand where you trust it: source .venv/bin/activate",
                details={"path": path},
            )
    mark = _mark(context, folder)
    changed = not os.path.isfile(mark)
    if changed:
        ensure_folder(os.path.dirname(mark))
        write_atomic(mark, b"")
    return Trusted(folder=folder, allowed=True, changed=changed)


def disallow(context: Context, start: str) -> Trusted:
    """Take that back; also of a folder that is no project any more, or not there.

    Raises:
        DiskError: It could not be written down.
    """
    exact = os.path.realpath(start)
    folder = exact
    if not os.path.isfile(_mark(context, exact)):
        folder = os.path.realpath(find_root(start) or start)
    mark = _mark(context, folder)
    try:
        os.unlink(mark)
    except (FileNotFoundError, NotADirectoryError):
        return Trusted(folder=folder, allowed=False, changed=False)
    except OSError as error:
        raise disk_error(error, "remove", mark) from error
    above = os.path.dirname(mark)
    with contextlib.suppress(OSError):  # the first that is not empty ends it
        while above != context.home.allowed:
            os.rmdir(above)
            above = os.path.dirname(above)
    return Trusted(folder=folder, allowed=False, changed=True)


def allowed_folders(context: Context) -> tuple[str, ...]:
    """The folders that are allowed, in order; also those that are not there any more."""
    base = context.home.allowed
    found = [
        folder.removeprefix(base) or "/" for folder, _, files in os.walk(base) if MARK in files
    ]
    return tuple(sorted(found))


def _mark(context: Context, folder: str) -> str:
    return f"{context.home.allowed}{folder.rstrip('/')}/{MARK}"

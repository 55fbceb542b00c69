"""Whose store it is: what others can write is not linked into anybody's environment.

As ssh does with its keys and git with its repositories. What may have been changed is for ``verify``; this
asks only who could. The short way asks the same of one folder (:func:`provenv.workspace.fast.is_open`).
"""

from __future__ import annotations

import contextlib
import os
import stat

from provenv.core.errors import DiskError, IntegrityError
from provenv.core.events import Warned
from provenv.core.files import ensure_folder
from provenv.model.layout import HomeLayout
from provenv.workspace.projects.context import Context


def check_store(context: Context) -> None:
    """Refuse a store that anybody can write, or that another user owns.

    Root is warned of the latter alone: it may go wherever it is sent.

    Raises:
        IntegrityError: Somebody else can write it; nothing was changed.
    """
    user = os.geteuid()
    for path in _folders(context.home):
        try:
            status = os.stat(path)
        except OSError:
            continue
        if status.st_mode & stat.S_IWOTH:
            mode = stat.S_IMODE(status.st_mode)
            raise IntegrityError(
                f"everybody can write {path} (mode {mode:04o}): nobody knows whose files are in it",
                hint=f"`chmod o-w {path}`, then `provenv verify --all` tells whether all is as it was.",
                details={"path": path, "mode": f"{mode:04o}"},
            )
        if status.st_uid in (user, 0):
            continue
        said = f"{path} belongs to {_name(status.st_uid)}, who can change what is run from there"
        hint = "Use a store of your own: `export PROVENV_HOME=…`."
        if user != 0:
            raise IntegrityError(said, hint=hint, details={"path": path, "owner": status.st_uid})
        context.emit(Warned(message=said, hint=hint))
        return


def begin_store(context: Context) -> None:
    """Check the store; one that is not there yet is begun, so that nobody else can write it.

    Raises:
        IntegrityError: As :func:`check_store`.
    """
    check_store(context)
    for path in (context.home.tmp, context.home.plans, context.home.roots):
        with contextlib.suppress(DiskError):  # whoever needs it says so
            ensure_folder(path)


def _folders(home: HomeLayout) -> list[str]:
    store = os.path.dirname(home.wheels)
    return [home.root, store, home.wheels, home.links, home.plans, home.roots]


def _name(number: int) -> str:
    import pwd

    try:
        return f"user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"user {number}"

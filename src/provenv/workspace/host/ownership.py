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


def warn_of_closed(context: Context, root: str, *paths: str) -> None:
    """Warn root, in a project of somebody else in ``root``, of what they cannot reach of ``paths``.

    An environment that leads into root's own home is one for root alone: as a call with sudo makes it.
    """
    try:
        owner = os.stat(root).st_uid
    except OSError:
        return
    if os.geteuid() != 0 or owner == 0:
        return
    closed = next(filter(None, (_closed(path, owner) for path in paths)), None)
    if closed is not None:
        context.emit(
            Warned(
                message=f"{_name(owner)}, whose project this is, cannot use this environment: it leads "
                f"into {closed}, which is closed to others",
                hint="Call provenv without sudo, or choose a PROVENV_HOME and a Python for both.",
            )
        )


def _closed(path: str, user: int) -> str | None:
    """The first folder above ``path`` that a user cannot enter, by its mode; None where there is none."""
    groups = _groups(user)
    parts = os.path.realpath(path).split(os.sep)
    for count in range(2, len(parts)):
        folder = os.sep.join(parts[:count])
        try:
            status = os.stat(folder)
        except OSError:
            return None
        wanted = stat.S_IXOTH
        if status.st_uid == user:
            wanted = stat.S_IXUSR
        elif status.st_gid in groups:
            wanted = stat.S_IXGRP
        if not status.st_mode & wanted:
            return folder
    return None


def _groups(user: int) -> list[int]:
    import pwd

    try:
        entry = pwd.getpwuid(user)
    except KeyError:
        return []
    return os.getgrouplist(entry.pw_name, entry.pw_gid)


def _folders(home: HomeLayout) -> list[str]:
    store = os.path.dirname(home.wheels)
    return [home.root, store, home.wheels, home.links, home.plans, home.roots]


def _name(number: int) -> str:
    import pwd

    try:
        return f"user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"user {number}"

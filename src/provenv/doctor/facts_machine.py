"""Facts about the machine: who can write the store, and on what file systems it all lies."""

from __future__ import annotations

import os
import stat

from provenv.core.disk import Mount, mount_of, read_mounts
from provenv.doctor.facts import MachineFacts, Open, Volume
from provenv.model.layout import HomeLayout


def machine_facts(home: HomeLayout, project: str | None) -> MachineFacts:
    """What the store and the project lie on. Nothing is written to find out."""
    mounts = read_mounts()
    here = _nearest(home.root)
    folders = [path for path in _own_folders(home) if os.path.isdir(path)]
    return MachineFacts(
        store=home.root,
        open=tuple(_open(folders)),
        strangers=tuple(_strangers(folders)),
        read_only=tuple(path for path in folders if not os.access(path, os.W_OK | os.X_OK)),
        project=volume(project, mounts) if project is not None else None,
        home=volume(here, mounts) if here is not None else None,
    )


def _own_folders(home: HomeLayout) -> list[str]:
    store = os.path.dirname(home.wheels)
    return [home.root, store, home.wheels, home.links, home.plans, home.roots, home.builds]


def _nearest(path: str) -> str | None:
    """The path, or the nearest folder above it that is there."""
    while not os.path.isdir(path):
        above = os.path.dirname(path)
        if above == path:
            return None
        path = above
    return path


def _open(folders: list[str]) -> list[Open]:
    """Folders that others can write; above the store, those in which anybody may rename what he likes."""
    found = []
    for path in folders:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        if mode & stat.S_IWOTH:
            found.append(Open(path=path, who="everybody", mode=mode))
        elif mode & stat.S_IWGRP and not _is_own_group(path):
            found.append(Open(path=path, who="its group", mode=mode))
    above = os.path.dirname(os.path.realpath(folders[0])) if folders else os.sep
    while above != os.sep:
        mode = stat.S_IMODE(os.stat(above).st_mode)
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            found.append(Open(path=above, who="everybody", mode=mode))
        above = os.path.dirname(above)
    return found


def _is_own_group(path: str) -> bool:
    """Whether nobody else is in the folder's group: the user's own group of the same number."""
    status = os.stat(path)
    return status.st_gid == os.getegid() and status.st_gid == status.st_uid


def _strangers(folders: list[str]) -> list[tuple[str, str]]:
    found = []
    for path in folders:
        owner = os.stat(path).st_uid
        if owner not in (os.geteuid(), 0):
            found.append((path, _user(owner)))
    return found


def _user(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def volume(folder: str, mounts: list[Mount]) -> Volume:
    """The file system that a folder lies on."""
    real = os.path.realpath(folder)
    mount = mount_of(real, mounts) or Mount(point="", kind="", options=frozenset())
    try:
        room = os.statvfs(real)
        free: int | None = room.f_bavail * room.f_frsize
    except OSError:
        free = None
    return Volume(
        folder=folder,
        device=os.stat(real).st_dev,
        kind=mount.kind,
        mount=mount.point,
        free=free,
        insensitive=_is_insensitive(real),
        noexec="noexec" in mount.options,
    )


def _is_insensitive(folder: str) -> bool:
    """Whether names in a folder mean the same in capitals: told by a name that is there."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return False
    for name in names[:50]:
        other = name.swapcase()
        if other != name and other not in names:
            try:
                return os.path.samefile(f"{folder}/{name}", f"{folder}/{other}")
            except OSError:
                return False
    return False

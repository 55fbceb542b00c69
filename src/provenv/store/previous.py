"""The object before this one: what a new version of a distribution left unchanged is linked from there.

``store/names/NAME`` is a symlink whose text is the sha256 of the last object of that name. It is a hint:
where it is missing or leads nowhere, everything is unpacked. RECORD says the hash of each file before
anything is inflated, and a file of the other object is taken only after it was hashed, so that nothing
comes into an object that was not proven.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress

from provenv.core.files import temporary_name
from provenv.core.values import field, frozen
from provenv.model.layout import HomeLayout
from provenv.store.damage import Damage
from provenv.store.objects import has_object, read_regular

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@frozen
class Previous:
    """Another object of the same name: its folder, and the bytes of its RECORD."""

    folder: str
    record: bytes = field(repr=False)

    def unchanged(self, record: bytes) -> frozenset[str]:
        """The members that a wheel's RECORD and this one list in the same words.

        Names that RECORD has to quote are left out; they are unpacked.
        """
        known = {line.partition(b",")[0]: line for line in self.record.splitlines()}
        found = []
        for line in record.splitlines():
            name = line.partition(b",")[0]
            if known.get(name) == line:
                found.append(name.decode(errors="replace"))
        return frozenset(found)


def previous(layout: HomeLayout, name: str, sha256: str) -> Previous | None:
    """The last object of that name, where there is one beside ``sha256`` itself."""
    if not _NAME.match(name):
        return None
    try:
        other = os.readlink(os.path.join(layout.names, name))
        if other == sha256 or not _SHA256.match(other) or not has_object(layout, other):
            return None
        folder = layout.object(other)
        with os.scandir(os.path.join(folder, "site")) as entries:
            infos = [entry.path for entry in entries if entry.name.endswith(".dist-info")]
        if len(infos) != 1:
            return None
        return Previous(folder=folder, record=read_regular(os.path.join(infos[0], "RECORD")))
    except OSError:
        return None


def remember(layout: HomeLayout, name: str, sha256: str, workspace: str) -> None:
    """Note that the object ``sha256`` is the last of its name. Where that fails, nothing is lost.

    The note is made in ``workspace``, where a kill may leave it: that is swept.
    """
    if not _NAME.match(name):
        return
    temporary = temporary_name(os.path.join(workspace, name))
    with suppress(OSError):
        os.makedirs(layout.names, 0o755, exist_ok=True)
        os.symlink(sha256, temporary)
        try:
            os.replace(temporary, os.path.join(layout.names, name))
        except OSError:
            os.unlink(temporary)


def forget(layout: HomeLayout) -> None:
    """Remove the notes whose objects are gone. The caller holds the store's lock alone."""
    with suppress(OSError):
        for name in os.listdir(layout.names):
            note = os.path.join(layout.names, name)
            with suppress(OSError):
                if not os.path.isdir(layout.object(os.readlink(note))):
                    os.unlink(note)


def sharing(layout: HomeLayout, found: Iterable[Damage]) -> set[str]:
    """The objects (sha256) that share a damaged file, and so its damage, with those it was found in."""
    others: set[str] = set()
    for damage in found:
        try:
            status = os.lstat(os.path.join(layout.object(damage.sha256), damage.path))
        except OSError:
            continue
        if not stat.S_ISREG(status.st_mode) or status.st_nlink == 1:
            continue
        for other, path in twins(layout, damage.sha256, damage.path):
            with suppress(OSError):
                if os.path.samestat(status, os.lstat(path)):
                    others.add(other)
    return others


def twins(layout: HomeLayout, sha256: str, inside: str) -> Iterator[tuple[str, str]]:
    """The other objects that have a file of the same path: sha256, and where it lies there.

    It may be the same inode, or another one with the same content.
    """
    for above in _listed(layout.wheels):
        for other in _listed(os.path.join(layout.wheels, above)):
            path = os.path.join(layout.wheels, above, other, inside)
            if other != sha256 and os.path.lexists(path):
                yield other, path


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []

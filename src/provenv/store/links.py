"""Prepared symlinks: one inode a linked path, which generations hard-link, not make themselves."""

from __future__ import annotations

import os
from collections.abc import Sequence

from provenv.core import digest
from provenv.core.files import disk_error, ensure_folder, replace_symlink
from provenv.model.layout import HomeLayout

_LONGEST = 200


def prepared_links(layout: HomeLayout, sha256: str, paths: Sequence[str]) -> list[str]:
    """For each path in the object (``site/numpy``), the path of a symlink to it.

    A link that is missing, or names another place (the home folder was moved), is made anew; each
    appears whole or not at all.

    Raises:
        DiskError: The file system refused.
    """
    folder = layout.object_links(sha256)
    target = os.path.abspath(layout.object(sha256))
    links = []
    for path in paths:
        link = f"{folder}/{link_name(path)}"
        wanted = f"{target}/{path}"
        try:
            there = os.readlink(link) == wanted
        except OSError:
            there = False
        if not there:
            _make(link, wanted)
        links.append(link)
    return links


def blocked_record(layout: HomeLayout, sha256: str) -> str:
    """The path of a prepared symlink that stands for RECORD where directories are linked.

    An installer that finds no RECORD ought to leave a distribution alone (PEP 627), and pip does. uv
    0.13 says so for an uninstall, but an upgrade goes on, and writes through the linked directories
    into the store. Whatever leads to a directory it cannot read, and stops; for pip and
    ``importlib.metadata`` that is as if there were none. The directory exists, so that copying a
    tree finds no broken link.

    Raises:
        DiskError: The file system refused.
    """
    link = f"{layout.object_links(sha256)}/RECORD"
    if not os.path.islink(link):
        _make(link, "../__pycache__")
    return link


LINKS = "links/"
"""What the paths of prepared links begin with, where they are named beside those of an object."""


def misled_links(layout: HomeLayout, sha256: str) -> list[str]:
    """The prepared links of an object that do not lead into it (``links/site%2Fnumpy``)."""
    folder = layout.object_links(sha256)
    target = os.path.abspath(layout.object(sha256))
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    found = []
    for name in names:
        try:
            there = os.readlink(f"{folder}/{name}")
        except OSError:  # something else took its place
            found.append(LINKS + name)
            continue
        inside = there.removeprefix(f"{target}/")
        leads = inside != there and link_name(inside) == name
        if leads or (name, there) == ("RECORD", "../__pycache__"):
            continue
        if os.path.exists(
            f"{folder}/{name}"
        ):  # one that leads nowhere is made anew when it is used
            found.append(LINKS + name)
    return found


def link_name(path: str) -> str:
    """The name of the prepared link for a path in an object: percent-encoded, or hashed if too long."""
    name = path.replace("%", "%25").replace("/", "%2F")
    if len(os.fsencode(name)) <= _LONGEST:
        return name
    return "%" + digest.of_bytes(os.fsencode(path))


def _make(link: str, target: str) -> None:
    for _ in range(2):
        try:
            os.symlink(target, link)
        except FileExistsError:
            # made by another process just now, or stale
            replace_symlink(link, target)
        except FileNotFoundError:
            ensure_folder(os.path.dirname(link))
            continue
        except OSError as error:
            raise disk_error(error, "link", link) from error
        return

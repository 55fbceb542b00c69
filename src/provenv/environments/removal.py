"""Taking an environment away: what provenv made of it, and nothing else."""

from __future__ import annotations

import contextlib
import os

from provenv.core.files import disk_error
from provenv.environments import switch
from provenv.model.layout import NAMED_ENVIRONMENTS_FOLDER

_IGNORE_FILE = ".gitignore"
_OWN = (_IGNORE_FILE, ".log", ".stamp", ".used", ".suspect", ".lock")
_IGNORE = b"*\n"


def remove(folder: str) -> list[str]:
    """Remove the environment in ``folder``; the caller holds its lock.

    ``current`` goes first, so that nothing takes what is left for an environment.

    Returns:
        What was not made by provenv and stays, relative to the folder; the folder is gone where
        there is none.

    Raises:
        DiskError: The file system refused.
    """
    try:
        switch.unlink_names(folder)
        for number in switch.numbers(folder):
            switch.discard(folder, number)
        if os.path.isdir(f"{folder}/generations"):
            switch.sweep(folder)
            with contextlib.suppress(OSError):  # something else is in it
                os.rmdir(f"{folder}/generations")
        kept = _foreign(folder)
        for name in _OWN:
            if os.path.lexists(f"{folder}/{name}") and not (kept and name == _IGNORE_FILE):
                os.unlink(f"{folder}/{name}")
        if not kept:
            os.rmdir(folder)
            above = os.path.dirname(folder)
            if os.path.basename(above) == NAMED_ENVIRONMENTS_FOLDER:
                with contextlib.suppress(OSError):  # other environments are in it
                    os.rmdir(above)
    except OSError as error:
        raise disk_error(error, "remove", error.filename or folder) from error
    return kept


def _foreign(folder: str) -> list[str]:
    """What lies in the folder that provenv did not put there, or that was changed since."""
    left = sorted(set(os.listdir(folder)) - set(_OWN))
    if _content(f"{folder}/{_IGNORE_FILE}") not in (b"", _IGNORE):
        left.append(_IGNORE_FILE)
    return left


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(16)
    except OSError:
        return b""

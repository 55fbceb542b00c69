"""What was found damaged, from the command that found it to the one that mends it.

``verify`` changes nothing that an environment consists of. It leaves notes, one for a damaged object
and one for an environment, and takes away the stamps that say "nothing to do". The next ``sync`` sets
such objects aside, has them fetched again, and makes a new generation.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence

from provenv.core.errors import IntegrityError
from provenv.core.events import Warned
from provenv.environments import generations, stamp, switch
from provenv.store import settling
from provenv.store.objects import CLOSED_MODE
from provenv.workspace.projects.context import Context

_MARK = ".suspect"
_REMOVABLE = "removable"


def note(context: Context, objects: Iterable[str], folders: Iterable[str]) -> bool:
    """Remember damaged objects (sha256) and the environments that are hit; whether that went well.

    Who calls has said what was found, or finds it again.
    """
    written = [_touch(f"{context.home.suspects}/{sha256}") for sha256 in objects]
    for folder in folders:
        stamp.forget(folder)
        written.append(_touch(f"{folder}/{_MARK}"))
    return all(written)


def note_removable(context: Context, paths: Sequence[str]) -> None:
    """Remember what the next ``sync`` removes: byte code, which Python writes again, and prepared links."""
    if not paths:
        return
    with contextlib.suppress(OSError):
        os.makedirs(context.home.suspects, exist_ok=True)
        with open(f"{context.home.suspects}/{_REMOVABLE}", "a", encoding="utf-8") as stream:
            stream.write("".join(f"{json.dumps(path)}\n" for path in paths))


def remove_removable(context: Context) -> None:
    """Remove the byte code and the prepared links that were found damaged."""
    note = f"{context.home.suspects}/{_REMOVABLE}"
    try:
        with open(note, encoding="utf-8", errors="replace") as stream:
            lines = stream.read().splitlines()
        os.unlink(note)
    except OSError:
        return
    from provenv.workspace.proving import bytecode  # hashing loads OpenSSL: 10 ms

    for line in lines:
        with contextlib.suppress(ValueError, OSError):
            path = str(json.loads(line))
            if path.startswith(f"{context.home.links}/") and os.path.islink(path):
                os.unlink(path)
            elif path.startswith(f"{context.home.wheels}/"):
                bytecode.remove([path])


def forget_removable(context: Context, paths: Sequence[str]) -> None:
    """These were removed, or made again."""
    note = f"{context.home.suspects}/{_REMOVABLE}"
    done = {json.dumps(path) for path in paths}
    with contextlib.suppress(OSError):
        with open(note, encoding="utf-8", errors="replace") as stream:
            left = [line for line in stream.read().splitlines() if line not in done]
        os.unlink(note)
        note_removable(context, [json.loads(line) for line in left])


def _touch(path: str) -> bool:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "a", encoding="utf-8"):
            return True
    except OSError:
        return False


def set_aside(context: Context, folder: str) -> tuple[bool, dict[str, str]]:
    """Set aside what is known to be damaged, and what a look at the current generation finds.

    Returns:
        Whether the environment needs a new generation, and what was set aside: sha256 → where.
    """
    objects = _noted(context)
    remove_removable(context)
    number = switch.current(folder)
    if number is not None:
        with contextlib.suppress(IntegrityError):  # an unreadable generation is replaced anyway
            found = generations.damaged_objects(folder, number, context.home.root)
            objects |= {path.rpartition("/")[2] for path in found}
    moved = {sha256: quarantined(context, sha256) for sha256 in sorted(objects)}
    return bool(objects) or os.path.lexists(f"{folder}/{_MARK}"), moved


def _noted(context: Context) -> set[str]:
    """The objects that there is a note of, and that are damaged still.

    A repair that was killed has mended some, and not come to take back what was noted of them.
    """
    try:
        names = [name for name in os.listdir(context.home.suspects) if len(name) == 64]
    except FileNotFoundError:
        return set()
    whole = {sha256 for sha256 in names if settling.is_whole(context.home, sha256)}
    for sha256 in whole:
        cleared(context, sha256)
    return set(names) - whole


def quarantined(context: Context, sha256: str) -> str:
    """Set one damaged object aside, so that it is fetched again; returns where, if it was there."""
    from provenv.store.verify import quarantine  # loads OpenSSL, and is seldom needed

    where = quarantine(context.home, sha256)
    if where:
        context.emit(
            Warned(message=f"an object in the store was damaged; it was set aside in {where}")
        )
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{context.home.suspects}/{sha256}")
    return where


def cleared(context: Context, sha256: str) -> None:
    """The object is as it was stored again."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{context.home.suspects}/{sha256}")


def bring_back(context: Context, moved: Mapping[str, str]) -> None:
    """Put back what could not be replaced: with one damaged file it is of more use than missing."""
    for sha256, where in moved.items():
        target = context.home.object(sha256)
        if where and not os.path.lexists(target):
            with contextlib.suppress(OSError):
                os.rename(where, target)
                os.chmod(target, CLOSED_MODE)
                _touch(f"{context.home.suspects}/{sha256}")


def mended(folder: str) -> None:
    """The environment has a generation that was made since the damage was found.

    Where that cannot be written down, one more is made the next time, and nothing else.
    """
    with contextlib.suppress(OSError):
        os.unlink(f"{folder}/{_MARK}")

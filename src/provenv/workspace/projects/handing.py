"""Files written for others to read and change: what a person changed in them is never overwritten.

The second line of such a file holds a digest of all that follows. A file whose digest is right was made
by provenv and by nobody else; any other is refused, or set aside where that is asked for.
"""

from __future__ import annotations

import os

from provenv.core import digest
from provenv.core.disk import there
from provenv.core.errors import ForeignError
from provenv.core.files import write_atomic
from provenv.core.values import frozen
from provenv.workspace.projects.context import read_text

_MARK = "provenv sha256:"


@frozen
class Handed:
    """What was done: ``made``, ``renewed`` or ``same``; ``aside`` is where a foreign file was put."""

    path: str
    done: str
    aside: str | None = None


def sealed(text: str, *, comment: str, command: str) -> str:
    """``text`` with the two lines before it that say where it comes from."""
    said = f"{comment} Made by `{command}`. Yours to change: a changed file is not overwritten.\n"
    return f"{said}{comment} {_MARK}{digest.of_bytes(text.encode())}\n{text}"


def is_untouched(text: str) -> bool:
    """Whether a file is as provenv wrote it."""
    _, _, rest = text.partition("\n")
    mark, _, body = rest.partition("\n")
    _, found, wanted = mark.partition(_MARK)
    return bool(found) and wanted.strip() == digest.of_bytes(body.encode())


def hand(path: str, text: str, *, force: bool = False) -> Handed:
    """Write ``text``, which :func:`sealed` made, to ``path``; folders above it are made.

    Args:
        path: Where to.
        text: The whole file.
        force: Set a file that is not provenv's own aside, instead of refusing it.

    Raises:
        ForeignError: A file is there that somebody else made, or changed.
        DiskError: The file system refused.
    """
    if not there(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_atomic(path, text.encode())
        return Handed(path=path, done="made")
    present = read_text(path)
    if present == text:
        return Handed(path=path, done="same")
    aside = None
    if not is_untouched(present):
        if not force:
            raise ForeignError(
                f"{path} was made or changed by somebody else, and is left as it is",
                hint="--force sets it aside; --stdout shows what would be written.",
            )
        aside = _free(f"{path}.orig")
        os.rename(path, aside)
    write_atomic(path, text.encode())
    return Handed(path=path, done="renewed", aside=aside)


def _free(path: str) -> str:
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = f"{path}{number}"
    return free

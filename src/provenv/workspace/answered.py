"""The short way of ``audit``: the answer that was given, as long as nothing that decided on it has changed.

What decides are the project's files, those of its workspace, the advisories, what indexes have said, which
generation each environment has, this version of provenv, and the day. Each file is told by its size, inode
and times: besides that of its last change the one that nobody can set, since a copy may bring an old time
along. In any doubt the answer is None, and the long way is taken.

Imports nothing but ``os`` and ``time``.
"""

from __future__ import annotations

import os
import time

from provenv.environments import stamp

_ANY_TIME = 1 << 80
TYPE_CHECKING = False  # `typing` costs 5 ms to import
if TYPE_CHECKING:
    from collections.abc import Sequence

AGE = "@age@"
"""Stands in an answer for how many seconds ago the advisories were fetched, as ``age_seconds``."""
_MARK = f'"age_seconds": "{AGE}"'


_TICK = 15_000_000
"""Nanoseconds in which two changes may get the same time; Linux counts in steps of 10 ms at most."""
_COARSE = 2_000_000_000
"""The same, where a file system knows whole seconds alone."""
_SECOND = 1_000_000_000


def _header() -> str:
    from provenv import __version__

    return f"provenv-answer 2 {__version__}"


def look(paths: Sequence[str], begun: int) -> list[str] | None:
    """How files look, a line each, for who has read none of them before ``begun`` (nanoseconds).

    None where one has changed since, or so shortly before that another change could not be seen.
    """
    lines = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            lines.append(f"- {path}")
            continue
        changed = status.st_ctime_ns
        if changed + (_TICK if changed % _SECOND else _COARSE) > begun:
            return None
        lines.append(
            f"{status.st_mtime_ns}/{changed}/{status.st_size}/{status.st_ino}/{status.st_dev} {path}"
        )
    return lines


def _is_unchanged(line: str) -> bool:
    path = line.split(" ", 1)[-1]
    return look([path], _ANY_TIME) == [line]


def _path(root: str, home: str) -> str:
    from provenv.environments import plans

    return f"{home}/plans/audits/{plans.key_of([os.fsencode(root)])[:32]}"


def remember(
    root: str,
    home: str,
    code: int,
    imported: float,
    since: int,
    until: int,
    files: Sequence[str],
    answer: str,
) -> None:
    """Keep the answer of an audit of all of the project in ``root``: its document with :data:`AGE` in it.

    ``imported`` is when the advisories were fetched; the answer holds from ``since`` until ``until``
    (seconds); ``files`` is what decided on it, as :func:`look` says, before it was read.

    Raises:
        OSError: What the file system says.
    """
    lines = [stamp.valid(since, until), *files]
    if any("\n" in line for line in lines):
        return
    body = "\n".join([_header(), f"{code} {imported!r} {len(lines)}", *lines, answer])
    stamp.keep(_path(root, home), body)


def recall(root: str, home: str) -> tuple[int, str] | None:
    """Exit code and document of an audit of the project in ``root``; None where it has to be made."""
    text = stamp.kept(_path(root, home))
    if text is None:
        return None
    header, facts, *rest = text.split("\n")
    if header != _header():
        return None
    code, imported, count = facts.split(" ")
    valid, *files = rest[: int(count)]
    if not stamp.is_unchanged(valid) or not all(map(_is_unchanged, files)):
        return None
    age = time.time() - float(imported)
    return int(code), "\n".join(rest[int(count) :]).replace(
        _MARK, _MARK.replace(f'"{AGE}"', str(int(age))), 1
    )

"""The short way of ``audit``: the answer that was given, as long as nothing that decided on it has changed.

What decides are the project's files, those of its workspace, the advisories, what indexes have said, which
generation each environment has, this version of provenv, and the day. Each is told by its signature
(:mod:`provenv.environments.stamp`); in any doubt the answer is None, and the long way is taken.

Imports nothing but ``os`` and ``time``.
"""

from __future__ import annotations

import os
import time

from provenv.environments import stamp

TYPE_CHECKING = False  # `typing` costs 5 ms to import
if TYPE_CHECKING:
    from collections.abc import Sequence

AGE = "@age@"
"""Stands in an answer for how many seconds ago the advisories were fetched, as ``age_seconds``."""
_MARK = f'"age_seconds": "{AGE}"'


def _header() -> str:
    from provenv import __version__

    return f"provenv-answer 1 {__version__}"


def _path(root: str, home: str) -> str:
    from provenv.environments import plans

    return f"{home}/plans/audits/{plans.key_of([os.fsencode(root)])[:32]}"


def remember(
    root: str,
    home: str,
    code: int,
    imported: float,
    until: int,
    paths: Sequence[str],
    answer: str,
) -> None:
    """Keep the answer of an audit of all of the project in ``root``: its document with :data:`AGE` in it.

    ``imported`` is when the advisories were fetched, ``until`` when the answer holds no more (seconds);
    ``paths`` is what decided on it.

    Raises:
        OSError: What the file system says.
    """
    from provenv.core.seal import sum_of

    lines = [stamp.valid(int(time.time()), until), *map(stamp.signature, paths)]
    if any("\n" in line for line in lines):
        return
    body = "\n".join([_header(), f"{code} {imported!r} {len(lines)}", *lines, answer])
    seal = sum_of(os.fsencode(body))
    path = _path(root, home)
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    stamp.replace(path, f"{seal}\n{body}")


def recall(root: str, home: str) -> tuple[int, str] | None:
    """Exit code and document of an audit of the project in ``root``; None where it has to be made."""
    from provenv.core.seal import sum_of

    try:
        with open(_path(root, home), "rb") as stream:
            seal, _, data = stream.read().partition(b"\n")
    except OSError:
        return None
    if seal != sum_of(data).encode():
        return None
    header, facts, *rest = os.fsdecode(data).split("\n")
    if header != _header():
        return None
    code, imported, count = facts.split(" ")
    if not all(map(stamp.is_unchanged, rest[: int(count)])):
        return None
    age = time.time() - float(imported)
    return int(code), "\n".join(rest[int(count) :]).replace(
        _MARK, _MARK.replace(f'"{AGE}"', str(int(age))), 1
    )

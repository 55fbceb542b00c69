"""The texts of this room: files beside this module, in which ``@NAME@`` and the like are filled in."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_FILES = os.path.join(os.path.dirname(__file__), "files")
_PLACE = re.compile(r"@([A-Z_]+)@")


def read(name: str) -> str:
    """The text of the file ``name`` (``pipelines/github.yml``), as it lies there."""
    with open(os.path.join(_FILES, name), encoding="utf-8") as stream:
        return stream.read()


def names(folder: str) -> list[str]:
    """Every file below ``folder``, relative to it, sorted."""
    root = os.path.join(_FILES, folder)
    found = [
        os.path.relpath(os.path.join(place, name), root).replace(os.sep, "/")
        for place, _, inside in os.walk(root)
        for name in inside
    ]
    return sorted(found)


def fill(text: str, values: Mapping[str, str]) -> str:
    """``text`` with every ``@KEY@`` replaced by ``values["KEY"]``; others stay as they are.

    A value of several lines that stands alone in its line is indented as that line is; where it is
    empty, the line goes.
    """
    lines: list[str] = []
    for line in text.splitlines():
        alone = _PLACE.fullmatch(line.strip())
        if alone is None or alone.group(1) not in values:
            lines.append(_PLACE.sub(lambda found: values.get(found.group(1), found.group()), line))
            continue
        space = line[: len(line) - len(line.lstrip())]
        value = values[alone.group(1)]
        lines += [f"{space}{part}".rstrip() for part in value.splitlines()]
    return "".join(f"{line}\n" for line in lines)

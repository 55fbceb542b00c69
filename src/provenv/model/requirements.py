"""Requirements and markers that can be written down again as they were read (PEP 508)."""

from __future__ import annotations

from functools import cache

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement


def requirement(text: str) -> Requirement:
    """The requirement that ``text`` is.

    Raises:
        InvalidRequirement: It is none, or its marker would be another one when it is written down.
    """
    found = Requirement(text)
    if found.marker is not None and not is_plain(found.marker):
        raise InvalidRequirement("a text in its marker holds quotes or backslashes")
    return found


def is_plain(marker: Marker) -> bool:
    """Whether a marker can be written, and is the same when it is read again.

    In its texts `packaging` reads Python's escapes, and writes none (PEP 508 has none).
    """
    try:
        return _reads_as_written(str(marker))
    except ValueError:  # both kinds of quotes in one text; also what is no marker then
        return False


@cache
def _reads_as_written(text: str) -> bool:
    return str(Marker(text)) == text

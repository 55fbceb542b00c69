"""A marker of a lock, with the environment's groups and extras filled in (PEP 751 → PEP 508).

``'dev' in dependency_groups`` becomes true or false and is taken out; what is left is about the
interpreter and the platform, and any installer can read it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from packaging.markers import InvalidMarker, Marker
from packaging.utils import canonicalize_name

_TOKEN = re.compile(
    r"""\s*(?:(?P<open>\()|(?P<close>\))|(?P<word>and|or)\b|(?P<not>not)\b|"""
    r"""(?P<value>'[^']*'|"[^"]*"|[A-Za-z_][A-Za-z0-9_.]*)|(?P<operator>===|==|~=|!=|<=|>=|<|>))"""
)
_SETS = ("dependency_groups", "extras")


def filled(marker: Marker | None, groups: Collection[str], extras: Collection[str]) -> str | None:
    """The marker that is left; empty for "always", None for "never".

    Raises:
        InvalidMarker: It is none.
    """
    if marker is None:
        return ""
    sets = {"dependency_groups": groups, "extras": extras}
    named = {key: {canonicalize_name(name) for name in names} for key, names in sets.items()}
    found = _Filling(str(marker), named).whole()
    if isinstance(found, bool):
        return "" if found else None
    return str(Marker(found))


class _Filling:
    """A walk over a marker's text. Each part is True, False, or the text of what is left of it."""

    def __init__(self, text: str, sets: Mapping[str, Collection[str]]) -> None:
        self.tokens = _tokens(text)
        self.text = text
        self.sets = sets
        self.position = 0

    def whole(self) -> bool | str:
        found = self._any()
        if self.position != len(self.tokens):
            raise InvalidMarker(self.text)
        return found

    def _next(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def _take(self) -> str:
        token = self._next()
        if not token:
            raise InvalidMarker(self.text)
        self.position += 1
        return token

    def _any(self) -> bool | str:
        parts = [self._all()]
        while self._next() == "or":
            self._take()
            parts.append(self._all())
        if any(part is True for part in parts):
            return True
        left = list(dict.fromkeys(part for part in parts if isinstance(part, str)))
        return " or ".join(left) if left else False

    def _all(self) -> bool | str:
        parts = [self._one()]
        while self._next() == "and":
            self._take()
            parts.append(self._one())
        if any(part is False for part in parts):
            return False
        left = list(dict.fromkeys(part for part in parts if isinstance(part, str)))
        if not left:
            return True
        return " and ".join(
            f"({part})" if " or " in part and len(left) > 1 else part for part in left
        )

    def _one(self) -> bool | str:
        if self._next() == "(":
            self._take()
            inner = self._any()
            if self._take() != ")":
                raise InvalidMarker(self.text)
            return inner
        left, operator, right = self._take(), self._take(), self._take()
        if operator == "not":
            operator, right = "not in", self._take()
        # between two texts, `packaging` takes the right one for the name of a variable
        if left[0] in "'\"" and (name := right.strip("'\"")) in _SETS:
            there = canonicalize_name(left[1:-1]) in self.sets[name]
            # a text is never equal to a set, and nothing else of it either
            return {"in": there, "not in": not there}.get(operator, operator == "!=")
        return f"{left} {operator} {right}"


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise InvalidMarker(text)
        found.append(match[0].strip())
        position = match.end()
    return found

"""Versions of Python against specifiers (PEP 440), without ``packaging`` where plain numbers decide."""

from __future__ import annotations

import re

from provenv.core.errors import UsageError

_PLAIN = r"\s*(>=|<=|<)\s*(\d+(?:\.\d+)*)\s*"


def split_version(version: str) -> tuple[tuple[int, ...], str]:
    """``3.14.0rc1`` as ``((3, 14, 0), "rc1")``."""
    match = re.match(r"(\d+(?:\.\d+)*)(.*)", version)
    if match is None:
        return (), version
    return tuple(map(int, match[1].split("."))), match[2]


def allows(specifier: str | None, version: str) -> bool:
    """Whether ``specifier`` (checked; None is any) allows ``version``; pre-releases of Python count.

    ``>=3.11,<3.14`` against a final release, the everyday case, is a comparison of numbers. Everything
    else is left to ``packaging``, whose import costs more (16 ms) than all else that finding a known
    interpreter does.
    """
    if specifier is None:
        return True
    numbers, rest = split_version(version)
    clauses = _plain_clauses(specifier)
    if clauses is None or rest:
        from packaging.specifiers import SpecifierSet

        return SpecifierSet(specifier).contains(version, prereleases=True)
    found = _trimmed(numbers)
    return all(
        found >= bound
        if operator == ">="
        else found < bound or (operator == "<=" and found == bound)
        for operator, bound in clauses
    )


def checked_specifier(specifier: str, what: str) -> str:
    """The specifier as it is.

    Raises:
        UsageError: It is not one (PEP 440); the message begins with ``what``.
    """
    if _plain_clauses(specifier) is None:
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            SpecifierSet(specifier)
        except InvalidSpecifier as error:
            raise UsageError(
                f"{what} {specifier!r} is not a valid range of Python versions",
                hint="Write it like '>=3.11,<3.14' (PEP 440).",
                details={"specifier": specifier},
            ) from error
    return specifier


def _plain_clauses(specifier: str) -> list[tuple[str, tuple[int, ...]]] | None:
    """The clauses, where all of them compare with plain numbers; else None."""
    matches = [re.fullmatch(_PLAIN, clause) for clause in specifier.split(",")]
    plain = [(m[1], _trimmed(tuple(map(int, m[2].split("."))))) for m in matches if m is not None]
    return plain if len(plain) == len(matches) else None


def _trimmed(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """Without zeros at the end, so that 3.12 and 3.12.0 are equal (PEP 440, "Version Matching")."""
    while numbers and numbers[-1] == 0:
        numbers = numbers[:-1]
    return numbers

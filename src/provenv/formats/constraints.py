"""Poetry's constraints (``^1.2``, ``~1.2``, ``1.*``, ``>=1 <2 || >=3``) as specifiers (PEP 440)."""

from __future__ import annotations

import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

_PART = re.compile(r"\s*(\^|~=|~|===|==|!=|<=|>=|<|>|=)?\s*([^\s,|]+)\s*,?")


class UnclearError(ValueError):
    """A constraint that has no specifier of its own; ``nearest`` is the nearest wider one."""

    def __init__(self, message: str, nearest: str) -> None:
        super().__init__(message)
        self.nearest = nearest


def specifier(text: str) -> str:
    """One constraint as a specifier; empty for ``*``.

    Raises:
        UnclearError: Alternatives (``||``) with a gap that is no exclusion; or it cannot be read.
    """
    parts = [part for part in re.split(r"\s*\|\|?\s*", text.strip()) if part]
    if len(parts) <= 1:
        return _conjunction(parts[0]) if parts else ""
    return _union([_conjunction(part) for part in parts], text)


def _conjunction(text: str) -> str:
    found: list[str] = []
    position = 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None:
            raise UnclearError(f"{text!r} cannot be read", "")
        position = match.end()
        found += _one(match[1] or "", match[2])
    try:
        return ",".join(str(s) for s in map(SpecifierSet, dict.fromkeys(found)) if str(s))
    except InvalidSpecifier as error:
        raise UnclearError(f"{text!r} cannot be read", "") from error


def _one(operator: str, text: str) -> list[str]:
    if text in ("*", "x", "X"):
        return []
    text = re.sub(r"\.[xX]\b", ".*", text)
    if text.endswith(".*"):
        if operator in (">=", ">", "<", "<="):
            return [f"{operator}{text.removesuffix('.*')}"]
        return [f"{'!=' if operator == '!=' else '=='}{text}"]
    if operator in ("^", "~"):
        try:
            version = Version(text)
        except InvalidVersion as error:
            raise UnclearError(f"{text!r} is not a version", "") from error
        upper = _caret(version) if operator == "^" else _tilde(version)
        return [f">={text}", f"<{upper}"]
    return [f"{'==' if operator in ('', '=') else operator}{text}"]


def _caret(version: Version) -> str:
    release = version.release
    nonzero = (position for position, number in enumerate(release) if number)
    position = next(nonzero, len(release) - 1)
    upper = [*release[:position], release[position] + 1]
    upper += [0] * (max(len(release), 2) - len(upper))
    return ".".join(map(str, upper))


def _tilde(version: Version) -> str:
    release = version.release
    upper = [release[0] + 1] if len(release) == 1 else [release[0], release[1] + 1]
    upper += [0] * (max(len(release), 2) - len(upper))
    return ".".join(map(str, upper))


def _union(parts: list[str], text: str) -> str:
    """The hull of alternatives; gaps of whole minor versions in between become exclusions."""
    if not all(parts):
        return ""
    bounds = sorted(map(_bounds, parts), key=lambda pair: pair[0] or Version("0"))
    low, high = bounds[0]
    nearest = [f">={low}"] if low is not None else []
    gaps: list[str] = []
    clear = all(s.operator in (">=", "<") for part in parts for s in SpecifierSet(part))
    for begin, end in bounds[1:]:
        if high is not None and begin is not None and begin > high:
            steps = _steps(high, begin)
            gaps += steps
            clear = clear and bool(steps)
        high = max(high, end) if high is not None and end is not None else None
    if high is not None:
        inclusive = any(f"<={high}" in part.split(",") for part in parts)
        nearest.append(f"<={high}" if inclusive else f"<{high}")
    result = ",".join([*nearest, *gaps])
    if not clear:
        raise UnclearError(f"{text!r} leaves out versions in between", result)
    return result


def _bounds(part: str) -> tuple[Version | None, Version | None]:
    low: Version | None = None
    high: Version | None = None
    for item in SpecifierSet(part):
        text = item.version.removesuffix(".*")
        if item.operator in (">=", ">", "==", "==="):
            low = Version(text)
        if item.operator in ("<", "<="):
            high = Version(text)
        if item.operator == "==":
            release = Version(text).release
            high = Version(".".join(map(str, [*release[:-1], release[-1] + 1])))
    return low, high


def _steps(end: Version, begin: Version) -> list[str]:
    """``!=3.0.*,!=3.1.*`` for the minor versions from ``end`` up to ``begin``; empty if it is not that."""
    first, last = (*end.release, 0, 0)[:3], (*begin.release, 0, 0)[:3]
    if first[2] or last[2]:
        return []
    if first[0] == last[0]:
        return [f"!={first[0]}.{minor}.*" for minor in range(first[1], last[1])]
    if first[0] == 2 and last[0] == 3:  # Python 2.7 was the last 2
        return [f"!=3.{minor}.*" for minor in range(last[1])]
    return []


def python_marker(text: str) -> str:
    """A constraint on Python as a marker; empty for none."""
    found = specifier(text)
    terms = []
    for item in SpecifierSet(found):
        version = item.version.removesuffix(".*")
        numbers = len(Version(version).release)
        name = "python_full_version" if numbers > 2 else "python_version"
        if numbers != 2:  # `3.*`; python_version has two numbers, and `3.9.*` is `3.9` there
            version = item.version
        terms.append(f"{name} {item.operator} '{version}'")
    return " and ".join(sorted(terms, reverse=True))

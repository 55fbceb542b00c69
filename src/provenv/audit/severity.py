"""How bad a vulnerability is: its CVSS score by the vectors in the records, else unknown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from provenv.core.values import frozen

Level = Literal["critical", "high", "medium", "low", "none", "unknown"]
LEVELS: tuple[Level, ...] = ("critical", "high", "medium", "low", "none", "unknown")
_WORDS: dict[str, Level] = {
    "critical": "critical", "high": "high", "moderate": "medium", "medium": "medium", "low": "low",
}  # fmt: skip


@frozen
class Severity:
    """A level, and where there is a vector the base score (0 to 10) that it comes from."""

    level: Level = "unknown"
    score: float | None = None
    vector: str | None = None


UNKNOWN = Severity()


def rate(vectors: Iterable[tuple[str, str]], words: Sequence[str] = ()) -> Severity:
    """The gravest of what records say: ``vectors`` by type (``CVSS_V3``), else their ``words``.

    A vector that no version of CVSS knows is passed over; where nothing else is said, it is unknown.
    """
    rated = [found for kind, vector in vectors if (found := _by_vector(kind, vector)) is not None]
    if rated:
        return max(rated, key=lambda one: one.score or 0.0)
    levels = [_WORDS[word.lower()] for word in words if word.lower() in _WORDS]
    return Severity(level=min(levels, key=LEVELS.index)) if levels else UNKNOWN


def _by_vector(kind: str, vector: str) -> Severity | None:
    from cvss import (  # its tables take 10 ms to load, and most runs find nothing
        CVSS2,
        CVSS3,
        CVSS4,
    )
    from cvss.exceptions import CVSSError

    try:
        if kind == "CVSS_V4":
            score = float(CVSS4(vector).base_score)
        elif kind == "CVSS_V3":
            score = float(CVSS3(vector).base_score)
        elif kind == "CVSS_V2":
            score = float(CVSS2(vector).base_score)
        else:
            return None
    except CVSSError:
        return None
    return Severity(level=level_of(score), score=score, vector=vector)


def level_of(score: float) -> Level:
    """The word for a score (CVSS 3.1, section 5; the same in 4.0)."""
    if score >= 9:
        return "critical"
    if score >= 7:
        return "high"
    if score >= 4:
        return "medium"
    return "low" if score > 0 else "none"

"""A finding: one thing that was seen and that will hurt, where it stands, and what mends it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from provenv.core.values import frozen

Weight = Literal["error", "warning", "note"]
WEIGHTS: tuple[Weight, ...] = ("error", "warning", "note")


@frozen
class Place:
    """Where something was seen: an absolute path, and the line (1-based) where there is one."""

    file: str
    line: int | None = None


@frozen
class Finding:
    """One finding.

    Attributes:
        code: Stable: ``PV101``. The first digit is the theme.
        weight: ``error`` must be mended, ``warning`` should be, ``note`` is good to know.
        title: What kind of thing it is, the same in every finding of the code.
        seen: What was seen, here.
        why: Why it hurts.
        mend: The command that mends it, or None where no single command does.
        advice: What to do, in words, where the command needs some or there is none.
        places: Where it was seen, the first ones first.
        fixable: ``doctor --fix`` can mend it.
    """

    code: str
    weight: Weight
    title: str
    seen: str
    why: str
    mend: str | None = None
    advice: str | None = None
    places: tuple[Place, ...] = ()
    fixable: bool = False


def rank(weight: Weight) -> int:
    """0 for the heaviest."""
    return WEIGHTS.index(weight)


def count(findings: Iterable[Finding], weight: Weight) -> int:
    """How many findings have that weight."""
    return sum(finding.weight == weight for finding in findings)

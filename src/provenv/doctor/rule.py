"""A rule: from facts to what was seen, and all that is the same each time it is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from provenv.core.values import frozen
from provenv.doctor.facts import Facts
from provenv.model.finding import Finding, Place, Weight

Fix = Literal["close", "ignore", "lock", "repair", "sync"]


@frozen
class Seen:
    """What a rule saw.

    Attributes:
        text: One sentence or two, with names and numbers.
        mend: The command that mends it here.
        advice: In place of the rule's own.
        weight: In place of the rule's own.
        places: Where.
        target: What a fix works on: an environment's name, a folder.
    """

    text: str
    mend: str | None = None
    advice: str | None = None
    weight: Weight | None = None
    places: tuple[Place, ...] = ()
    target: str | None = None


@frozen
class Rule:
    """One kind of finding.

    Attributes:
        code: ``PV101``; never used for anything else.
        title: What kind of thing it sees.
        weight: Unless one that was seen says otherwise.
        why: Why it hurts.
        advice: What mends it, in general.
        check: From facts to what was seen.
        fix: How ``doctor --fix`` mends it; None where that is the user's to do.
    """

    code: str
    title: str
    weight: Weight
    why: str
    advice: str
    check: Callable[[Facts], Iterator[Seen]]
    fix: Fix | None = None

    @property
    def sees(self) -> str:
        """What it looks for: the docstring of its function."""
        return " ".join((self.check.__doc__ or "").split())

    def finding(self, seen: Seen) -> Finding:
        """What was seen, completed by what is always true of it."""
        return Finding(
            code=self.code,
            weight=seen.weight or self.weight,
            title=self.title,
            seen=seen.text,
            why=self.why,
            mend=seen.mend,
            advice=seen.advice or self.advice,
            places=seen.places,
            fixable=self.fix is not None and seen.target is not None,
        )

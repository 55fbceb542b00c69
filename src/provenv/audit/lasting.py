"""For how long a verdict lasts: until waivers end, times to mend are over, advisories are too old. Pure.

The judge itself is asked what it will say later of the same facts. So every kind of rule is in it, and
nothing of what they say of time stands here a second time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

from provenv.audit.policies import Policies
from provenv.audit.verdict import Question, Verdict, judge
from provenv.core.values import replace

LONGEST = timedelta(hours=24)
"""No verdict lasts longer: the age of the advisories' source has a say, and is not in the question."""
_EXACT = timedelta(seconds=1)


def lasts_until(
    policies: Policies, question: Question, allows: Callable[[Verdict], bool]
) -> datetime:
    """Until when what ``allows`` says of the verdict on ``question`` stays true; it is true now."""

    def holds(at: datetime) -> bool:
        return allows(judge(policies, replace(question, now=at)))

    now = question.now.astimezone(UTC)
    end = now + LONGEST
    midnight = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
    good = now
    for bad in (midnight, end):
        if holds(bad):
            good = bad
            continue
        while bad - good > _EXACT:
            between = good + (bad - good) / 2
            good, bad = (between, bad) if holds(between) else (good, between)
        return good
    return end

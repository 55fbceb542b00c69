"""For how long a verdict lasts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from provenv.audit.lasting import LONGEST, lasts_until
from provenv.audit.verdict import Item, Python, Question, judge
from unit.audit.test_policies import NOW, item, known, policies, rule, waiver


@pytest.mark.parametrize(
    ("text", "found", "until"),
    [
        (rule("vulnerability"), item(), NOW + LONGEST),
        (rule("vulnerability") + '[data]\nmax-age = "3h"\n', item(), NOW + timedelta(hours=3)),
        (  # published on the 12th at noon: ten days and six hours later
            rule("vulnerability", 'sla = { critical = "246h" }'),
            item(known()),
            NOW + timedelta(hours=6),
        ),
        (
            rule("vulnerability") + waiver(expires=date(2026, 11, 22)),
            item(known()),
            datetime(2026, 11, 23, tzinfo=UTC),
        ),
        (rule("python-eol"), item(), datetime(2026, 11, 23, tzinfo=UTC)),
        (rule("hash-required"), item(), NOW + LONGEST),
    ],
    ids=["a day", "old advisories", "time to mend", "waiver", "end of life", "no clock"],
)
def test_a_verdict_lasts_as_long_as_the_judge_will_say_the_same(
    text: str, found: Item, until: datetime
) -> None:
    held = policies(text)
    python = Python(environment="dev", version="3.9", end=date(2026, 11, 22))
    question = Question(
        environments=("dev", "prod"), items=(found,), pythons=(python,), fetched=NOW, now=NOW
    )
    assert judge(held, question).outcome == "pass"
    ends = lasts_until(held, question, lambda verdict: verdict.outcome == "pass")
    assert abs(ends - until) <= timedelta(seconds=1)
    assert ends <= until

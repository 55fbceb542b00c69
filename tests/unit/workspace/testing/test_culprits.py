"""What was found out, as a sentence, and the requirement that holds it back."""

from __future__ import annotations

import pytest

from provenv.core.values import replace
from provenv.trials.mixing import Changed
from provenv.workspace.testing.culprits import Culprit, hold_back, sentence

WERKZEUG = Culprit(name="werkzeug", before="2.2", after="3.1", last_good="3.0.6", first_bad="3.1.0")
FLASK = Culprit(name="flask", before="2.2", after="3.0", last_good="2.2", first_bad="2.3")
OTHER = Changed(name="click", before="7", after="8")
NEW = Changed(name="blinker", before=None, after="1.6")


@pytest.mark.parametrize(
    ("culprit", "wanted"),
    [
        (WERKZEUG, "good with werkzeug 3.0.6, bad from 3.1.0, alone"),
        (
            replace(WERKZEUG, skipped=("3.0.7",)),
            "good with werkzeug 3.0.6, bad from 3.0.7 or 3.1.0, alone",
        ),
        (
            replace(WERKZEUG, skipped=("3.0.7", "3.0.8", "3.0.9")),
            "good with werkzeug 3.0.6, bad from somewhere from 3.0.7 to 3.1.0, alone",
        ),
        (
            replace(WERKZEUG, last_good=None, first_bad=None, unknown="offline"),
            "good with werkzeug 2.2, bad with 3.1, alone",
        ),
        (replace(WERKZEUG, before=None), "good without werkzeug, bad with 3.1, alone"),
        (replace(WERKZEUG, after=None), "good with werkzeug 2.2, bad without it, alone"),
        (
            replace(WERKZEUG, together=(OTHER, NEW)),
            "good with werkzeug 3.0.6, bad from 3.1.0 (with click 7 → 8 and blinker 1.6)",
        ),
    ],
)
def test_one_culprit(culprit: Culprit, wanted: str) -> None:
    assert sentence([culprit], [], [], unproven=False) == wanted


def test_several_and_what_cannot_be_told() -> None:
    both = [FLASK, WERKZEUG]
    told = "flask from 2.3 and werkzeug from 3.1.0 are bad together; good with flask 2.2 or werkzeug 3.0.6"
    assert sentence(both, [], [], unproven=False) == told
    assert sentence(both, [], [], unproven=True).endswith(
        "whether werkzeug is needed for that could not be tried"
    )
    apart = sentence([], [], [(OTHER,), (NEW,)], unproven=False)
    assert apart == "bad with one of click 7 → 8 or blinker 1.6; they could not be told apart"
    more = sentence([WERKZEUG], [], [(OTHER,), (NEW,)], unproven=False)
    assert "together with werkzeug 3.1.0" in more
    needed = sentence([WERKZEUG], [OTHER], [], unproven=False)
    assert needed == "good with werkzeug 3.0.6, bad from 3.1.0, with click 7 → 8"
    assert sentence([replace(WERKZEUG, enough=True)], [OTHER], [], unproven=False).endswith("alone")


def test_what_holds_it_back() -> None:
    assert hold_back("a", "1.0", "2.0", skipped=False) == "a<2.0"
    assert hold_back("a", "1.0", "2.0", skipped=True) == "a<=1.0"
    assert hold_back("a", "2.0", "1.0", skipped=False) == "a>1.0"  # it went down, and broke
    assert hold_back("a", "2.0", "1.0", skipped=True) == "a>=2.0"
    assert hold_back("a", "1.0", "2.0+local", skipped=False) == "a<2.0"
    assert hold_back("a", None, "2.0", skipped=False) is None

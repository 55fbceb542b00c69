"""What a bisection has seen, kept and read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from provenv.core.errors import InputError, UsageError
from provenv.workspace.testing import trail
from provenv.workspace.testing.ends import End
from provenv.workspace.testing.trail import BisectTask, Step

TASK = BisectTask(good="1", bad="2", command=("pytest", "-x"), environment="dev", timeout=1.5)
STEP = Step(number=0, kind="mix", what="a 2", key=("a",), answer="skip", reason="no\nreally")


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    folder = str(tmp_path / "bisect")
    good = End(label="generation 1", text="lock", roots=("a", "b>1"), python="3.13.0")
    made = trail.begin(folder, TASK, "/usr/bin/python3", good, End(label="x", text="y"))
    assert made.log_path().endswith("/logs/001.log")
    step = made.add(STEP)
    assert (step.number, step.why) == (1, "no")
    again = trail.resume(folder)
    assert again == made
    assert again.find("mix", ("a",)) == step
    assert again.find("mix", ("b",)) is None
    assert again.log_path(2).endswith("/logs/002-2.log")
    assert trail.begin(folder, TASK, "/usr/bin/python3", good, good).steps == []


@pytest.mark.parametrize(
    "change", [{"format": 9}, {"steps": [{"odd": 1}]}, {"task": {}}, {"good": None}, {"steps": 3}]
)
def test_a_state_that_is_damaged_is_said(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = str(tmp_path / "bisect")
    trail.begin(
        folder, TASK, "/usr/bin/python3", End(label="a", text="b"), End(label="c", text="d")
    )
    state = tmp_path / "bisect/state.json"
    state.write_text(json.dumps({**json.loads(state.read_text()), **change}))
    with pytest.raises(InputError, match="cannot be read") as caught:
        trail.resume(folder)
    assert caught.value.hint == "Begin anew, without --continue."


def test_nothing_to_go_on_with(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no bisection of this project"):
        trail.resume(str(tmp_path))

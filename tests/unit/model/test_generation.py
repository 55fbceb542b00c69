from __future__ import annotations

import json
from typing import Any

import pytest

from provenv.core.values import replace
from provenv.model.generation import (
    Change,
    Generation,
    Installed,
    changes,
    generation_from_dict,
    generation_to_dict,
)

GENERATION = Generation(
    number=7, created="2026-01-02T03:04:05Z", cause="provenv sync", environment="dev",
    lock_digest="l", manifest_digest="m", python="3.13.0", executable="/python",
    link_mode="linked",
    packages=(
        Installed(name="a", version="1.0", sha256="ab"),
        Installed(name="shop", version="0.1", sha256="cd", editable=True),
    ),
)  # fmt: skip


def test_a_record_survives_json() -> None:
    text = json.dumps(generation_to_dict(GENERATION))
    assert generation_from_dict(json.loads(text)) == GENERATION


@pytest.mark.parametrize(
    "broken", [{}, {"format": 2}, {"format": 1}, {"packages": [["a"]]}, {"packages": 3}]
)
def test_what_is_no_record_is_refused(broken: dict[str, Any]) -> None:
    whole = generation_to_dict(GENERATION) if "packages" in broken else {}
    with pytest.raises((ValueError, KeyError, TypeError)):
        generation_from_dict({**whole, **broken})


def test_changes_between_two_sets() -> None:
    assert changes({"a": "1", "b": "1", "c": "1"}, {"d": "1", "b": "2", "a": "1"}) == (
        Change(name="b", before="1", after="2"),
        Change(name="c", before="1", after=None),
        Change(name="d", before=None, after="1"),
    )
    assert changes({"a": "1"}, {"a": "1"}) == ()


def test_records_differ_where_generations_do() -> None:
    other = replace(GENERATION, link_mode="copy")
    assert generation_to_dict(other) != generation_to_dict(GENERATION)

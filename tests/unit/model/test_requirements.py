"""What is read as a requirement can be written down again, and is the same."""

from __future__ import annotations

import pytest
from packaging.markers import Marker
from packaging.requirements import InvalidRequirement

from provenv.model.requirements import is_plain, requirement


@pytest.mark.parametrize(
    "text", ["a", "a[x]>=1; os_name == 'nt'", 'a; os_name == "it\'s"', "a @ https://x/a.whl"]
)
def test_a_plain_one(text: str) -> None:
    assert requirement(str(requirement(text))) == requirement(text)


@pytest.mark.parametrize("value", [r"'a\\b'", r"'a\x22\x27b'", r"'a\x5cn'"])
def test_a_marker_that_would_be_another_one_when_it_is_written(value: str) -> None:
    with pytest.raises(InvalidRequirement, match="holds quotes or backslashes"):
        requirement(f"a; os_name == {value}")
    assert not is_plain(Marker(f"os_name == {value}"))
    assert is_plain(Marker("os_name == 'a' or os_name == \"it's\""))


def test_what_is_none() -> None:
    with pytest.raises(InvalidRequirement):
        requirement("a b")

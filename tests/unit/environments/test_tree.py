"""The files of a tree that say where the project lies."""

from __future__ import annotations

import pytest

from provenv.environments import tree


@pytest.mark.parametrize(
    ("levels", "rest", "wanted"),
    [(1, b"/other", b"/w/my apps/other"), (2, b"/libs/a", b"/w/libs/a"), (3, b"/x", b"/x")],
)
def test_a_folder_above_the_project_is_filled_in(levels: int, rest: bytes, wanted: bytes) -> None:
    path, url = tree.above_places(levels)
    text = b"%s%s\n%s\nfile://%s%s" % (path, rest, tree.PLACE, url, rest)
    made = tree.filled_in(text, "/w/my apps/shop")
    assert made == b"%s\n/w/my apps/shop\nfile://%s" % (wanted, tree.quoted(wanted))


def test_what_lies_higher_than_the_root_stays_as_it_is() -> None:
    text = tree.above_places(9)[0]
    assert tree.filled_in(text, "/shop") == text

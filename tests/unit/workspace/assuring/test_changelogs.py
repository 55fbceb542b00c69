"""The address of a changelog among the addresses that a package names."""

from __future__ import annotations

import pytest

from provenv.workspace.assuring.changelogs import link


@pytest.mark.parametrize(
    ("urls", "wanted"),
    [
        ({"Homepage": "https://a.example", "Release notes": "https://a.example/n"}, "https://a.example/n"),
        ({"Change-Log": "http://a.example/c", "History": "https://a.example/h"}, "http://a.example/c"),
        ({"Homepage": "https://a.example"}, None),
        ({}, None),
        ({"Changelog": "javascript:alert(1)"}, None),
        ({"Changelog": "https://c.example/](https://evil.example"}, None),
        ({"Changelog": "https://c.example/ and more"}, None),
        ({"Changelog": "https://c.example/\u202eevil"}, None),
    ],
)  # fmt: skip
def test_the_first_label_counts_and_only_plain_addresses(
    urls: dict[str, str], wanted: str | None
) -> None:
    assert link(urls) == wanted

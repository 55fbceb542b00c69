"""Core metadata: what is read, and what is not believed."""

from __future__ import annotations

import pytest

from provenv.model.metadata import Metadata, Person, parse_metadata


def read(*lines: str) -> Metadata:
    return parse_metadata("\n".join(["Metadata-Version: 2.4", *lines, "", "Body"]).encode())


def test_what_is_read() -> None:
    found = read(
        "Name: My.Pkg", "Version: 1.0", "License-Expression: MIT", "Summary: does\x1b[31m things",
        "Classifier: Topic :: X", "Classifier: License :: OSI Approved :: MIT License",
        "Author: Ana", "Author-email: ana@example.org", "Home-page: https://a.org",
        "Project-URL: Source, https://b.org", "Requires-Dist: core>=1",
    )  # fmt: skip
    assert found.expression == "MIT"
    assert found.classifiers == ("License :: OSI Approved :: MIT License",)
    assert found.people == (Person(name="Ana", email="ana@example.org"),)
    assert found.urls == {"Homepage": "https://a.org", "Source": "https://b.org"}
    assert found.requires == ("core>=1",)
    assert "\x1b" not in found.summary
    assert found.is_of("my_pkg", "1")
    assert not found.is_of("my-pkg", "1.1")
    assert not found.is_of("mypkg", "1.0")


@pytest.mark.parametrize(
    ("lines", "people"),
    [
        (["Author-email: Ana <a@x.org>, Bo <b@x.org>"], [("Ana", "a@x.org"), ("Bo", "b@x.org")]),
        (["Author: The Team", "Author-email: Ana <a@x.org>"], [("The Team", ""), ("Ana", "a@x.org")]),
        (["Maintainer: Cy"], [("Cy", "")]),
        (["Author: UNKNOWN", "Maintainer: Cy"], [("Cy", "")]),
        ([], []),
    ],
)  # fmt: skip
def test_people(lines: list[str], people: list[tuple[str, str]]) -> None:
    found = read("Name: a", "Version: 1", *lines)
    assert [(one.name, one.email) for one in found.people] == people


def test_what_is_said_twice_is_not_read() -> None:
    found = read("Name: a", "Version: 1", "License: MIT", "License: GPL-3.0-only")
    assert (found.licence, found.unreadable) == (None, ("license",))


@pytest.mark.parametrize("data", [b"", b"Name: a\n\n", b"\xff\xfe", b"<html></html>"])
def test_what_is_no_metadata(data: bytes) -> None:
    with pytest.raises(ValueError, match="no name"):
        parse_metadata(data)

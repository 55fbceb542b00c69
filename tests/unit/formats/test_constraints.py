"""Poetry's constraints, as Poetry's documentation explains them."""

from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet

from provenv.formats.constraints import UnclearError, python_marker, specifier


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("^1.2.3", ">=1.2.3,<2.0.0"),
        ("^1.2", ">=1.2,<2.0"),
        ("^1", ">=1,<2.0"),
        ("^0.2.3", ">=0.2.3,<0.3.0"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0.0", ">=0.0,<0.1"),
        ("^0", ">=0,<1.0"),
        ("~1.2.3", ">=1.2.3,<1.3.0"),
        ("~1.2", ">=1.2,<1.3"),
        ("~1", ">=1,<2.0"),
        ("*", ""),
        ("1.2.*", "==1.2.*"),
        ("1.*", "==1.*"),
        ("1.2.3", "==1.2.3"),
        ("==1.2.3", "==1.2.3"),
        ("~=1.4", "~=1.4"),
        (">=1.2,<1.5", ">=1.2,<1.5"),
        (">= 1.2 < 1.5", ">=1.2,<1.5"),
        (">=1.2 !=1.3", ">=1.2,!=1.3"),
        ("^2.0b1", ">=2.0b1,<3.0"),
        ("~2.7 || ^3.6", ">=2.7,<4.0,!=3.0.*,!=3.1.*,!=3.2.*,!=3.3.*,!=3.4.*,!=3.5.*"),
        ("^3.6 | ^4.0", ">=3.6,<5.0"),
    ],
)
def test_constraints(text: str, wanted: str) -> None:
    assert SpecifierSet(specifier(text)) == SpecifierSet(wanted)


def test_alternatives_that_are_no_specifier() -> None:
    with pytest.raises(UnclearError) as caught:
        specifier("^1.0 || ^3.0")
    assert SpecifierSet(caught.value.nearest) == SpecifierSet(">=1.0,<4.0")


@pytest.mark.parametrize("text", ["rubbish", "^x.y", ">=1.0,,"])
def test_what_cannot_be_read(text: str) -> None:
    with pytest.raises(UnclearError):
        specifier(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("<3.12", "python_version < '3.12'"),
        ("^3.9", "python_version >= '3.9' and python_version < '4.0'"),
        (">=3.8.1", "python_full_version >= '3.8.1'"),
        ("*", ""),
    ],
)
def test_python_as_a_marker(text: str, wanted: str) -> None:
    assert python_marker(text) == wanted

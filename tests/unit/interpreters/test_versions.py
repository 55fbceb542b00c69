from __future__ import annotations

import itertools

import pytest
from packaging.specifiers import SpecifierSet

from provenv.core.errors import UsageError
from provenv.interpreters.versions import allows, checked_specifier

VERSIONS = [
    "2.7.18", "3.0.0", "3.9.18", "3.10.0", "3.11.0", "3.11.7", "3.12.0rc1", "3.12.1", "3.14.0a1", "4.0.0",
]  # fmt: skip
CLAUSES = [
    ">=3", ">=3.11", ">= 3.11.0", "<3.12", "<3.12.0", "<=3.11", "<=3.11.7", "<4", ">3.11", "!=3.11.*",
    "==3.11.*", "==3.11.7", "~=3.11", "===3.11.7", "<3.12.0rc2", "",
]  # fmt: skip


@pytest.mark.parametrize(
    "specifier", [",".join(pair) for pair in itertools.product(CLAUSES, CLAUSES[:10])]
)
def test_answers_are_those_of_the_reference_implementation(specifier: str) -> None:
    for version in VERSIONS:
        expected = SpecifierSet(specifier).contains(version, prereleases=True)
        assert allows(specifier, version) is expected, version
    assert checked_specifier(specifier, "x") == specifier


@pytest.mark.parametrize("specifier", ["three", ">=", ">=3.11;<4", "3.11", ">=3.11 <4"])
def test_what_is_no_specifier_is_a_usage_error(specifier: str) -> None:
    with pytest.raises(UsageError, match=r"requires-python .* is not a valid range"):
        checked_specifier(specifier, "requires-python")

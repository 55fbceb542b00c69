"""What keeps a version out of a requirement, and what would let it in."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from provenv.model.bounds import allows, ceiling, lifted, step


@pytest.mark.parametrize(
    ("text", "version", "wanted"),
    [
        ("core<2,>=1", "2.1", "core<3,>=1"),
        ("core<=1.9", "2.0rc1", "core<3"),
        ("core[x]<2; python_version < '3.12'", "2.1", 'core[x]<3; python_version < "3.12"'),
        ("core==1.0", "1.0.1", "core==1.0.1"),
        ("core===1.0", "1.0.1", "core==1.0.1"),
        ("core==1.*", "2.4.1", "core==2.*"),
        ("core==1.4.*", "2.1", "core==2.1.*"),
        ("core~=1.4", "2.1.7", "core~=2.1"),
        ("core~=1.4.2", "2.1", "core~=2.1.0"),
        ("core!=2.1,>1", "2.1", "core>1"),
        ("core>3", "2.1", "core>=2.1"),
        ("core<1!2", "1!3.0", "core<1!4"),
        ("core", "2.1", "core"),
    ],
)
def test_a_bound_moves_and_stays_one(text: str, version: str, wanted: str) -> None:
    found = lifted(Requirement(text), Version(version))
    assert found == wanted
    assert allows(Requirement(found), Version(version))


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ("1.4.2", "1.4.3", "patch"),
        ("1.4", "1.4.0.1", "patch"),
        ("1.4.2", "1.4.2.post1", "patch"),
        ("1.4.2", "1.5", "minor"),
        ("1.4.2", "2", "major"),
        ("0.4", "0.5", "minor"),
        ("9.9", "1!1.0", "major"),
    ],
)
def test_steps_go_by_the_number_that_moves(before: str, after: str, wanted: str) -> None:
    assert step(Version(before), Version(after)) == wanted


def test_a_step_ends_below_the_next() -> None:
    version = Version("1.4.2")
    assert [ceiling(version, upto) for upto in ("patch", "minor", "major")] == ["1.5", "2", ""]
    assert ceiling(Version("1!3"), "minor") == "1!4"

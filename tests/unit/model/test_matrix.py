"""``[tool.provenv.matrix]``: what is read, and what is refused."""

from __future__ import annotations

import pytest

from provenv.core.errors import InputError
from provenv.model.manifest import parse_manifest
from provenv.model.matrix import MatrixSpec


def read(text: str) -> MatrixSpec:
    found = parse_manifest(f"[tool.provenv.matrix]\n{text}").matrix
    assert found is not None
    return found


def test_the_example_of_the_page() -> None:
    spec = read(
        """
python = ["3.9", "pypy3.10"]
resolution = ["locked", "highest"]
with = [{}, { packages = ["sqlalchemy<2.1"] }, { name = "old", packages = ["a", "b<2"] }]
exclude = [{ python = "3.9", resolution = "highest" }]
command = "pytest -q 'tests/a b'"
timeout = "10m"
"""
    )
    assert spec.python == ("3.9", "pypy3.10")
    assert [variant.name for variant in spec.variants] == ["", "sqlalchemy<2.1", "old"]
    assert spec.command == ("pytest", "-q", "tests/a b")
    assert spec.timeout == 600
    assert spec.size == 12
    assert read('command = ["a", "b c"]').command == ("a", "b c")
    assert parse_manifest("").matrix is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("python = []", "tool.provenv.matrix.python: is empty: there is no cell"),
        ("resolution = []", "resolution: is empty: there is no cell"),
        ("with = []", "with: is empty"),
        ('python = ["3.9", "3.9"]', "'3.9' is there twice"),
        ('python = [" "]', "item 0 says nothing"),
        ("python = [3.9]", "item 0 must be a string"),
        ('resolution = ["lowest"]', "'lowest' is not one of locked, lowest-direct, highest"),
        ('with = [{ packages = ["a =="] }]', "'a ==' is not a valid requirement"),
        ("with = [{}, {}]", "two variants ask for nothing"),
        ('with = [{ package = ["a"] }]', "package: unknown key"),
        ("exclude = [{}]", "would leave out every cell"),
        ('python = "3.9"\nexclude = [{ python = "3.8" }]', "'3.8' is not in the matrix"),
        ('exclude = [{ with = "x" }]', "'x' is not in the matrix"),
        ('command = ""', "command: is empty"),
        ("command = \"it's\"", "cannot be split into words"),
        ('timeout = "soon"', "'soon' is no time"),
        ('timeout = "0s"', "must be more than nothing"),
        ("jobs = 2", "unknown key"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read(text)
    assert said in caught.value.message

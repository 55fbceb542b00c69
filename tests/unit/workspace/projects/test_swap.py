"""Replacing one requirement of many that look alike; everything else stays to the byte."""

from __future__ import annotations

from provenv.workspace.projects.specifiers import stated, swap

TEXT = """\
[project]
name = "shop"
dependencies = [
    "core<2",  # an old friend
    "core[fast]<2",
    'other>=1; python_version < "3.12"',
]
[project.optional-dependencies]
more = ["core<2"]
[dependency-groups]
dev = [{include-group = "test"}, "core<2"]
test = []
"""


def test_places_are_told_and_only_the_one_is_replaced() -> None:
    assert stated(TEXT, "x") == [
        ("project.dependencies", "core<2"),
        ("project.dependencies", "core[fast]<2"),
        ("project.dependencies", 'other>=1; python_version < "3.12"'),
        ("project.optional-dependencies.more", "core<2"),
        ("dependency-groups.dev", "core<2"),
    ]
    new = swap(TEXT, "x", "project.dependencies", "core[fast]<2", "core[fast]<3")
    assert new == TEXT.replace("core[fast]<2", "core[fast]<3")
    new = swap(TEXT, "x", "dependency-groups.dev", "core<2", "core<3")
    assert new == TEXT.replace('"test"}, "core<2"]', '"test"}, "core<3"]')
    new = swap(TEXT, "x", "project.dependencies", "core<2", "core<3")
    assert new == TEXT.replace('"core<2",  # an', '"core<3",  # an')
    assert swap(TEXT, "x", "project.dependencies", "core<9", "core<3") == TEXT

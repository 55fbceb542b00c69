"""What others do to a generation is seen, path by path."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from provenv.environments import tree
from provenv.environments.drift import find_drift
from provenv.environments.tree import Steps

from .conftest import Workshop


@pytest.fixture
def whole(workshop: Workshop) -> tuple[Steps, Path]:
    files = {"alpha/__init__.py": "", "six.py": "x = 6\n"}
    steps, plan = workshop.plan(workshop.object("alpha", files=files))
    root = workshop.folder / "tree"
    root.mkdir()
    tree.make(steps, workshop.home.root, plan, str(root))
    (root / ".provenv" / "generation.json").write_text("{}")
    return steps, root


def drift(workshop: Workshop, whole: tuple[Steps, Path]) -> list[tuple[str, str]]:
    found = find_drift(whole[0], str(whole[1]), workshop.home.root)
    return [(item.kind, item.path) for item in found]


def test_an_untouched_tree_has_none(workshop: Workshop, whole: tuple[Steps, Path]) -> None:
    assert drift(workshop, whole) == []


def test_importing_leaves_none(
    workshop: Workshop, whole: tuple[Steps, Path], python: Callable[..., str]
) -> None:
    python(whole[1], "import alpha, six")
    assert drift(workshop, whole) == []


def test_byte_code_beside_its_source_is_none(workshop: Workshop, whole: tuple[Steps, Path]) -> None:
    site = workshop.site(whole[1])
    (site / "six.pyc").write_bytes(b"")
    (site / "other.pyc").write_bytes(b"")
    assert drift(workshop, whole) == [("added", f"{workshop.interpreter.site_packages}/other.pyc")]


def test_added_removed_and_changed_paths_are_named(
    workshop: Workshop, whole: tuple[Steps, Path]
) -> None:
    site = workshop.site(whole[1])
    base = workshop.interpreter.site_packages
    (site / "foreign").mkdir()
    (site / "alpha").unlink()
    (site / "six.py").unlink()
    (site / "six.py").write_text("x = 7777\n")
    os.unlink(whole[1] / "bin" / "python3")
    os.symlink("/bin/false", whole[1] / "bin" / "python3")
    assert sorted(drift(workshop, whole)) == [
        ("added", f"{base}/foreign"),
        ("changed", "bin/python3"),
        ("changed", f"{base}/six.py"),
        ("missing", f"{base}/alpha"),
    ]


def test_a_removed_directory_is_named(workshop: Workshop, whole: tuple[Steps, Path]) -> None:
    import shutil

    info = workshop.site(whole[1]) / "alpha-1.0.dist-info"
    shutil.rmtree(info)
    found = drift(workshop, whole)
    assert ("missing", f"{workshop.interpreter.site_packages}/alpha-1.0.dist-info") in found

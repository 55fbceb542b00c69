"""Private copies in a recipe, what is edited in them, and taking that along."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provenv.environments import edits, tree
from provenv.environments.drift import find_drift
from provenv.environments.edits import Edit, carry, find_edits
from provenv.environments.private import copies_in, open_up
from provenv.environments.tree import Steps
from provenv.store.objects import StoredObject

from .conftest import Workshop

FILES = {"alpha/__init__.py": "a = 1\n", "alpha/deep/x.py": "x = 1\n", "alone.py": "y = 1\n"}
SPACE = {"space/one/__init__.py": "one = 1\n"}


@pytest.fixture
def alpha(workshop: Workshop) -> StoredObject:
    return workshop.object("alpha", files=FILES, data={"share/alpha/notes.txt": "n\n"})


def make(workshop: Workshop, steps: Steps, plan: str, name: str) -> Path:
    root = workshop.folder / name
    root.mkdir()
    tree.make(steps, workshop.home.root, plan, str(root))
    (root / ".provenv/generation.json").write_text("{}")
    return root


def opened(workshop: Workshop, *objects: StoredObject, mode: str = "linked") -> tuple[Steps, Path]:
    """A tree of the objects, the first of them a private copy."""
    steps, plan = workshop.plan(*objects, mode=mode, name=f"plan-{mode}")
    steps = open_up(steps, objects[0], workshop.home)
    return steps, make(workshop, steps, plan, f"tree-{mode}")


def found(workshop: Workshop, steps: Steps, root: Path) -> dict[str, str]:
    return {edit.path: edit.kind for edit in find_edits(steps, str(root), workshop.home.root)}


@pytest.mark.parametrize("mode", ["linked", "hardlink", "copy"])
def test_a_copy_shares_nothing_with_the_store(
    workshop: Workshop, alpha: StoredObject, mode: str
) -> None:
    other = workshop.object("other")
    steps, root = opened(workshop, alpha, other, mode=mode)
    site = workshop.site(root)
    assert not (site / "alpha").is_symlink()
    for path in ("alpha/__init__.py", "alpha/deep/x.py", "alone.py"):
        status = (site / path).lstat()
        assert (status.st_nlink, status.st_mode & 0o200) == (1, 0o200)
        assert (site / path).read_text() == FILES[path]
    assert (site / "other").is_symlink() == (mode == "linked")
    assert find_drift(steps, str(root), workshop.home.root) == []
    assert found(workshop, steps, root) == {}


def test_the_order_does_not_matter(workshop: Workshop, alpha: StoredObject) -> None:
    beta = workshop.object("beta", files=SPACE)
    steps, _ = workshop.plan(alpha, beta)
    one = open_up(open_up(steps, alpha, workshop.home), beta, workshop.home)
    other = open_up(open_up(steps, beta, workshop.home), alpha, workshop.home)
    assert one == other
    assert open_up(one, alpha, workshop.home) == one
    assert tree.parse(tree.render(one)) == one


def test_which_folders_are_private(workshop: Workshop, alpha: StoredObject) -> None:
    base = workshop.interpreter.site_packages
    one = workshop.object("space-one", files={**SPACE, "space/mine.py": ""})
    two = workshop.object("space-two", files={"space/two/__init__.py": ""})
    steps, _ = workshop.plan(one, two, alpha)
    copies = copies_in(open_up(open_up(steps, one, workshop.home), alpha, workshop.home))
    assert copies.folders == {
        f"{base}/alpha": (alpha.sha256, "site/alpha"),
        f"{base}/alpha/deep": (alpha.sha256, "site/alpha/deep"),
        f"{base}/space/one": (one.sha256, "site/space/one"),
        "share": (alpha.sha256, "data/share"),
        "share/alpha": (alpha.sha256, "data/share/alpha"),
    }
    assert copies.places[one.sha256, "site/space"] == f"{base}/space"


def test_edits_are_no_drift_and_drift_is_no_edit(workshop: Workshop, alpha: StoredObject) -> None:
    one = workshop.object("space-one", files=SPACE)
    two = workshop.object("space-two", files={"space/two/__init__.py": ""})
    steps, plan = workshop.plan(alpha, one, two)
    for owner in (alpha, one):
        steps = open_up(steps, owner, workshop.home)
    root = make(workshop, steps, plan, "tree")
    site, base = workshop.site(root), workshop.interpreter.site_packages
    (site / "alpha/__init__.py").write_text("a = 2\n")
    (site / "alpha/deep/x.py").unlink()
    (site / "alpha/new/er").mkdir(parents=True)
    (site / "alpha/new/er/z.py").write_text("")
    (site / "alpha/__pycache__").mkdir()
    (site / "alpha/__pycache__/x.pyc").write_text("")
    (site / "alone.py").unlink()
    os.utime(site / "space/one/__init__.py")
    (site / "space/strange.py").write_text("")
    (site / "space/two").unlink()
    assert found(workshop, steps, root) == {
        f"{base}/alpha/__init__.py": "changed",
        f"{base}/alpha/deep/x.py": "missing",
        f"{base}/alpha/new/er/z.py": "added",
        f"{base}/alone.py": "missing",
    }
    drift = {item.path: item.kind for item in find_drift(steps, str(root), workshop.home.root)}
    assert drift == {f"{base}/space/strange.py": "added", f"{base}/space/two": "missing"}


def test_they_are_taken_along(workshop: Workshop, alpha: StoredObject) -> None:
    steps, before = opened(workshop, alpha)
    site, base = workshop.site(before), workshop.interpreter.site_packages
    (site / "alpha/__init__.py").write_text("a = 2\n")
    (site / "alpha/__init__.py").chmod(0o600)
    (site / "alpha/deep/x.py").unlink()
    (site / "alpha/deep").rmdir()
    (site / "alpha/new").mkdir()
    (site / "alpha/new/z.py").write_text("z\n")
    (site / "alpha/here").symlink_to("new")
    changes = find_edits(steps, str(before), workshop.home.root)
    again, plan = workshop.plan(alpha, mode="copy", name="later")
    again = open_up(again, alpha, workshop.home)
    root = make(workshop, again, plan, "later-tree")
    assert carry(changes, str(before), again, str(root)) == []
    after = workshop.site(root)
    assert (after / "alpha/__init__.py").read_text() == "a = 2\n"
    assert (after / "alpha/__init__.py").stat().st_mode & 0o777 == 0o600
    assert not (after / "alpha/deep").exists()
    assert (after / "alpha/new/z.py").read_text() == "z\n"
    assert os.readlink(after / "alpha/here") == "new"
    assert (site / "alpha/new/z.py").exists()
    lost = Edit(sha256="0" * 64, path=f"{base}/q.py", origin="site/q.py", kind="changed")
    taken = Edit(
        sha256=alpha.sha256, path=f"{base}/alpha/new/z.py", origin="site/alone.py", kind="added"
    )
    assert carry([lost, taken], str(before), again, str(root)) == [lost, taken]


def test_what_was_let_go_is_written_down(tmp_path: Path) -> None:
    (tmp_path / "generations/3/.provenv").mkdir(parents=True)
    assert edits.released(str(tmp_path), 3) == set()
    edits.release(str(tmp_path), 3, ["alpha"])
    edits.release(str(tmp_path), 3, ["beta"])
    edits.release(str(tmp_path), 9, ["beta"])
    assert edits.released(str(tmp_path), 3) == {"alpha", "beta"}

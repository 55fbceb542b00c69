"""Two versions of a distribution share the files that they have in common, and so their damage."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support import Index, Project, make_wheel

CORE = "def answer():\n    return 42\n"


@pytest.fixture
def shops(project: Project, index: Index, tmp_path: Path) -> tuple[Project, Project]:
    """Two projects with one store: alpha 1.0 is in the first, alpha 2.0 in the other."""
    other = Project(tmp_path / "other", home=project.home, index_url=index.url)
    for version in ("1.0", "2.0", "3.0"):
        files = {"alpha/__init__.py": f"x = {version}\n", "alpha/core.py": CORE, "top.py": CORE}
        index.add(make_wheel(tmp_path / "wheels", "alpha", version, files=files))
    for one, version in ((project, "1.0"), (other, "2.0")):
        one.depends(f"alpha=={version}")
        one.ok("sync")
    return project, other


def stored(shop: Project, path: str) -> list[Path]:
    return sorted(shop.home.glob(f"provenv/store/wheels/*/*/site/{path}"))


def edit(path: Path) -> None:
    """As somebody who insists: in place, and nothing else that can be seen."""
    status = path.stat()
    path.chmod(0o644)
    path.write_text(CORE.replace("42", "13"))
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def answers(shop: Project) -> str:
    return shop.python("import alpha.core, top; print(alpha.core.answer(), top.answer())")


@pytest.mark.parametrize("path", ["alpha/core.py", "top.py"])
def test_both_are_found_and_mended_from_one_of_them(
    shops: tuple[Project, Project], path: str
) -> None:
    first, _ = shops
    one, two = stored(first, path)
    assert one.samefile(two)
    edit(one)
    said = first.fails(1, "verify").stdout
    assert "alpha 1.0" in said
    assert "alpha 2.0" in said
    first.ok("repair")
    assert [file.read_text() for file in stored(first, path)] == [CORE, CORE]
    for shop in shops:
        shop.ok("verify")
        assert answers(shop) == "42 42"


def test_an_upgrade_after_an_edit_does_not_take_it_along(
    shops: tuple[Project, Project],
) -> None:
    first, _ = shops
    edit(stored(first, "alpha/core.py")[0])
    first.depends("alpha==3.0")
    first.ok("sync")
    assert answers(first) == "42 42"
    assert len({file.stat().st_ino for file in stored(first, "top.py")}) == 1
    assert len({file.stat().st_ino for file in stored(first, "alpha/core.py")}) == 2

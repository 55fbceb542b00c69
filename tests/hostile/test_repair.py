"""``repair``: one damaged thing at a time, mended where it lies."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from support import Index, Project, make_wheel

FILES = {
    "alpha/__init__.py": "x = 1\n",
    "alpha/deep/__init__.py": "",
    "alpha/deep/core.py": "y = 2\n",
    "single.py": "z = 3\n",
}


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    scripts = {"console_scripts": {"alpha-tool": "single:main"}}
    wheel = make_wheel(tmp_path / "wheels", "alpha", "1.0", files=FILES, entry_points=scripts)
    index.add(wheel)
    index.add(make_wheel(tmp_path / "wheels", "beta", "1.0"))
    project.depends("alpha")
    project.ok("sync")
    project.depends("alpha", "beta")
    project.ok("sync")
    return project


def inside(project: Project) -> Path:
    (found,) = project.home.glob("provenv/store/wheels/*/*/site/single.py")
    return found.parent.parent


def flip(path: Path) -> None:
    """Change one bit, and nothing else that can be seen."""
    status, above = path.stat(), path.parent.stat()
    content = bytearray(path.read_bytes() or b"\0")
    content[0] ^= 1
    path.parent.chmod(0o755)
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.utime(path.parent, ns=(above.st_atime_ns, above.st_mtime_ns))
    path.parent.chmod(above.st_mode)


def works(project: Project) -> None:
    code = "import alpha, alpha.deep.core, single; print(alpha.x, alpha.deep.core.y, single.z)"
    assert project.python(code) == "1 2 3"
    for number in (1, 2):
        tree = project.folder / f".venv/generations/{number}"
        assert next(tree.glob("lib/*/site-packages/single.py")).read_text() == FILES["single.py"]


@pytest.mark.parametrize(
    "victim",
    [
        "site/alpha/__init__.py",
        "site/alpha/deep/core.py",
        "site/single.py",
        "site/alpha-1.0.dist-info/METADATA",
        "site/alpha-1.0.dist-info/RECORD",
        "bin/alpha-tool",
        "object.json",
    ],
)
def test_a_flipped_bit(shop: Project, index: Index, victim: str) -> None:
    flip(inside(shop) / victim)
    shop.fails(1, "verify")
    result = shop.ok("repair")
    assert "alpha 1.0" in result.stdout
    assert "repaired" in result.stdout
    shop.ok("verify")
    works(shop)
    before = len(index.requests)
    assert "nothing to do: generation 2" in shop.ok("sync").stderr
    assert len(index.requests) == before


@pytest.mark.parametrize("victim", ["site/alpha/deep", "site/single.py", "site/alpha", ""])
def test_what_is_missing(shop: Project, victim: str) -> None:
    path = inside(shop) / victim
    path.parent.chmod(0o755)
    for folder, _, _ in os.walk(path):
        Path(folder).chmod(0o755)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    shop.ok("repair")
    shop.ok("verify")
    works(shop)


def test_a_folder_that_became_a_symlink(shop: Project, tmp_path: Path) -> None:
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil/core.py").write_text("y = 666\n")
    deep = inside(shop) / "site/alpha/deep"
    for folder in (deep.parent, deep):
        folder.chmod(0o755)
    deep.rename(tmp_path / "gone")
    deep.symlink_to(tmp_path / "evil")
    result = shop.ok("repair", "--json").json
    (aside,) = result["objects"][0]["aside"]
    assert Path(aside).is_symlink()
    assert (tmp_path / "evil/core.py").read_text() == "y = 666\n"
    shop.ok("verify")
    works(shop)


def test_what_was_added_is_set_aside(shop: Project) -> None:
    site = inside(shop) / "site/alpha"
    site.chmod(0o755)
    (site / "extra.py").write_text("mine = True\n")
    result = shop.ok("repair", "--json").json
    (aside,) = result["objects"][0]["aside"]
    assert Path(aside).read_text() == "mine = True\n"
    shop.ok("verify")
    works(shop)


def test_modes_are_put_right(shop: Project) -> None:
    (inside(shop) / "site/alpha").chmod(0o777)
    (inside(shop) / "site/single.py").chmod(0o666)
    shop.fails(1, "verify")
    shop.ok("repair")
    shop.ok("verify")


def test_offline_from_an_environment_that_stands_alone(shop: Project) -> None:
    shop.ok("sync", "-e", "prod", "--link-mode", "copy")
    flip(inside(shop) / "site/alpha/deep/core.py")
    result = shop.ok("repair", "--all", "--offline", "--json").json
    assert [item["copied"] for item in result["objects"]] == [1]
    shop.ok("verify", "--all")
    works(shop)


def test_a_replaced_file_comes_back_from_a_generation(shop: Project) -> None:
    """An editor that writes a new file leaves the former one in the generations that linked it."""
    victim = inside(shop) / "site/single.py"
    victim.parent.chmod(0o755)
    victim.unlink()
    victim.write_text("z = 7\n")
    result = shop.ok("repair", "--offline", "--json").json
    assert [item["copied"] for item in result["objects"]] == [1]
    works(shop)
    shop.ok("verify")


def test_offline_without_a_copy_it_says_what_is_left(shop: Project) -> None:
    flip(inside(shop) / "site/alpha/deep/core.py")
    result = shop.fails(1, "repair", "--offline")
    assert "site/alpha/deep/core.py" in result.stdout
    assert "provenv sync" in result.stdout
    shop.ok("repair")
    shop.ok("verify")


def test_a_copied_file_that_was_edited_in_an_environment(shop: Project) -> None:
    shop.ok("sync", "-e", "prod", "--link-mode", "copy")
    edited = next((shop.folder / ".venvs/prod/lib").glob("*/site-packages/alpha/deep/core.py"))
    edited.write_text("y = 9\n")
    shop.fails(1, "verify", "-e", "prod")
    result = shop.ok("repair", "-e", "prod", "--json").json
    assert [row["path"].endswith("alpha/deep/core.py") for row in result["paths"]] == [True]
    assert edited.read_text() == "y = 2\n"
    shop.ok("verify", "-e", "prod")


def test_what_somebody_installed_is_left_and_named(shop: Project) -> None:
    site = next((shop.folder / ".venv/generations/2/lib").glob("*/site-packages"))
    (site / "mine.py").write_text("")
    result = shop.fails(1, "repair")
    assert "mine.py: somebody added it" in result.stdout
    assert (site / "mine.py").exists()


def test_nothing_to_repair(shop: Project) -> None:
    assert "nothing to repair" in shop.ok("repair").stdout
    assert shop.ok("repair", "--all", "--json").json["ok"] is True


def test_two_projects_do_not_take_turns(shop: Project, index: Index) -> None:
    """An object that was fetched again is the same for every environment that linked the former one."""
    other = Project(shop.folder.parent / "other", home=shop.home, index_url=index.url)
    other.depends("alpha")
    other.ok("sync")
    flip(inside(shop) / "site/alpha/deep/core.py")
    shop.fails(1, "verify", "--all")
    shop.ok("sync")
    before = len([request for request in index.requests if request.path.endswith(".whl")])
    for project in (other, shop, other, shop):
        (project.folder / ".venv/.stamp").unlink(missing_ok=True)
        project.ok("sync")
    after = len([request for request in index.requests if request.path.endswith(".whl")])
    assert after == before


def test_what_a_repair_mended_before_it_was_killed_is_not_set_aside(shop: Project) -> None:
    """Its note stays; the object may be one that no lock of now asks for, and is not fetched again."""
    shop.depends("alpha")
    shop.ok("sync")
    (beta,) = shop.home.glob("provenv/store/wheels/*/*/site/beta")
    note = shop.home / "provenv/store/suspects" / beta.parent.parent.name
    note.parent.mkdir(exist_ok=True)
    note.touch()
    (shop.folder / ".venv/.stamp").unlink()
    shop.ok("sync")
    assert beta.is_dir()
    assert not note.exists()
    shop.ok("verify")

"""A clock that was set back, a home that is not there or not written to, names as long as they may be."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support import Index, Project, make_wheel
from support.faults import Faults, needs_faults
from support.project import command

TEN_YEARS = 10 * 365 * 86_400
LONGEST = 255  # bytes of a name, on every file system that Linux boots from


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    for version in ("1", "2", "3"):
        index.add(make_wheel(tmp_path / "w", "alpha", version))
    project.depends("alpha==1")
    return project


@pytest.mark.slow
@needs_faults
def test_a_clock_that_was_set_back_ten_years(shop: Project, tmp_path: Path) -> None:
    """Every file is from the future then: what is newer is told by number, and gc does not wait."""
    shop.ok("sync")
    now = dict(shop.env)
    shop.env |= Faults(tmp_path / "faults", []).variables | {"FAULTS_CLOCK": f"-{TEN_YEARS}"}
    then = int(shop.ok("run", "date", "+%Y").stdout)
    assert then < int(subprocess.check_output(["date", "+%Y"]))
    for version in ("2", "3"):
        shop.depends(f"alpha=={version}")
        shop.ok("sync")
        assert "nothing to do" in shop.ok("sync").stderr
    found = shop.ok("history", "--json").json["generations"]
    assert [entry["number"] for entry in found] == sorted(entry["number"] for entry in found)
    assert [entry["current"] for entry in found].count(True) == 1
    shop.ok("rollback")
    assert shop.python("import alpha; print(alpha.__version__)") == "2"
    shop.ok("rollback", "--to", "3")
    shop.ok("status")
    shop.ok("env", "list")
    shop.ok("verify")
    shop.ok("store", "gc", "--keep", "0")
    left = shop.ok("store", "list", "--json").json
    assert [item["version"] for item in left["objects"]] == ["3"]
    shop.env = now
    assert shop.ok("status", "--json").json["agrees"]
    shop.depends("alpha==1")
    shop.ok("sync")
    assert shop.python("import alpha; print(alpha.__version__)") == "1"
    assert shop.ok("history", "--json").json["generations"][-1]["number"] == 4


def test_a_project_and_a_home_behind_symlinks(shop: Project, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(shop.folder)
    (tmp_path / "home-link").symlink_to(shop.home)
    shop.ok("--directory", str(tmp_path / "link"), "sync")
    assert "nothing to do" in shop.ok("sync").stderr
    shop.env["PROVENV_HOME"] = str(tmp_path / "home-link/provenv")
    shop.ok("--directory", str(tmp_path / "link"), "sync")
    assert shop.python("import alpha; print(alpha.__version__)") == "1"
    listed = shop.ok("env", "list", "--json").json["environments"]
    assert [item["folder"] for item in listed] == [str(shop.folder / ".venv")]


def test_no_home_folder(shop: Project) -> None:
    """As of a container's user who is not in passwd: nothing is made in a folder called ``~``."""
    del shop.env["PROVENV_HOME"]
    del shop.env["XDG_DATA_HOME"]
    shop.env["HOME"] = "nowhere"
    assert "PROVENV_HOME" in shop.fails(2, "sync").stderr
    assert sorted(os.listdir(shop.folder)) == ["pyproject.toml"]


def test_names_as_long_as_they_may_be(index: Index, tmp_path: Path) -> None:
    module = "x" * (LONGEST - 3)
    long = {f"alpha/{module}.py": "", f"{module}.py": "", "alpha/__init__.py": ""}
    index.add(make_wheel(tmp_path / "w", "alpha", "1", files=long))
    project = Project(tmp_path / ("s" * LONGEST), home=tmp_path / "home", index_url=index.url)
    project.depends("alpha")
    project.ok("sync")
    project.ok("export", "--format", "requirements", "--output", "r" * LONGEST)
    assert project.python(f"import alpha.{module}, {module}; print('all')") == "all"


def test_a_path_as_long_as_it_may_be(shop: Project, tmp_path: Path) -> None:
    """It is refused where the system refuses it, in the middle of an environment; nothing is left."""
    before = Path.cwd()
    try:
        os.chdir(tmp_path)
        while len(os.getcwd()) < 4040 - LONGEST:
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
        rest = 4044 - len(os.getcwd()) - 1
        os.mkdir("e" * rest)
        os.chdir("e" * rest)
        shutil.copy(shop.folder / "pyproject.toml", "pyproject.toml")
        done = subprocess.run(
            [*command(), "sync"], env=shop.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 3, done
        assert "error: making generation 1: " in done.stderr
        assert "safe: there is no environment yet" in done.stderr
        assert "bytes, and the system takes 4,095" in done.stderr
        assert sorted(os.listdir(os.curdir)) == ["pylock.toml", "pyproject.toml"]
    finally:
        os.chdir(before)
        subprocess.run(["rm", "-rf", *tmp_path.glob("d*")], check=True)

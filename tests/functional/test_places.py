"""Projects that move, and checkouts beside each other: each has its own environment and its own code."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support import Index, Project, make_source, make_wheel

WHERE = "import shop; print(shop.__file__)"


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """A project that is installed in place, with a package from the index."""
    index.add(make_wheel(tmp_path / "w", "alpha", "1"))
    make_source(project.folder, "shop", "1.0", requires=["alpha"])
    project.ok("sync")
    return project


def place(project: Project) -> str:
    return str(project.folder / "src/shop/__init__.py")


def moved(project: Project, folder: Path) -> Project:
    other = Project(folder, home=project.home)
    other.env = project.env
    other.folder.rmdir()
    project.folder.rename(other.folder)
    return other


def activated(project: Project, code: str, folder: str = ".venv") -> str:
    """What Python says in a shell that sourced ``activate``, before any command of provenv."""
    done = subprocess.run(
        ["bash", "--norc", "-c", f'. {folder}/bin/activate && python -c "$1"', "bash", code],
        cwd=project.folder, env=project.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("deep", [False, True], ids=["renamed", "moved"])
def test_a_project_that_moved_works_at_once(shop: Project, tmp_path: Path, *, deep: bool) -> None:
    shop.ok("sync", "-e", "test")
    folder = tmp_path / "a" / "b" / "shop" if deep else tmp_path / "other"
    other = moved(shop, folder)
    assert activated(other, WHERE) == place(other)
    assert activated(other, WHERE, ".venvs/test") == place(other)
    assert other.python(f"import alpha; {WHERE}") == place(other)
    assert other.ok("run", "python", "-c", WHERE).stdout.strip() == place(other)
    assert activated(other, WHERE, ".venvs/test") == place(other)
    other.ok("sync")
    assert str(shop.folder) not in links(other)
    other.ok("status")
    other.ok("verify")


def links(project: Project) -> str:
    """What the environment holds of paths to the project."""
    site = next((project.folder / ".venv/lib").glob("python*/site-packages"))
    found = [*site.glob("*.pth"), *site.glob("*/direct_url.json")]
    return "\n".join(path.read_text() for path in found)


def test_a_copy_runs_its_own_code(shop: Project, tmp_path: Path) -> None:
    other = Project(tmp_path / "copy", home=shop.home)
    other.env = shop.env
    shutil.copytree(shop.folder, other.folder, symlinks=True, dirs_exist_ok=True)
    assert activated(other, WHERE) == place(other)
    other.ok("sync")
    assert str(shop.folder) not in links(other)
    assert activated(shop, WHERE) == place(shop)


def test_an_environment_outside_projects_moves_with_the_home_folder(
    project: Project, index: Index, tmp_path: Path
) -> None:
    index.add(make_wheel(tmp_path / "w", "alpha", "1"))
    project.ok("env", "create", "ml", "--with", "alpha")
    (project.home / "provenv").rename(project.home / "elsewhere")
    project.env["PROVENV_HOME"] = str(project.home / "elsewhere")
    told = project.ok("run", "-e", "ml", "python", "-c", "import alpha, sys; print(sys.prefix)")
    assert told.stdout.startswith(str(project.home / "elsewhere/environments/ml/.venv"))
    project.ok("status", "-e", "ml")
    project.ok("verify", "-e", "ml")


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")
def test_a_git_worktree_gets_an_environment_of_its_own(shop: Project, tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        own = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(
            ["git", *own, *arguments],
            cwd=shop.folder, env=shop.env, check=True, capture_output=True,
        )  # fmt: skip

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    git("worktree", "add", "-q", str(tmp_path / "tree"))
    other = Project(tmp_path / "tree", home=shop.home)
    other.env = shop.env
    assert not (other.folder / ".venv").exists()
    assert "generation 1" in other.ok("sync").stderr
    assert activated(other, WHERE) == place(other)
    assert activated(shop, WHERE) == place(shop)
    assert str(shop.folder) not in links(other)


def test_a_second_checkout_costs_almost_no_disk(shop: Project, tmp_path: Path) -> None:
    other = Project(tmp_path / "second", home=shop.home)
    other.env = shop.env
    names = ("pyproject.toml", "pylock.toml", "src", "_backend")
    for name in names:
        source = shop.folder / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, other.folder / name)
    (shop.home / "provenv/interpreters.json").rename(shop.home / "gone")
    other.ok("sync")
    assert not (shop.home / "provenv/interpreters.json").exists()  # the short way asks nobody
    known = inodes(shop.folder / ".venv") | inodes(shop.home / "provenv")
    own = inodes(other.folder / ".venv") - known
    files = [status for status in own if status[1]]
    assert len(files) <= 10, (
        files
    )  # pyvenv.cfg, the link to the sources, what says where it came from
    assert sum(size for _, size in files) < 8192


def inodes(folder: Path) -> set[tuple[int, int]]:
    """Inode and size of every file below a folder, links not followed; size 0 for all else."""
    found = set()
    for path in folder.rglob("*"):
        status = path.lstat()
        found.add(
            (status.st_ino, status.st_size if path.is_file() and not path.is_symlink() else 0)
        )
    return found

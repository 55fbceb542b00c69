from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from provenv.building.unpack import unpack
from provenv.core.errors import UsageError
from provenv.workspace.testing import archive
from provenv.workspace.testing.archive import pack
from provenv.workspace.testing.files import own_files

ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}


def write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    write(root, "pyproject.toml", "src/shop/__init__.py", "src/shop/_vendor/six.py", ".coveragerc")
    write(root, "src/shop/build/plan.py", "tests/.hidden/data.txt")
    write(root, ".venv/pyvenv.cfg", ".venv/bin/python", "env/pyvenv.cfg", "env/lib/x.py")
    write(root, "src/shop/__pycache__/a.pyc", ".mypy_cache/x", "tool/CACHEDIR.TAG", "tool/x")
    write(root, "dist/shop-1.0.whl", "build/lib/shop.py", "src/shop.egg-info/PKG-INFO")
    return root


OWN = (
    ".coveragerc",
    "pyproject.toml",
    "src/shop/__init__.py",
    "src/shop/_vendor/six.py",
    "src/shop/build/plan.py",
    "tests/.hidden/data.txt",
)


def test_the_projects_own_files_and_nothing_else(root: Path) -> None:
    assert own_files(str(root), ENVIRON) == OWN


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_in_a_repository_git_decides_and_environments_stay_all_the_same(root: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)

    write(root, "secret.env", "notes.txt", "removed.py", "src/shop/ä ö.txt")
    (root / ".gitignore").write_text("secret.env\n/dist\n/build\n*.egg-info\n__pycache__\n")
    git("init", "-q")
    git("add", "-f", ".venv/bin/python", "removed.py", "pyproject.toml")
    (root / "removed.py").unlink()
    write(root, "inner/.git/HEAD", "inner/lib.py")
    git("-C", "inner", "init", "-q")
    got = own_files(str(root), ENVIRON)
    assert set(got) == {*OWN, ".gitignore", "notes.txt", "src/shop/ä ö.txt", "inner/lib.py"}


def test_the_same_files_make_the_same_archive(root: Path, tmp_path: Path) -> None:
    first = pack(str(root), ENVIRON)
    os.utime(root / "pyproject.toml", (1, 1))
    (root / "pyproject.toml").chmod(0o600)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(root, elsewhere)
    assert pack(str(elsewhere), ENVIRON) == first
    (root / "pyproject.toml").chmod(0o700)
    other = pack(str(root), ENVIRON)
    assert other.sha256 != first.sha256
    (root / "pyproject.toml").chmod(0o600)
    (root / "pyproject.toml").write_text("changed")
    assert pack(str(root), ENVIRON).sha256 not in (first.sha256, other.sha256)


def test_what_was_packed_can_be_unpacked(root: Path, tmp_path: Path) -> None:
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "inside").symlink_to("src/shop")
    (root / "outside").symlink_to("/etc/passwd")
    (root / "src" / "above").symlink_to("../../elsewhere")
    os.mkfifo(root / "pipe")
    packed = pack(str(root), ENVIRON)
    assert packed.left == ("outside", "src/above")
    assert packed.files == len(OWN) + 2
    (tmp_path / "project.tar").write_bytes(packed.data)
    (tmp_path / "new").mkdir()
    new = Path(unpack(str(tmp_path / "project.tar"), "project.tar", str(tmp_path / "new")))
    assert own_files(str(new), ENVIRON) == tuple(sorted((*OWN, "inside", "run.sh")))
    assert (new / "inside").readlink() == Path("src/shop")
    assert (new / "run.sh").stat().st_mode & 0o100
    assert (new / "pyproject.toml").stat().st_mtime > 315_532_800  # what a ZIP file can say


def test_what_is_no_source_is_refused_by_name(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_LARGEST", 1000)
    (root / "data.bin").write_bytes(b"x" * 2000)
    with pytest.raises(UsageError, match=r"2\.\d kB.*: data\.bin \(2\.0 kB\)") as caught:
        pack(str(root), ENVIRON)
    assert ".gitignore" in str(caught.value.hint)

"""``gc`` as its users call it: what it says, and that ``du`` says the same."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support import Index, Project, make_wheel
from support.project import command


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """Two generations: alpha, then beta, which is larger."""
    index.add(
        make_wheel(tmp_path / "w", "alpha", "1", files={"alpha/__init__.py": "a = 1\n" * 900})
    )
    index.add(make_wheel(tmp_path / "w", "beta", "1", files={"beta/__init__.py": "b = 1\n" * 5000}))
    for name in ("alpha", "beta"):
        project.depends(name)
        project.ok("sync")
    return project


def du(*paths: Path) -> int:
    done = subprocess.run(["du", "-scB1", *paths], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1].split()[0])


def test_what_goes_and_what_stays(shop: Project) -> None:
    store, folder = shop.home / "provenv/store", shop.folder / ".venv"
    (alpha,) = store.glob("wheels/*/*/site/alpha")
    places = (store, folder, shop.home / "provenv/plans")  # generations link files of their plans
    before = du(*places)
    planned = shop.ok("gc", "--keep", "0", "--dry-run", "--json").json
    assert alpha.is_dir()
    done = shop.ok("store", "gc", "--keep", "0", "--json").json
    for key in ("generations", "objects", "freed", "kept", "size"):
        assert planned[key] == done[key]
    assert [entry["generation"] for entry in done["generations"]] == [1]
    assert done["size"]["total"] == du(store)
    assert done["freed"] == before - du(*places)
    assert sum(value for key, value in done["size"].items() if key != "total") == du(store)
    assert not alpha.exists()
    shutil.move(shop.folder, f"{shop.folder}-away")
    shop.folder.mkdir()
    told = shop.fails(1, "gc", "--max-size", "1k").stderr
    assert "1 package of" in told
    assert "it was removed" in told
    assert "`provenv env prune` forgets what was removed" in told
    assert "over by " in told
    assert "removed 0 generations, 1 package" in shop.ok("gc", "--forget-missing", "0").stderr
    assert "is no size" in shop.fails(2, "gc", "--max-size", "much").stderr


NO_LOCKS = ("strace", "-f", "-qq", "-e", "trace=flock", "-e")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("error", ["ENOLCK", "EOPNOTSUPP"])
def test_a_file_system_without_locks_is_said_and_nothing_is_changed(
    shop: Project, error: str
) -> None:
    shop.depends("alpha", "beta")
    manifest, trace = shop.read("pyproject.toml"), str(shop.home / "trace")
    calls = [
        ("sync",), ("lock",), ("add", "alpha"), ("rollback",), ("gc",), ("repair",),
        ("env", "remove", "dev", "--yes"), ("env", "create", "ml", "--global"), ("run", "true"),
    ]  # fmt: skip
    for words in calls:
        done = subprocess.run(
            [*NO_LOCKS, f"inject=flock:error={error}", "-o", trace, *command(), *words],
            cwd=shop.folder, env=shop.env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if "ptrace" in done.stderr.lower():
            pytest.skip(f"strace may not trace here: {done.stderr.strip()}")
        assert done.returncode == 3, done.stderr
        assert os.strerror(getattr(errno, error)) in done.stderr
        assert "keeps no locks" in done.stderr
        assert "Traceback" not in done.stderr
    assert shop.read("pyproject.toml") == manifest
    assert os.readlink(shop.folder / ".venv/current") == "generations/2"
    assert not (shop.home / "provenv/environments/ml").exists()
    assert sorted(os.listdir(shop.folder)) == [".venv", "pylock.toml", "pyproject.toml"]
    shop.ok("sync")
    shop.ok("verify", "--all")

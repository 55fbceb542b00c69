"""A service: somebody starts what another user installed, and may write none of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support import Index, Project, make_wheel
from support.somebody import as_somebody, closed, needs_somebody

pytestmark = needs_somebody
UP = ("python", "-c", "import alpha; print('up')")


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    for name in ("alpha", "beta"):
        index.add(make_wheel(tmp_path / "wheels", name, "1.0"))
    project.depends("alpha")
    project.ok("sync")
    return project


def started(done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stdout) == (0, "up\n"), done.stderr


@pytest.mark.parametrize("options", [(), ("--locked",)])
def test_it_starts_from_an_image_that_has_other_inodes(
    shop: Project, options: tuple[str, ...]
) -> None:
    for folder in (shop.folder, shop.home):
        folder.rename(folder.with_name("original"))
        subprocess.run(["cp", "-a", folder.with_name("original"), folder], check=True)
        subprocess.run(["chmod", "-R", "u+w", folder.with_name("original")], check=True)
        shutil.rmtree(folder.with_name("original"))
    stamp = shop.read(".venv/.stamp")
    with closed(shop):
        for _ in range(2):
            started(as_somebody(shop, "run", *options, *UP))
        status = as_somebody(shop, "status")
        assert "state        in sync" in status.stdout, status.stderr
    assert shop.read(".venv/.stamp") == stamp


def test_it_does_not_start_what_the_lock_does_not_say(shop: Project) -> None:
    shop.depends("alpha", "beta")
    shop.ok("lock")
    with closed(shop):
        done = as_somebody(shop, "run", *UP)
        assert (done.returncode, done.stdout) == (3, "")
        assert (
            f"{shop.folder}/.venv cannot be written by this user, and needs a sync: 1 package"
            in done.stderr
        )
        assert "Traceback" not in done.stderr
        started(as_somebody(shop, "run", "--no-sync", *UP))
    shop.ok("sync")
    with closed(shop):
        started(as_somebody(shop, "run", *UP))


def test_it_starts_what_a_rollback_chose_unless_the_lock_is_asked_for(shop: Project) -> None:
    shop.ok("add", "beta")
    shop.ok("rollback", "--environment-only")
    with closed(shop):
        started(as_somebody(shop, "run", *UP))
        assert as_somebody(shop, "run", "--locked", *UP).returncode == 3


def test_it_does_not_start_where_something_else_was_installed(shop: Project) -> None:
    (site,) = shop.folder.glob(".venv/lib/*/site-packages")
    (site / "stranger.py").write_text("")
    with closed(shop):
        done = as_somebody(shop, "run", *UP)
    assert (done.returncode, done.stdout) == (3, "")
    assert "needs a sync: 1 path changed by others" in done.stderr


def test_another_store_than_the_one_it_was_made_from_is_named(
    shop: Project, tmp_path: Path
) -> None:
    """As under sudo, or in a unit without HOME: the store is found through the environment variables."""
    other = {"PROVENV_HOME": str(tmp_path / "other")}
    home = shop.env["PROVENV_HOME"]
    said = f"linked from {home}, and PROVENV_HOME is {other['PROVENV_HOME']}"
    assert said in shop.fails(1, "status", env=other).stdout
    shop.env |= other
    with closed(shop):
        done = as_somebody(shop, "run", *UP)
        assert done.returncode == 3
        assert said in done.stderr
        assert f"`export PROVENV_HOME={home}`" in done.stderr
    moved = shop.ok("sync").stderr
    assert f"linked from {home} before, and from {other['PROVENV_HOME']} now" in moved
    assert "undone" not in moved
    refused = shop.fails(1, "rollback").stderr
    assert f"linked from {home}, and" in refused
    assert "`provenv repair` links it from this one" in refused
    shop.ok("status")
    shop.env["PROVENV_HOME"] = home
    assert "back at generation 1" in shop.ok("rollback").stderr
    shop.ok("verify")

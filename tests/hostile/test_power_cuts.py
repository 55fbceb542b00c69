"""The machine goes down shortly after something was written: names are there, data is not.

What a disk looks like then is made by hand: files of size 0 under their right names and times, and the
journal of the store under the name of an earlier start of the machine.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from provenv.core.boot import boot_id
from support import Index, Project, make_wheel
from support.every_call import EveryCall, why_not
from support.restarts import EARLIER, journals, start_anew
from support.sandbox import Sandbox
from support.somebody import as_somebody, closed, needs_somebody

pytestmark = pytest.mark.skipif(
    boot_id() == "-", reason="the system does not say when it was started"
)


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    for name in ("alpha", "beta"):
        files = {f"{name}/__init__.py": "x = 1\n", f"{name}/deep/core.py": "y = 2\n"}
        index.add(make_wheel(tmp_path / "wheels", name, "1.0", files=files))
    project.depends("alpha")
    project.ok("sync")
    return project


def lose(path: Path) -> None:
    """A file whose data did not reach the disk."""
    status = path.stat()
    mode = path.parent.stat().st_mode
    path.parent.chmod(0o755)
    path.chmod(0o644)
    os.truncate(path, 0)
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    path.parent.chmod(mode)


def stored(project: Project, pattern: str) -> Path:
    (found,) = (project.home / "provenv/store/wheels").glob(f"*/*/site/{pattern}")
    return found


def test_what_is_stored_is_noted_first(shop: Project) -> None:
    (journal,) = journals(shop).iterdir()
    assert journal.name == boot_id()
    named = set(journal.read_text().split())
    assert named == {path.name for path in shop.home.glob("provenv/store/wheels/*/*")}


def test_what_cannot_be_noted_is_looked_for_again(shop: Project) -> None:
    """On a full disk the note about a damaged object cannot be made: the journal stays until it can."""
    lose(stored(shop, "alpha/deep/core.py"))
    start_anew(shop)
    notes = shop.home / "provenv/store/suspects"
    notes.write_text("a file in the place of their folder: nothing can be made in it")
    shop.fails(3, "sync")
    assert any(path.name == EARLIER for path in journals(shop).iterdir())
    notes.unlink()
    shop.ok("sync")
    assert shop.python("from alpha.deep.core import y; print(y)") == "2"


@pytest.mark.parametrize("command", [("sync",), ("run", "python", "-c", "import alpha.deep.core")])
def test_lost_data_is_found_and_fetched_again(shop: Project, command: tuple[str, ...]) -> None:
    lose(stored(shop, "alpha/deep/core.py"))
    start_anew(shop)
    done = shop.ok(*command)
    assert "set aside" in done.stderr
    assert shop.python("from alpha.deep.core import y; print(y)") == "2"
    assert not any(path.name == EARLIER for path in journals(shop).iterdir())
    shop.ok("verify")


def test_another_project_does_not_link_what_is_lost(shop: Project) -> None:
    lose(stored(shop, "alpha/deep/core.py"))
    start_anew(shop)
    other = Project(shop.folder.parent / "other", home=shop.home)
    other.env = shop.env
    for name in ("pyproject.toml", "pylock.toml"):
        other.write(name, shop.read(name))
    assert "set aside" in other.ok("sync").stderr
    assert other.python("from alpha.deep.core import y; print(y)") == "2"
    assert "generation 2" in shop.ok("sync").stderr  # its environment held the damaged object


def test_whole_objects_stay_and_are_looked_at_once(shop: Project) -> None:
    start_anew(shop)
    first = shop.ok("sync")
    assert "stored before with their hashes" in first.stderr
    assert "nothing to do: generation 1" in first.stderr
    again = shop.ok("sync")
    assert "comparing" not in again.stderr


def test_what_a_rollback_chose_is_kept(shop: Project) -> None:
    shop.depends("alpha", "beta")
    shop.ok("sync")
    shop.ok("rollback", "--environment-only")
    start_anew(shop)
    code = "import importlib.util as u; print(u.find_spec('beta'))"
    assert shop.ok("run", "python", "-c", code).stdout.strip() == "None"


def test_small_files_of_a_generation_that_were_lost(shop: Project) -> None:
    (shop.folder / ".venv/.stamp").unlink()  # it is the last that is written
    lose(shop.folder / ".venv/generations/1/pyvenv.cfg")
    done = shop.ok("sync")
    assert "generation 2" in done.stderr
    assert (shop.folder / ".venv/pyvenv.cfg").stat().st_size > 0
    assert shop.python("import alpha; print(alpha.x)") == "1"


def test_small_files_are_compared_after_a_power_cut_that_left_the_stamp(shop: Project) -> None:
    lose(shop.folder / ".venv/generations/1/bin/activate.fish")
    start_anew(shop)
    assert shop.ok("env", "list", "--json").json["environments"][0]["state"] == "current"
    assert "generation 2" in shop.ok("sync").stderr
    shop.ok("store", "gc", "--keep", "0")
    shop.ok("verify")


def test_what_was_in_use_long_after_it_was_made_is_on_the_disk(shop: Project) -> None:
    start_anew(shop)
    (journals(shop) / EARLIER).unlink()
    stamp, used = shop.folder / ".venv/.stamp", shop.folder / ".venv/.used"
    before, later = stamp.read_text(), stamp.stat().st_mtime + 601
    os.utime(used, (later, later))
    shop.ok("run", "true")
    assert stamp.read_text() == before
    os.utime(used, (later - 2, later - 2))
    shop.ok("run", "true")
    assert stamp.read_text() == before.replace(EARLIER, boot_id())


def test_offline_what_cannot_be_mended_is_said(shop: Project) -> None:
    lose(stored(shop, "alpha/deep/core.py"))
    start_anew(shop)
    failed = shop.fails(3, "sync", "--offline")
    assert "alpha" in failed.stderr
    shop.ok("sync")
    assert shop.python("from alpha.deep.core import y; print(y)") == "2"


@needs_somebody
def test_a_service_that_may_not_write_starts_where_all_is_whole(shop: Project) -> None:
    start_anew(shop)
    stamp = (shop.folder / ".venv/.stamp").read_text()
    words = ("run", "python", "-c", "import alpha.deep.core; print('up')")
    with closed(shop):
        for _ in range(2):
            done = as_somebody(shop, *words)
            assert (done.returncode, done.stdout) == (0, "up\n"), done.stderr
    script = shop.folder / ".venv/generations/1/bin/activate"
    for path in (script, stored(shop, "alpha/__init__.py")):
        lose(path)
        with closed(shop):
            done = as_somebody(shop, *words)
        assert done.returncode == 3, done.stdout
        assert "not as it was made" in done.stderr
        assert str(path).partition("/site/")[0] in done.stderr
        assert "Traceback" not in done.stderr
    assert (shop.folder / ".venv/.stamp").read_text() == stamp
    shop.ok("sync")
    with closed(shop):
        assert as_somebody(shop, *words).stdout == "up\n"


@pytest.mark.slow
@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_any_one_file_that_was_lost(shop: Project, tmp_path: Path) -> None:
    """Every file that a sync wrote is lost once, under all its names, with the machine started anew.

    The project itself, and another checkout of it, have whole environments after their next sync.
    """
    shutil.rmtree(shop.home / "provenv/cache")
    other = Project(shop.folder.parent / "other", home=shop.home)
    other.env = shop.env
    for name in ("pyproject.toml", "pylock.toml"):
        other.write(name, shop.read(name))
    start_anew(shop)
    sandbox = Sandbox(shop.home, shop.folder, other.folder, kept=tmp_path / "kept")
    found: dict[int, Path] = {}
    for path in sorted((*shop.home.glob("provenv/**/*"), *shop.folder.glob(".venv/**/*"))):
        if path.is_file() and not path.is_symlink() and path.stat().st_size:
            found.setdefault(path.stat().st_ino, path)
    assert len(found) > 30
    with EveryCall(tmp_path / "server") as server:
        for path in found.values():
            for order in ((shop, other), (other, shop)):
                sandbox.restore()
                lose(path)
                for project in order:
                    server.ok(project, "sync")
                    assert path.name == EARLIER or not any(
                        p.name == EARLIER for p in journals(shop).iterdir()
                    )
                    (core,) = project.folder.glob(".venv/lib/*/site-packages/alpha/deep/core.py")
                    assert core.read_text() == "y = 2\n"
                    for name in ("pyvenv.cfg", "bin/activate"):
                        assert (project.folder / ".venv" / name).stat().st_size, path
                server.ok(
                    shop, "store", "gc", "--keep", "0"
                )  # the former generation may have lost it
                for project in order:
                    server.ok(project, "verify")

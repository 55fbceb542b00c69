"""What environments this machine has, how each stands, and what is taken away of them."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from provenv.workspace.roots import root_path
from support import Index, Project, make_wheel
from support.project import command


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    for name in ("alpha", "beta"):
        index.add(make_wheel(tmp_path / "w", name, "1"))
    project.depends("alpha")
    project.ok("sync")
    return project


def listed(project: Project, *options: str) -> dict[str, dict[str, Any]]:
    """What ``env list`` says, by folder relative to the test's own."""
    rows = project.ok("env", "list", "--json", "--no-sizes", *options).json["environments"]
    base = project.home.parent
    return {os.path.relpath(row["folder"], base): row for row in rows}


def states(project: Project, *options: str) -> dict[str, str]:
    return {path: row["state"] for path, row in listed(project, *options).items()}


def links(project: Project) -> list[str]:
    roots = project.home / "provenv/roots"
    return sorted(os.readlink(path) for path in roots.iterdir() if path.is_symlink())


def later(project: Project, folder: Path, text: str) -> Project:
    """The same user in another project."""
    other = Project(folder, home=project.home, index_url=project.env["PROVENV_INDEX_URL"])
    other.pyproject(text)
    return other


def test_all_of_the_machine_and_those_of_one_project(shop: Project, tmp_path: Path) -> None:
    other = later(shop, tmp_path / "other", shop.read("pyproject.toml").replace("shop", "site"))
    other.ok("sync", "-e", "test")
    found = listed(shop)
    assert list(found) == ["other/.venvs/test", "shop/.venv"]
    row = found["other/.venvs/test"]
    assert (row["project"], row["name"], row["state"]) == ("site", "test", "current")
    assert (row["packages"], row["generation"], row["own"]) == (1, 1, None)
    assert row["root"] == str(other.folder)
    assert row["python"] == shop.python("import platform; print(platform.python_version())")
    own = states(other, "--project")
    assert own == {
        "other/.venv": "not-made",
        "other/.venvs/test": "current",
        "other/.venvs/staging": "not-made",
        "other/.venvs/prod": "not-made",
    }
    text = other.ok("env", "list").stdout
    assert "2 environments" in text
    assert [line for line in text.splitlines() if line.startswith("site")]
    assert "takes no --environment" in other.fails(2, "env", "list", "-e", "dev").stderr


def test_what_is_stale_and_why(shop: Project) -> None:
    shop.ok("sync", "-e", "test")
    shop.depends("alpha", "beta")
    assert states(shop) == {"shop/.venv": "stale", "shop/.venvs/test": "stale"}
    assert "pyproject.toml has changed" in listed(shop)["shop/.venv"]["detail"]
    shop.ok("sync")
    found = listed(shop)
    assert found["shop/.venv"]["state"] == "current"
    assert found["shop/.venvs/test"]["detail"] == "pylock.toml has changed since"
    shop.pyproject(shop.read("pyproject.toml") + "# only a remark\n")
    assert states(shop)["shop/.venv"] == "current"
    (shop.folder / ".venvs/test/current").unlink()
    shop.pyproject("[broken\n")
    assert states(shop) == {"shop/.venv": "unreadable", "shop/.venvs/test": "unfinished"}


def test_a_member_is_held_against_the_lock_that_it_shares(shop: Project) -> None:
    shop.pyproject('[tool.provenv.workspace]\nmembers = ["api"]\nshared-lock = true\n')
    text = '[project]\nname = "api"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["alpha"]\n'
    manifest = shop.write("api/pyproject.toml", text)
    shop.ok("-C", "api", "sync")
    manifest.write_text(f"{text}# only a remark\n")
    assert listed(shop)["shop/api/.venv"]["state"] == "current"
    lock = shop.read("pylock.toml")
    shop.write("pylock.toml", f"{lock}# touched\n")
    assert listed(shop)["shop/api/.venv"]["detail"] == "pylock.toml has changed since"


def test_a_project_that_was_moved_and_synced_is_there_once(shop: Project) -> None:
    moved = shop.folder.with_name("moved")
    shop.folder.rename(moved)
    assert states(Project(moved, home=shop.home)) == {"shop/.venv": "gone"}
    shop.folder = moved
    shop.ok("sync")
    assert states(shop) == {"moved/.venv": "current"}
    assert links(shop) == [str(moved / ".venv")]
    shop.folder = moved.rename(moved.with_name("again"))
    shop.ok("history")  # any command will do
    assert links(shop) == [str(shop.folder / ".venv")]
    shop.ok("store", "gc")
    shop.ok("verify")


def test_a_copy_leaves_the_original_registered(shop: Project, tmp_path: Path) -> None:
    away = tmp_path / "copy"
    shutil.copytree(shop.folder, away, symlinks=True)
    hidden = shop.folder.rename(tmp_path / "hidden")
    copy = Project(away, home=shop.home, index_url=shop.env["PROVENV_INDEX_URL"])
    copy.ok("sync")
    assert links(shop) == [str(away / ".venv"), str(tmp_path / "shop/.venv")]
    hidden.rename(shop.folder)
    assert states(shop) == {"copy/.venv": "current", "shop/.venv": "current"}


def test_sizes_add_up_to_what_du_says(shop: Project) -> None:
    shop.depends("alpha", "beta")
    shop.ok("sync")
    shop.ok("sync", "-e", "test", "--link-mode", "copy")
    (shop.folder / ".venv/notes.txt").write_text("x" * 10_000)
    answer = shop.ok("env", "list", "--json").json
    objects = [str(path) for path in (shop.home / "provenv/store/wheels").glob("*/*")]

    def du(*paths: str) -> int:
        done = subprocess.run(
            ["du", "-s", "-c", "-B1", *paths], capture_output=True, text=True, check=True
        )
        return int(done.stdout.splitlines()[-1].split()[0])

    folders = [row["folder"] for row in answer["environments"]]
    for row in answer["environments"]:
        assert row["own"] + row["shared"] == du(row["folder"], *objects)
        assert row["own"] > 0
    assert answer["own"] + answer["shared"] == du(*folders, *objects)
    dev, test = answer["environments"]
    assert dev["own"] >= 10_000
    assert test["own"] > 0
    shutil.rmtree(dev["folder"])
    assert du(*folders[1:], *objects) == test["own"] + test["shared"]


def test_every_use_is_written_down(shop: Project) -> None:
    mark = shop.folder / ".venv/.used"
    config = (shop.folder / ".venv/pyvenv.cfg").resolve()

    def used_by(*words: str) -> bool:
        for path in (mark, config):
            os.utime(path, (1_000_000_000, 1_000_000_000))
        shop.run(*words)
        return mark.stat().st_mtime > 1_500_000_000

    assert used_by("run", "true")
    assert used_by("sync")
    assert used_by("-v", "run", "true")
    assert used_by("run", "--no-sync", "true")
    assert not used_by("status")
    assert listed(shop)["shop/.venv"]["used"] == "2001-09-09T01:46:40Z"
    assert not used_by("env", "list")


def test_prune_forgets_what_is_gone_and_nothing_else(shop: Project, tmp_path: Path) -> None:
    other = later(shop, tmp_path / "other", shop.read("pyproject.toml"))
    other.ok("sync")
    third = later(shop, tmp_path / "third", shop.read("pyproject.toml"))
    third.ok("sync")
    shutil.rmtree(other.folder)
    shutil.rmtree(third.folder / ".venv")
    (third.folder / ".venv").mkdir()
    (third.folder / ".venv/pyvenv.cfg").write_text("home = /elsewhere\n")
    assert states(shop) == {
        "other/.venv": "gone", "shop/.venv": "current", "third/.venv": "foreign",
    }  # fmt: skip
    before = links(shop)
    planned = shop.ok("env", "prune", "--dry-run", "--json").json
    assert [item["folder"] for item in planned["links"]] == [
        str(other.folder / ".venv"), str(third.folder / ".venv"),
    ]  # fmt: skip
    assert planned["removed"] == []
    assert "--yes says so" in shop.fails(2, "env", "prune").stderr
    assert links(shop) == before
    shop.ok("env", "prune", "--yes")
    assert links(shop) == [str(shop.folder / ".venv")]
    assert len(list((shop.home / "provenv/roots").iterdir())) == 2
    assert (third.folder / ".venv/pyvenv.cfg").read_text() == "home = /elsewhere\n"
    assert "nothing to prune" in shop.ok("env", "prune", "--yes").stderr
    shop.ok("store", "gc")
    shop.ok("verify")


def test_what_the_project_no_longer_declares_goes_and_foreign_files_stay(shop: Project) -> None:
    plain = shop.read("pyproject.toml")
    shop.pyproject(plain + "[tool.provenv.environments]\nextra = { groups = [] }\n")
    shop.ok("sync", "-e", "extra")
    shop.ok("sync", "-e", "test")
    shop.pyproject(plain)
    folder = shop.folder / ".venvs/extra"
    (folder / "mine.txt").write_text("mine")
    assert states(shop)["shop/.venvs/extra"] == "undeclared"
    told = shop.ok("env", "prune", "--yes")
    assert "mine.txt: provenv did not make it" in told.stderr
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    assert states(shop) == {"shop/.venv": "current", "shop/.venvs/test": "current"}
    shop.ok("run", "-e", "test", "true")


def test_unused_ones_go_only_when_asked_for_and_never_one_in_use(shop: Project) -> None:
    shop.ok("sync", "-e", "test")
    long_ago = time.time() - 100 * 86400
    for folder in (".venv", ".venvs/test"):
        os.utime(shop.folder / folder / ".used", (long_ago, long_ago))
        os.utime(shop.folder / folder / "pyvenv.cfg", (long_ago, long_ago))
    assert "nothing to prune" in shop.ok("env", "prune", "--yes").stderr
    assert "nothing to prune" in shop.ok("env", "prune", "--older-than", "101d", "--yes").stderr
    assert "is no age" in shop.fails(2, "env", "prune", "--older-than", "soon").stderr
    holder = subprocess.Popen(
        [shop.folder / ".venvs/test/bin/python", "-c",
         "import time; print('up', flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        os.utime(shop.folder / ".venvs/test/.used", (long_ago, long_ago))
        os.utime(shop.folder / ".venvs/test/pyvenv.cfg", (long_ago, long_ago))
        done = shop.ok("env", "prune", "--older-than", "12w", "--yes", "--json").json
    finally:
        holder.kill()
        holder.communicate()
    assert [item["folder"] for item in done["removed"]] == [str(shop.folder / ".venv")]
    assert [item["reason"].split(" (")[0] for item in done["kept"]] == ["a process is using it"]
    assert not (shop.folder / ".venv").exists()
    shop.ok("sync")
    assert states(shop)["shop/.venv"] == "current"


@pytest.mark.parametrize("answer", ["y", "n"])
def test_a_person_is_asked(shop: Project, tmp_path: Path, answer: str) -> None:
    other = later(shop, tmp_path / "other", shop.read("pyproject.toml"))
    other.ok("sync")
    shutil.rmtree(other.folder)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*command(), "env", "prune"],
        cwd=shop.folder, env=shop.env | {"TERM": "dumb"}, stdin=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    process.wait(timeout=60)
    said = os.read(ours, 10_000).decode().replace("\r\n", "")
    os.close(ours)
    assert str(other.folder / ".venv") in said
    assert process.returncode == (0 if answer == "y" else 1)
    assert len(links(shop)) == (1 if answer == "y" else 2)


def test_what_cannot_be_reached_keeps_its_claim_for_a_while(shop: Project, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    other = later(
        shop, disk / "mounted/project", shop.read("pyproject.toml").replace("alpha", "beta")
    )
    other.ok("sync")
    away = tmp_path / "unplugged"
    (disk / "mounted").rename(away)
    assert states(shop)["disk/mounted/project/.venv"] == "unreachable"
    shop.ok("env", "prune", "--yes")
    shop.ok("store", "gc")
    assert len(links(shop)) == 2
    away.rename(disk / "mounted")
    other.ok("verify")
    (disk / "mounted").rename(away)
    shop.ok("store", "gc")
    roots = str(shop.home / "provenv/roots")
    missed = root_path(roots, str(other.folder / ".venv")) + ".missed"
    long_ago = time.time() - 15 * 86400
    os.utime(missed, (long_ago, long_ago))
    assert "would remove 1 link" in shop.ok("env", "prune", "--dry-run").stdout
    shop.ok("store", "gc")
    assert links(shop) == [str(shop.folder / ".venv")]
    away.rename(disk / "mounted")
    other.ok("sync")  # what it held is fetched again
    other.ok("verify")


def test_gc_leaves_alone_what_took_the_place_of_an_environment(shop: Project) -> None:
    shutil.rmtree(shop.folder / ".venv")
    (shop.folder / ".venv").mkdir()
    (shop.folder / ".venv/mine.txt").write_text("mine")
    shop.ok("store", "gc")
    assert [path.name for path in (shop.folder / ".venv").iterdir()] == ["mine.txt"]

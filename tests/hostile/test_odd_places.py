"""Odd places: strange paths, strange settings, disks that are full or read-only, moved projects."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from provenv.core.boot import boot_id
from support import Index, Project, make_wheel
from support.many import few, publish_many, snapshot, versions_seen
from support.project import command
from support.restarts import start_anew

COUNT = 8
SHOW_PREFIX = "import sys, many_0; print(sys.prefix)"
SHM = Path("/dev/shm")  # a tmpfs wherever Linux runs, and so another file system than /tmp's


@pytest.fixture
def names(index: Index, tmp_path: Path) -> list[str]:
    return publish_many(index, tmp_path / "wheels", "1", COUNT)


@pytest.mark.parametrize(
    "name",
    few([
        b"bytes-\xff\xfe", "with spaces", "new\nline", "quote's", 'double"quote', "ünïcödé-日本",
        "$HOME `id` %s", "back\\slash", "-dash", "tab\there", "percent%2Fname", "#hash?query",
    ], 3),
    ids=repr,
)  # fmt: skip
def test_a_project_anywhere(
    names: list[str], index: Index, tmp_path: Path, name: str | bytes
) -> None:
    folder = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), os.fsencode(name))))
    project = Project(folder, home=tmp_path / "home", index_url=index.url)
    project.pyproject(
        '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.11"\n'
        f"dependencies = {names!r}\n"
    )
    project.ok("sync")
    assert versions_seen(project, COUNT) == "1"
    done = project.ok("run", "python", "-c", "import many_0; print(many_0.VERSION)")
    assert done.stdout == "1\n"
    script = subprocess.run([str(folder / ".venv/bin/many-0")], capture_output=True, check=False)
    assert b"Traceback" not in script.stderr, script.stderr
    assert script.returncode == 1  # what len("1") is
    project.ok("sync")
    project.ok("verify")
    assert project.ok("status", "--json").json["agrees"]
    project.ok("remove", "many-3")
    project.ok("rollback")
    assert versions_seen(project, COUNT) == "1"
    if "\n" not in str(folder):
        shell = subprocess.run(
            ["bash", "-c", f'cd "$1" && source .venv/bin/activate && python -c "{SHOW_PREFIX}"',
             "bash", str(folder)],
            capture_output=True, check=False,
        )  # fmt: skip
        assert os.fsdecode(shell.stdout).rstrip("\n") == str(folder / ".venv"), shell.stderr


def test_a_folder_that_path_cannot_name(names: list[str], index: Index, tmp_path: Path) -> None:
    project = Project(tmp_path / "a:b", home=tmp_path / "home", index_url=index.url)
    project.depends(*names)
    assert "':'" in project.fails(2, "sync").stderr
    assert [path.name for path in project.folder.iterdir()] == ["pyproject.toml"]


@pytest.mark.slow
def test_a_project_that_is_named_after_such_a_folder(
    names: list[str], index: Index, tmp_path: Path
) -> None:
    for name in (b"bytes-\xff", b"quote's $(touch evil)\n", "日本".encode()):
        folder = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))
        project = Project(folder, home=tmp_path / "home", index_url=index.url)
        project.ok("init")
        project.ok("add", names[0])
        assert project.python("import many_0; print(many_0.VERSION)") == "1"
        (folder / "pyproject.toml").write_text('[dependency-groups]\ndev = ["many-1"]\n')
        project.ok("sync")
        assert project.python("import many_1; print(many_1.VERSION)") == "1"
        subprocess.run(
            ["bash", "-c", ". .venv/bin/activate"], cwd=folder, check=True, capture_output=True
        )
        assert not (folder / "evil").exists()


@pytest.mark.parametrize("how", few(["LANG=C", "everything", "HOME", "long", "PYTHON"], 2))
def test_strange_variables(project: Project, names: list[str], how: str) -> None:
    project.depends(*names)
    if how == "HOME":
        del project.env["HOME"]
    elif how == "everything":
        for key in list(project.env):
            if key not in ("PROVENV_HOME", "PROVENV_INDEX_URL"):
                del project.env[key]
    elif how == "LANG=C":
        project.env |= {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
        project.depends(*names, more='[tool.other]\nname = "日本 ünï"\n')
    elif how == "long":
        project.env |= {"X" * 200: "y" * 1000, "PATH": project.env["PATH"] + ":/x" * 500}
    else:
        project.env |= {"PYTHONPATH": "/nowhere", "PYTHONSTARTUP": "/nowhere", "PYTHONUTF8": "0"}
    project.ok("sync")
    assert versions_seen(project, COUNT) == "1"
    project.ok("status")
    project.ok("tree")
    project.ok("add", "many-1==1", "--group", "dev")
    assert project.ok("run", "python", "-c", "import many_1").code == 0


def test_a_pythonhome_of_the_caller_does_not_reach_a_command(
    project: Project, names: list[str]
) -> None:
    project.depends(*names)
    project.ok("sync")
    done = subprocess.run(
        [*command(), "run", "python", "-c", "import many_0; print(many_0.VERSION)"],
        cwd=project.folder, env={**project.env, "VIRTUAL_ENV": "/elsewhere"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "1\n", done.stderr


@pytest.mark.parametrize("mask", few([0o077, 0o000, 0o027], 1))
def test_umasks(project: Project, names: list[str], mask: int) -> None:
    project.depends(*names)
    old = os.umask(mask)
    try:
        project.ok("sync")
        project.ok("verify", "--all")
        project.ok("add", "many-1==1")
        project.ok("sync", "--link-mode", "copy")
        project.ok("verify", "--all")
    finally:
        os.umask(old)
    for path in (project.home / "provenv/store/wheels").rglob("*"):
        mode = path.stat().st_mode & 0o777
        if path.is_dir() and path.name == "__pycache__":
            assert mode == 0o755
        elif (
            path.parent.name != "__pycache__"
            and path.parent != project.home / "provenv/store/wheels"
        ):
            assert mode in (0o444, 0o555), path


def test_a_copied_project_is_a_project_of_its_own(project: Project, names: list[str]) -> None:
    project.depends(names[0])
    project.ok("sync")
    other = Project(project.folder.parent / "copy", home=project.home)
    other.env = project.env
    shutil.copytree(project.folder, other.folder, symlinks=True, dirs_exist_ok=True)
    other.depends(*names)
    other.ok("sync")
    assert versions_seen(other, COUNT) == "1"
    project.ok("sync")
    shutil.rmtree(project.folder)
    project.ok("store", "gc") if project.folder.exists() else other.ok("store", "gc")
    assert versions_seen(other, COUNT) == "1"
    other.ok("verify", "--all")


def test_a_moved_project_works_at_once(project: Project, names: list[str]) -> None:
    project.depends(*names)
    project.ok("sync")
    moved = Project(project.folder.parent / "moved", home=project.home)
    moved.env = project.env
    moved.folder.rmdir()
    project.folder.rename(moved.folder)
    assert versions_seen(moved, COUNT) == "1"
    moved.ok("store", "gc")
    assert versions_seen(moved, COUNT) == "1"
    moved.ok("sync")
    moved.ok("verify")


def test_a_home_that_moved(project: Project, names: list[str]) -> None:
    project.depends(*names)
    project.ok("sync")
    (project.home / "provenv").rename(project.home / "other")
    project.env["PROVENV_HOME"] = str(project.home / "other")
    project.fails(1, "verify")
    project.ok("sync")
    assert versions_seen(project, COUNT) == "1"
    project.ok("verify")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than ``tmp_path``."""
    if not SHM.is_dir() or SHM.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("/dev/shm is not another file system")
    folder = SHM / f"provenv-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    subprocess.run(["chmod", "-R", "u+w", str(folder)], check=False)
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize("mode", few(["linked", "hardlink", "clone", "copy"], 1))
def test_a_store_on_another_file_system(
    project: Project, names: list[str], elsewhere: Path, mode: str
) -> None:
    project.env["PROVENV_HOME"] = str(elsewhere / "provenv")
    project.depends(*names)
    result = project.ok("sync", "--link-mode", mode)
    assert versions_seen(project, COUNT) == "1"
    if mode in ("linked", "hardlink"):
        assert "another file system" in result.stderr
    project.ok("verify", "--all")
    assert project.ok("status", "--json").json["agrees"]
    project.ok("sync")
    project.ok("remove", "many-3")
    project.ok("rollback")
    assert versions_seen(project, COUNT) == "1"
    subprocess.run(["rm", "-rf", str(project.folder / ".venv")], check=True)
    project.ok("sync")
    assert versions_seen(project, COUNT) == "1"


def in_namespace(project: Project, setup: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run provenv where ``setup``, a shell text, has mounted something for it alone."""
    script = f'{setup} || exit 99\ncd "$0" && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "bash", "-c", script,
         str(project.folder), *command(), *arguments],
        cwd=project.folder, env=project.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 99 or "unshare failed" in done.stderr:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    return done


needs_mounts = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="only root may mount"
)


def test_a_folder_that_is_gone(project: Project, tmp_path: Path) -> None:
    for arguments in (("status",), ("sync",), ("run", "true"), ("init",), ("log",)):
        script = 'rmdir "$PWD" && exec "$@"'
        (tmp_path / "gone").mkdir()
        done = subprocess.run(
            ["sh", "-c", script, "sh", *command(), *arguments],
            cwd=tmp_path / "gone", env=project.env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2, f"{arguments}: {done.stderr}"
        assert "the folder that this was called in is gone" in done.stderr


@needs_mounts
@pytest.mark.parametrize("what", ["project", "store"])
def test_a_read_only_place(project: Project, names: list[str], what: str) -> None:
    project.depends(names[0])
    project.ok("sync")
    project.depends(*names)
    place = project.folder if what == "project" else project.home / "provenv"
    mount = f'mount --bind "{place}" "{place}" && mount -o remount,ro,bind "{place}"'
    before = snapshot(project.folder)
    done = in_namespace(project, mount, "sync")
    assert done.returncode == 3, done.stderr
    assert f"{place} (" in done.stderr
    assert " is mounted read-only\n" in done.stderr
    assert "safe: generation 1 is current and untouched" in done.stderr
    assert "Traceback" not in done.stderr
    assert "failed where it should not" not in done.stderr
    assert not [name for name in snapshot(project.folder) if name.endswith(".tmp")]
    if what == "project":
        assert snapshot(project.folder) == before
    assert project.python("import many_0; print(many_0.VERSION)") == "1"
    project.depends(names[0])
    project.ok("sync")
    for arguments in (("run", "python", "-c", "import many_0"), ("status",), ("tree",), ("sync",)):
        done = in_namespace(project, mount, *arguments)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"


@needs_mounts
@pytest.mark.skipif(boot_id() == "-", reason="the system does not say when it was started")
def test_a_read_only_image_on_another_machine(project: Project, names: list[str]) -> None:
    """Made and used once, then mounted read-only elsewhere: nothing can be written, and it runs."""
    project.depends(*names)
    project.ok("sync")
    start_anew(project)
    mount = " && ".join(
        f'mount --bind "{place}" "{place}" && mount -o remount,ro,bind "{place}"'
        for place in (project.folder, project.home / "provenv")
    )
    for arguments in (
        ("run", "python", "-c", "import many_0"),
        ("sync",),
        ("status",),
        ("verify",),
    ):
        done = in_namespace(project, mount, *arguments)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"


@needs_mounts
@pytest.mark.parametrize("what", ["store", "project"])
def test_a_full_disk(
    project: Project, index: Index, names: list[str], tmp_path: Path, what: str
) -> None:
    index.add(
        make_wheel(
            tmp_path / "w", "large", "1",
            files={f"large/part{n}.bin": os.urandom(60_000) for n in range(50)},
        )
    )  # fmt: skip
    project.depends(names[0])
    project.ok("sync")
    project.depends(*names, "large")
    project.ok("lock")
    place = (
        project.home / "provenv/store" if what == "store" else project.folder / ".venv/generations"
    )
    mount = (
        f'cp -a "{place}" "{tmp_path}/kept" && mount -t tmpfs -o size=1M none "{place}" '
        f'&& cp -a "{tmp_path}/kept/." "{place}"'
    )
    before = snapshot(project.folder)
    mode = "copy" if what == "project" else "linked"
    done = in_namespace(project, mount, "sync", "--link-mode", mode)
    assert done.returncode == 3, done.stderr
    assert "No space left" in done.stderr
    assert f"; {place} (tmpfs) has " in done.stderr
    assert "safe: generation 1 is current and untouched" in done.stderr
    assert f"Free some space on {place} (`provenv gc`" in done.stderr
    assert "Traceback" not in done.stderr
    after = snapshot(project.folder)
    assert {k: v for k, v in after.items() if ".stamp" not in k} == {
        k: v for k, v in before.items() if ".stamp" not in k
    }
    assert project.python("import many_0; print(many_0.VERSION)") == "1"
    shutil.rmtree(tmp_path / "kept", ignore_errors=True)
    project.ok("sync")
    assert versions_seen(project, COUNT) == "1"

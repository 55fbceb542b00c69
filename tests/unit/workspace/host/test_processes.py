"""Which generations processes use, as a made-up ``/proc`` tells it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from provenv.workspace.host.processes import InUse, generations_in_use

Look = Callable[..., InUse]


@pytest.fixture
def env(tmp_path: Path) -> Path:
    folder = tmp_path / "shop/.venv"
    for number in (1, 2):
        (folder / f"generations/{number}/bin").mkdir(parents=True)
    (folder / "bin").mkdir()
    return folder


@pytest.fixture
def look(tmp_path: Path) -> Look:
    def look(
        *command: str,
        exe: str | None = "/usr/bin/python3.13",
        cwd: Path = Path("/"),
        maps: str = "",
        pid: int = 4194305,
        **environ: str,
    ) -> InUse:
        here = tmp_path / "proc" / str(pid)
        here.mkdir(parents=True)
        (here / "cmdline").write_text("\0".join((*command, "")))
        (here / "environ").write_text("".join(f"{k}={v}\0" for k, v in environ.items()))
        (here / "maps").write_text(maps)
        (here / "cwd").symlink_to(cwd)
        if exe is not None:
            (here / "exe").symlink_to(exe)
        return generations_in_use(str(tmp_path / "proc"))

    return look


def test_run_names_its_generation(env: Path, look: Look) -> None:
    used = look("python", PATH=f"{env}/generations/1/bin:/usr/bin", VIRTUAL_ENV=str(env))
    assert (used.holds(str(env), 1), used.holds(str(env), 2)) == (True, False)


@pytest.mark.parametrize("exe", ["/usr/bin/python3.13", None])  # None: another user's process
def test_a_python_of_the_environment_holds_all_of_it(
    env: Path, look: Look, exe: str | None
) -> None:
    assert look(f"{env}/bin/python", "serve.py", exe=exe).holds(str(env), 1)


def test_a_path_through_a_symlink_is_the_same_place(env: Path, look: Look, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(env.parent)
    assert look(f"{tmp_path}/link/.venv/bin/python").holds(str(env), 1)


def test_a_service_that_has_gone_elsewhere(env: Path, look: Look) -> None:
    assert look(".venv/bin/python", "serve.py", PWD=str(env.parent)).holds(str(env), 1)


def test_another_environment_beside_the_one_that_run_named(
    env: Path, look: Look, tmp_path: Path
) -> None:
    other = tmp_path / "other/.venv"
    (other / "generations/7/bin").mkdir(parents=True)
    used = look(f"{env}/bin/python", PATH=f"{other}/generations/7/bin", VIRTUAL_ENV=str(other))
    assert used.holds(str(env), 1)
    assert used.holds(str(other), 7)
    assert not used.holds(str(other), 6)


def test_a_container_sees_it_elsewhere(env: Path, look: Look, tmp_path: Path) -> None:
    root = tmp_path / "proc/4194305/root"
    root.mkdir(parents=True)
    (root / "app").symlink_to(env.parent)
    (tmp_path / "proc/4194305/root").rename(tmp_path / "root")
    (tmp_path / "proc/4194305").rmdir()
    look("true", exe="/bin/true")
    (tmp_path / "proc/4194305/root").symlink_to(tmp_path / "root")
    (tmp_path / "proc/4194305/exe").unlink()
    (tmp_path / "proc/4194305/cmdline").write_text("/app/.venv/bin/python\0")
    assert generations_in_use(str(tmp_path / "proc")).holds(str(env), 2)


def test_who_looks_in_an_active_environment_does_not_use_it(env: Path, look: Look) -> None:
    assert not look("provenv", pid=os.getpid(), VIRTUAL_ENV=str(env)).holds(str(env), 1)


def test_a_native_library_that_is_mapped_is_in_use(env: Path, look: Look) -> None:
    sha256 = "ab" * 32
    library = f"/home/store/wheels/ab/{sha256}/site/native.so"
    used = look("python", maps=f"7f00-7f01 r-xp 0000 08:01 1234   {library}\n")
    assert used.objects == {sha256}


def test_what_is_no_python_and_names_nothing_uses_nothing(env: Path, look: Look) -> None:
    used = look(f"{env}/bin/bash", exe="/bin/bash", VIRTUAL_ENV=str(env))
    assert not used.holds(str(env), 1)

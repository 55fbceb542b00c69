"""What killed processes left in the home goes; what somebody may still use stays."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from provenv.core.files import locked
from provenv.model.layout import HomeLayout
from provenv.store import leftovers


@pytest.fixture
def left(home: HomeLayout) -> list[Path]:
    """What a process that is no more left where locks are held, and where none is."""
    with subprocess.Popen(["true"]) as process:
        pass
    pid = process.pid
    paths = [
        Path(home.tmp) / f".fetch.{pid}.1.tmp/half.whl",
        Path(home.plans) / f".abc.{pid}.tmp/recipe",
        Path(home.plans) / f"keys/abc.{pid}.tmp",
        Path(home.roots) / f"abc.held/.{pid}-0123abcd.tmp",
        Path(home.plans) / f"locks/abc.{pid}.tmp",
        Path(home.root) / f".interpreters.json.{pid}.1.tmp",
        Path(home.builds) / f".abc.json.{pid}.1.tmp",
        Path(home.cache) / f"work/.resolve.{pid}.1.tmp/p",
    ]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def test_all_of_it_goes(home: HomeLayout, left: list[Path]) -> None:
    kept = [
        Path(home.plans) / "abc",
        Path(home.plans) / "keys/abc",
        Path(home.roots) / "abc.held/x",
    ]
    for path in kept:
        path.touch()
    leftovers.sweep(home)
    assert [path for path in left if path.exists()] == []
    assert list(Path(home.tmp).iterdir()) == []
    assert all(path.exists() for path in kept)


def test_where_others_are_at_work_only_what_is_named_goes(
    home: HomeLayout, left: list[Path]
) -> None:
    with locked(home.lock, shared=True):
        leftovers.sweep(home)
    assert [path.exists() for path in left] == [True] * 4 + [False] * 4


def test_what_a_process_of_another_container_holds_stays(
    home: HomeLayout, left: list[Path]
) -> None:
    folder = left[-1].parent
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    leftovers.sweep(home)
    assert folder.exists()
    os.close(descriptor)
    leftovers.sweep(home)
    assert not folder.exists()


def test_what_a_living_process_has_stays(home: HomeLayout) -> None:
    mine = Path(home.plans) / f"locks/abc.{os.getppid()}.tmp"
    mine.parent.mkdir(parents=True)
    mine.touch()
    leftovers.sweep(home)
    assert mine.exists()

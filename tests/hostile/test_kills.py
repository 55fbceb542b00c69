"""Whole or nothing: killed at random instants, an environment is the old one or the new one."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support import Index, Project
from support.many import publish_many, versions_seen

COUNT = 40


def specifiers(version: str) -> list[str]:
    return [f"many-{number}=={version}" for number in range(COUNT)]


@pytest.fixture
def two(project: Project, index: Index, tmp_path: Path) -> Callable[[str], None]:
    """An environment of forty distributions in version 1, and a way to ask for another version."""
    files: dict[str, tuple[str, str]] = {}
    for version in ("2", "1"):
        publish_many(index, tmp_path / "wheels", version, COUNT)
    for version in ("2", "1"):
        project.depends(*specifiers(version))
        project.ok("lock")
        files[version] = (project.read("pyproject.toml"), project.read("pylock.toml"))

    def ask(version: str) -> None:
        manifest, lock = files[version]
        (project.folder / "pyproject.toml").write_text(manifest)
        (project.folder / "pylock.toml").write_text(lock)

    project.ok("sync")
    return ask


def left_over(project: Project) -> list[str]:
    """Temporary files of provenv in the project."""
    found = [*project.folder.glob(".*.tmp"), *project.folder.glob(".venv/*.tmp")]
    found += [*project.folder.glob(".venv/.*.tmp"), *project.folder.glob(".venv/generations/.*")]
    return [str(path.relative_to(project.folder)) for path in found]


def whole(project: Project) -> str:
    """The environment as a kill left it must work at once, without any repair."""
    seen = versions_seen(project, COUNT)
    verified = project.run("verify")
    assert verified.code == 0, str(verified)
    return seen


def strike(
    project: Project, arguments: list[str], after: float, how: signal.Signals
) -> tuple[int, str]:
    process = project.popen(*arguments)
    time.sleep(after)
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors, errors
    return process.returncode, errors


def duration(project: Project, *arguments: str) -> float:
    started = time.monotonic()
    project.ok(*arguments)
    return time.monotonic() - started


def attack_sync(
    project: Project, ask: Callable[[str], None], rounds: int, how: signal.Signals, seed: int
) -> int:
    """Signal syncs from version 1 to version 2 at random instants, until ``rounds`` were hit."""
    dice = random.Random(seed)
    ask("2")
    took = duration(project, "sync")
    hit = 0
    while hit < rounds:
        ask("1")
        project.ok("sync")
        ask("2")
        code, _ = strike(project, ["sync"], dice.uniform(0.2, 1.05) * took, how)
        hit += code != 0
        took *= 1 if code else 0.95
        assert whole(project) in ("1", "2")
        project.ok("sync")
        assert whole(project) == "2"
        assert left_over(project) == []
    return hit


def test_killed_syncs_leave_a_whole_environment(
    project: Project, two: Callable[[str], None]
) -> None:
    assert attack_sync(project, two, 3, signal.SIGKILL, 1) == 3


@pytest.mark.slow
def test_forty_killed_syncs(project: Project, two: Callable[[str], None]) -> None:
    assert attack_sync(project, two, 40, signal.SIGKILL, 2) == 40


@pytest.mark.slow
def test_forty_killed_rollbacks(project: Project, two: Callable[[str], None]) -> None:
    dice = random.Random(3)
    two("2")
    project.ok("sync")
    took = duration(project, "rollback")
    for _ in range(40):
        code, _ = strike(project, ["rollback"], dice.uniform(0.2, 1.05) * took, signal.SIGKILL)
        took *= 1 if code else 0.95
        assert whole(project) in ("1", "2")
        project.ok("sync")
        assert whole(project) in ("1", "2")
        assert left_over(project) == []


@pytest.mark.slow
def test_forty_killed_adds_and_removes(project: Project, two: Callable[[str], None]) -> None:
    dice = random.Random(4)
    took = duration(project, "remove", "many-0")
    project.ok("add", "many-0==1")
    for number in range(40):
        arguments = ["remove", "many-0"] if number % 2 else ["add", "many-0==2"]
        code, _ = strike(project, arguments, dice.uniform(0.2, 1.05) * took, signal.SIGKILL)
        took *= 1 if code else 0.95
        verified = project.run("verify")
        assert verified.code == 0, str(verified)
        project.ok("sync")
        assert left_over(project) == []
        names = project.python("import importlib.metadata as m; print(m.version('many-1'))")
        assert names == "1"
        project.run("add", "many-0==1")


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_sync_says_so_and_leaves_the_old_environment(
    project: Project, two: Callable[[str], None], how: signal.Signals, code: int
) -> None:
    two("2")
    took = duration(project, "sync")
    for part in (0.3, 0.6, 0.8):
        two("1")
        project.ok("sync")
        two("2")
        found, errors = strike(project, ["sync"], took * part, how)
        # before the command listens, and after it is done, the signal ends the interpreter itself
        assert found in (code, 0, -how), errors
        seen = whole(project)
        assert seen in ("1", "2")
        assert seen == "2" or found != 0
        project.ok("sync")
        assert left_over(project) == []

"""Ctrl-C and friends while a command waits for others: it ends soon, and takes them along."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support import Index, Project, make_wheel
from support.many import few, snapshot
from support.project import command


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    index.add(make_wheel(tmp_path / "w", "alpha", "1"))
    index.add(make_wheel(tmp_path / "w", "beta", "1"))
    project.depends("alpha")
    project.ok("sync")
    return project


def children(group: int) -> list[str]:
    """What still runs in a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getpgid(int(entry.name)) == group:
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z":
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
        except (OSError, ProcessLookupError):
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize("how", few([signal.SIGINT, signal.SIGTERM, signal.SIGHUP], 1))
@pytest.mark.parametrize("where", ["resolve", "fetch"])
def test_what_waits_for_a_silent_server_ends_at_once(
    shop: Project, index: Index, where: str, how: signal.Signals
) -> None:
    index.fault("*/simple/beta/*" if where == "resolve" else "*/files/beta*.whl", hang=60)
    before = snapshot(shop.folder, ignore=(".venv/.stamp",))
    with subprocess.Popen(
        [*command(), "add", "beta"],
        cwd=shop.folder, env=shop.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        time.sleep(1.5)
        started = time.monotonic()
        os.killpg(process.pid, how)
        _, errors = process.communicate(timeout=20)
        assert time.monotonic() - started < 5
    assert process.returncode == 128 + how, errors
    assert "Traceback" not in errors
    assert "interrupted" in errors
    assert snapshot(shop.folder, ignore=(".venv/.stamp",)) == before
    time.sleep(0.2)
    assert children(process.pid) == []
    index.heal()
    shop.ok("add", "beta")
    assert not list((shop.home / "provenv/store/tmp").iterdir())


def test_a_build_that_is_interrupted_ends(shop: Project, tmp_path: Path) -> None:
    backend = (
        "import time, pathlib\n"
        "def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):\n"
        f"    pathlib.Path({str(tmp_path / 'began')!r}).touch()\n    time.sleep(60)\n"
    )
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "backend.py").write_text(backend)
    (slow / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "slow"\nversion = "1"\n'
    )
    shop.depends("alpha", f"slow @ file://{slow}")
    shop.ok("lock")
    before = snapshot(shop.folder)
    with subprocess.Popen(
        [*command(), "sync"], cwd=shop.folder, env=shop.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        for _ in range(200):
            if (tmp_path / "began").exists():
                break
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert snapshot(shop.folder) == before
    assert not list((shop.home / "provenv/store/tmp").iterdir())

"""The operations log survives: kills while it is written, power cuts at every byte, a full disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from provenv.core.events import Event, Warned
from provenv.model.layout import HomeLayout
from provenv.workspace import logged
from provenv.workspace.operations import reading
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import Context
from support import Index, Project, make_wheel
from support.project import command


def context_of(home: Path, heard: list[Event] | None = None) -> Context:
    listen = (heard if heard is not None else []).append
    return Context(home=HomeLayout(str(home)), environ={}, user_home=str(home), emit=listen)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_killed_at_every_system_call_on_the_log(
    project: Project, index: Index, tmp_path: Path
) -> None:
    index.add(make_wheel(tmp_path / "w", "alpha", "1"))
    project.depends("alpha")
    project.ok("sync")
    context = context_of(project.home / "provenv")
    log = logged.path(context.home.root)
    seen = set()
    for call in ("openat", "flock", "pread64", "write"):
        for when in (1, 2):
            shutil.rmtree(project.folder / ".venv", ignore_errors=True)
            before = len(reading.log(context).operations)
            inject = f"inject={call}:signal=KILL:when={when}"
            strace = ["strace", "-f", "-qq", "-o", str(tmp_path / "trace"), "-P", log, "-e", inject]
            done = subprocess.run(
                [*strace, *command(), "sync"],
                cwd=project.folder, env=project.env, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if "ptrace" in done.stderr.lower():
                pytest.skip(f"strace may not trace here: {done.stderr.strip()}")
            assert done.returncode != 0, f"{call} {when} was not reached"
            found = reading.log(context)
            assert found.unreadable == ()
            assert reading.check(context).ok
            current = os.path.lexists(project.folder / ".venv/current")
            assert current == (when == 2), call
            assert len(found.operations) - before == when - 1, call
            if when == 2:
                begun = found.operations[0]
                assert (begun.outcome, begun.ended) == ("interrupted", None)
                assert begun.safe is not None
                assert begun.safe.startswith("generation 1 is whole and current")
            seen.add((call, when))
            project.ok("sync")
    assert len(seen) == 8


def test_a_power_cut_at_every_byte_of_a_line(tmp_path: Path) -> None:
    context = context_of(tmp_path / "home")
    path = Path(logged.path(context.home.root))
    with recorded(context, "store-gc"):
        pass
    first = path.read_bytes()
    with recorded(context, "repair"):
        pass
    whole = path.read_bytes()
    for size in range(len(first), len(whole), 7):
        path.write_bytes(whole[:size])
        with recorded(context, "env-prune"):
            pass
        found = reading.log(context)
        assert found.operations[0].operation == "env-prune"
        assert found.operations[0].outcome == "done"
        assert found.operations[-1].operation == "store-gc"
        assert len(found.unreadable) <= 1
        assert reading.check(context).ok
        assert whole[:size] in path.read_bytes()  # nothing that was there is gone


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A home whose log has a disk of its own, of a few pages."""
    folder = tmp_path / "home/log"
    folder.mkdir(parents=True)
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount")
    words = ["mount", "-t", "tmpfs", "-o", "size=12k", "tmpfs", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mount: {done.stderr.strip()}")
    yield tmp_path / "home"
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_stops_nothing_and_leaves_whole_lines(tiny: Path) -> None:
    heard: list[Event] = []
    context = context_of(tiny, heard)
    did = 0
    for _ in range(40):
        with recorded(context, "store-gc"):
            did += 1
    assert did == 40
    warned = [event for event in heard if isinstance(event, Warned)]
    assert warned
    assert "No space left on device" in warned[0].message
    found = reading.log(context)
    assert found.unreadable == ()
    assert len(found.operations) > 3
    assert reading.check(context).ok
    assert {one.outcome for one in found.operations[1:]} == {"done"}

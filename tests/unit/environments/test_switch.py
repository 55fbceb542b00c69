"""Generations come whole or not at all, and a switch is one step."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from provenv.environments import generations, looking, pair, switch
from provenv.environments.drift import find_drift

from .conftest import Workshop


def made(workshop: Workshop, folder: Path, *objects: object, cause: str = "test") -> int:
    steps, plan = workshop.plan(*objects)  # type: ignore[arg-type]  # objects of the workshop
    switch.prepare(str(folder))
    number, _ = switch.make_generation(str(folder), steps, workshop.home.root, plan, cause)
    switch.switch(str(folder), number, cause)
    return number


def test_current_names_the_new_generation_and_the_old_one_stays(
    workshop: Workshop, tmp_path: Path
) -> None:
    folder = tmp_path / ".venv"
    one = workshop.object("alpha", "1.0", files={"alpha/__init__.py": "v = 1\n"})
    two = workshop.object("alpha", "2.0", files={"alpha/__init__.py": "v = 2\n"})
    assert made(workshop, folder, one) == 1
    assert made(workshop, folder, two) == 2
    assert os.readlink(folder / "current") == "generations/2"
    assert switch.numbers(str(folder)) == [1, 2]
    site = workshop.interpreter.site_packages
    assert (folder / site / "alpha" / "__init__.py").read_text() == "v = 2\n"
    assert (folder / "generations" / "1" / site / "alpha" / "__init__.py").read_text() == "v = 1\n"


def test_names_at_the_top_follow_the_generation(workshop: Workshop, tmp_path: Path) -> None:
    folder = tmp_path / ".venv"
    made(workshop, folder, workshop.object("alpha", data={"share/alpha.txt": "x"}))
    assert (folder / "share" / "alpha.txt").exists()
    made(workshop, folder, workshop.object("beta"))
    assert not os.path.lexists(folder / "share")
    assert (folder / "pyvenv.cfg").exists()


def test_numbers_are_not_used_twice_after_the_last_was_removed(
    workshop: Workshop, tmp_path: Path
) -> None:
    folder = tmp_path / ".venv"
    alpha = workshop.object("alpha")
    made(workshop, folder, alpha)
    made(workshop, folder, alpha)
    switch.switch(str(folder), 1, "back", verb="rollback")
    switch.discard(str(folder), 2)
    assert made(workshop, folder, alpha) == 3


def test_the_log_tells_every_switch_with_its_cause(workshop: Workshop, tmp_path: Path) -> None:
    folder = tmp_path / ".venv"
    made(workshop, folder, workshop.object("alpha"), cause='provenv add "ünï" \\ \t𝄞')
    switch.switch(str(folder), 1, "provenv rollback", verb="rollback")
    log = generations.read_log(str(folder))
    assert [(e.verb, e.generation) for e in log] == [("sync", 1), ("rollback", 1)]
    assert log[0].cause == 'provenv add "ünï" \\ \t𝄞'
    record = json.loads((folder / "generations/1/.provenv/generation.json").read_text())
    assert record["cause"] == log[0].cause


def test_a_damaged_object_is_not_linked(workshop: Workshop, tmp_path: Path) -> None:
    folder = tmp_path / ".venv"
    stored = workshop.object("alpha")
    steps, plan = workshop.plan(stored)
    package = Path(stored.folder) / "site" / "alpha"
    package.chmod(0o755)
    (package / "foreign.py").write_text("")  # as an uninstaller or installer would change it
    switch.prepare(str(folder))
    with pytest.raises(switch.DamagedStoreError) as caught:
        switch.make_generation(str(folder), steps, workshop.home.root, plan, "test")
    assert caught.value.folders[0].endswith(stored.sha256)
    assert switch.numbers(str(folder)) == []
    assert os.listdir(folder / "generations") == []


def test_a_rewritten_hard_linked_file_is_seen(workshop: Workshop) -> None:
    stored = workshop.object("six", files={"six.py": "x = 6\n"})
    _, plan = workshop.plan(stored)
    assert looking.damaged(f"{plan}/checks", workshop.home.root) == []
    module = Path(stored.folder) / "site" / "six.py"
    module.chmod(0o644)
    module.write_text("x = 7\n")
    assert looking.damaged(f"{plan}/checks", workshop.home.root) != []


def test_two_processes_together_look_at_everything_and_make_everything(
    workshop: Workshop, tmp_path: Path
) -> None:
    """Whichever object is damaged, first or last: it is found by one of the two."""
    objects = [workshop.object(f"pkg{n:02}") for n in range(40)]
    steps, plan = workshop.plan(*objects)
    assert len(steps) > 200
    (tmp_path / "steps").write_text(repr(steps))
    code = textwrap.dedent(
        """
        import ast, os, sys
        from provenv.environments import pair
        home, plan, steps, root = sys.argv[1:]
        os.mkdir(root)
        steps = ast.literal_eval(open(steps).read())
        shared, bad = pair.make_and_look(steps, home, plan, root, project="", alone=False)
        print(shared, *bad)
        """
    )

    def run(root: Path) -> list[str]:
        command = [sys.executable, "-c", code, workshop.home.root, plan, str(tmp_path / "steps")]
        done = subprocess.run([*command, str(root)], capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert run(tmp_path / "whole") == ["True"]
    assert find_drift(steps, str(tmp_path / "whole"), workshop.home.root) == []
    for stored in (objects[0], objects[19], objects[20], objects[39]):
        site = Path(stored.folder) / "site"
        before = site.stat().st_mtime_ns
        os.utime(site, ns=(before, before + 1))
        found = run(tmp_path / stored.name)[1:]
        assert [path.rpartition("/")[2] for path in found] == [stored.sha256]
        os.utime(site, ns=(before, before))


def test_where_the_second_process_fails_all_is_done_by_one(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ".venv"
    objects = [workshop.object(f"pkg{n:02}") for n in range(40)]
    steps, plan = workshop.plan(*objects)
    switch.prepare(str(folder))
    calls = []

    def make_and_look(*args: Any, alone: bool, **more: Any) -> Any:
        calls.append(alone)
        if not alone:
            (folder / "generations" / f".new-{os.getpid()}" / "half").mkdir()
            raise pair.ChildError("killed")
        return real(*args, alone=alone, **more)

    real = pair.make_and_look
    monkeypatch.setattr(pair, "make_and_look", make_and_look)
    number, _ = switch.make_generation(str(folder), steps, workshop.home.root, plan, "test")
    assert calls == [False, True]
    root = folder / "generations" / str(number)
    assert find_drift(steps, str(root), workshop.home.root) == []


@pytest.mark.parametrize(
    "text", [b"", b"provenv-checks 1 0000000000", b"provenv-checks 9 0000000028\n"]
)
def test_checks_that_are_not_whole_are_an_error(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "checks").write_bytes(text)
    with pytest.raises(ValueError, match=r"format|whole"):
        looking.first_part(str(tmp_path / "checks"), str(tmp_path))


def test_what_a_killed_command_left_is_swept(workshop: Workshop, tmp_path: Path) -> None:
    folder = tmp_path / ".venv"
    made(workshop, folder, workshop.object("alpha"))
    (folder / "generations" / ".new-123" / "lib").mkdir(parents=True)
    os.symlink("generations/9", folder / "current.123.tmp")
    switch.sweep(str(folder))
    assert os.listdir(folder / "generations") == ["1"]
    assert not os.path.lexists(folder / "current.123.tmp")


@pytest.mark.slow
def test_a_kill_at_any_instant_leaves_a_whole_environment(
    workshop: Workshop, tmp_path: Path
) -> None:
    folder = tmp_path / ".venv"
    objects = [workshop.object(f"pkg{n}") for n in range(30)]
    steps, plan = workshop.plan(*objects)
    (tmp_path / "steps").write_text(repr(steps))
    made(workshop, folder, *objects)
    loop = textwrap.dedent(
        """
        import ast, sys
        from provenv.environments import switch
        folder, home, plan, steps = sys.argv[1:]
        steps = ast.literal_eval(open(steps).read())
        print("ready", flush=True)
        while True:
            number, _ = switch.make_generation(folder, steps, home, plan, "loop")
            switch.switch(folder, number, "loop")
        """
    )
    for turn in range(12):
        child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                loop,
                str(folder),
                workshop.home.root,
                plan,
                str(tmp_path / "steps"),
            ],
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.003 + 0.0037 * turn)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        number = switch.current(str(folder))
        assert number is not None
        root = folder / "generations" / str(number)
        assert find_drift(steps, str(root), workshop.home.root) == []
        switch.sweep(str(folder))
        for other in switch.numbers(str(folder)):
            whole = folder / "generations" / str(other)
            assert find_drift(steps, str(whole), workshop.home.root) == []


@pytest.mark.parametrize("call", ["readlink", "stat"])
def test_a_disk_that_does_not_answer_says_not_that_nothing_is_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    (tmp_path / "generations/1").mkdir(parents=True)
    (tmp_path / "current").symlink_to("generations/1")
    assert switch.current(str(tmp_path)) == 1

    def refuse(path: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(OSError, match="Input/output error"):
        switch.current(str(tmp_path))

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

import pytest

from provenv.environments import beside, generations, looking, switch
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


def test_a_second_process_looks_at_everything(workshop: Workshop, tmp_path: Path) -> None:
    """Whichever object is damaged, first or last: it is found."""
    objects = [workshop.object(f"pkg{n:02}") for n in range(40)]
    _, plan = workshop.plan(*objects)
    code = textwrap.dedent(
        """
        import os, sys
        sys.path[:0] = [path for path in sys.argv.pop().split(":") if path]
        from provenv.environments import beside, looking
        real, first = looking.damaged, os.getpid()
        looking.damaged = lambda *_: os._exit(3) if os.getpid() == first else real(*_)
        print(*beside.Look(*sys.argv[1:]).answer())
        """
    )

    def looked() -> list[str]:
        command = [sys.executable, "-c", code, plan, workshop.home.root, ":".join(sys.path)]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()

    assert looked() == []
    for stored in (objects[0], objects[19], objects[39]):
        site = Path(stored.folder) / "site"
        before = site.stat().st_mtime_ns
        os.utime(site, ns=(before, before + 1))
        assert [path.rpartition("/")[2] for path in looked()] == [stored.sha256]
        os.utime(site, ns=(before, before))


@pytest.mark.parametrize("says", [b"", b"half of a pa"])
def test_where_the_second_process_is_ended_the_first_one_looks(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, says: bytes
) -> None:
    objects = [workshop.object(f"pkg{n:02}") for n in range(40)]
    _, plan = workshop.plan(*objects)
    (Path(objects[7].folder) / "site" / "pkg07").chmod(0o755)
    (Path(objects[7].folder) / "site" / "pkg07" / "foreign.py").write_text("")
    monkeypatch.setattr(beside, "may_fork", lambda: True)

    def ended(reader: int, writer: int, checks: str, home: str) -> None:
        os.write(writer, says)
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(beside, "_answer", ended)
    look = beside.Look(plan, workshop.home.root)
    assert [path.rpartition("/")[2] for path in look.answer()] == [objects[7].sha256]


def test_where_the_system_has_no_process_left_the_first_one_looks(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = [workshop.object(f"pkg{n:02}") for n in range(40)]
    _, plan = workshop.plan(*objects)
    os.utime(f"{objects[3].folder}/site", ns=(0, 0))
    monkeypatch.setattr(beside, "may_fork", lambda: True)

    def refused() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refused)
    before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
    look = beside.Look(plan, workshop.home.root)
    assert [path.rpartition("/")[2] for path in look.answer()] == [objects[3].sha256]
    assert before == (os.listdir("/proc/self/fd") if before else [])


def test_what_one_command_has_looked_at_counts_for_a_second(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = workshop.object("alpha")
    _, plan = workshop.plan(stored)
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    looked: beside.Looked = {}
    home = workshop.home.root
    assert beside.Look(plan, home, looked).answer() == []
    os.utime(f"{stored.folder}/site", ns=(0, 0))
    assert beside.Look(plan, home).answer() != []
    assert beside.Look(plan, home, looked).answer() == []
    now[0] += 1
    for _ in range(2):  # what is damaged is said each time
        assert beside.Look(plan, home, looked).answer() != []


def test_a_look_that_nobody_asks_leaves_no_process(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, plan = workshop.plan(*[workshop.object(f"pkg{n:02}") for n in range(40)])
    monkeypatch.setattr(beside, "may_fork", lambda: True)
    monkeypatch.setattr(beside, "_answer", lambda *_: time.sleep(60))
    look = beside.Look(plan, workshop.home.root)
    look.drop()
    look.drop()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"provenv-checks 2", b"provenv-checks 2\nO 0 0 x", b"provenv-checks 9\n",
        b"provenv-checks 2\nO -1 0 x\n", b"provenv-checks 2\nO 1 0 x\nsite\n",
        b"provenv-checks 2\nX 0 0 x\n",
    ],
)  # fmt: skip
def test_checks_that_are_not_whole_are_an_error(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "checks").write_bytes(text)
    with pytest.raises(ValueError, match=r"format|whole|block"):
        looking.damaged(str(tmp_path / "checks"), str(tmp_path))


def test_checks_of_the_first_format_are_read(workshop: Workshop) -> None:
    stored = workshop.object("alpha")
    _, plan = workshop.plan(stored)
    new = (Path(plan) / "checks").read_bytes()
    (Path(plan) / "checks").unlink()
    (Path(plan) / "checks").write_bytes(new.replace(b"checks 2\n", b"checks 1 0000000028\n", 1))
    assert looking.damaged(f"{plan}/checks", workshop.home.root) == []
    os.utime(f"{stored.folder}/site", ns=(0, 0))
    assert looking.damaged(f"{plan}/checks", workshop.home.root) != []


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

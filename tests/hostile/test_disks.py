"""Disks that are full, broken, read-only or used up by a quota, at every call that changes something.

The calls are made to fail by a shim (:mod:`support.faults`). The fast tests take one call a phase; the
slow ones sweep over those of a whole command, and to keep to their time take every few.
``PROVENV_SWEEP=1`` takes every one.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from support import Index, Project, make_wheel
from support.faults import Call, Faults, Kept, Server, needs_faults
from support.project import Result

pytestmark = needs_faults

COMMANDS = {
    "first": ["sync"], "sync": ["sync"], "lock": ["lock"], "add": ["add", "beta==2"],
    "rollback": ["rollback"], "gc": ["gc", "--keep", "0"],
    "remove": ["env", "remove", "--yes", "dev"], "status": ["status"], "history": ["history"],
    "tree": ["tree"], "run": ["run", "true"], "verify": ["verify"],
}  # fmt: skip
STATES = {"first": "none", "sync": "asked", "lock": "edited", "add": "one", "run": "one"}
SAFE = ("first", "sync", "add", "rollback")  # what they did not finish is said to be as it was


class Bench:
    """A project in several states, and a disk under it that fails on demand."""

    def __init__(self, folder: Path, index: Index) -> None:
        for version in ("1", "2"):
            files = {"alpha/__init__.py": f"V = {version}\n", "alpha_top.py": f"V = {version}\n"}
            scripts = {"console_scripts": {"alpha": "alpha:main"}}
            index.add(make_wheel(folder, "alpha", version, files=files, entry_points=scripts))
            index.add(make_wheel(folder, "beta", version))
        self.project = Project(folder / "shop", home=folder / "home", index_url=index.url)
        self._folders = [self.project.folder, self.project.home]
        self.faults = Faults(folder / "faults", self._folders)
        self.server = Server(self.project, self.faults)
        self._states: dict[str, Kept] = {}
        self._kept = folder

    def stand(self, state: str) -> None:
        """``one`` generation; ``edited``: another version is asked for; ``asked``: and locked.

        ``two`` generations; ``none``, and a lock.
        """
        if not self._states:
            for name, version, command in (
                ("one", "1", "sync"), ("edited", "2", ""), ("asked", "2", "lock"), ("two", "2", "sync"),
            ):  # fmt: skip
                self.project.depends(f"alpha=={version}", "beta==1")
                if command:
                    self.ok(command)
                self._states[name] = Kept(self._folders, self._kept / name)
            self._states["asked"].put_back()
            shutil.rmtree(self.project.folder / ".venv")
            self._states["none"] = Kept(self._folders, self._kept / "none")
        self._states[state].put_back()

    def ok(self, *args: str) -> Result:
        found = self.server.run(*args)
        assert found.code == 0, str(found)
        return found

    def calls(self, what: str, error: int) -> list[Call]:
        """Those that a command makes and that may fail so; the log is attacked in ``test_log.py``."""
        self.faults.count(error)
        self.server.run(*COMMANDS[what])
        self.faults.none()
        return [call for call in self.faults.counted() if "/provenv/log/" not in call.path]

    def attack(self, what: str, error: int, call: Call, *, stay: bool) -> Result:
        self.faults.fail(error, call.number, stay=stay)
        try:
            return self.server.run(*COMMANDS[what])
        finally:
            self.faults.none()

    @property
    def current(self) -> str | None:
        link = self.project.folder / ".venv/current"
        return os.readlink(link) if link.is_symlink() else None

    def left_over(self) -> list[str]:
        found = [path for folder in self._folders for path in folder.rglob(".*")]
        return [str(path) for path in found if path.name.endswith(".tmp") or ".new-" in path.name]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Index() as index:
        made = Bench(tmp_path_factory.mktemp("disks"), index)
        yield made
        made.server.end()


def check(found: Result, what: str, error: int, told: str) -> None:
    """The exit code is one of the documented ones; an error says doing what, where, and what helps."""
    assert found.code in (0, 1, 3), told
    assert "Traceback" not in found.stderr, told
    assert "failed where it should not" not in found.stderr, told
    if found.code != 3:
        return
    (line,) = (line for line in found.stderr.splitlines() if line.startswith("error: "))
    if (
        errno.errorcode[error] not in line
    ):  # what cannot be read of a generation or object is damage
        assert error in (errno.EIO, errno.EMFILE), told
        return
    assert re.match(r"error: (cannot write /|[^/:]+: )", line), told
    if error != errno.EMFILE:
        assert re.search(r"; (it is on |your quota on )?/\S* \(\w+\)", line), told
    assert re.search(r"^hint: \S", found.stderr, re.MULTILINE), told
    if what in SAFE:
        safe = r"^safe: (generation [12] is|there is no environment yet|nothing was changed)"
        assert re.search(safe, found.stderr, re.MULTILINE), told


@pytest.mark.slow
def test_a_full_disk_at_each_phase_of_a_sync(bench: Bench) -> None:
    bench.stand("asked")
    calls = bench.calls("sync", errno.ENOSPC)
    for part, phase in (
        (r"/unsettled/", "fetching"),
        (r"\.whl$", "downloading alpha 2"),
        (r"/site/alpha$", "storing alpha 2"),
        (r"/links/", "syncing dev"),
        (r"/plans/", "writing the plan"),
        (r"/roots/", "registering the environment"),
        (r"/\.new-\d+/lib$", "making generation 2"),
        (r"/generation\.json$", "making generation 2"),
        (r"/current[^/]*\.tmp$", "switching to generation 2"),
        (r"/\.log$", ""),
        (r"/\.stamp", ""),
    ):
        bench.stand("asked")
        call = next(call for call in calls if re.search(part, call.path))
        found = bench.attack("sync", errno.ENOSPC, call, stay=True)
        told = f"{call}\n{found}"
        check(found, "sync", errno.ENOSPC, told)
        assert bench.left_over() == [], told
        if phase:
            assert found.code == 3, told
            assert f"error: {phase}: " in found.stderr, told
            assert "safe: generation 1 is current and untouched" in found.stderr, told
            assert bench.current == "generations/1", told
        else:  # the switch is done: what is written after it only saves time
            assert found.code == 0, told
            assert bench.current == "generations/2", told


def test_files_are_put_back_on_a_full_disk(bench: Bench) -> None:
    """``add`` writes lock and manifest before it syncs; ``rollback`` before it switches."""
    for what, state, part in (("add", "one", r"/plans/"), ("rollback", "two", r"/current.*tmp$")):
        bench.stand(state)
        before = bench.project.read("pylock.toml"), bench.project.read("pyproject.toml")
        calls = bench.calls(what, errno.ENOSPC)
        bench.stand(state)
        call = next(call for call in calls if re.search(part, call.path))
        found = bench.attack(what, errno.ENOSPC, call, stay=True)
        assert found.code == 3, str(found)
        after = bench.project.read("pylock.toml"), bench.project.read("pyproject.toml")
        assert after == before, f"{call}\n{found}"
        assert bench.left_over() == []


@pytest.mark.parametrize("error", [errno.EMLINK, errno.EXDEV], ids=errno.errorcode.get)
def test_without_hard_links_new_inodes_are_made_and_that_is_said(bench: Bench, error: int) -> None:
    bench.stand("asked")
    bench.faults.fail(error, 1, stay=True)
    found = bench.ok("sync")
    assert "on another file system (or a file has no links left)" in found.stderr
    assert "nothing to do" in bench.ok("sync").stderr
    bench.ok("rollback")
    bench.faults.none()
    bench.ok("verify")
    assert bench.project.python("import alpha, alpha_top; print(alpha_top.V)") == "1"


def test_too_few_open_files(bench: Bench) -> None:
    bench.stand("asked")
    found = bench.server.run("sync", files=3)
    assert found.code == 3, str(found)
    assert "Too many open files (EMFILE)\n" in found.stderr
    assert "safe: generation 1 is current and untouched" in found.stderr
    assert "ulimit -n" in found.stderr
    bench.stand("edited")
    found = bench.server.run("sync", files=8)
    assert found.code == 3, str(found)
    assert "error: resolving: " in found.stderr
    assert "Too many open files (EMFILE)\n" in found.stderr
    assert "safe: generation 1 is current and untouched" in found.stderr


def test_an_environment_that_cannot_be_looked_at_keeps_what_it_holds(bench: Bench) -> None:
    """An EIO is no "it is not there": gc takes nothing away for it, and goes on elsewhere."""
    bench.stand("two")
    calls = bench.calls("gc", errno.EIO)
    call = next(c for c in calls if c.name == "stat" and c.path.endswith("/.venv/generations"))
    bench.stand("two")
    found = bench.attack("gc", errno.EIO, call, stay=False)
    assert "Traceback" not in found.stderr, str(found)
    assert ".venv" in found.stderr, str(found)
    bench.ok("verify")
    assert "generation 1" in bench.ok("rollback").stderr


SWEEPS: dict[str, list[tuple[int, bool, int]]] = {
    "sync": [(errno.ENOSPC, True, 9), (errno.EDQUOT, False, 23), (errno.EROFS, True, 11),
             (errno.EIO, False, 53)],
    "first": [(errno.ENOSPC, True, 11)],
    "lock": [(errno.ENOSPC, True, 4), (errno.EROFS, True, 5)],
    "add": [(errno.ENOSPC, True, 23)],
    "rollback": [(errno.ENOSPC, True, 5), (errno.EIO, False, 23), (errno.EROFS, True, 5)],
    "gc": [(errno.ENOSPC, True, 3), (errno.EIO, False, 29), (errno.EROFS, True, 17)],
    "remove": [(errno.ENOSPC, True, 3), (errno.EIO, False, 29), (errno.EROFS, True, 17)],
    "status": [(errno.EIO, True, 17)],
    "history": [(errno.EIO, True, 7)],
    "tree": [(errno.EIO, True, 13)],
    "run": [(errno.EIO, False, 29)],
    "verify": [(errno.EIO, False, 59)],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("what", SWEEPS)
def test_a_sweep(bench: Bench, what: str) -> None:
    state = STATES.get(what, "two")
    for error, stay, step in SWEEPS[what]:
        bench.stand(state)
        calls = bench.calls(what, error)
        assert calls or what == "remove", what
        for call in calls[:: 1 if os.environ.get("PROVENV_SWEEP") else step]:
            bench.stand(state)
            before = bench.current
            found = bench.attack(what, error, call, stay=stay)
            told = f"{call} {errno.errorcode[error]}\n{found}"
            check(found, what, error, told)
            if found.code == 3 and what != "remove":
                assert bench.current == before, told
            if error in (errno.ENOSPC, errno.EDQUOT):
                assert bench.left_over() == [], told
            good_as_new(bench, what, told)


@pytest.mark.slow
def test_fewer_and_fewer_open_files(bench: Bench) -> None:
    for state, what in (("asked", "sync"), ("two", "rollback"), ("two", "gc"), ("two", "status")):
        codes = []
        for files in range(1, 12):
            bench.stand(state)
            found = bench.server.run(*COMMANDS[what], files=files)
            check(found, what, errno.EMFILE, f"{files}\n{found}")
            codes.append(found.code)
            if found.code == 3:
                good_as_new(bench, what, str(found))
        assert codes[-1] == 0, codes
        assert codes == sorted(codes, reverse=True), codes


def good_as_new(bench: Bench, what: str, told: str) -> None:
    """The next command works without being told to, and all that there is is whole."""
    words: Sequence[str] = COMMANDS[what]
    if what == "rollback" and bench.current == "generations/1":
        words = ["rollback", "--to", "2"]
    again = bench.server.run(*words)
    assert again.code == 0, f"{told}\n{again}"
    if what == "remove":
        assert not (bench.project.folder / ".venv").exists(), told
        return
    verified = bench.server.run("verify")
    assert verified.code == 0, f"{told}\n{verified}"
    assert bench.server.run("run", "--no-sync", "python", "-c", "import alpha").code == 0, told

"""Many at once: importers while generations switch, several syncs of one project, one store for many."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import pytest

from provenv.core.files import locked
from provenv.environments import switch
from support import Index, Project
from support.many import modules, publish_many, versions_seen
from support.project import command

COUNT = 12

FIRST, LATE = modules(COUNT)
IMPORTER = f"""
import importlib, importlib.metadata as metadata, time
seen = set()
for name in {FIRST!r}:
    seen.add(importlib.import_module(name).VERSION)
    time.sleep(0.005)
for name in {LATE!r}:
    seen.add(importlib.import_module(name).VERSION)
seen |= {{metadata.version("many-%d" % number) for number in range({COUNT})}}
print(*sorted(seen))
"""


class Switching:
    """Switches between two generations every 50 ms, in a thread of its own."""

    def __init__(self, folder: Path, numbers: tuple[int, int]) -> None:
        self.count = 0
        self._folder, self._numbers = str(folder), numbers
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.05):
            self.count += 1
            switch.switch(self._folder, self._numbers[self.count % 2], "a test")


@pytest.fixture
def two_generations(project: Project, index: Index, tmp_path: Path) -> Project:
    for version in ("1", "2"):
        publish_many(index, tmp_path / "wheels", version, COUNT)
    for version in ("1", "2"):
        project.depends(*(f"many-{number}=={version}" for number in range(COUNT)))
        project.ok("sync")
    return project


def import_while_switching(project: Project, tries: int) -> int:
    starts = [
        [str(project.folder / ".venv/bin/python")],
        [*command(), "run", "--no-sync", "python"],
    ]

    def once(number: int) -> str:
        done = subprocess.run(
            [*starts[number % 2], "-c", IMPORTER],
            cwd=project.folder, env=project.env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout.strip() if done.returncode == 0 else done.stderr

    with Switching(project.folder / ".venv", (1, 2)) as switching, ThreadPoolExecutor(3) as pool:
        results = list(pool.map(once, range(tries)))
    assert switching.count >= 5
    assert [result for result in results if result not in ("1", "2")] == []
    assert set(results) == {"1", "2"}
    return switching.count


def test_importers_see_one_generation(two_generations: Project) -> None:
    import_while_switching(two_generations, 24)


@pytest.mark.slow
def test_many_importers_see_one_generation(two_generations: Project) -> None:
    import_while_switching(two_generations, 300)


def at_once(running: list[subprocess.Popen[str]]) -> list[str]:
    """What commands that run at once say, when they are done: each must succeed."""
    said = []
    for process in running:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
        said.append(errors)
    return said


def sync_at_once(projects: list[Project]) -> list[str]:
    return at_once([project.popen("sync") for project in projects])


def stored(home: Path) -> int:
    """How many objects the store has; nothing else may be left in it."""
    assert not list((home / "provenv/store/tmp").iterdir())
    return len(list((home / "provenv/store/wheels").glob("*/*")))


@pytest.mark.parametrize("how_many", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_syncs_of_one_project_agree(
    project: Project, index: Index, tmp_path: Path, how_many: int
) -> None:
    publish_many(index, tmp_path / "wheels", "2", COUNT)
    names = publish_many(index, tmp_path / "wheels", "1", COUNT)
    for number, version in enumerate(("1", "2"), 1):
        project.depends(*(f"{name}=={version}" for name in names))
        said = sync_at_once([project] * how_many)
        assert versions_seen(project, COUNT) == version
        assert switch.numbers(str(project.folder / ".venv")) == [1, 2][:number]
        assert sum("locking: " in text for text in said) == 1  # one resolves, the others use it
        assert sum(f"generation {number} (" in text for text in said) == 1
        assert stored(project.home) == COUNT * number
    project.ok("verify", "--all")


@pytest.mark.slow
def test_fifty_projects_share_one_empty_store(index: Index, tmp_path: Path) -> None:
    names = publish_many(index, tmp_path / "wheels", "1", COUNT)
    projects = [
        Project(tmp_path / f"shop-{number}", home=tmp_path / "home", index_url=index.url)
        for number in range(50)
    ]
    for project in projects:
        project.depends(*names)
    projects[0].ok("lock")
    for project in projects[1:]:
        project.write("pylock.toml", projects[0].read("pylock.toml"))
    sync_at_once(projects)
    for project in projects[::10]:
        assert versions_seen(project, COUNT) == "1"
    assert stored(tmp_path / "home") == COUNT
    listed = projects[0].ok("store", "list", "--json").json
    assert {len(item["held_by"]) for item in listed["objects"]} == {50}
    assert listed["disk"]["own"] == listed["disk"]["unheld"] == 0
    projects[0].ok("verify", "--all")


def test_a_sync_that_was_overtaken_makes_what_the_files_say_now(
    two_generations: Project,
) -> None:
    """As by a rollback that had its turn first, while the sync waited for it."""
    project, folder = two_generations, str(two_generations.folder / ".venv")
    before = {name: project.read(name) for name in ("pyproject.toml", "pylock.toml")}
    project.ok("rollback")
    (project.folder / ".venv/.stamp").unlink(missing_ok=True)
    with locked(f"{folder}/.lock"):
        process = project.popen("sync")
        wait_for_lock(process, f"{folder}/.lock")
        for name, text in before.items():
            project.write(name, text)
    at_once([process])
    assert switch.current(folder) == 3
    assert versions_seen(project, COUNT) == "2"
    assert project.ok("status", "--json").json["agrees"]


def wait_for_lock(process: subprocess.Popen[str], path: str) -> None:
    """Until the process waits for the lock of a file: the kernel lists it with an arrow."""
    inode = os.stat(path).st_ino
    for _ in range(3000):
        rows = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        waits = [row for row in rows if "->" in row and row[-3].endswith(f":{inode}")]
        if any(str(process.pid) in row for row in waits):
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError(f"it never waited for {path}")


@pytest.mark.slow
def test_who_waits_is_told_for_whom(two_generations: Project) -> None:
    home = two_generations.home / "provenv"
    with locked(f"{home}/store/lock"):
        process = two_generations.popen("gc")
        assert process.stderr is not None
        said = process.stderr.readline()
    at_once([process])
    assert f"waiting for process {os.getpid()} (" in said
    assert "works with the store" in said


@pytest.mark.slow
def test_sync_rollback_gc_and_remove_at_once(index: Index, tmp_path: Path) -> None:
    projects = [
        Project(tmp_path / f"shop-{number}", home=tmp_path / "home", index_url=index.url)
        for number in range(3)
    ]
    names = publish_many(index, tmp_path / "wheels", "2", COUNT)
    publish_many(index, tmp_path / "wheels", "1", COUNT)
    for project in projects:
        for version in ("1", "2"):
            project.depends(*(f"{name}=={version}" for name in names))
            project.ok("sync")
    verbs = [
        ["sync"], ["sync", "--link-mode", "copy"], ["rollback"], ["gc", "--keep", "0"], ["gc"],
        ["env", "remove", "dev", "--yes", "--force"], ["verify", "--all"], ["repair"], ["env", "list"],
    ]  # fmt: skip
    dice = random.Random(8)
    calls = [(dice.choice(projects), dice.choice(verbs)) for _ in range(80)]
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda call: call[0].run(*call[1]), calls))
    none_there = ("there is no environment in", "there is no generation")
    for result in results:
        assert "Traceback" not in result.stderr, str(result)
        fitting = result.args == ("rollback",) and any(text in result.stderr for text in none_there)
        assert result.code == 0 or (fitting and result.code == 2), str(result)
    for project in projects:
        project.ok("sync")
        assert versions_seen(project, COUNT) in ("1", "2")
        assert project.ok("status", "--json").json["agrees"]
    projects[0].ok("verify", "--all")
    stored(tmp_path / "home")


LOOP = f"""
import importlib, sys, time
seen, count = set(), 0
while count < 1000:
    for name in {FIRST + LATE!r}:
        for loaded in [key for key in sys.modules if key.startswith(("many_", "manyspace"))]:
            del sys.modules[loaded]
        importlib.invalidate_caches()
        seen.add(importlib.import_module(name).VERSION)
        count += 1
        time.sleep(0.003)
print(*sorted(seen))
"""


@pytest.mark.slow
def test_a_thousand_imports_while_generations_switch_and_gc_runs(two_generations: Project) -> None:
    project = two_generations
    starts = [[".venv/bin/python"], [*command(), "run", "--no-sync", "python"]]
    running = [
        subprocess.Popen(
            [*start, "-c", LOOP], cwd=project.folder, env=project.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for start in starts
    ]  # fmt: skip
    with Switching(project.folder / ".venv", (1, 2)) as switching:
        while all(process.poll() is None for process in running):
            project.ok("gc")
    for process in running:
        out, errors = process.communicate(timeout=120)
        assert out.strip() in ("1", "2"), errors
    assert switching.count >= 20


@pytest.mark.slow
def test_gc_takes_nothing_from_a_sync(project: Project, index: Index, tmp_path: Path) -> None:
    other = Project(tmp_path / "other", home=project.home, index_url=index.url)
    names = publish_many(index, tmp_path / "wheels", "1", COUNT)
    for one in (project, other):
        one.depends(*names)
        one.ok("lock")
    over = threading.Event()

    def collect() -> None:
        while not over.is_set():
            other.ok("gc", "--grace", "0")

    with ThreadPoolExecutor(1) as pool:
        collecting = pool.submit(collect)
        for turn in range(4):
            project.ok("sync")
            assert versions_seen(project, COUNT) == "1"
            project.ok("sync", "--link-mode", "copy")
            assert versions_seen(project, COUNT) == "1"
            (project.folder / ".venv").rename(tmp_path / f"gone-{turn}")
        over.set()
        collecting.result()
    project.ok("sync")
    project.ok("verify")


@pytest.mark.parametrize("how_many", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_adds_at_once_lose_nothing(
    project: Project, index: Index, tmp_path: Path, how_many: int
) -> None:
    names = publish_many(index, tmp_path / "wheels", "1", COUNT)
    project.depends()
    at_once([project.popen("add", name) for name in names[:how_many]])
    text = project.read("pyproject.toml")
    assert [name for name in names[:how_many] if name not in text] == []
    assert switch.numbers(str(project.folder / ".venv")) == list(range(1, how_many + 1))
    assert project.ok("status", "--json").json["agrees"]

"""Many at once: importers while generations switch, several syncs of one project, one store for many."""

from __future__ import annotations

import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import pytest

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


def sync_at_once(projects: list[Project], *arguments: str) -> None:
    running = [project.popen(*arguments) for project in projects]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert "Traceback" not in errors


@pytest.mark.parametrize("how_many", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_syncs_of_one_project_agree(
    project: Project, index: Index, tmp_path: Path, how_many: int
) -> None:
    publish_many(index, tmp_path / "wheels", "2", COUNT)
    names = publish_many(index, tmp_path / "wheels", "1", COUNT)
    project.depends(*(f"{name}==1" for name in names))
    sync_at_once([project] * how_many, "sync")
    assert versions_seen(project, COUNT) == "1"
    assert switch.numbers(str(project.folder / ".venv")) == [1]
    project.ok("verify", "--all")
    project.depends(*(f"{name}==2" for name in names))
    sync_at_once([project] * how_many, "sync")
    assert versions_seen(project, COUNT) == "2"
    assert switch.numbers(str(project.folder / ".venv")) == [1, 2]


@pytest.mark.slow
def test_ten_projects_share_one_empty_store(index: Index, tmp_path: Path) -> None:
    names = publish_many(index, tmp_path / "wheels", "1", COUNT)
    projects = [
        Project(tmp_path / f"shop-{number}", home=tmp_path / "home", index_url=index.url)
        for number in range(10)
    ]
    for number, project in enumerate(projects):
        project.depends(*names[: 3 + number % 4], *names[6:])
    sync_at_once(projects, "sync")
    for project in projects:
        project.ok("verify")
    projects[0].ok("verify", "--all")
    assert not list((tmp_path / "home/provenv/store/tmp").iterdir())


def test_gc_takes_nothing_from_a_sync(project: Project, index: Index, tmp_path: Path) -> None:
    other = Project(tmp_path / "other", home=project.home, index_url=index.url)
    names = publish_many(index, tmp_path / "wheels", "1", COUNT)
    for one in (project, other):
        one.depends(*names)
        one.ok("lock")
    over = threading.Event()

    def collect() -> None:
        while not over.is_set():
            other.ok("store", "gc")

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


def test_adds_at_once_lose_nothing(project: Project, index: Index, tmp_path: Path) -> None:
    names = publish_many(index, tmp_path / "wheels", "1", COUNT)
    project.depends()
    running = [project.popen("add", name) for name in names[:3]]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    text = project.read("pyproject.toml")
    assert [name for name in names[:3] if name not in text] == []
    assert project.ok("status", "--json").json["agrees"]

"""gc: what stays for environments that are missing or cannot be read, limits, and sizes that add up.

The environments here consist of what gc looks at, and nothing else; real ones are collected in
``functional/test_gc.py``.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from provenv.core.errors import UsageError
from provenv.core.files import remove_tree
from provenv.environments import generations, switch
from provenv.model.layout import HomeLayout
from provenv.store.collect import weigh
from provenv.store.ingest import ingest
from provenv.store.objects import StoredObject, has_object
from provenv.workspace import roots
from provenv.workspace.host import claims, processes
from provenv.workspace.host.processes import InUse
from provenv.workspace.projects.context import Context
from provenv.workspace.proving import collection
from provenv.workspace.proving.collection import GcResult
from provenv.workspace.proving.storage import look_into_store
from unit.store.wheelmaker import Wheel

DAY = 86400.0


@dataclass
class Place:
    """A home folder, its store, and environments beside it."""

    home: HomeLayout
    base: Path
    environ: dict[str, str]

    @property
    def context(self) -> Context:
        return Context(home=self.home, environ=self.environ, user_home=str(self.base))

    def put(self, name: str, size: int = 5000) -> StoredObject:
        made = Wheel(name=name, files={f"{name}.py": b"#" * size}).save(self.base / "wheels")
        return ingest(
            self.home, str(made.path), filename=made.filename, sha256=made.sha256, size=made.size
        )

    def generation(
        self, folder: Path, number: int, *objects: StoredObject, created: float | None = None
    ) -> None:
        """Make a generation that holds ``objects`` (and links a file of each), and switch to it."""
        own = Path(generations.own_file(str(folder), number, "contents.json"))
        own.parent.mkdir(parents=True)
        own.write_bytes(
            generations.contents(
                environment="dev",
                lock_digest="",
                manifest_digest="",
                python="3.13.0",
                executable="/python",
                link_mode="hardlink",
                tree_digest=str(number),
                packages=[(o.name, o.version, o.sha256, False) for o in objects],
                files={},
                own={},
            )
        )
        text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created))
        switch.write_record(str(own.with_name("generation.json")), number, "a test", text)
        own.with_name("private").write_bytes(b"x" * 7000)
        for obj in objects:
            os.link(f"{obj.folder}/site/{obj.name}.py", own.with_name(f"{obj.name}.py"))
        roots.register(self.home.roots, str(folder), str(own.parent))
        switch.switch(str(folder), number, "a test")

    def gc(self, **options: Any) -> GcResult:
        """``gc`` twice, first as a dry run: what that says is what happens."""
        dry = collection.gc(self.context, dry_run=True, **options)
        assert len(self.objects()) == dry.kept + dry.spared + dry.objects
        done = collection.gc(self.context, **options)
        for field in ("generations", "objects", "freed", "kept", "spared", "size", "before"):
            assert getattr(dry, field) == getattr(done, field), field
        assert done.size.total == du(f"{self.home.root}/store")
        parts = done.size
        assert parts.shared + parts.own + parts.unheld + parts.other == parts.total
        return done

    def objects(self) -> set[str]:
        return {Path(path).name for path in Path(self.home.wheels).glob("*/*")}

    def has(self, *objects: StoredObject) -> bool:
        return all(has_object(self.home, obj.sha256) for obj in objects)


def du(*paths: str) -> int:
    done = subprocess.run(["du", "-scB1", *paths], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1].split()[0])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(processes, "generations_in_use", InUse)  # of them `host/test_processes.py`
    yield Place(HomeLayout(str(tmp_path / "home")), tmp_path, {})
    remove_tree(tmp_path / "home")


@pytest.fixture
def disk(place: Place) -> tuple[Path, StoredObject, StoredObject]:
    """An environment on a disk of its own, with two generations of different objects."""
    first, second = place.put("first"), place.put("second")
    folder = place.base / "disk/mounted/shop/.venv"
    place.generation(folder, 1, first)
    place.generation(folder, 2, second)
    return place.base / "disk/mounted", first, second


Loss = Callable[[Path], object]


def unmount(mounted: Path) -> None:
    mounted.rename(mounted.parents[1] / "away")
    mounted.mkdir()


def lose_project(mounted: Path) -> None:
    (mounted / "other").mkdir()
    (mounted / "shop").rename(mounted.parents[1] / "away")


def lose_folder(mounted: Path) -> None:
    (mounted / "shop/.venv").rename(mounted.parents[1] / "away")


def empty_folder(mounted: Path) -> None:
    lose_folder(mounted)
    (mounted / "shop/.venv").mkdir()


@pytest.mark.parametrize("lose", [unmount, lose_project, lose_folder, empty_folder])
def test_what_a_missing_environment_held_stays_for_a_while(
    place: Place, disk: tuple[Path, StoredObject, StoredObject], lose: Loss
) -> None:
    mounted, first, second = disk
    folder = str(mounted / "shop/.venv")
    orphan = place.put("orphan")
    lose(mounted)
    done = place.gc(grace=0.0)
    assert done.missing == (folder,)
    (waiting,) = done.waiting
    assert (waiting.folder, waiting.objects) == (folder, 2)
    assert waiting.until is not None
    assert waiting.until[:10] >= time.strftime("%Y-%m-%d", time.gmtime(time.time() + 13 * DAY))
    assert place.has(first, second)  # of the former generation, too
    assert not place.has(orphan)
    assert place.gc(forget_missing=1000.0).forgotten == ()
    missed = claims.of(place.context, folder).path + ".missed"
    os.utime(missed, (time.time() - 1001, time.time() - 1001))
    place.environ["PROVENV_FORGET_MISSING"] = "30m"
    done = place.gc()
    assert done.forgotten == ()
    place.environ["PROVENV_FORGET_MISSING"] = "10m"
    done = place.gc()
    assert (done.forgotten, done.waiting, done.objects) == ((folder,), (), 2)
    assert os.listdir(place.home.roots) == []


def test_what_comes_back_is_as_it_was(
    place: Place, disk: tuple[Path, StoredObject, StoredObject]
) -> None:
    mounted, first, second = disk
    unmount(mounted)
    place.gc(grace=0.0)
    mounted.rmdir()
    (place.base / "away").rename(mounted)
    done = place.gc(keep=0, grace=0.0)
    assert (done.missing, done.waiting) == ((), ())
    assert done.generations == ((str(mounted / "shop/.venv"), 1),)
    assert (place.has(first), place.has(second)) == (False, True)
    unmount(mounted)
    assert [item.objects for item in place.gc().waiting] == [1]  # what is gone is not remembered


def test_a_clock_that_is_set_back_takes_nothing_away(
    place: Place, disk: tuple[Path, StoredObject, StoredObject]
) -> None:
    mounted, first, second = disk
    folder = str(mounted / "shop/.venv")
    unmount(mounted)
    place.gc()
    missed = claims.of(place.context, folder).path + ".missed"
    future = time.time() + 10 * 365 * DAY
    os.utime(missed, (future, future))
    assert place.gc(forget_missing=5.0).forgotten == ()
    assert place.has(first, second)


def test_an_entry_that_cannot_be_read_keeps_what_it_held(
    place: Place, disk: tuple[Path, StoredObject, StoredObject]
) -> None:
    mounted, first, second = disk
    entry = claims.of(place.context, str(mounted / "shop/.venv")).path
    os.unlink(entry)
    Path(entry).write_text("no link\n")
    done = place.gc(grace=0.0)
    assert [(item.folder, item.objects) for item in done.waiting] == [(entry, 2)]
    assert place.has(first, second)
    assert place.gc(forget_missing=0.0).forgotten == (entry,)
    assert place.objects() == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_that_may_not_be_read_keeps_what_it_held(
    place: Place, disk: tuple[Path, StoredObject, StoredObject]
) -> None:
    mounted, first, second = disk
    folder = mounted / "shop/.venv"
    for path in (place.base, *place.base.parents):
        if path.stat().st_mode & 0o011 != 0o011 and path != Path("/"):
            path.chmod(0o755)
    subprocess.run(["chown", "-R", "65534", place.home.root], check=True)
    folder.chmod(0o700)
    report = place.base / "report"
    report.mkdir(mode=0o777)
    report.chmod(0o777)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            done = collection.gc(place.context, grace=0.0)
            (report / "waiting").write_text("\n".join(item.folder for item in done.waiting))
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (report / "waiting").read_text() == str(folder)
    assert place.has(first, second)


def test_a_generation_that_cannot_be_read_keeps_all_that_its_environment_held(
    place: Place, disk: tuple[Path, StoredObject, StoredObject]
) -> None:
    mounted, first, second = disk
    folder, orphan = mounted / "shop/.venv", place.put("orphan")
    Path(generations.own_file(str(folder), 2, "contents.json")).write_text("{")
    done = place.gc(keep=0, grace=0.0)
    (waiting,) = done.waiting
    assert "generation 2" in waiting.reason
    assert (waiting.until, waiting.objects) == (None, 2)
    assert place.has(first, second)
    assert not place.has(orphan)


def test_nothing_goes_where_nobody_knows_what_was_held(
    place: Place, disk: tuple[Path, StoredObject, StoredObject]
) -> None:
    mounted, first, second = disk
    folder, orphan = mounted / "shop/.venv", place.put("orphan")
    unmount(mounted)
    for path in Path(claims.of(place.context, str(folder)).path + ".held").iterdir():
        path.write_bytes(path.read_bytes().replace(b"second", b"sEcond"))  # a flipped bit
    done = place.gc(grace=0.0)
    assert [item.objects for item in done.waiting] == [None]
    assert place.has(first, second, orphan)
    assert place.gc(grace=0.0, forget_missing=0.0).objects == 3


def test_a_link_that_a_kill_left_unfinished_is_tidied(place: Place) -> None:
    place.put("one")
    os.makedirs(f"{place.home.roots}/0123.held")
    Path(f"{place.home.roots}/0123.missed").touch()
    place.gc()
    assert os.listdir(place.home.roots) == []


def test_sizes_add_up_to_what_du_says(place: Place) -> None:
    common, one, two, nobody = (place.put(name) for name in ("common", "one", "two", "nobody"))
    for number, own in enumerate((one, two)):
        folder = place.base / f"project-{number}/.venv"
        place.generation(folder, 1, common, own)
        place.generation(folder, 2, common)
    folders = [str(place.base / f"project-{number}/.venv") for number in range(2)]
    before = du(f"{place.home.root}/store", *folders)
    listed = look_into_store(place.context)
    assert listed.size.total == du(f"{place.home.root}/store")
    disk = {item.name: item.disk for item in listed.items}
    assert disk == {o.name: du(o.folder) for o in (common, one, two, nobody)}
    assert (listed.size.shared, listed.size.own, listed.size.unheld) == (
        disk["common"], disk["one"] + disk["two"], disk["nobody"],
    )  # fmt: skip
    done = place.gc(keep=0, grace=0.0)
    assert (len(done.generations), done.objects) == (2, 3)
    assert before - du(f"{place.home.root}/store", *folders) == done.freed
    assert done.before - done.size.total <= done.freed
    assert done.size.shared == disk["common"]


def test_keep_is_by_number_and_older_than_spares_what_was_used_lately(place: Place) -> None:
    folder = place.base / "shop/.venv"
    made = [place.put(f"v{number}") for number in range(1, 5)]
    now = time.time()
    for number, obj in enumerate(made, 1):
        place.generation(folder, number, obj, created=now - (50 - 10 * number) * DAY)
    log = [
        {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - days * DAY)),
         "verb": "sync", "generation": number, "cause": "a test"}
        for number, days in ((1, 40), (2, 30), (3, 20), (4, 10))
    ]  # fmt: skip
    (folder / ".log").write_text("".join(f"{json.dumps(line)}\n" for line in log))
    done = place.gc(keep=0, unused=25 * DAY)  # 1 was in use until 30 days ago, 2 until 20
    assert [number for _, number in done.generations] == [1]
    assert [number for _, number in done.recent] == [2, 3]
    assert place.objects() == {obj.sha256 for obj in made[1:]}
    done = place.gc(keep=1)
    assert [number for _, number in done.generations] == [2]


def test_a_limit_takes_first_what_was_used_longest_ago_and_never_what_is_held(place: Place) -> None:
    folder = place.base / "shop/.venv"
    old, late, held = place.put("old", 40_000), place.put("late", 40_000), place.put("held")
    for path in (old.folder, late.folder):
        os.utime(path, (time.time() - 100 * DAY,) * 2)
    place.generation(folder, 1, late)
    place.generation(folder, 2, old)
    place.generation(folder, 3, held)
    now = time.time()
    log = [
        {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - days * DAY)),
         "verb": verb, "generation": number, "cause": "a test"}
        for verb, number, days in (
            ("sync", 1, 9), ("sync", 2, 8), ("rollback", 1, 7), ("sync", 3, 2)
        )
    ]  # fmt: skip
    (folder / ".log").write_text("".join(f"{json.dumps(line)}\n" for line in log))
    total = weigh(place.home).total
    done = place.gc(keep=0, max_size=total)  # enough for all: nothing is taken out of the store
    assert (len(done.generations), done.objects, done.spared, done.over) == (2, 0, 2, 0)
    done = place.gc(max_size=total - 10_000)
    assert (done.objects, done.over) == (1, 0)
    assert place.has(late, held)  # 1 was used last: a rollback went back to it
    assert place.gc(unused=DAY, max_size=0).spared == 0
    done = place.gc(max_size=0)
    assert place.objects() == {held.sha256}
    assert done.over == done.size.total > 0


def test_what_an_environment_let_go_is_gone_at_once_and_what_is_new_is_not(place: Place) -> None:
    new = place.put("new")
    folder, used = place.base / "shop/.venv", place.put("used")
    place.generation(folder, 1, used)
    shutil.rmtree(folder)
    claims.forget(place.context, claims.of(place.context, str(folder)))
    done = place.gc()
    assert place.objects() == {new.sha256}
    assert (done.objects, done.spared, done.size.unheld > 0) == (1, 1, True)


def test_an_age_that_is_none_is_said(place: Place) -> None:
    place.put("one")
    place.environ["PROVENV_FORGET_MISSING"] = "soon"
    with pytest.raises(UsageError, match="PROVENV_FORGET_MISSING: 'soon' is no age"):
        collection.gc(place.context)


def test_an_object_that_a_process_has_mapped_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapped, other = place.put("mapped"), place.put("other")
    used = InUse(objects=frozenset([mapped.sha256]))
    monkeypatch.setattr(processes, "generations_in_use", lambda: used)
    done = place.gc(grace=0.0, max_size=0)
    assert (done.objects, done.spared) == (1, 1)
    assert place.objects() == {mapped.sha256} != {other.sha256}


def test_an_environment_in_which_nothing_can_be_removed_keeps_what_it_holds(
    place: Place, disk: tuple[Path, StoredObject, StoredObject], monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted, first, second = disk
    folder = str(mounted / "shop/.venv")

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(switch, "discard", refuse)
    done = collection.gc(place.context, keep=0, grace=0.0)
    (waiting,) = done.waiting
    assert (waiting.folder, waiting.until, done.generations) == (folder, None, ())
    assert "Read-only file system" in waiting.reason
    assert place.has(first, second)
    assert done.size.total == du(f"{place.home.root}/store")

"""What nobody keeps goes; prepared links; and a kill on the way leaves no half object."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import provenv
from provenv.core import files
from provenv.core.errors import DiskError
from provenv.core.files import locked
from provenv.model.layout import HomeLayout
from provenv.store import collect as collecting
from provenv.store.collect import Collected, collect
from provenv.store.links import prepared_links
from provenv.store.objects import read_object
from provenv.store.verify import quarantine
from unit.store.conftest import Put
from unit.store.wheelmaker import Wheel


def test_only_what_is_not_kept_goes(put: Put, layout: HomeLayout) -> None:
    kept, gone = put(Wheel(name="kept")), put(Wheel(name="gone"))
    for obj in (kept, gone):
        prepared_links(layout, obj.sha256, ["site/demo"])
    asked = collect(layout, [kept.sha256], dry_run=True, grace=0)
    assert read_object(layout, gone.sha256) == gone
    done = collect(layout, [kept.sha256], dry_run=False, grace=0)
    assert asked == done == Collected(objects=(gone.sha256,), freed=gone.unpacked)
    assert not os.path.exists(gone.folder)
    assert not os.path.exists(layout.object_links(gone.sha256))
    assert os.path.exists(layout.object_links(kept.sha256))
    assert read_object(layout, kept.sha256) == kept
    assert os.listdir(layout.tmp) == []
    assert collect(layout, [kept.sha256], dry_run=False, grace=0).objects == ()


def test_what_is_young_stays(put: Put, layout: HomeLayout) -> None:
    obj = put(Wheel())
    Path(layout.tmp, "leftover").write_bytes(b"x" * 10)
    assert collect(layout, [], dry_run=False, grace=3600) == Collected(objects=(), freed=0)
    os.utime(Path(layout.tmp, "leftover"), (1, 1))
    assert collect(layout, [], dry_run=False, grace=3600).leftovers == 1
    os.utime(obj.folder, (1, 1))
    assert collect(layout, [], dry_run=False, grace=3600).objects == (obj.sha256,)


def test_quarantine_is_emptied_only_on_demand(put: Put, layout: HomeLayout) -> None:
    obj = put(Wheel())
    quarantine(layout, obj.sha256)
    assert collect(layout, [], dry_run=False, grace=0).quarantined == 0
    assert len(os.listdir(layout.quarantine)) == 1
    done = collect(layout, [], dry_run=False, grace=0, empty_quarantine=True)
    assert (done.quarantined, os.listdir(layout.quarantine)) == (1, [])
    assert done.freed > obj.unpacked


def test_an_empty_store_has_nothing_to_collect(layout: HomeLayout) -> None:
    assert collect(layout, [], dry_run=False, grace=0) == Collected(objects=(), freed=0)


def test_a_kill_between_moving_and_deleting_leaves_no_half_object(
    put: Put, layout: HomeLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    obj = put(Wheel())

    def die(path: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(collecting, "remove_tree", die)
    with pytest.raises(KeyboardInterrupt):
        collect(layout, [], dry_run=False, grace=0)
    monkeypatch.undo()
    assert not os.path.exists(obj.folder)
    assert read_object(layout, obj.sha256) is None
    assert len(os.listdir(layout.tmp)) == 1
    assert put(Wheel()).folder == obj.folder
    collect(layout, [obj.sha256], dry_run=False, grace=0)
    assert os.listdir(layout.tmp) == []


def test_collect_waits_for_those_who_fetch(put: Put, layout: HomeLayout) -> None:
    obj = put(Wheel())
    program = (
        "import sys; from provenv.model.layout import HomeLayout\n"
        "from provenv.store.collect import collect\n"
        "print('go', flush=True)\n"
        "collect(HomeLayout(sys.argv[1]), [], dry_run=False, grace=0)"
    )
    with locked(layout.lock, shared=True):
        process = subprocess.Popen(
            [sys.executable, "-c", program, layout.root],
            env={"PYTHONPATH": os.path.dirname(provenv.__path__[0])},
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.2)
        assert read_object(layout, obj.sha256) == obj
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert read_object(layout, obj.sha256) is None


def test_prepared_links_lead_into_the_object(put: Put, layout: HomeLayout) -> None:
    obj = put(Wheel(files={"demo/__init__.py": b"", "demo/100%/x.py": b"", "ü.py": b""}))
    paths = ["site/demo", "site/demo/100%", "site/ü.py"]
    links = prepared_links(layout, obj.sha256, paths)
    assert [os.readlink(link) for link in links] == [f"{obj.folder}/{path}" for path in paths]
    assert all(os.path.exists(link) for link in links)
    inodes = [os.lstat(link).st_ino for link in links]
    assert prepared_links(layout, obj.sha256, paths) == links
    assert [os.lstat(link).st_ino for link in links] == inodes
    assert prepared_links(layout, obj.sha256, []) == []


def test_links_do_not_collide_and_long_paths_fit(put: Put, layout: HomeLayout) -> None:
    obj = put(Wheel())
    paths = ["site/a/b", "site/a%2Fb", *(f"site/{'x' * 120}/{'y' * 120}{n}" for n in range(2))]
    links = prepared_links(layout, obj.sha256, paths)
    assert len(set(links)) == 4
    assert [os.readlink(link) for link in links] == [f"{obj.folder}/{path}" for path in paths]


def test_stale_links_are_made_anew(put: Put, layout: HomeLayout) -> None:
    obj = put(Wheel())
    (link,) = prepared_links(layout, obj.sha256, ["site/demo"])
    files.replace_symlink(link, "/somewhere/else")
    assert prepared_links(layout, obj.sha256, ["site/demo"]) == [link]
    assert os.readlink(link) == f"{obj.folder}/site/demo"


def test_a_link_that_cannot_be_made_is_a_disk_error(put: Put, layout: HomeLayout) -> None:
    obj = put(Wheel())
    Path(layout.links).write_bytes(b"a file in the way")
    with pytest.raises(DiskError):
        prepared_links(layout, obj.sha256, ["site/demo"])

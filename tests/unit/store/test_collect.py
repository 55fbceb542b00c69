"""What nobody keeps goes; prepared links; and a kill on the way leaves no half object."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from provenv.core import files
from provenv.core.errors import DiskError
from provenv.model.layout import HomeLayout
from provenv.store import collect as collecting
from provenv.store.collect import Collected, Limits, collect, weigh
from provenv.store.links import prepared_links
from provenv.store.objects import read_object
from provenv.store.verify import quarantine
from unit.store.conftest import Put
from unit.store.wheelmaker import Wheel


def test_only_what_is_not_kept_goes(put: Put, layout: HomeLayout) -> None:
    kept, gone = put(Wheel(name="kept")), put(Wheel(name="gone"))
    for obj in (kept, gone):
        prepared_links(layout, obj.sha256, ["site/demo"])
    asked = collect(layout, [kept.sha256], dry_run=True)
    assert read_object(layout, gone.sha256) == gone
    done = collect(layout, [kept.sha256], dry_run=False)
    assert asked == done
    assert done.objects == (gone.sha256,)
    assert done.size == du(layout.root + "/store")
    assert not os.path.exists(gone.folder)
    assert not os.path.exists(layout.object_links(gone.sha256))
    assert os.path.exists(layout.object_links(kept.sha256))
    assert read_object(layout, kept.sha256) == kept
    assert os.listdir(layout.tmp) == []
    assert collect(layout, [kept.sha256], dry_run=False).objects == ()


def du(*paths: str) -> int:
    done = subprocess.run(["du", "-scB1", *paths], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1].split()[0])


def test_what_is_freed_is_what_du_misses(put: Put, layout: HomeLayout, tmp_path: Path) -> None:
    shared, alone = put(Wheel(name="shared")), put(Wheel(name="alone"))
    for obj in (shared, alone):
        prepared_links(layout, obj.sha256, ["site/demo"])
    os.link(f"{shared.folder}/site/demo/__init__.py", tmp_path / "elsewhere")
    Path(layout.tmp, "leftover").write_bytes(b"x" * 10_000)
    store = f"{layout.root}/store"
    before = du(store, str(tmp_path / "elsewhere"))
    assert weigh(layout).total == du(store)
    asked = collect(layout, [], dry_run=True)
    done = collect(layout, [], dry_run=False)
    assert asked == done
    assert done.size == du(store)
    assert done.freed == before - du(store, str(tmp_path / "elsewhere"))


def test_what_is_new_stays_unless_it_is_known_when_it_was_used(
    put: Put, layout: HomeLayout
) -> None:
    obj = put(Wheel())
    Path(layout.tmp, "leftover").write_bytes(b"x" * 10)
    new = Limits(grace=3600)
    done = collect(layout, [], dry_run=False, limits=new)
    assert (done.objects, done.spared, done.leftovers) == ((), (obj.sha256,), 1)
    used = {obj.sha256: time.time()}
    assert collect(layout, [], dry_run=True, limits=new, used=used).objects == (obj.sha256,)
    for stored in (1.0, time.time() + 10 * 365 * 86400):  # long ago; or the clock was set back
        os.utime(obj.folder, (stored, stored))
        assert collect(layout, [], dry_run=True, limits=new).objects == (obj.sha256,)


def test_only_what_was_not_used_for_so_long(put: Put, layout: HomeLayout) -> None:
    old, young = put(Wheel(name="old")), put(Wheel(name="young"))
    now = time.time()
    used = {old.sha256: now - 40 * 86400, young.sha256: now - 20 * 86400}
    done = collect(layout, [], dry_run=False, limits=Limits(unused=30 * 86400), used=used)
    assert (done.objects, done.spared) == ((old.sha256,), (young.sha256,))


def test_a_limit_takes_what_was_used_longest_ago_and_no_more(put: Put, layout: HomeLayout) -> None:
    made = [put(Wheel(name=f"demo{n}", files={"demo.py": b"x" * 20_000})) for n in range(4)]
    used = {obj.sha256: float(when) for obj, when in zip(made, (30, 10, 20, 40), strict=True)}
    held = made[1]
    size = weigh(layout).total
    limits = Limits(size=size - weigh(layout).size(made[2].sha256))
    done = collect(layout, [held.sha256], dry_run=False, limits=limits, used=used)
    assert done.objects == (made[2].sha256,)
    assert set(done.spared) == {made[0].sha256, made[3].sha256}
    assert done.size <= (limits.size or 0)
    done = collect(layout, [held.sha256], dry_run=False, limits=Limits(size=0), used=used)
    assert set(done.objects) == {made[0].sha256, made[3].sha256}
    assert read_object(layout, held.sha256) == held


def test_nothing_goes_where_nobody_knows_what_to_keep(put: Put, layout: HomeLayout) -> None:
    obj = put(Wheel())
    assert collect(layout, None, dry_run=False).objects == ()
    assert read_object(layout, obj.sha256) == obj


def test_quarantine_is_emptied_only_on_demand(put: Put, layout: HomeLayout) -> None:
    obj = put(Wheel())
    quarantine(layout, obj.sha256)
    assert collect(layout, [], dry_run=False).quarantined == 0
    assert len(os.listdir(layout.quarantine)) == 1
    done = collect(layout, [], dry_run=False, empty_quarantine=True)
    assert (done.quarantined, os.listdir(layout.quarantine)) == (1, [])
    assert done.freed > obj.unpacked


def test_an_empty_store_has_nothing_to_collect(layout: HomeLayout) -> None:
    assert collect(layout, [], dry_run=False) == Collected(objects=(), freed=0)


def test_a_kill_between_moving_and_deleting_leaves_no_half_object(
    put: Put, layout: HomeLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    obj = put(Wheel())

    def die(path: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(collecting, "remove_tree", die)
    with pytest.raises(KeyboardInterrupt):
        collect(layout, [], dry_run=False)
    monkeypatch.undo()
    assert not os.path.exists(obj.folder)
    assert read_object(layout, obj.sha256) is None
    assert len(os.listdir(layout.tmp)) == 1
    assert put(Wheel()).folder == obj.folder
    collect(layout, [obj.sha256], dry_run=False)
    assert os.listdir(layout.tmp) == []


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

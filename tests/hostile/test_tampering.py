"""One bit flipped, one file too many or too few, another's folder: verify names it, sync does not link it.

``test_repair`` has what is mended, ``test_foreign_installers`` what pip and uv do.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from provenv.cli.world import make_context
from provenv.core.errors import IntegrityError
from provenv.environments import generations
from provenv.store.objects import read_object
from provenv.workspace import fast, making
from provenv.workspace.host.ownership import check_store
from provenv.workspace.projects.context import Context, open_project
from provenv.workspace.proving.repair import RepairResult, repair
from provenv.workspace.proving.verification import VerifyResult, verify
from provenv.workspace.syncing.sync import SyncResult, sync
from support import Index, Project, make_wheel
from support.project import command

FILES = {
    "alpha/__init__.py": "x = 1\n",
    "alpha/deep/__init__.py": "",
    "alpha/deep/core.py": "def y():\n    return 2 + len(__name__)\n",
    "single.py": "z = 3\n",
}
OWN = ("checks", "contents.json", "generation.json", "pylock.toml", "pyproject.toml", "recipe")


class Shop(Project):
    """A project whose environment has two generations, and the library called in this process."""

    def world(self) -> Context:
        return make_context(self.env, cause="test")

    def synced(self) -> SyncResult:
        return sync(open_project(str(self.folder)), self.world())

    def verified(self) -> VerifyResult:
        return verify(self.world(), project=open_project(str(self.folder)))

    def repaired(self, *, offline: bool = False) -> RepairResult:
        world = make_context(self.env, offline=offline, cause="test")
        return repair(world, project=open_project(str(self.folder)))

    @property
    def stored(self) -> Path:
        """The folder of alpha's object."""
        (found,) = self.home.glob("provenv/store/wheels/*/*/site/single.py")
        return found.parent.parent

    @property
    def plans(self) -> list[Path]:
        return [path for path in self.home.glob("provenv/plans/*") if len(path.name) == 64]

    def generation(self, number: int) -> Path:
        return self.folder / f".venv/generations/{number}"

    def site(self, number: int) -> Path:
        return next(self.generation(number).glob("lib/*/site-packages"))

    def says(self, code: str) -> str:
        return self.python(code)


def open_shop(folder: Path, index: Index) -> Shop:
    scripts = {"console_scripts": {"alpha-tool": "single:main"}}
    index.add(make_wheel(folder / "wheels", "alpha", "1.0", files=FILES, entry_points=scripts))
    index.add(make_wheel(folder / "wheels", "beta", "1.0"))
    shop = Shop(folder / "shop", home=folder / "home", index_url=index.url)
    shop.depends("alpha")
    shop.synced()
    shop.depends("alpha", "beta")
    shop.synced()
    return shop


@pytest.fixture
def shop(tmp_path: Path, index: Index) -> Shop:
    return open_shop(tmp_path, index)


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop for all tests that put everything back as it was."""
    with Index() as index:
        yield open_shop(tmp_path_factory.mktemp("window"), index)


def flip(path: Path, position: int = -2, bit: int = 1) -> None:
    """Change one bit in place, and nothing else that can be seen. Twice is not at all."""
    status, above = path.stat(), path.parent.stat()
    content = bytearray(path.read_bytes())
    content[position] ^= bit
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.write(content)
    path.chmod(status.st_mode & 0o7777)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.utime(path.parent, ns=(above.st_atime_ns, above.st_mtime_ns))


def named(result: VerifyResult) -> list[tuple[str, str, str, list[str]]]:
    """Distribution, path, kind and generations of what is damaged in the store."""
    return [
        (hit.damage.name, hit.damage.path, hit.damage.kind,
         [place.rpartition(":")[2] for place in hit.generations])
        for hit in result.hits
    ]  # fmt: skip


@pytest.mark.parametrize(
    "victim",
    [
        "site/alpha/deep/core.py",
        "site/single.py",
        "site/alpha-1.0.dist-info/METADATA",
        "site/alpha-1.0.dist-info/RECORD",
        "bin/alpha-tool",
        "object.json",
    ],
)
def test_a_flipped_bit_is_named_with_its_distribution_and_every_generation(
    window: Shop, victim: str
) -> None:
    assert window.verified().ok
    flip(window.stored / victim)
    found = window.verified()
    flip(window.stored / victim)
    assert not found.ok
    assert ("alpha", victim, "changed", ["1", "2"]) in named(found)
    assert {name for name, _, _, _ in named(found)} == {"alpha"}


def test_no_bit_of_a_description_can_change(window: Shop) -> None:
    sha256 = window.stored.name
    path = window.stored / "object.json"
    assert read_object(window.world().home, sha256) is not None
    for position in range(path.stat().st_size):
        flip(path, position, 1 << position % 8)
        assert read_object(window.world().home, sha256) is None, position
        flip(path, position, 1 << position % 8)
    assert read_object(window.world().home, sha256) is not None


@pytest.mark.parametrize("name", OWN)
def test_a_flipped_bit_in_what_a_generation_keeps_is_named(window: Shop, name: str) -> None:
    for number in (1, 2):
        victim = window.generation(number) / ".provenv" / name
        flip(victim)
        found = window.verified()
        flip(victim)
        if name in ("contents.json", "generation.json"):
            assert [f"generation {number} of" in text for text in found.unreadable] == [True]
            assert name in found.unreadable[0]
        else:
            rows = found.drift if number == 2 else found.former
            assert [(item.generation, item.path) for _, item in rows] == [
                (number, f".provenv/{name}")
            ]
        assert found.ok == (number == 1 and not found.unreadable)


def test_no_bit_of_a_generations_own_files_can_change(window: Shop) -> None:
    folder = str(window.folder / ".venv")
    for name in OWN:
        path = window.generation(2) / ".provenv" / name
        for position in range(0, path.stat().st_size, 7):
            flip(path, position, 1 << position % 8)
            try:
                assert generations.damaged_own(folder, 2) == [name], (name, position)
            except IntegrityError:
                assert name in ("contents.json", "generation.json")
            flip(path, position, 1 << position % 8)
    assert generations.damaged_own(folder, 2) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in OWN if name != "generation.json"])
def test_a_generation_with_a_damaged_file_of_its_own_is_made_anew(shop: Shop, name: str) -> None:
    """In place, and so in the plan as well: it is remade without a word."""
    flip(shop.generation(2) / ".provenv" / name)
    assert not shop.verified().ok
    again = shop.synced()
    assert (again.made, again.generation) == (True, 3)
    assert shop.verified().drift == ()
    assert shop.says("import alpha.deep.core as c; print(c.y() > 2)") == "True"


@pytest.mark.slow
def test_no_rollback_to_a_generation_whose_record_is_damaged(shop: Shop) -> None:
    flip(shop.generation(1) / ".provenv/recipe")
    refused = shop.fails(3, "rollback")
    assert "generation 1" in refused.stderr
    assert "recipe is not as it was written" in refused.stderr
    assert (shop.folder / ".venv/current").readlink() == Path("generations/2")


@pytest.mark.slow
def test_a_flipped_bit_in_a_plan_reaches_no_environment(shop: Shop) -> None:
    shop.ok("sync")
    other = Shop(shop.folder.parent / "other", home=shop.home)
    other.env = shop.env
    for name in ("pyproject.toml", "pylock.toml"):
        shutil.copy(shop.folder / name, other.folder / name)
    (plan,) = [
        p for p in shop.plans if (shop.generation(2) / ".provenv/recipe").samefile(p / "recipe")
    ]
    for victim in ("recipe", "activate", "checks"):
        flip(plan / victim, -9)
        other.ok("sync", "--quiet")
        shutil.rmtree(other.folder / ".venv/current", ignore_errors=True)
        assert other.verified().ok
        tree = other.folder / ".venv/generations/1"
        (activate,) = [path for path in tree.glob("bin/activate") if path.is_file()]
        assert activate.read_bytes() == (plan / "activate").read_bytes()
        shutil.rmtree(other.folder / ".venv")


def test_byte_code_that_is_not_of_its_source(shop: Shop) -> None:
    """A flipped bit, with its time kept; and byte code of another source with the right header."""
    shop.says("import alpha.deep.core, single")
    (compiled,) = (shop.stored / "site/alpha/deep/__pycache__").glob("core.*.pyc")
    found = shop.verified()
    assert found.ok
    assert found.compiled >= 4
    header = compiled.read_bytes()[:16]
    evil = shop.folder / "core.py"
    evil.write_text("def y():\n    return 'evil'\n")
    shop.says(f"import py_compile; py_compile.compile({str(evil)!r}, {str(evil)!r} + 'c')")
    compiled.write_bytes(header + evil.with_suffix(".pyc").read_bytes()[16:])
    assert shop.says("import alpha.deep.core as c; print(c.y())") == "evil"
    found = shop.verified()
    inside = compiled.relative_to(shop.stored)
    assert named(found) == [("alpha", str(inside), "changed", ["1", "2"])]
    assert "Python makes of core.py" in found.hits[0].damage.detail
    (shop.folder / ".venv/.stamp").unlink(missing_ok=True)
    shop.synced()
    assert shop.says("import alpha.deep.core as c; print(c.y() > 2)") == "True"
    assert shop.verified().ok
    flip(compiled)
    assert [path for _, path, _, _ in named(shop.verified())] == [str(inside)]
    done = shop.repaired(offline=True)
    assert done.ok
    assert [item.removed for item in done.objects] == [1]
    assert not compiled.exists()
    assert list((shop.home / "provenv/store/suspects").iterdir()) == []


def test_byte_code_of_a_damaged_source_goes_with_it(shop: Shop) -> None:
    """The source's time is put back, and Python would go on with what it made of the wrong one."""
    source = shop.stored / "site/alpha/deep/core.py"
    flip(source, source.read_bytes().index(b"2"))
    assert shop.says("import alpha.deep.core as c; print(c.y())") == "18"
    assert shop.repaired().ok
    assert shop.says("import alpha.deep.core as c; print(c.y())") == "17"
    assert shop.verified().ok


@pytest.mark.slow
def test_byte_code_beside_a_module_of_the_environment(shop: Shop) -> None:
    shop.says("import single")
    (compiled,) = (shop.site(2) / "__pycache__").glob("single.*.pyc")
    assert shop.verified().ok
    flip(compiled)
    found = shop.verified()
    assert [item.path for _, item in found.drift] == [str(compiled.relative_to(shop.generation(2)))]
    assert shop.repaired(offline=True).ok
    assert not compiled.exists()


@pytest.mark.slow
def test_what_other_tools_keep_beside_byte_code_is_said_and_no_damage(shop: Shop) -> None:
    cache = shop.stored / "site/alpha/__pycache__"
    (cache / "x.cpython-313-pytest-9.0.pyc").write_bytes(b"rewritten")
    found = shop.verified()
    assert found.ok
    assert [Path(path).name for path in found.unjudged] == ["x.cpython-313-pytest-9.0.pyc"]


@pytest.mark.slow
def test_where_nothing_can_be_written_new_byte_code_is_judged_by_nobody(shop: Shop) -> None:
    shop.says("import single, alpha")
    shutil.rmtree(shop.home / "provenv/cache")
    (shop.home / "provenv/cache").write_text("not a folder")
    found = shop.verified()
    assert found.ok
    assert len(found.unjudged) >= 2


@pytest.mark.slow
def test_a_touched_file_is_seen_and_mended_without_a_network(shop: Shop) -> None:
    """A look before linking goes by times: verify must not call whole what sync would throw away."""
    victim = shop.stored / "site/single.py"
    os.utime(victim, ns=(1, 1))
    assert named(shop.verified()) == [("alpha", "site/single.py", "time", ["1", "2"])]
    assert shop.repaired(offline=True).ok
    os.utime(shop.stored / "site/alpha", ns=(1, 1))
    assert named(shop.verified()) == [("alpha", "site/alpha", "time", ["1", "2"])]
    assert shop.repaired(offline=True).ok
    assert shop.verified().ok


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["", "site", "site/alpha"])
def test_a_folder_of_the_store_that_became_a_symlink(
    shop: Shop, tmp_path: Path, victim: str
) -> None:
    """To a copy with the right content and the right times, which its owner may change at any time."""
    path = shop.stored / victim if victim else shop.stored
    stored = shop.stored
    aside = tmp_path / "theirs"
    shutil.copytree(path, aside, symlinks=True)
    aside.chmod(0o700)
    for folder in (stored.parent, stored, path.parent):
        folder.chmod(0o755)
    path.rename(tmp_path / "former")
    path.symlink_to(aside)
    found = shop.verified()
    assert ("alpha", victim, "changed", ["1", "2"]) in named(found)
    assert shop.repaired().ok
    assert not path.is_symlink()
    assert aside.stat().st_mode & 0o777 == 0o700, "what the link led to was changed"
    assert shop.verified().ok


@pytest.mark.slow
def test_a_prepared_link_that_leads_elsewhere(shop: Shop, tmp_path: Path) -> None:
    evil = tmp_path / "evil"
    evil.mkdir()
    (evil / "__init__.py").write_text("x = 'evil'\n")
    (link,) = shop.home.glob("provenv/store/links/*/*/site%2Falpha")
    link.unlink()
    link.symlink_to(evil)
    found = shop.verified()
    assert ("alpha", "links/site%2Falpha", "changed", ["1", "2"]) in named(found)
    other = Shop(shop.folder.parent / "other", home=shop.home)
    other.env = shop.env
    for name in ("pyproject.toml", "pylock.toml"):
        shutil.copy(shop.folder / name, other.folder / name)
    other.ok("sync")
    assert other.says("import alpha; print(alpha.x)") == "1"
    assert shop.repaired(offline=True).ok
    assert shop.verified().ok


@pytest.mark.slow
def test_a_generations_folder_that_became_a_symlink(shop: Shop, tmp_path: Path) -> None:
    folder = shop.site(2) / "alpha-1.0.dist-info"
    shutil.copytree(folder, tmp_path / "theirs", symlinks=True)
    folder.rename(tmp_path / "former")
    folder.symlink_to(tmp_path / "theirs")
    found = shop.verified()
    inside = str(folder.relative_to(shop.generation(2)))
    assert (inside, "changed") in [(item.path, item.kind) for _, item in found.drift]
    assert shop.repaired(offline=True).ok
    assert folder.is_dir()
    assert not folder.is_symlink()
    assert shop.verified().ok


@pytest.mark.slow
def test_what_verify_found_is_not_linked_from_a_known_plan(shop: Shop) -> None:
    """Same size, same time: only the hash tells. The short way believes what verify noted."""
    flip(shop.stored / "site/single.py", 4)
    shop.fails(1, "verify", "--all")
    other = Shop(shop.folder.parent / "other", home=shop.home)
    other.env = shop.env
    for name in ("pyproject.toml", "pylock.toml"):
        shutil.copy(shop.folder / name, other.folder / name)
    assert "set aside" in other.ok("sync").stderr
    assert other.says("import single; print(single.z)") == "3"


@pytest.mark.slow
def test_the_generations_of_other_projects_are_named_too(shop: Shop) -> None:
    other = Shop(shop.folder.parent / "other", home=shop.home)
    other.env = shop.env
    for name in ("pyproject.toml", "pylock.toml"):
        shutil.copy(shop.folder / name, other.folder / name)
    other.synced()
    flip(shop.stored / "site/single.py")
    (hit,) = shop.verified().hits
    folders = (shop.folder, shop.folder, other.folder)
    assert hit.generations == tuple(
        f"{folder}/.venv:{number}" for folder, number in zip(folders, (1, 2, 1), strict=True)
    )


@pytest.mark.slow
@pytest.mark.parametrize("how", ["flip", "missing"])
def test_sync_fetches_an_object_again_whose_description_is_damaged(shop: Shop, how: str) -> None:
    """Without verify: nothing is composed from what object.json should not say."""
    victim = shop.stored / "object.json"
    if how == "flip":
        flip(victim, 200)
    else:
        victim.unlink()
    shop.write("pyproject.toml", shop.read("pyproject.toml") + "\n")
    shop.synced()
    assert shop.verified().ok


@pytest.mark.slow
def test_small_files_come_back_from_another_plan(shop: Shop) -> None:
    """An editor writes new files: the plan still has the former ones."""
    for inside in ("bin/activate", "pyvenv.cfg", ".provenv/recipe"):
        path = shop.generation(2) / inside
        text = path.read_bytes()
        path.unlink()
        path.write_bytes(text + b"# edited\n")
    done = shop.repaired(offline=True)
    assert done.ok, done.left
    assert len(done.paths) == 3
    assert shop.verified().ok


@pytest.mark.slow
def test_a_record_is_written_again_from_the_log_and_the_plan(shop: Shop) -> None:
    for name in ("generation.json", "contents.json"):
        path = shop.generation(1) / ".provenv" / name
        before = path.read_bytes()
        path.unlink()
        path.write_bytes(b"{}")
        assert shop.repaired(offline=True).ok
        assert shop.verified().ok
        assert path.read_bytes() == before


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to another user")
def test_a_file_of_somebody_else(shop: Shop) -> None:
    os.chown(shop.stored / "site/single.py", 12345, -1)
    (shop.stored / "site/alpha/__pycache__").chmod(0o777)
    found = shop.verified()
    assert named(found) == [
        ("alpha", "site/alpha/__pycache__", "mode", ["1", "2"]),
        ("alpha", "site/single.py", "mode", ["1", "2"]),
    ]
    assert "belongs to user 12345" in found.hits[1].damage.detail
    assert shop.repaired(offline=True).ok
    assert shop.verified().ok


def test_a_store_that_everybody_can_write_is_not_linked(shop: Shop) -> None:
    store = shop.home / "provenv/store"
    shop.ok("run", "true")
    store.chmod(0o777)
    for words in (("run", "true"), ("run", "--no-sync", "true"), ("sync",), ("rollback",)):
        refused = shop.fails(3, *words)
        assert f"everybody can write {store} (mode 0777)" in refused.stderr
        assert f"chmod o-w {store}" in refused.stderr
    assert "PV501" in shop.run("doctor", "--only", "PV501").stdout
    shop.ok("verify")
    store.chmod(0o755)
    shop.ok("run", "true")


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="gives the store to another user")
def test_a_store_of_another_user_is_not_linked(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root is warned; everybody else is refused. One of root itself is as good as one's own."""
    store = shop.home / "provenv/store"
    os.chown(store, 12345, -1)
    assert "belongs to user 12345" in shop.ok("sync", "--link-mode", "copy").stderr
    monkeypatch.setattr(os, "geteuid", lambda: 23456)
    assert fast.is_open(str(store.parent))
    with pytest.raises(IntegrityError, match="belongs to user 12345"):
        shop.synced()
    os.chown(store, 0, -1)
    assert not fast.is_open(str(store.parent))
    check_store(shop.world())


@pytest.mark.slow
def test_a_store_that_is_made_under_any_umask_is_ones_own(tmp_path: Path, index: Index) -> None:
    before = os.umask(0)
    try:
        shop = open_shop(tmp_path, index)
        shop.ok("run", "true")
        shop.ok("sync", "--link-mode", "copy")
    finally:
        os.umask(before)
    home = shop.home / "provenv"
    folders = [home, *home.glob("*"), *home.glob("plans/**"), *home.glob("store/**")]
    assert [path for path in folders if path.is_dir() and path.stat().st_mode & 0o002] == []


@pytest.mark.slow
def test_a_hundred_environments_and_a_damaged_store(shop: Shop, index: Index) -> None:
    """What a copy or the index gives comes back; what neither has is left, and told by environment."""
    texts = {name: shop.read(name) for name in ("pyproject.toml", "pylock.toml")}
    shop.ok("sync")
    for number in range(1, 100):
        root = shop.folder.parent / f"many/project-{number:03}"
        root.mkdir(parents=True)
        for name, text in texts.items():
            (root / name).write_text(text)
        world = shop.world()
        made = making.sync_known(str(root), fast.Asked(), world.home.root, world.environ, "test")
        assert made is not None
    (alpha, beta) = (
        next(shop.home.glob(f"provenv/store/wheels/*/*/site/{name}")) for name in ("alpha", "beta")
    )
    flip(alpha / "deep/core.py")
    flip(beta / "__init__.py", 0)
    index.fault("*beta*.whl", status=404)
    code, lines = at_a_terminal(shop, 80, "repair", "--all")
    assert code == 1
    table = lines[next(i for i, line in enumerate(lines) if line.startswith("environment")) :]
    assert max(map(len, table)) <= 80
    rows = [line.split() for line in table if ".venv" in line and "not whole" in line]
    assert len(rows) == 100
    assert {row[-2:] == ["beta", "1.0"] for row in rows} == {True}
    assert "not repaired: 100 of 100 environments" in "\n".join(lines)
    index.heal()
    done = shop.ok("repair", "--all", "--json").json
    assert len(done["environments"]) == done["looked_at"] == 100
    assert {tuple(row["packages"]) for row in done["environments"]} == {("beta 1.0",)}
    assert shop.ok("verify", "--all").code == 0


def at_a_terminal(shop: Shop, columns: int, *words: str) -> tuple[int, list[str]]:
    """The exit code and what a terminal of that width was left with, bars and colours taken out."""
    master, slave = os.openpty()
    with subprocess.Popen(
        [*command(), *words],
        cwd=shop.folder,
        env={**shop.env, "COLUMNS": str(columns), "TERM": "xterm"},
        stdin=slave,
        stdout=slave,
        stderr=subprocess.DEVNULL,
    ) as child:
        os.close(slave)
        text = b""
        with contextlib.suppress(OSError):  # the other side was closed
            while data := os.read(master, 65536):
                text += data
    os.close(master)
    return child.returncode, text.decode().replace("\r", "").splitlines()

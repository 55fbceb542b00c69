"""``env edit``: a private copy of one package, its edits, and what becomes of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support import Index, Project, make_source, make_wheel
from support.many import few, snapshot
from support.project import command

EXTEND = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """Distributions of every shape; ``alpha`` in two versions."""
    w = tmp_path / "w"
    for version in ("1", "2"):
        files = {
            "alpha/__init__.py": f"VERSION = '{version}'\n",
            "alpha/deep/__init__.py": "",
            "alpha/deep/inner.py": "x = 1\n",
            "alpha/data.bin": "\0\1",
        }
        scripts = {"console_scripts": {"alpha": "alpha:VERSION.__len__"}}
        data = {"share/alpha/notes.txt": "notes\n"}
        index.add(make_wheel(w, "alpha", version, files=files, data=data, entry_points=scripts))
    for made in (
        make_wheel(w, "beta", "1"),
        make_wheel(w, "single", "1", files={"single.py": "y = 1\n"}),
        make_wheel(w, "space-one", "1", files={"space/one/__init__.py": "z = 1\n"}),
        make_wheel(w, "space-two", "1", files={"space/two/__init__.py": "z = 2\n"}),
        make_wheel(w, "old-one", "1", files={"old/__init__.py": EXTEND, "old/one.py": "o = 1\n"}),
        make_wheel(w, "old-two", "1", files={"old/__init__.py": EXTEND, "old/two.py": "o = 2\n"}),
    ):
        index.add(made)
    names = ["beta", "single", "space-one", "space-two", "old-one", "old-two"]
    project.depends("alpha==1", *names)
    project.ok("sync")
    return project


def site(project: Project, environment: str = ".venv") -> Path:
    return next((project.folder / environment / "current/lib").glob("python*/site-packages"))


def store(project: Project) -> dict[str, str]:
    return {
        path: what
        for path, what in snapshot(project.home / "provenv/store").items()
        if "__pycache__" not in path
    }


def value(project: Project, expression: str, *, environment: str = ".venv") -> str:
    module = expression.rpartition(".")[0]
    return project.python(f"import {module}; print({expression})", environment=environment)


def numbers(project: Project) -> list[int]:
    return [row["number"] for row in project.ok("history", "--json").json["generations"]]


def test_a_copy_is_private_writable_and_keeps_its_byte_code(shop: Project) -> None:
    shop.ok("sync", "-e", "prod")
    before = store(shop)
    told = shop.ok("env", "edit", "Alpha", "--json").json
    assert (told["previous"], told["generation"], told["made"]) == (1, 2, True)
    assert [os.path.basename(place) for place in told["places"]] == ["alpha"]
    package = Path(told["places"][0])
    assert package == shop.folder / ".venv" / package.relative_to(shop.folder / ".venv")
    real = package.resolve()
    assert (shop.folder / ".venv/generations/2") in real.parents
    for path in [real, *real.rglob("*")]:
        assert path.stat().st_mode & 0o200
        assert not path.is_symlink()
        assert path.is_dir() or path.stat().st_nlink == 1
    (package / "__init__.py").write_text("VERSION = 'mine'\n")
    (package / "extra.py").write_text("e = 5\n")
    assert value(shop, "alpha.VERSION") == "mine"
    assert value(shop, "alpha.extra.e") == "5"
    assert value(shop, "alpha.VERSION", environment=".venvs/prod") == "1"
    assert list((real / "__pycache__").iterdir())
    assert store(shop) == before
    assert "nothing to do: generation 2" in shop.ok("sync").stderr
    again = shop.ok("env", "edit", "alpha", "--json").json
    assert (again["made"], again["generation"]) == (False, 2)
    shop.ok("verify", "--all")


def test_every_command_tells_of_it(shop: Project) -> None:
    shop.ok("env", "edit", "alpha")
    (site(shop) / "alpha/deep/inner.py").write_text("x = 2\n")
    (site(shop) / "alpha/new.py").write_text("")
    shutil.rmtree(site(shop) / "alpha/deep/__pycache__", ignore_errors=True)
    status = shop.ok("status")
    assert "alpha, 2 files differ from the store" in status.stdout
    assert "inner.py" not in status.stdout
    assert "alpha/deep/inner.py" in shop.ok("status", "-v").stdout
    (copy,) = shop.ok("status", "--json").json["edited"]
    kinds = {os.path.basename(item["path"]): item["kind"] for item in copy["files"]}
    assert (copy["package"], kinds) == ("alpha", {"inner.py": "changed", "new.py": "added"})
    verified = shop.ok("verify", "--json").json
    assert verified["ok"]
    assert [(item["package"], len(item["files"])) for item in verified["edited"]] == [("alpha", 2)]
    assert "edited .venv: alpha, 2 files" in shop.ok("verify").stdout
    assert "(edited: alpha)" in shop.ok("history").stdout
    assert shop.ok("history", "--json").json["generations"][-1]["edited"] == ["alpha"]
    (site(shop) / "foreign.py").write_text("")
    drift = shop.fails(1, "status", "--json").json["drift"]
    assert [os.path.basename(item["path"]) for item in drift] == ["foreign.py"]


def test_touched_files_and_byte_code_are_no_edits(shop: Project) -> None:
    shop.ok("env", "edit", "alpha")
    shop.python("import alpha.deep.inner")
    os.utime(site(shop) / "alpha/__init__.py")
    (copy,) = shop.ok("status", "--json").json["edited"]
    assert copy["files"] == []
    assert shop.ok("env", "edit", "--diff", "alpha").stdout == ""


def test_edits_last_while_the_lock_has_the_same_wheel(shop: Project) -> None:
    shop.ok("env", "edit", "alpha")
    (site(shop) / "alpha/__init__.py").write_text("VERSION = 'mine'\n")
    (site(shop) / "alpha/deep/inner.py").unlink()
    (site(shop) / "alpha/fresh/er").mkdir(parents=True)
    (site(shop) / "alpha/fresh/er/__init__.py").write_text("f = 7\n")
    shop.ok("env", "edit", "single")
    (site(shop) / "single.py").write_text("y = 'mine'\n")
    assert value(shop, "alpha.VERSION") == "mine"
    told = shop.ok("remove", "beta", "--json").json["sync"]
    assert (told["edited"], told["dropped"]) == (["alpha", "single"], [])
    assert value(shop, "alpha.VERSION") == "mine"
    assert value(shop, "alpha.fresh.er.f") == "7"
    assert value(shop, "single.y") == "mine"
    assert not (site(shop) / "alpha/deep/inner.py").exists()
    assert (site(shop) / "alpha/deep/__init__.py").exists()
    assert "nothing to do" in shop.ok("sync").stderr
    assert shop.ok("run", "python", "-c", "import alpha; print(alpha.VERSION)").stdout == "mine\n"
    shop.ok("sync", "--link-mode", "copy")
    assert value(shop, "alpha.VERSION") == "mine"
    shop.ok("verify")


def test_another_version_leaves_them_behind_and_says_where(shop: Project) -> None:
    shop.ok("env", "edit", "alpha")
    (site(shop) / "alpha/__init__.py").write_text("VERSION = 'mine'\n")
    told = shop.ok("add", "alpha==2")
    assert "the edits of alpha 1 are left behind: 2 takes its place" in told.stderr
    assert "provenv env edit --diff alpha --generation 2" in told.stderr
    assert value(shop, "alpha.VERSION") == "2"
    assert shop.ok("status", "--json").json["edited"] == []
    missing = shop.fails(1, "env", "edit", "--diff", "alpha")
    assert "--generation 2" in missing.stderr
    assert (
        "+VERSION = 'mine'" in shop.ok("env", "edit", "--diff", "alpha", "--generation", "2").stdout
    )
    kept = shop.ok("store", "gc", "--keep", "0", "--json").json
    assert [item["generation"] for item in kept["edited"]] == [2]
    assert numbers(shop) == [2, 3]
    assert "generation 2 has edits of alpha" in shop.ok(
        "env", "prune", "--older-than", "0d", "--dry-run"
    ).stdout  # fmt: skip
    shop.ok("verify", "--all")
    shop.ok("rollback", "--to", "2")
    assert value(shop, "alpha.VERSION") == "mine"
    assert "nothing to do" in shop.ok("sync", "--locked").stderr
    shop.ok("rollback", "--to", "3")
    assert "not kept for its edits" in shop.ok("env", "edit", "--discard", "alpha").stderr
    shop.ok("store", "gc", "--keep", "0")
    assert numbers(shop) == [3]
    assert "no private copy" in shop.fails(1, "env", "edit", "--discard", "alpha").stderr


def test_discarding_and_going_back(shop: Project) -> None:
    before = store(shop)
    shop.ok("env", "edit", "alpha")
    shop.ok("env", "edit", "single")
    (site(shop) / "alpha/__init__.py").write_text("VERSION = 'mine'\n")
    (site(shop) / "single.py").write_text("y = 'mine'\n")
    told = shop.ok("env", "edit", "--discard", "alpha")
    assert "generation 3 still has these edits" in told.stderr
    assert value(shop, "alpha.VERSION") == "1"
    assert value(shop, "single.y") == "mine"
    assert "nothing to do: generation 4" in shop.ok("sync").stderr
    shop.ok("rollback")
    assert value(shop, "alpha.VERSION") == "mine"
    shop.ok("rollback", "--to", "1")
    assert value(shop, "alpha.VERSION") == "1"
    assert "nothing to do: generation 1" in shop.ok("sync").stderr
    shop.ok("rollback", "--to", "4")
    shop.ok("env", "edit", "--discard", "single")
    assert "nothing to do" in shop.ok("sync").stderr
    assert site(shop).joinpath("alpha").is_symlink()
    assert store(shop) == before
    shop.ok("store", "gc", "--keep", "0")
    assert numbers(shop) == [5]
    shop.ok("verify", "--all")


def test_edits_of_a_package_that_is_gone_are_let_go(shop: Project) -> None:
    shop.ok("env", "edit", "beta")
    (site(shop) / "beta/__init__.py").write_text("mine = 1\n")
    assert "not in the lock any more" in shop.ok("remove", "beta").stderr
    assert "+mine = 1" in shop.ok("env", "edit", "--diff", "beta", "--generation", "2").stdout
    told = shop.fails(1, "env", "remove", "dev", "--yes").stderr
    assert "generation 2" in told
    assert "has edits of beta" in told
    assert not shop.ok("env", "edit", "--discard", "beta", "--json").json["made"]
    shop.ok("store", "gc", "--keep", "0")
    assert numbers(shop) == [3]
    shop.ok("env", "remove", "dev", "--yes")
    assert not (shop.folder / ".venv").exists()


def test_generations_whose_edits_live_on_are_not_kept(shop: Project) -> None:
    shop.ok("env", "edit", "alpha")
    (site(shop) / "alpha/__init__.py").write_text("VERSION = 'mine'\n")
    shop.ok("env", "edit", "single")
    shop.ok("remove", "beta")
    assert shop.ok("store", "gc", "--keep", "0", "--json").json["edited"] == []
    assert numbers(shop) == [4]
    assert value(shop, "alpha.VERSION") == "mine"


SHAPES = {
    "single": ("single", "single.py", "y = 'mine'\n", "single.y"),
    "namespace": ("space-one", "space/one/__init__.py", "z = 'mine'\n", "space.one.z"),
    "pkgutil": ("old-one", "old/one.py", "o = 'mine'\n", "old.one.o"),
    "script": ("alpha", "../../../bin/alpha", "#!/bin/sh\necho mine\n", ""),
    "data": ("alpha", "../../../share/alpha/notes.txt", "mine\n", ""),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", few(["linked", "hardlink", "copy"], 1))
def test_every_shape_of_a_distribution(shop: Project, shape: str, mode: str) -> None:
    package, path, text, expression = SHAPES[shape]
    shop.ok("sync", "--link-mode", mode)
    before = store(shop)
    shop.ok("env", "edit", package)
    assert "nothing to do" in shop.ok("sync", "--link-mode", mode).stderr
    file = Path(os.path.normpath(site(shop).resolve() / path))
    assert file.stat().st_nlink == 1
    with file.open("w") as stream:  # in place, as some editors write
        stream.write(text)
    assert store(shop) == before
    told = shop.ok("status", "--json").json
    assert told["agrees"]
    assert [len(copy["files"]) for copy in told["edited"]] == [1]
    shop.ok("remove", "beta")
    if expression:
        assert value(shop, expression) == "mine"
    assert Path(os.path.normpath(site(shop).resolve() / path)).read_text() == text
    assert value(shop, "space.two.z") == "2"
    assert value(shop, "old.two.o") == "2"
    shop.ok("verify", "--all")


def test_a_file_that_two_distributions_share_is_private_too(shop: Project) -> None:
    before = store(shop)
    shop.ok("env", "edit", "old-one")
    assert (site(shop) / "old/__init__.py").stat().st_nlink == 1
    shop.ok("env", "edit", "old-two")
    shared = site(shop) / "old/__init__.py"
    assert shared.stat().st_nlink == 1
    shared.write_text(EXTEND + "mine = 1\n")
    assert store(shop) == before
    assert value(shop, "old.mine") == "1"
    assert value(shop, "old.two.o") == "2"
    assert "nothing to do" in shop.ok("sync").stderr
    shop.ok("env", "edit", "--discard", "old-two")
    shop.ok("verify")


@pytest.mark.parametrize("tool", [["git", "apply", "-p1"], ["patch", "-p1", "-s"]], ids=" ".join)
def test_the_patch_can_be_applied(shop: Project, tmp_path: Path, tool: list[str]) -> None:
    if shutil.which(tool[0]) is None:
        pytest.skip(f"{tool[0]} is not installed")
    shop.ok("env", "edit", "alpha")
    package = site(shop) / "alpha"
    (package / "__init__.py").write_text("VERSION = 'mine'\n\nlast = 'no newline'")
    (package / "deep/inner.py").unlink()
    (package / "deep/odd name.py").write_text("one\rtwo\x0cthree\n   \nend")
    (package / "empty.py").write_text("")
    away = tmp_path / "upstream"
    source = next((shop.home / "provenv/store/wheels").glob("*/*/site/alpha/deep/inner.py"))
    shutil.copytree(source.parents[1], away / "alpha")
    for path in [away, *away.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    patch = tmp_path / "alpha.patch"
    done = subprocess.run(
        [*command(), "env", "edit", "--diff", "alpha"],
        cwd=shop.folder, env=shop.env, capture_output=True, check=True,
    )  # fmt: skip
    patch.write_bytes(done.stdout)
    with patch.open("rb") as stream:
        subprocess.run(tool, cwd=away, stdin=stream, check=True)
    wanted = snapshot(package.resolve())
    found = snapshot(away / "alpha")
    assert clean(found) == clean(wanted)


def clean(tree: dict[str, str]) -> dict[str, str]:
    return {path: what for path, what in tree.items() if "__pycache__" not in path}


def test_what_is_no_text_is_only_named(shop: Project) -> None:
    shop.ok("env", "edit", "alpha")
    (site(shop) / "alpha/data.bin").write_bytes(b"\0\2")
    told = shop.ok("env", "edit", "--diff", "alpha")
    assert "Binary files a/alpha/data.bin and b/alpha/data.bin differ" in told.stdout
    assert "is no text" in told.stderr
    shop.ok("remove", "beta")
    assert (site(shop) / "alpha/data.bin").read_bytes() == b"\0\2"


def test_what_is_refused(shop: Project, tmp_path: Path) -> None:
    assert "Did you mean alpha?" in shop.fails(1, "env", "edit", "alpa").stderr
    assert "there is no environment" in shop.fails(2, "env", "edit", "alpha", "-e", "test").stderr
    assert "is for --diff" in shop.fails(2, "env", "edit", "alpha", "--generation", "1").stderr
    wrong = shop.fails(2, "env", "edit", "--diff", "alpha", "--generation", "9")
    assert "there is no generation 9" in wrong.stderr
    victim = next((shop.home / "provenv/store/wheels").glob("*/*/site/single.py"))
    victim.chmod(0o644)
    victim.write_text("evil = 1\n")
    assert "damaged" in shop.fails(3, "env", "edit", "alpha").stderr
    inner = next((shop.home / "provenv/store/wheels").glob("*/*/site/alpha/deep/inner.py"))
    status = inner.stat()
    inner.chmod(0o644)
    inner.write_text("x = 7\n")
    os.utime(inner, ns=(status.st_atime_ns, status.st_mtime_ns))
    told = shop.fails(3, "env", "edit", "alpha").stderr
    assert "alpha 1 is damaged in the store: site/alpha/deep/inner.py" in told
    assert numbers(shop) == [1]


def test_projects_own_folders_are_edited_where_they_are(
    project: Project, index: Index, tmp_path: Path
) -> None:
    backend = Path(__file__).parents[1] / "support/tiny_backend.py"
    index.add(make_wheel(tmp_path / "w", "alpha", "1"))
    project.depends("alpha")
    shutil.copy(backend, project.folder / "tiny_backend.py")
    project.pyproject(
        project.read("pyproject.toml")
        + '[build-system]\nrequires = []\nbuild-backend = "tiny_backend"\nbackend-path = ["."]\n'
    )
    project.write("src/shop/__init__.py", "x = 1\n")
    project.ok("sync")
    told = project.fails(2, "env", "edit", "shop").stderr
    assert f"shop is installed editable from {project.folder}: edit it there" in told
    project.ok("sync", "-e", "prod")
    told = project.fails(2, "env", "edit", "shop", "-e", "prod").stderr
    assert f"shop is built from {project.folder}: edit it there" in told
    project.ok("env", "edit", "alpha")
    assert "nothing to do: generation 2" in project.ok("-v", "sync").stderr
    (project.folder / ".venv/.stamp").unlink()
    assert "nothing to do: generation 2" in project.ok("sync").stderr
    assert project.python("import shop; print(shop.x)") == "1"


def test_where_to_edit_is_a_path_and_no_address(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    make_source(folder, "own", "1.0")
    project.depends(f"own @ {folder.as_uri()}")
    project.ok("sync")
    assert (
        f"own is built from {folder}: edit it there"
        in project.fails(2, "env", "edit", "own").stderr
    )


def test_a_held_environment_stays_held(shop: Project) -> None:
    shop.ok("add", "alpha==2")
    shop.ok("rollback", "--environment-only")
    shop.ok("env", "edit", "alpha")
    (site(shop) / "alpha/__init__.py").write_text("VERSION = 'mine'\n")
    code = "import alpha; print(alpha.VERSION)"
    assert shop.ok("run", "python", "-c", code).stdout == "mine\n"
    assert "left behind" in shop.ok("sync").stderr
    assert value(shop, "alpha.VERSION") == "2"


def test_another_checkout_has_no_copy(shop: Project, index: Index, tmp_path: Path) -> None:
    shop.ok("env", "edit", "alpha")
    other = Project(tmp_path / "other", home=shop.home, index_url=index.url)
    for name in ("pyproject.toml", "pylock.toml"):
        shutil.copy(shop.folder / name, other.folder / name)
    other.ok("sync")
    assert other.ok("status", "--json").json["edited"] == []
    assert site(other).joinpath("alpha").is_symlink()


def test_a_missing_plan_is_no_hindrance(shop: Project) -> None:
    shutil.rmtree(shop.home / "provenv/plans")
    shop.ok("env", "edit", "alpha")
    (shop.folder / ".venv/.stamp").unlink()
    assert "nothing to do: generation 2" in shop.ok("sync").stderr
    shop.ok("verify")


def test_damage_in_the_store_takes_no_edit_away(shop: Project) -> None:
    shop.ok("env", "edit", "alpha")
    (site(shop) / "alpha/deep/inner.py").write_text("x = 'mine'\n")
    wheels = shop.home / "provenv/store/wheels"
    victim = next(
        path for path in wheels.glob("*/*/site/alpha/__init__.py") if "'1'" in path.read_text()
    )
    victim.chmod(0o644)
    victim.write_text("evil = 1\n")
    shop.fails(1, "verify")
    shop.ok("sync")
    assert value(shop, "alpha.deep.inner.x") == "mine"
    assert value(shop, "alpha.VERSION") == "1"
    (copy,) = shop.ok("status", "--json").json["edited"]
    assert [os.path.basename(item["path"]) for item in copy["files"]] == ["inner.py"]
    shop.ok("verify", "--all")

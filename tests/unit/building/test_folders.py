"""Local folders, not in place: built from a copy, and again only when their content changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from provenv.building.content import copy_source, tree_digest
from provenv.core.errors import InputError, IntegrityError, UnsatisfiableError
from provenv.model.plan import Artifact
from support import make_source
from unit.building.helpers import BACKEND, PYPROJECT, Bench, write_tree


def listing(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*")}


def folder_of(path: str, **more: object) -> Artifact:
    return Artifact(name="alpha", version="", kind="directory", path=path, **more)  # type: ignore[arg-type]


def test_a_folder_becomes_an_object_and_stays_as_it_is(bench: Bench, tmp_path: Path) -> None:
    root = make_source(tmp_path / "alpha", "alpha", "1.0")
    code = BACKEND.replace("return name", "open('trace', 'w').close(); return name")
    write_tree(
        root,
        {
            "_backend/tiny_backend.py": code.replace("demo-1.0", "alpha-1.0").replace(
                "demo\\", "alpha\\"
            )
        },
    )
    before = listing(root)
    built = bench.builder().build(folder_of("alpha"), base=str(tmp_path))
    assert built.object.name == "alpha"
    assert listing(root) == before
    assert built.direct_url == {"url": f"file://{root}", "dir_info": {}}


def test_it_is_built_again_when_its_content_changes(bench: Bench, tmp_path: Path) -> None:
    root = make_source(tmp_path / "alpha", "alpha", "1.0")
    first = bench.builder().build_project(str(root), "alpha", editable=False)
    assert bench.builder().build_project(str(root), "alpha", editable=False).cached
    (root / "src/alpha/more.py").write_text("")
    second = bench.builder().build_project(str(root), "alpha", editable=False)
    assert not second.cached
    assert second.object.sha256 != first.object.sha256


def test_its_inputs_show_every_change(bench: Bench, tmp_path: Path) -> None:
    root = make_source(tmp_path / "alpha", "alpha", "1.0")
    built = bench.builder().build_project(str(root), "alpha", editable=False)
    assert str(root / "src/alpha/__init__.py") in built.inputs
    assert str(root / "src/alpha") in built.inputs  # for files that come and go
    assert str(root / "pyproject.toml") in built.inputs


def test_another_checkout_of_the_same_content_needs_no_build(bench: Bench, tmp_path: Path) -> None:
    root = make_source(tmp_path / "alpha", "alpha", "1.0")
    bench.builder().build_project(str(root), "alpha", editable=False)
    shutil.copytree(root, tmp_path / "other")
    (tmp_path / "other/src/alpha/__init__.py").touch()
    built = bench.builder().build_project(str(tmp_path / "other"), "alpha", editable=False)
    assert built.cached
    assert built.direct_url is not None
    assert built.direct_url["url"] == f"file://{tmp_path}/other"


@pytest.mark.parametrize(
    "noise",
    [
        ".git/config", ".venv/lib/x.py", "src/alpha/__pycache__/x.pyc", "alpha.egg-info/PKG-INFO",
        "build/lib/alpha.py", "dist/alpha-1.0.tar.gz", "node_modules/x/index.js", ".tox/x",
        "pylock.toml", "pylock.prod.toml",
    ],
)  # fmt: skip
def test_what_does_not_belong_to_the_source(tmp_path: Path, noise: str) -> None:
    root = make_source(tmp_path / "alpha", "alpha", "1.0")
    before, _ = tree_digest(str(root))
    write_tree(root, {noise: "x"})
    after, watched = tree_digest(str(root))
    assert after == before
    assert str(root / noise) not in watched


@pytest.mark.parametrize("source", ["build/config.py", "dist/data.json", "src/build/x.py", ".env"])
def test_what_belongs_to_the_source(tmp_path: Path, source: str) -> None:
    root = make_source(tmp_path / "alpha", "alpha", "1.0")
    before, _ = tree_digest(str(root))
    write_tree(root, {source: "x"})
    assert tree_digest(str(root))[0] != before
    copy_source(str(root), str(tmp_path / "copy"))
    assert (tmp_path / "copy" / source).read_text() == "x"


def test_modes_and_links_belong_to_the_content(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "alpha", {"run": "x", "other": "x"})
    plain, _ = tree_digest(str(root))
    (root / "run").chmod(0o755)
    executable, _ = tree_digest(str(root))
    (root / "other").unlink()
    (root / "other").symlink_to("run")
    linked, _ = tree_digest(str(root))
    assert len({plain, executable, linked}) == 3


def test_a_copy_knows_its_version_control(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "alpha", {"a.py": "", ".git/HEAD": "ref: x"})
    copy_source(str(root), str(tmp_path / "copy"))
    assert os.path.samefile(tmp_path / "copy/.git/HEAD", root / ".git/HEAD")


def test_many_files_are_watched_by_their_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provenv.building.content.MANY", 3)
    root = write_tree(tmp_path / "alpha", {f"pkg/{n}.py": "" for n in range(4)})
    _, watched = tree_digest(str(root))
    assert watched == (str(root), str(root / "pkg"))


def test_a_folder_that_reaches_outside_is_built_in_its_place(bench: Bench, tmp_path: Path) -> None:
    say = """
def build_wheel(folder, config_settings=None, metadata_directory=None):
    return write(folder, {"shared.txt": open("../shared.txt").read()})
"""
    pyproject = PYPROJECT + '[tool.any]\nfile = "../shared.txt"\n'
    write_tree(tmp_path, {"shared.txt": "found"})
    root = write_tree(tmp_path / "demo", {"pyproject.toml": pyproject, "backend.py": BACKEND + say})
    built = bench.builder().build_project(str(root), "demo", editable=False)
    assert Path(built.object.folder, "site/shared.txt").read_text() == "found"


def test_a_missing_folder_is_said(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        bench.builder().build(folder_of("../gone"), base=str(tmp_path))


def test_a_subdirectory_of_a_folder(bench: Bench, tmp_path: Path) -> None:
    make_source(tmp_path / "repo/packages/alpha", "alpha", "1.0")
    artifact = folder_of("repo", subdirectory="packages/alpha")
    assert bench.builder().build(artifact, base=str(tmp_path)).object.name == "alpha"


def test_a_folder_with_another_project_in_it(bench: Bench, tmp_path: Path) -> None:
    make_source(tmp_path / "alpha", "beta", "1.0")
    with pytest.raises(IntegrityError, match=r"beta 1\.0, where alpha was wanted"):
        bench.builder().build(folder_of("alpha"), base=str(tmp_path))


def test_only_a_ban_by_name_reaches_folders_and_none_the_project(
    bench: Bench, tmp_path: Path
) -> None:
    root = make_source(tmp_path / "alpha", "alpha", "1.0")
    builder = bench.builder(no_build=True)
    assert builder.build(folder_of("alpha"), base=str(tmp_path)).object.name == "alpha"
    builder = bench.builder(no_build=("alpha",))
    assert builder.build_project(str(root), "alpha", editable=False).object.name == "alpha"
    with pytest.raises(UnsatisfiableError):
        builder.build(folder_of("alpha"), base=str(tmp_path))


def test_setup_py_alone_means_setuptools(bench: Bench, tmp_path: Path) -> None:
    write_tree(tmp_path / "old", {"setup.py": "from setuptools import setup\nsetup()\n"})
    with pytest.raises(UnsatisfiableError) as caught:  # the index of the tests has no setuptools
        bench.builder().build_project(str(tmp_path / "old"), "old", editable=False)
    assert "setuptools" in caught.value.message


def test_the_object_can_be_imported(bench: Bench, tmp_path: Path) -> None:
    root = make_source(tmp_path / "alpha", "alpha", "1.0")
    built = bench.builder().build_project(str(root), "alpha", editable=False)
    done = subprocess.run(
        [sys.executable, "-c", "import alpha; print(alpha.__version__)"],
        env={"PYTHONPATH": f"{built.object.folder}/site"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1.0\n"

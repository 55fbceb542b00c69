"""Editable installs (PEP 660): built once, then moved to other checkouts without the backend."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from provenv.building import Built
from provenv.building.editable import editable_inputs
from provenv.building.system import BuildSystem, read_build_system
from provenv.building.template import make_template, write_wheel
from provenv.core.errors import BuildError
from provenv.core.values import replace
from provenv.model.plan import Artifact
from provenv.store.verify import verify_object
from support import make_source, make_wheel
from unit.building.helpers import BACKEND, PYPROJECT, Bench, write_tree


def points_to(built: Built) -> list[str]:
    return [p.read_text().strip() for p in Path(built.object.folder, "site").glob("*.pth")]


def test_an_editable_install_points_to_the_sources(bench: Bench, tmp_path: Path) -> None:
    root = make_source(tmp_path / "alpha", "alpha", "1.0")
    built = bench.builder().build_project(str(root), "alpha", editable=True)
    assert points_to(built) == [str(root / "src")]
    assert built.direct_url == {"url": f"file://{root}", "dir_info": {"editable": True}}
    assert str(root / "pyproject.toml") in built.inputs
    assert bench.notes == [f"building alpha from {root}, in place"]


def test_nothing_is_built_while_its_inputs_are_the_same(bench: Bench, tmp_path: Path) -> None:
    root = make_source(tmp_path / "alpha", "alpha", "1.0")
    first = bench.builder().build_project(str(root), "alpha", editable=True)
    bench.events.clear()
    (root / "src/alpha/new.py").write_text("")
    again = bench.builder().build_project(str(root), "alpha", editable=True)
    assert again.cached
    assert again.object.sha256 == first.object.sha256
    assert bench.events == []


def test_a_change_of_the_manifest_builds_again(bench: Bench, tmp_path: Path) -> None:
    root = make_source(tmp_path / "alpha", "alpha", "1.0")
    bench.builder().build_project(str(root), "alpha", editable=True)
    make_source(root, "alpha", "1.1")
    built = bench.builder().build_project(str(root), "alpha", editable=True)
    assert (built.cached, built.object.version) == (False, "1.1")


def test_another_checkout_needs_no_backend(bench: Bench, tmp_path: Path) -> None:
    root = make_source(tmp_path / "alpha", "alpha", "1.0")
    bench.builder().build_project(str(root), "alpha", editable=True)
    other = Path(shutil.copytree(root, tmp_path / "another place"))
    bench.events.clear()
    built = bench.builder().build_project(str(other), "alpha", editable=True)
    assert built.cached
    assert bench.events == []
    assert points_to(built) == [str(other / "src")]
    assert verify_object(built.object) == []
    assert built.direct_url is not None
    assert built.direct_url["url"] == f"file://{tmp_path}/another%20place"
    assert bench.left_over() == []


def test_a_checkout_with_another_layout_is_built(bench: Bench, tmp_path: Path) -> None:
    root = make_source(tmp_path / "alpha", "alpha", "1.0")
    bench.builder().build_project(str(root), "alpha", editable=True)
    other = Path(shutil.copytree(root, tmp_path / "other"))
    write_tree(other, {"src/second/__init__.py": ""})
    assert not bench.builder().build_project(str(other), "alpha", editable=True).cached


def test_a_checkout_with_other_things_lying_about_is_not(bench: Bench, tmp_path: Path) -> None:
    root = make_source(tmp_path / "alpha", "alpha", "1.0")
    bench.builder().build_project(str(root), "alpha", editable=True)
    other = Path(shutil.copytree(root, tmp_path / "other"))
    write_tree(other, {"notes.py": "", "data/x.csv": "", "scripts/run.py": "", ".venv/x.py": ""})
    assert bench.builder().build_project(str(other), "alpha", editable=True).cached


def test_an_editable_that_holds_code_belongs_to_its_place(bench: Bench, tmp_path: Path) -> None:
    code = """
def build_editable(folder, config_settings=None, metadata_directory=None):
    return write(folder, {"finder.py": f"place = {os.getcwd()!r}", "x.pth": "import finder\\n"})
"""
    root = write_tree(tmp_path / "one", {"pyproject.toml": PYPROJECT, "backend.py": BACKEND + code})
    bench.builder().build_project(str(root), "demo", editable=True)
    assert bench.builder().build_project(str(root), "demo", editable=True).cached
    other = Path(shutil.copytree(root, tmp_path / "two"))
    built = bench.builder().build_project(str(other), "demo", editable=True)
    assert not built.cached
    assert str(other) in Path(built.object.folder, "site/finder.py").read_text()


def test_an_editable_folder_of_the_lock(bench: Bench, tmp_path: Path) -> None:
    make_source(tmp_path / "libs/alpha", "alpha", "1.0")
    artifact = Artifact(
        name="alpha", version="", kind="directory", path="libs/alpha", editable=True
    )
    built = bench.builder().build(artifact, base=str(tmp_path))
    assert points_to(built) == [str(tmp_path / "libs/alpha/src")]
    assert bench.builder().build(replace(artifact, editable=False), base=str(tmp_path)).inputs


def test_a_backend_without_the_hook_is_said(bench: Bench, tmp_path: Path) -> None:
    root = write_tree(tmp_path / "one", {"pyproject.toml": PYPROJECT, "backend.py": BACKEND})
    with pytest.raises(BuildError) as caught:
        bench.builder().build_project(str(root), "demo", editable=True)
    assert "no build_editable (PEP 660)" in caught.value.message
    assert "editable = false" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"x.pth": "/root/project/src\n", "x.py": ""}, "code"),
        ({"x.pth": "import x\n"}, "code in .pth"),
        ({"x.pth": "/root/projects/src\n"}, "another path"),
        ({"x.pth": ""}, "no path"),
        ({"pkg/x.pth": "/root/project/src\n"}, "not at the top"),
    ],
)
def test_wheels_that_are_no_templates(tmp_path: Path, files: dict[str, str], text: str) -> None:
    wheel = make_wheel(tmp_path, "alpha", "1.0", files=files)
    assert make_template(str(wheel), "/root/project") is None, text


def test_a_template_gives_the_same_bytes_for_the_same_place(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path, "alpha", "1.0", files={"a.pth": "/root/project/src\n/root/project\n"}
    )
    template = json.loads(json.dumps(make_template(str(wheel), "/root/project")))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_wheel(template, "/elsewhere", str(tmp_path / name))
    one, two = (tmp_path / name / wheel.name for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert b"/elsewhere/src\n/elsewhere\n" in one.read_bytes()


PATHS = {
    "hatch": ('[tool.hatch.version]\npath = "src/alpha/about.py"\n', "src/alpha/about.py"),
    "pdm": ('[tool.pdm.version]\npath = "alpha/v.py"\n', "alpha/v.py"),
    "setuptools attr": (
        '[tool.setuptools.dynamic]\nversion = { attr = "alpha.about.V" }\n',
        "src/alpha/about.py",
    ),
    "setuptools file": (
        '[tool.setuptools.dynamic]\ndependencies = { file = ["req.in", "req.txt"] }\n',
        "req.txt",
    ),
    "uv": ('[tool.uv]\ncache-keys = [{ file = "native/*.c" }]\n', "native/one.c"),
}


@pytest.mark.parametrize("case", PATHS)
def test_files_that_dynamic_metadata_is_read_from(tmp_path: Path, case: str) -> None:
    more, path = PATHS[case]
    root = make_source(tmp_path / "alpha", "alpha", "1.0", more=more)
    write_tree(root, {path: "1"})
    system = read_build_system(str(root), "alpha")
    first = editable_inputs(str(root), system)
    write_tree(root, {path: "2"})
    assert str(root / path) in first.paths
    assert editable_inputs(str(root), system).digest != first.digest


def test_files_that_setup_cfg_names(tmp_path: Path) -> None:
    files = {
        "setup.cfg": "[metadata]\nversion = attr: alpha.__version__\n"
        "[options]\ninstall_requires = file: needs.txt\n",
        "setup.py": "",
    }
    root = write_tree(tmp_path / "alpha", files)
    found = editable_inputs(str(root), BuildSystem(requires=(), backend="setuptools.build_meta"))
    assert {str(root / "src/alpha/__init__.py"), str(root / "needs.txt")} <= set(found.paths)


def git(folder: Path, *arguments: str) -> str:
    own = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *own, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize("packed", [False, True])
def test_a_version_from_git_changes_with_commits_and_tags(tmp_path: Path, packed: bool) -> None:
    system = BuildSystem(requires=("hatch-vcs",), backend="hatchling.build")
    main = tmp_path / "main"
    main.mkdir()
    git(main, "init", "-q", "-b", "main")
    git(main, "commit", "-q", "--allow-empty", "-m", "one")
    git(main, "worktree", "add", "-q", str(tmp_path / "tree"))
    for root in (main, tmp_path / "tree"):
        seen = [editable_inputs(str(root), system)]
        git(root, "commit", "-q", "--allow-empty", "-m", "two")
        seen.append(editable_inputs(str(root), system))
        git(root, "tag", f"v{root.name}")
        if packed:
            git(root, "pack-refs", "--all")
        seen.append(editable_inputs(str(root), system))
        assert len({found.digest for found in seen}) == 3
        assert any(path.endswith("/HEAD") for path in seen[0].paths)
        assert any("/refs/heads/" in path for path in seen[0].paths)


def test_a_fixed_version_does_not_look_at_git(tmp_path: Path) -> None:
    root = make_source(tmp_path / "alpha", "alpha", "1.0")
    write_tree(root, {".git/HEAD": "ref: refs/heads/main"})
    found = editable_inputs(str(root), read_build_system(str(root), "alpha"))
    assert not any(".git" in path for path in found.paths)

"""Real backends and real sdists, from the real index."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urljoin

import pytest

from provenv.building import Built
from provenv.core.values import replace
from provenv.model.plan import Artifact
from provenv.store.verify import verify_object
from support import needs_gcc
from unit.building.helpers import Bench, this_interpreter, write_tree

pytestmark = [pytest.mark.network, pytest.mark.slow]

SIMPLE = "https://pypi.org/simple/"


@pytest.fixture
def real(bench: Bench) -> Bench:
    """A bench whose builders ask PyPI."""
    bench.index_url = SIMPLE
    bench.environ.update(os.environ)  # certificates and proxies
    return bench


def sdist(name: str, version: str) -> Artifact:
    request = urllib.request.Request(
        f"{SIMPLE}{name}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        files = json.load(answer)["files"]
    (file,) = (f for f in files if f["filename"].lower() == f"{name}-{version}.tar.gz")
    return Artifact(
        name=name,
        version=version,
        kind="sdist",
        filename=file["filename"],
        sha256=file["hashes"]["sha256"],
        size=file.get("size"),
        url=urljoin(f"{SIMPLE}{name}/", file["url"]),
        index=SIMPLE,
    )


def run(built: Built, code: str) -> str:
    start = f"import site; site.addsitedir({built.object.folder + '/site'!r}); "
    return subprocess.run(
        [sys.executable, "-c", start + code], env={}, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize(
    ("name", "version"),
    [("six", "1.17.0"), ("iniconfig", "2.0.0"), ("tomli", "2.0.1")],  # setuptools, hatchling, flit
)
def test_pure_sdists(real: Bench, name: str, version: str) -> None:
    built = real.builder().build(sdist(name, version), base="/")
    assert run(built, f"import {name}; print({name}.__name__)") == name
    assert verify_object(built.object) == []


@needs_gcc
def test_a_c_extension(real: Bench) -> None:
    built = real.builder().build(sdist("markupsafe", "3.0.2"), base="/")
    said = run(built, "import markupsafe._speedups as s; print(s.__file__)")
    assert said.endswith(".so")
    assert this_interpreter().tag.split("-")[0] in built.object.tags[0]


BACKENDS = {
    "hatchling": ("hatchling", "hatchling.build"),
    "flit": ("flit_core>=3.11", "flit_core.buildapi"),
    "pdm": ("pdm-backend", "pdm.backend"),
    "uv": ("uv_build", "uv_build"),
    "poetry": ("poetry-core>=2", "poetry.core.masonry.api"),
    "setuptools": ("setuptools>=70", "setuptools.build_meta"),
}


def source(folder: Path, backend: str, layout: str = "src/") -> Path:
    requires, module = BACKENDS[backend]
    pyproject = f"""
[build-system]
requires = ["{requires}"]
build-backend = "{module}"
[project]
name = "demo"
version = "1.0"
description = "x"
"""
    return write_tree(
        folder, {"pyproject.toml": pyproject, f"{layout}demo/__init__.py": "place = __file__\n"}
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_editable_install_moves_to_another_checkout(
    real: Bench, tmp_path: Path, backend: str
) -> None:
    root = source(tmp_path / "one", backend)
    built = real.builder().build_project(str(root), "demo", editable=True)
    assert run(built, "import demo; print(demo.place)") == str(root / "src/demo/__init__.py")
    other = Path(
        shutil.copytree(root, tmp_path / "two", ignore=shutil.ignore_patterns("*.egg-info"))
    )
    moved = real.builder().build_project(str(other), "demo", editable=True)
    assert moved.cached
    assert run(moved, "import demo; print(demo.place)") == str(other / "src/demo/__init__.py")
    assert verify_object(moved.object) == []


def test_a_flat_layout_of_setuptools_belongs_to_its_place(real: Bench, tmp_path: Path) -> None:
    root = source(tmp_path / "one", "setuptools", layout="")
    real.builder().build_project(str(root), "demo", editable=True)
    assert real.builder().build_project(str(root), "demo", editable=True).cached
    other = source(tmp_path / "two", "setuptools", layout="")
    built = real.builder().build_project(str(other), "demo", editable=True)
    assert run(built, "import demo; print(demo.place)") == str(other / "demo/__init__.py")


@pytest.mark.parametrize("backend", ["hatchling", "setuptools"])
def test_a_wheel_of_a_folder_leaves_the_folder_alone(
    real: Bench, tmp_path: Path, backend: str
) -> None:
    root = source(tmp_path / "one", backend)
    before = sorted(str(path) for path in root.rglob("*"))
    built = real.builder().build_project(str(root), "demo", editable=False)
    assert sorted(str(path) for path in root.rglob("*")) == before
    assert "/store/" in run(built, "import demo; print(demo.place)")


def test_setup_py_alone(real: Bench, tmp_path: Path) -> None:
    setup = "from setuptools import setup\nsetup(name='demo', version='1.0', py_modules=['demo'])\n"
    root = write_tree(tmp_path / "one", {"setup.py": setup, "demo.py": "x = 1\n"})
    built = real.builder().build_project(str(root), "demo", editable=False)
    assert run(built, "import demo; print(demo.x)") == "1"


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")
def test_a_version_from_git_survives_the_copy(real: Bench, tmp_path: Path) -> None:
    pyproject = """
[build-system]
requires = ["setuptools>=70", "setuptools-scm>=8"]
build-backend = "setuptools.build_meta"
[project]
name = "demo"
dynamic = ["version"]
[tool.setuptools_scm]
"""
    root = write_tree(tmp_path / "one", {"pyproject.toml": pyproject, "src/demo/__init__.py": ""})
    own = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"], ["tag", "v3.2"]):
        subprocess.run(["git", *own, *command], cwd=root, check=True)
    built = real.builder().build_project(str(root), "demo", editable=False)
    assert built.object.version == "3.2"
    assert (
        subprocess.run(
            ["git", "status", "--porcelain"], cwd=root, capture_output=True, check=True
        ).stdout
        == b""
    )


def test_the_same_sdist_gives_the_same_wheel_elsewhere(real: Bench, tmp_path: Path) -> None:
    artifact = sdist("six", "1.17.0")
    first = real.builder().build(artifact, base="/")
    elsewhere = replace(real, layout=type(real.layout)(str(tmp_path / "elsewhere")))
    os.makedirs(elsewhere.layout.root)
    again = elsewhere.builder().build(artifact, base="/")
    assert (again.cached, again.object.sha256) == (False, first.object.sha256)

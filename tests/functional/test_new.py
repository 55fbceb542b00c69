"""``new``: a project that works at once."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest

from provenv.templates.projects import TEMPLATES
from support import Project


@pytest.fixture
def desk(project: Project) -> Project:
    """A folder to make projects in."""
    project.env["GIT_CEILING_DIRECTORIES"] = str(project.folder.parent)
    return project


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_lies_in_a_new_project(desk: Project, template: str) -> None:
    result = desk.ok("new", "shop-orders", "--template", template, "--no-sync", "--json").json
    root = desk.folder / "shop-orders"
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    own = {path for path in files if not path.startswith(".git/")}
    assert own == set(result["files"])
    assert {"pyproject.toml", ".gitignore", "README.md", "src/shop_orders/__init__.py"} <= own
    assert any(path.startswith("tests/test_") for path in own)
    assert result["module"] == "shop_orders"
    assert result["repository"]
    assert (root / ".git").is_dir()
    manifest = tomllib.loads((root / "pyproject.toml").read_text())
    assert manifest["project"]["name"] == "shop-orders"
    assert set(manifest["tool"]["provenv"]["environments"]) == {"dev", "test", "staging", "prod"}
    ignored = (root / ".gitignore").read_text().splitlines()
    assert {".venv/", ".venvs/"} <= set(ignored)
    assert not any("@" in (root / path).read_text().replace("@app.get", "") for path in own)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("json", "would hide the module 'json'"),
        ("test", "would hide the module 'test'"),
        ("class", "no name for a module"),
        ("3d", "no name for a module"),
        ("-x-", "wrong"),
        ("über", "not a project's name"),
    ],
)
def test_names_that_cannot_be(desk: Project, name: str, word: str) -> None:
    before = sorted(desk.folder.iterdir())
    result = desk.run("new", f"--name={name}", "folder", "--no-sync")
    assert result.code == 2
    assert word in result.stderr or word == "wrong"
    assert sorted(desk.folder.iterdir()) == before


def test_a_folder_with_something_in_it_is_left_alone(desk: Project) -> None:
    kept = desk.write("full/notes.txt", "mine\n")
    result = desk.fails(2, "new", "full")
    assert "notes.txt is in it" in result.stderr
    assert "provenv init" in result.stderr
    assert [path.name for path in kept.parent.iterdir()] == ["notes.txt"]
    (desk.folder / "file").write_text("")
    assert "is a file" in desk.fails(2, "new", "file").stderr


def test_an_empty_folder_is_filled_where_it_stands(desk: Project) -> None:
    inside = desk.folder / "here"
    inside.mkdir()
    before = inside.stat().st_ino
    done = desk.run("new", ".", "--no-sync", "--no-git", cwd=inside)
    assert done.code == 0, done
    assert inside.stat().st_ino == before
    assert (inside / "src/here/__init__.py").is_file()
    assert not (inside / ".git").exists()


def test_no_repository_inside_a_repository(desk: Project) -> None:
    subprocess.run(["git", "init", "-q"], cwd=desk.folder, check=True)
    assert desk.ok("new", "inner", "--no-sync", "--json").json["repository"] is False


def test_where_nothing_can_be_fetched_the_project_stays(desk: Project) -> None:
    result = desk.fails(3, "new", "quiet", "--no-git", "--offline")
    assert "not locked" in result.stderr
    assert "cd quiet && provenv sync" in result.stderr
    assert (desk.folder / "quiet/pyproject.toml").is_file()
    assert not (desk.folder / "quiet/pylock.toml").exists()
    assert not list(desk.folder.glob("*.tmp"))


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("template", TEMPLATES)
def test_its_tests_and_checks_pass_at_once(desk: Project, template: str) -> None:
    del desk.env["PROVENV_INDEX_URL"]
    desk.ok("new", "shop-orders", "--template", template, "--no-git")
    inner = Project(desk.folder / "shop-orders", home=desk.home)
    told = inner.ok("run", "pytest", "-q").stdout
    assert "passed" in told
    assert "warning" not in told
    for words in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]):
        inner.ok("run", *words)
    for name in ("test", "staging", "prod"):
        inner.ok("sync", "-e", name, "--locked")
    if template != "library":
        program = Path(inner.folder, ".venvs/prod/bin/shop-orders")
        assert program.exists()

"""One lock for a workspace: how members become groups of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from provenv.core.errors import InputError
from provenv.workspace.projects import sharing
from provenv.workspace.projects.context import make_project
from provenv.workspace.projects.members import Workspace, find_workspace

ROOT = '[tool.provenv.workspace]\nmembers = ["*"]\nshared-lock = true\n'


def workspace(folder: Path, **members: str) -> Workspace:
    (folder / "pyproject.toml").write_text(ROOT)
    for name, text in members.items():
        (folder / name).mkdir()
        (folder / name / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n{text}')
    found = find_workspace(str(folder), ROOT)
    assert found is not None
    return found


def test_requirements_become_groups(tmp_path: Path) -> None:
    found = workspace(
        tmp_path,
        a='requires-python = ">=3.11"\ndependencies = ["six"]\n'
        'optional-dependencies = { Pdf = ["ink", "a[Png]"], png = ["paint"] }\n'
        '[dependency-groups]\ndev = ["a[pdf]", "tool"]\n',
        b='requires-python = ">=3.12,<3.15"\ndependencies = ["a"]\n',
    )  # fmt: skip
    whole = sharing.whole(found)
    assert whole.groups == {
        "member-a": ("six",),
        "member-a-extra-pdf": ("ink", "paint"),
        "member-a-extra-png": ("paint",),
        "member-a-group-dev": ("tool", "ink", "paint"),
        "member-b": ("a",),
    }
    assert set(str(whole.requires_python).split(",")) == {">=3.11", ">=3.12", "<3.15"}
    assert list(whole.members) == ["a"]
    assert whole.sources == {"a": {"path": "a", "editable": True}}


def test_an_environment_selects_its_part(tmp_path: Path) -> None:
    workspace(tmp_path, a='optional-dependencies = { pdf = [] }\n[dependency-groups]\ndev = []\n'
              '[tool.provenv.environments]\ndev = { extras = ["pdf"] }\n')  # fmt: skip
    text = (tmp_path / "a/pyproject.toml").read_text()
    project = make_project(str(tmp_path / "a"), text)
    chosen = project.selector(project.manifest.environment())
    assert chosen.groups == ("member-a", "member-a-extra-pdf", "member-a-group-dev")
    assert chosen.extras == ()
    assert project.lock_path(None) == str(tmp_path / "pylock.toml")


def test_what_an_environment_is_seeded_with_is_in_its_part(tmp_path: Path) -> None:
    found = workspace(tmp_path, a='[tool.provenv.environments]\nold = { seed = ["pip"] }\n')
    project = make_project(str(tmp_path / "a"), (tmp_path / "a/pyproject.toml").read_text())
    seeded = "member-a-group-provenv-seed-pip"
    assert sharing.whole(found).groups[seeded] == ("pip",)
    assert seeded in project.selector(project.manifest.environment("old")).groups
    assert seeded not in project.selector(project.manifest.environment()).groups


def test_sources_are_each_members_own(tmp_path: Path) -> None:
    found = workspace(
        tmp_path,
        a='dependencies = ["x"]\n[dependency-groups]\ndev = []\n'
        '[tool.uv.sources]\nx = { path = "../../x" }\n',
        b='dependencies = ["x"]\n[tool.uv.sources]\nx = { index = "there" }\na = { workspace = true }\n',
    )  # fmt: skip
    assert sharing.whole(found).sources["x"] == [
        {"path": "../x", "group": "member-a"},
        {"path": "../x", "group": "member-a-group-dev"},
        {"index": "there", "group": "member-b"},
    ]


def test_members_that_would_be_mixed_up_are_refused(tmp_path: Path) -> None:
    found = workspace(
        tmp_path, **{"a": "[dependency-groups]\ndev = []\n", "a-group-dev": "dependencies = []\n"}
    )
    with pytest.raises(InputError, match="member-a-group-dev"):
        sharing.whole(found)

from __future__ import annotations

from pathlib import Path

import pytest

from provenv.interpreters.pyenv import read_shim, selected, version_folder, version_names
from provenv.interpreters.search import Search
from unit.interpreters.helpers import nowhere, script

SHIM = 'program="${0##*/}"\nexec "/opt/pyenv/libexec/pyenv" exec "$program" "$@"'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("3.9.18", "3.12.1", "3.12.10", "3.12.11-dev", "3.13.0rc2", "pypy3.10-7.3.12"):
        script(tmp_path / "pyenv/versions" / name / "bin/python3", "exit 0")
    script(tmp_path / "pyenv/versions/3.12.1/envs/mine/bin/python3", "exit 0")
    (tmp_path / "pyenv/versions/mine").symlink_to("3.12.1/envs/mine")
    return tmp_path / "pyenv"


def looking(root: Path, **places: object) -> Search:
    return nowhere(pyenv_root=str(root), **places)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("3.12.1", "3.12.1"),
        ("3.12", "3.12.10"),
        ("3", "3.12.10"),
        ("pypy3.10", "pypy3.10-7.3.12"),
        ("3.13.0rc2", "3.13.0rc2"),
        ("mine", "mine"),
        ("3.12.1/envs/mine", "3.12.1/envs/mine"),
        ("3.13", None),
        ("3.1", None),
        ("../versions/3.12.1", None),
        ("", None),
        (".", None),
    ],
)
def test_a_name_means_a_folder_or_the_newest_that_begins_so(
    root: Path, name: str, folder: str | None
) -> None:
    expected = None if folder is None else f"{root}/versions/{folder}"
    assert version_folder(looking(root), name) == expected


def test_names_come_the_newest_first(root: Path) -> None:
    names = [name for name in version_names(looking(root)) if name[:4] in ("3.12", "3.9.")]
    assert names == ["3.12.11-dev", "3.12.10", "3.12.1", "3.9.18"]
    assert version_names(nowhere()) == []


def test_what_is_selected_comes_from_the_variable_the_folder_or_all(
    root: Path, tmp_path: Path
) -> None:
    inner = tmp_path / "work/inner"
    inner.mkdir(parents=True)
    assert selected(looking(root), str(inner)) == ()
    (root / "version").write_text("3.9.18\nsystem\n")
    assert selected(looking(root), str(inner)) == ("3.9.18", "system")
    (tmp_path / "work/.python-version").write_text("3.12.1 # ours\n")
    assert selected(looking(root), str(inner)) == ("3.12.1",)
    assert selected(looking(root, pyenv_version=("mine",)), str(inner)) == ("mine",)


def test_a_shim_starts_what_is_selected_and_else_what_path_has(root: Path, tmp_path: Path) -> None:
    path = script(root / "shims/python3", SHIM)
    (root / "version").write_text("3.12\n")
    shim = read_shim(path, looking(root), None)
    assert shim is not None
    assert shim.starts == f"{root}/versions/3.12.10/bin/python3"
    (root / "version").write_text("3.5.0\n")
    shim = read_shim(path, looking(root, path=(str(root / "shims"),)), None)
    assert shim is not None
    assert shim.starts is None
    assert "pyenv selects 3.5.0, without python3" in shim.reason()
    other = script(tmp_path / "bin/python3", "exit 0")
    places = (str(root / "shims"), str(tmp_path / "bin"))
    shim = read_shim(path, looking(root, path=places), None)
    assert shim is not None
    assert shim.starts == other


def test_only_pyenvs_shims_are_read(tmp_path: Path) -> None:
    asdf = script(tmp_path / "shims/python3", 'exec asdf exec "python3" "$@"')
    assert read_shim(asdf, nowhere(), None) is None
    assert read_shim(script(tmp_path / "python3", "exit 0"), nowhere(), None) is None

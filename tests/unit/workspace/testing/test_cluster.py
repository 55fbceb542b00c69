from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from provenv.cli.serving import cluster
from provenv.cli.world import make_context
from provenv.core.errors import UsageError
from provenv.model.lock import parse_lock
from provenv.trials.cells import Cell
from provenv.workspace.projects.context import LockFile, open_project
from provenv.workspace.testing.cluster import Cluster
from provenv.workspace.testing.elsewhere import Order

LOCK = """\
lock-version = "1.0"
created-by = "x"

[[packages]]
name = "lib"
version = "1.0"
{}
"""
WHEEL = (
    'wheels = [ {{ url = "https://index/a/lib-1.0-py3-none-any.whl", hashes = {{ sha256 = "{}" }} }} ]'
).format("0" * 64)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    root.mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1.0"\n')
    return root


def made(root: Path, source: str, wheels: str | None = None) -> tuple[Cluster, Order]:
    environ = {"PATH": os.environ["PATH"], "HOME": str(root.parent)}
    context = make_context(environ)
    cell = Cell(python="3.12", environment="dev", command=("true",))
    text = LOCK.format(source)
    path = str(root / "pylock.toml")
    lock = LockFile(path=path, text=text, lock=parse_lock(text, path))
    project = open_project(str(root))
    found = cluster("tcp://127.0.0.1:1", project, context, [cell], wheels=wheels)
    return found, Order(cell=cell, lock=lock, log=str(root / "log"))


def test_without_dask_the_way_to_it_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    found, _ = made(root, WHEEL)
    with pytest.raises(UsageError, match="needs Dask") as caught, found:
        pass
    assert "pip install '.[dask]'" in str(caught.value.hint)


@pytest.mark.parametrize(
    "source",
    [
        'directory = { path = "../beside" }',
        'archive = { path = "../lib-1.0.tar.gz", hashes = { sha256 = "00" } }',
        'wheels = [ { path = "../lib-1.0-py3-none-any.whl", hashes = { sha256 = "00" } } ]',
    ],
)
def test_what_lies_beside_the_project_does_not_travel(root: Path, source: str) -> None:
    found, order = made(root, source)
    with pytest.raises(UsageError, match=r"lib comes from .*, which is not sent"):
        found.check(order)
    inside, order = made(root, source.replace("../", "./"))
    inside.check(order)


def test_wheels_are_taken_from_elsewhere_and_the_hashes_hold(root: Path) -> None:
    found, order = made(root, WHEEL, wheels="https://store/wheels/")
    found.check(order)
    text = found._lock_text(order.lock)
    (wheel,) = parse_lock(text).packages[0].wheels or ()
    assert wheel.url == "https://store/wheels/lib-1.0-py3-none-any.whl"
    assert wheel.hashes == {"sha256": "0" * 64}
    plain, _ = made(root, WHEEL)
    assert plain._lock_text(order.lock) == order.lock.text
    assert plain.inputs(order) != found.inputs(order)
